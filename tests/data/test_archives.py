import io
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch

import hebblab.data as data
from hebblab.data import archives
from hebblab.errors import DataUnavailable

DRAW = np.random.RandomState(3)
PIXELS = DRAW.randint(0, 256, (50, 6, 5), dtype=np.uint8)
LABELS = np.arange(50) % 5


@pytest.fixture
def path(tmp_path):
    return tmp_path / "set.npz"


def refused(path, words):
    with pytest.raises(DataUnavailable) as refusal:
        data.from_npz(path)
    told = str(refusal.value)
    assert told.startswith(f"{path} cannot be used: ")
    assert words in told
    assert len(told) < 700


def with_member(path, content, name="images.npy"):
    """An archive of right labels and one member of these bytes."""
    np.savez(path, labels=LABELS)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)


def header(text, data=b""):
    text = text.encode("latin-1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def test_images_and_labels_are_split_the_same_for_everybody(path):
    np.savez(path, images=PIXELS, labels=LABELS)
    dataset = data.from_npz(path)
    assert dataset.name == "set.npz"
    assert dataset.classes == ("0", "1", "2", "3", "4")
    assert dataset.image_shape == (1, 6, 5)
    for split, each in ((dataset.train, 6), (dataset.validation, 2), (dataset.test, 2)):
        assert split.labels.bincount().tolist() == [each] * 5
        for pixels, label in zip(split.pixels, split.labels, strict=True):
            matches = np.flatnonzero((pixels[0].numpy() == PIXELS).all((1, 2)))
            assert LABELS[matches] == [label]
    np.savez_compressed(path, images=PIXELS, labels=LABELS)
    assert data.load(str(path)).fingerprint == dataset.fingerprint


def test_given_splits_are_kept(path):
    np.savez(
        path,
        train_images=PIXELS[:20],
        train_labels=LABELS[:20],
        validation_images=PIXELS[20:30],
        validation_labels=LABELS[20:30],
        test_images=PIXELS[30:],
        test_labels=LABELS[30:].astype(np.uint8),
        classes=np.array(["a", "b", "c", "d", "é"]),
    )
    dataset = data.from_npz(str(path))
    assert dataset.classes == ("a", "b", "c", "d", "é")
    for split, start, end in (("train", 0, 20), ("validation", 20, 30), ("test", 30, 50)):
        images = getattr(dataset, split)
        assert torch.equal(images.pixels[:, 0], torch.from_numpy(PIXELS[start:end]))
        assert images.labels.tolist() == LABELS[start:end].tolist()


def test_names_of_keras_are_known_and_validation_is_taken_from_train(path):
    colour = DRAW.randint(0, 256, (30, 4, 4, 3), dtype=np.uint8)
    labels = (np.arange(30) % 3)[:, None]
    np.savez(path, x_train=colour[:20], y_train=labels[:20], x_test=colour[20:], y_test=labels[20:])
    dataset = data.from_npz(path)
    assert dataset.image_shape == (3, 4, 4)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (17, 3, 10)
    assert torch.equal(dataset.test.pixels, torch.from_numpy(colour[20:]).permute(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("shape", "image_shape"),
    [
        ((50, 6, 5), (1, 6, 5)),
        ((50, 6, 5, 1), (1, 6, 5)),
        ((50, 1, 6, 5), (1, 6, 5)),
        ((50, 3, 10, 1), (3, 10, 1)),
        ((50, 2, 5, 3), (3, 2, 5)),
    ],
)
def test_the_place_of_the_channels_is_found(path, shape, image_shape):
    np.savez(path, images=np.asfortranarray(PIXELS.reshape(shape)), labels=LABELS)
    assert data.from_npz(path).image_shape == image_shape


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8"])
def test_vectors_are_floats(path, dtype):
    values = DRAW.standard_normal((50, 7))
    np.savez(path, images=values.astype(dtype), labels=LABELS.astype(">i2"))
    dataset = data.from_npz(path)
    assert isinstance(dataset.train, data.Vectors)
    assert dataset.image_shape == (7,)
    assert abs(dataset.train.values).max() == pytest.approx(abs(dataset.train.values.numpy()).max())
    total = sum(float(split.values.sum()) for split in (dataset.train, dataset.validation))
    assert total + float(dataset.test.values.sum()) == pytest.approx(values.sum(), abs=1e-3)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, "its arrays are named none; wanted are train_images"),
        ({"x": PIXELS}, "its arrays are named x; wanted"),
        ({"images": PIXELS / 255, "labels": LABELS}, "not float64 (50, 6, 5)"),
        ({"images": PIXELS.astype(int), "labels": LABELS}, "not int64 (50, 6, 5)"),
        ({"images": PIXELS.reshape(50, 30), "labels": LABELS}, "not uint8 (50, 30)"),
        ({"images": PIXELS.reshape(50, 2, 3, 5), "labels": LABELS}, "without 1 or 3 channels"),
        ({"images": PIXELS[:40], "labels": LABELS}, "40 inputs and 50 labels"),
        ({"images": PIXELS[:0], "labels": LABELS[:0]}, "cannot be used"),
        ({"images": PIXELS, "labels": LABELS * 1.0}, "labels must be integers"),
        ({"images": PIXELS, "labels": LABELS - 1}, "Labels count from 0"),
        ({"images": PIXELS, "labels": LABELS.astype(complex)}, "labels must be integers"),
        ({"images": PIXELS, "labels": LABELS + 10**6}, "run up to 1,000,004"),
        ({"images": PIXELS, "labels": np.eye(50, dtype=int)}, "labels must be integers (N,)"),
        ({"images": PIXELS, "labels": np.int64(3)}, "labels must be integers (N,)"),
        ({"images": PIXELS[:3], "labels": LABELS[:3]}, "too few images"),
        ({"images": np.full((50, 7), np.nan), "labels": LABELS}, "finite"),
        ({"images": PIXELS, "labels": LABELS, "classes": np.array(["a"])}, "label 4"),
        ({"images": PIXELS, "labels": LABELS, "classes": np.arange(5)}, "classes must be strings"),
        ({"images": PIXELS, "labels": LABELS, "classes": np.array([], "U1")}, "must be names"),
        (
            {
                "x_train": PIXELS, "y_train": LABELS, "x_test": PIXELS[:, 1:], "y_test": LABELS,
            },
            "one size",
        ),
        (
            {
                "x_train": PIXELS, "y_train": LABELS, "x_test": PIXELS, "y_test": LABELS,
                "x_validation": PIXELS,
            },
            "not both",
        ),
        ({f"x{i}": LABELS for i in range(65)}, "more than 64 arrays"),
    ],
)  # fmt: skip
def test_other_arrays_are_refused_in_words(path, arrays, words):
    np.savez(path, **arrays)
    refused(path, words)


class Harmful:
    def __reduce__(self):
        return (pytest.fail, ("something was unpickled",))


def test_objects_and_pickles_are_never_loaded(path):
    objects = np.array([Harmful()] * 50, dtype=object)
    np.savez(path, images=objects, labels=LABELS)
    refused(path, "images.npy holds Python objects, which are never loaded")
    np.savez(path, images=PIXELS, labels=LABELS, other=objects)
    refused(path, "other.npy holds Python objects")
    path.write_bytes(pickle.dumps(Harmful()))
    refused(path, "no whole .npz file")
    with_member(path, pickle.dumps(Harmful()))
    refused(path, "images.npy is no array")


@pytest.mark.parametrize("twentieth", range(20))
def test_truncation_is_noticed(path, twentieth):
    np.savez_compressed(path, images=PIXELS, labels=LABELS)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * twentieth // 20])
    refused(path, "no whole .npz file")


@pytest.mark.parametrize("compress", [np.savez, np.savez_compressed])
def test_no_flipped_byte_changes_what_is_loaded(path, compress):
    compress(path, images=PIXELS, labels=LABELS)
    whole = path.read_bytes()
    fingerprint = data.from_npz(path).fingerprint
    refusals = 0
    for place in range(0, len(whole), 23):
        content = bytearray(whole)
        content[place] ^= 0x55
        path.write_bytes(content)
        try:
            assert data.from_npz(path).fingerprint == fingerprint
        except DataUnavailable:
            refusals += 1
    assert refusals > len(whole) // 23 // 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (50, 6, 5)",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-50, 6, 5)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (50, 6, 6)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999999, 9999999)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': 'x'}",
        "{'descr': 'nonsense', 'fortran_order': False, 'shape': (50, 6, 5)}",
        "{'descr': [], 'fortran_order': False, 'shape': (50, 6, 5)}",
        "[" * 5000,
        "__import__('os').abort()",
    ],
)
def test_hostile_headers_are_refused_before_anything_is_read(path, text):
    with_member(path, header(text + "\n", PIXELS.tobytes()))
    refused(path, "images.npy")


@pytest.mark.parametrize("version", [b"\x00\x00", b"\x03\x00", b"\x09\x09"])
def test_unknown_versions_are_refused(path, version):
    with_member(path, b"\x93NUMPY" + version + bytes(100))
    refused(path, "images.npy is no array")


def test_what_would_not_fit_is_refused_unread(path):
    # 8 GiB of zeros, which a few kilobytes pack if the packer is patient: here only claimed.
    np.savez(path, labels=LABELS)
    text = "{'descr': '|u1', 'fortran_order': False, 'shape': (8589934592, 1, 1)}\n"
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", header(text))
    content = bytearray(path.read_bytes())
    claimed = struct.pack("<I", len(header(text)))
    place = content.rindex(claimed)
    content[place : place + 4] = struct.pack("<I", 2**32 - 2)
    path.write_bytes(content)
    refused(path, "images.npy is not as long as its header says")


def test_more_than_memory_allows_is_refused(path, monkeypatch):
    monkeypatch.setattr(archives, "BYTES_LIMIT", 1000)
    np.savez(path, images=PIXELS, labels=LABELS)
    refused(path, "GiB are allowed")


def test_a_name_twice_is_refused(path):
    np.savez(path, images=PIXELS, labels=LABELS)
    buffer = io.BytesIO()
    np.save(buffer, PIXELS[::-1])
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("images.npy", buffer.getvalue())
    refused(path, "a name twice")


def test_missing_files_folders_and_odd_names_are_refused(tmp_path):
    refused(tmp_path / "none.npz", "there is no such file")
    (tmp_path / "folder.npz").mkdir()
    refused(tmp_path / "folder.npz", "there is no such file")
    with pytest.raises(DataUnavailable) as refusal:
        data.from_npz("x" * 10**6 + "\n.npz")
    assert len(str(refusal.value)) < 500


def test_odd_but_right_names_work(tmp_path):
    path = tmp_path / "a b'é<b>{0}%s.npz"
    np.savez(path, images=PIXELS, labels=LABELS)
    assert data.load(path).name == path.name
