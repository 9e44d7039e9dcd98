import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import hebblab.data as data
from hebblab.data import conversions
from hebblab.errors import DataUnavailable

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")


@pytest.fixture
def root(home, tmp_path):
    return tmp_path / "pictures"


@pytest.fixture
def flat(root, picture):
    """Two classes of ten grey images each."""
    for number in range(10):
        picture(root / "cat" / f"{number}.png")
        picture(root / "dog" / "deeper" / "still" / f"{number}.png")
    return root


@pytest.fixture
def split(root, picture):
    for number in range(10):
        picture(root / "train" / "cat" / f"{number}.png")
        picture(root / "train" / "dog" / f"{number}.png")
    for number in range(3):
        picture(root / "test" / "cat" / f"{number}.png")
        picture(root / "test" / "dog" / f"{number}.png")
    return root


def refused(root, words):
    with pytest.raises(DataUnavailable) as refusal:
        data.from_folder(root)
    told = str(refusal.value)
    assert str(root) in told
    assert words in told
    assert len(told) < 800
    assert not list(data.folder().rglob("*.npz"))


def pixels_of(path):
    array = np.asarray(Image.open(path))
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def holds(images: data.Images, path: Path, label: int) -> bool:
    """Whether this file is among the images, with this label."""
    same = (images.pixels == torch.from_numpy(pixels_of(path).copy())).flatten(1).all(1)
    return images.labels[same].tolist() == [label]


def test_classes_are_split_the_same_for_everybody(flat):
    dataset = data.from_folder(flat)
    assert dataset.name == "pictures"
    assert dataset.classes == ("cat", "dog")
    assert dataset.image_shape == (1, 5, 6)
    splits = (dataset.train, dataset.validation, dataset.test)
    assert [split.labels.bincount().tolist() for split in splits] == [[6, 6], [2, 2], [2, 2]]
    for label, paths in enumerate((flat / "cat", flat / "dog")):
        for path in paths.rglob("*.png"):
            assert sum(holds(images, path, label) for images in splits) == 1
    assert data.load(str(flat)).fingerprint == dataset.fingerprint


def test_train_and_test_are_kept_and_validation_is_taken_from_train(split):
    dataset = data.from_folder(split)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (16, 4, 6)
    assert dataset.validation.labels.bincount().tolist() == [2, 2]
    for label, name in enumerate(("cat", "dog")):
        for path in (split / "test" / name).iterdir():
            assert holds(dataset.test, path, label)


@pytest.mark.parametrize("name", ["validation", "val"])
def test_a_validation_folder_is_used(split, picture, name):
    for kind in ("cat", "dog"):
        picture(split / name / kind / "one.png")
    dataset = data.from_folder(split)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (20, 2, 6)
    assert holds(dataset.validation, split / name / "dog" / "one.png", 1)


def test_splits_are_in_mixed_order(split):
    labels = data.from_folder(split).train.labels.tolist()
    assert labels != sorted(labels)


@pytest.mark.parametrize(
    "name", ["a.png", "a.PNG", "a.jpg", "a.jpeg", "a.bmp", "a.pgm", "a.webp", "a.gif"]
)
def test_formats(root, picture, name):
    for kind in ("x", "y"):
        for number in range(5):
            picture(root / kind / f"{number}{name}")
    dataset = data.from_folder(root)
    assert len(dataset.train) == 6
    assert dataset.image_shape[1:] == (5, 6)


def test_grey_stays_one_channel_and_one_colour_image_makes_three(flat, picture):
    picture(flat / "cat" / "alpha.png", mode="LA")
    assert data.from_folder(flat).image_shape == (1, 5, 6)
    picture(flat / "cat" / "colour.png", mode="RGB")
    dataset = data.from_folder(flat)
    assert dataset.image_shape == (3, 5, 6)
    splits = (dataset.train, dataset.validation, dataset.test)
    assert sum(holds(images, flat / "cat" / "colour.png", 0) for images in splits) == 1
    assert sum(holds(images, flat / "cat" / "0.png", 0) for images in splits) == 1


def test_converted_once_and_kept(flat, monkeypatch):
    heard = []
    first = data.from_folder(flat, progress=lambda *told: heard.append(told))
    assert heard[-1] == (40, 40, "Converting pictures")
    monkeypatch.setattr(conversions, "_decode", lambda *_: pytest.fail("decoded again"))
    monkeypatch.setattr(conversions, "_look", lambda *_: pytest.fail("opened again"))
    again = data.from_folder(flat, progress=lambda *told: pytest.fail("progress again"))
    assert again.fingerprint == first.fingerprint
    assert len(list((data.folder() / "converted").iterdir())) == 1


def test_changes_are_noticed(flat, picture):
    first = data.from_folder(flat).fingerprint
    path = flat / "cat" / "0.png"
    kept = path.stat()
    picture(path)
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns + 1_000_000))
    second = data.from_folder(flat).fingerprint
    path.rename(flat / "dog" / "00.png")
    third = data.from_folder(flat)
    assert len({first, second, third.fingerprint}) == 3
    picture(flat / "dog" / "new.png")
    fourth = data.from_folder(flat)
    total = sum(len(split) for split in (fourth.train, fourth.validation, fourth.test))
    assert total == 21


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "other", "remove"])
def test_what_was_kept_and_is_damaged_is_converted_again(flat, damage):
    first = data.from_folder(flat).fingerprint
    (path,) = (data.folder() / "converted").iterdir()
    content = bytearray(path.read_bytes())
    if damage == "truncate":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[content.index(b"pixels.npy") + 300] ^= 1
        path.write_bytes(content)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "other":
        np.savez(path, key=np.array("x"), digest=np.array("x"), pixels=np.zeros(3))
    else:
        path.unlink()
    assert data.from_folder(flat).fingerprint == first
    assert path.read_bytes() != b""


def test_a_tampered_copy_with_right_checksums_is_converted_again(flat):
    first = data.from_folder(flat).fingerprint
    (path,) = (data.folder() / "converted").iterdir()
    with np.load(path) as kept:
        arrays = dict(kept)
    arrays["pixels"][0, 0, 0, 0] ^= 1
    np.savez(path, **arrays)
    assert data.from_folder(flat).fingerprint == first


def test_a_data_folder_that_cannot_be_written_is_no_reason_to_fail(flat, tmp_path, monkeypatch):
    first = data.from_folder(flat).fingerprint
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HEBBLAB_DATA", str(tmp_path / "file" / "beneath"))
    assert data.from_folder(flat).fingerprint == first
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    monkeypatch.setenv("HEBBLAB_DATA", str(locked))
    assert data.from_folder(flat).fingerprint == first
    locked.chmod(0o700)


def test_an_interrupted_conversion_leaves_nothing(flat):
    def interrupt(done, total, text):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        data.from_folder(flat, progress=interrupt)
    assert list(data.folder().iterdir()) == []


class TestRefusals:
    def test_missing(self, root):
        refused(root, "No such file")

    def test_a_file(self, root):
        root.write_text("")
        refused(root, "it is no folder")

    def test_no_images(self, root):
        root.mkdir()
        refused(root, "there are no images in it")
        (root / "cat").mkdir()
        refused(root, "there are no images in 'cat'")
        for number in range(3):
            (root / "cat" / f"{number}.tif").write_bytes(b"")
        (root / "cat" / "notes.txt").write_text("")
        (root / "cat" / ".hidden.png").write_bytes(b"")
        refused(root, "only other files (3 .tif, 1 .txt); images end in .png, .jpg")

    def test_one_empty_class(self, flat):
        (flat / "empty").mkdir()
        refused(flat, "there are no images in 'empty'")

    def test_loose_images(self, flat, split, picture):
        picture(split / "train" / "loose.png")
        refused(split, "only validation may stand, and once, not 'cat'")
        shutil.rmtree(split / "cat")
        shutil.rmtree(split / "dog")
        refused(split, "images lie in no class folder (1): 'loose.png'")

    def test_loose_images_at_the_top(self, flat, picture):
        for number in range(5):
            picture(flat / f"{number}.png")
        refused(flat, "images lie in no class folder (5): '0.png', '1.png', '2.png' and 2 more")

    def test_train_without_test(self, split):
        shutil.rmtree(split / "test")
        refused(split, "it has no folder 'test'")

    def test_two_validation_folders(self, split, picture):
        for name in ("val", "validation"):
            picture(split / name / "cat" / "0.png")
        refused(split, "only validation may stand, and once")

    def test_different_classes(self, split, picture):
        picture(split / "test" / "bird" / "0.png")
        refused(split, "test has not the classes of train; they differ in 'bird'")

    def test_unequal_sizes(self, flat, picture):
        for number in range(4):
            picture(flat / "cat" / f"big{number}.png", size=(7, 5))
        refused(flat, "4 of 24 images differ from the others' 6×5 pixels: 'cat")
        refused(flat, "has 7×5")
        refused(flat, "and 1 more")

    def test_unreadable_files(self, flat):
        (flat / "cat" / "a.png").write_bytes(b"")
        (flat / "cat" / "b.jpg").write_text("<html>not found</html>")
        refused(flat, "2 of 22 images cannot be read: 'cat")

    @pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.bmp", "x.gif", "x.webp", "x.pgm"])
    def test_truncated_images(self, flat, picture, name):
        path = flat / "cat" / name
        picture(path, size=(6, 5), mode="L")
        whole = path.read_bytes()
        for twentieth in range(0, 20, 3):
            path.write_bytes(whole[: len(whole) * twentieth // 20])
            refused(flat, "1 of 21 images cannot be read")

    def test_a_flipped_byte_in_a_png(self, flat):
        path = flat / "cat" / "3.png"
        content = bytearray(path.read_bytes())
        content[content.index(b"IDAT") + 8] ^= 1
        path.write_bytes(content)
        refused(flat, "1 of 20 images cannot be read")

    def test_sixteen_bits(self, flat, picture):
        picture(flat / "cat" / "deep.png", mode="I;16")
        refused(flat, "mode I;16, not 8 bits a channel")

    def test_animations(self, flat):
        frames = [Image.new("L", (6, 5), value) for value in (0, 99, 200)]
        frames[0].save(flat / "cat" / "x.gif", save_all=True, append_images=frames[1:])
        refused(flat, "animated")

    def test_another_format_under_an_allowed_name(self, flat):
        Image.new("L", (6, 5)).save(flat / "cat" / "x.png", format="TIFF")
        refused(flat, "1 of 21 images cannot be read")

    @pytest.mark.parametrize("limit", [5, 10, 16, 25])
    def test_more_pixels_than_pillow_allows(self, flat, monkeypatch, limit):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        refused(flat, "20 of 20 images cannot be read")

    def test_more_than_memory_allows(self, flat, monkeypatch):
        monkeypatch.setattr(conversions, "BYTES_LIMIT", 20 * 30 - 1)
        refused(flat, "do not fit")

    def test_too_few_to_split(self, root, picture):
        picture(root / "cat" / "0.png")
        refused(root, "too few images to be split into training, validation and test (1)")

    def test_odd_paths(self, home):
        for odd in ("\0", "x" * 10**5, "~nobody-has-this-name/x"):
            with pytest.raises(DataUnavailable) as refusal:
                data.from_folder(odd)
            assert len(str(refusal.value)) < 600


@needs_links
class TestLinks:
    def test_links_that_leave_are_skipped_and_named(self, flat, picture, tmp_path):
        picture(tmp_path / "outside" / "secret.png")
        (flat / "cat" / "out.png").symlink_to(tmp_path / "outside" / "secret.png")
        (flat / "cat" / "up").symlink_to(tmp_path / "outside")
        (flat / "fish").symlink_to(tmp_path / "outside")
        (flat / "cat" / "around").symlink_to(flat)
        (flat / "cat" / "self.png").symlink_to(flat / "cat" / "self.png")
        with pytest.warns(UserWarning, match=r"were skipped \(5\)"):
            dataset = data.from_folder(flat)
        assert dataset.classes == ("cat", "dog")
        assert len(dataset.train) == 12
        (note,) = dataset.notes
        assert "'fish'" in note
        assert "and 2 more" in note
        with pytest.warns(UserWarning, match=r"were skipped \(5\)"):
            assert data.from_folder(flat).notes == dataset.notes

    def test_links_that_stay_are_followed(self, flat):
        (flat / "dog" / "same.png").symlink_to(flat / "cat" / "0.png")
        dataset = data.from_folder(flat)
        splits = (dataset.train, dataset.validation, dataset.test)
        assert sum(len(split) for split in splits) == 21
        assert dataset.notes == ()

    def test_links_to_nothing_are_unreadable(self, flat):
        (flat / "dog" / "gone.png").symlink_to(flat / "cat" / "gone.png")
        refused(flat, "1 of 21 images cannot be read: 'dog/gone.png'")

    def test_the_folder_itself_may_be_a_link(self, flat, tmp_path):
        (tmp_path / "link").symlink_to(flat)
        assert data.from_folder(tmp_path / "link").fingerprint == data.from_folder(flat).fingerprint

    def test_named_pipes_are_refused_without_waiting(self, flat):
        os.mkfifo(flat / "cat" / "pipe.png")
        refused(flat, "1 of 21 images cannot be read: 'cat/pipe.png'")


@needs_links
def test_odd_names_work_and_are_shown_safely(root, picture):
    names = ["<b>x", "a b'\"", "é\n2", b"\xff\xfe".decode("utf-8", "surrogateescape"), "%s{0}"]
    for name in names:
        for number in range(5):
            picture(root / name / f"{name}{number}.png")
    dataset = data.from_folder(root)
    assert len(dataset.classes) == 5
    assert all(name.isprintable() for name in dataset.classes)
    assert len(dataset.train) == 15
    "".join(dataset.classes).encode("utf-8")
    (root / names[3] / "bad\udcff\n.png").write_bytes(b"")
    with pytest.raises(DataUnavailable) as refusal:
        data.from_folder(root)
    str(refusal.value).encode("utf-8")
    assert "\n" not in str(refusal.value)


def test_dots_and_system_files_are_ignored(flat):
    (flat / ".ipynb_checkpoints").mkdir()
    (flat / "__MACOSX").mkdir()
    (flat / ".DS_Store").write_bytes(b"")
    (flat / "cat" / "._0.png").write_bytes(b"")
    assert data.from_folder(flat).classes == ("cat", "dog")


def test_paths_may_begin_with_a_tilde(flat, monkeypatch):
    monkeypatch.setenv("HOME", str(flat.parent))
    monkeypatch.setenv("USERPROFILE", str(flat.parent))
    assert data.load("~/pictures").classes == ("cat", "dog")


def test_a_warning_of_pillow_for_large_images_is_no_noise(flat, monkeypatch):
    code = (
        "import sys, hebblab.data; from PIL import Image; Image.MAX_IMAGE_PIXELS = 20\n"
        "try: hebblab.data.from_folder(sys.argv[1])\n"
        "except OSError as error: assert '20 of 20' in str(error)\n"
        "else: raise SystemExit('was not refused')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(flat)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.data
def test_real_jpegs_load(tmp_path, monkeypatch):
    source = data.folder() / "cifar-10-jpeg"
    monkeypatch.setenv("HEBBLAB_DATA", str(tmp_path / "data-folder"))
    for split, each in (("train", 10), ("test", 5)):
        for kind in sorted((source / split).iterdir()):
            place = tmp_path / "cifar" / split / kind.name
            place.mkdir(parents=True)
            for path in sorted(kind.iterdir())[:each]:
                shutil.copy(path, place)
    dataset = data.load(tmp_path / "cifar")
    assert dataset.image_shape == (3, 32, 32)
    assert dataset.classes[:3] == ("airplane", "automobile", "bird")
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (80, 20, 50)
    assert holds(dataset.test, tmp_path / "cifar" / "test" / "frog" / "0000.jpg", 6)
