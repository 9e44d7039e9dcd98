import hashlib
import importlib.util
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import hebblab.data as data
from hebblab.data import sources
from hebblab.data.published import CIFAR_10, FASHION_MNIST, MNIST
from hebblab.errors import DataUnavailable


def refused(name: str, home: Path, words: str) -> str:
    with pytest.raises(DataUnavailable) as refusal:
        data.load(name)
    told = str(refusal.value)
    assert words in told
    assert str(home) in told
    assert f"`hebblab data get {name}` mends it" in told
    assert "stays usable on mnist-5k" in told
    assert told.count(". ") == 0
    return told


def test_idx_files_are_read(tiny_mnist):
    dataset = data.load("mnist")
    raw = tiny_mnist.files()[0].read_bytes()
    pixels = torch.frombuffer(bytearray(raw[16:]), dtype=torch.uint8).view(40, 1, 4, 4)
    assert torch.equal(dataset.train.pixels, pixels[:20])
    assert torch.equal(dataset.validation.pixels, pixels[20:])
    assert dataset.train.labels.tolist() == [*range(10), *range(10)]
    assert len(dataset.test) == 10


def test_cifar_batches_are_read(tiny_cifar):
    dataset = data.load("cifar-10")
    assert dataset.image_shape == (3, 32, 32)
    assert dataset.classes[:2] == ("airplane", "automobile")
    first = tiny_cifar.files()[0].read_bytes()
    start = first.index(b"T" + (30720).to_bytes(4, "little")) + 5
    assert bytes(dataset.train.pixels[0].flatten().tolist()) == first[start : start + 3072]
    labels = torch.cat((dataset.train.labels, dataset.validation.labels))
    assert labels.tolist() == [(i - batch) % 10 for batch in range(5) for i in range(10)]
    assert dataset.test.labels.tolist() == [(i - 5) % 10 for i in range(10)]


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80", b"not a pickle", b"\x80\x02}.", b"cos\nsystem\n(U\x04exit\x85R.", b"U\xffx"],
)
def test_what_is_no_cifar_batch_is_refused_and_never_run(tiny_cifar, home, content):
    parts = list(tiny_cifar.parts)
    (home / parts[0].path).write_bytes(content)
    parts[0] = replace(parts[0], size=len(content), md5=hashlib.md5(content).hexdigest())
    sources._SOURCES["cifar-10"] = replace(tiny_cifar, parts=tuple(parts))
    refused("cifar-10", home, "not a CIFAR-10 batch")


@pytest.mark.parametrize("which", range(4))
def test_a_missing_file_is_named(tiny_mnist, home, which):
    path = tiny_mnist.files()[which]
    path.unlink()
    assert not data.describe("mnist").present
    refused("mnist", home, f"{path.name} is missing")


@pytest.mark.parametrize("twentieth", range(20))
def test_truncation_is_noticed(tiny_mnist, home, twentieth):
    path = tiny_mnist.files()[0]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * twentieth // 20])
    assert not data.describe("mnist").present
    refused("mnist", home, f"bytes where {len(whole):,} belong")


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("place", [0, 3, 7, 9, -1])
def test_a_flipped_bit_is_noticed(tiny_mnist, home, which, place):
    path = tiny_mnist.files()[which]
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert data.describe("mnist").present
    refused("mnist", home, f"{path.name} is damaged")
    with pytest.raises(DataUnavailable, match="damaged"):
        data.check("mnist")


def test_what_is_no_regular_file_is_refused_without_waiting(tiny_mnist, home):
    path = tiny_mnist.files()[0]
    path.unlink()
    path.mkdir()
    refused("mnist", home, path.name)
    if hasattr(os, "mkfifo"):
        path.rmdir()
        os.mkfifo(path)
        refused("mnist", home, "not a regular file")


def test_describe_counts_what_is_there(tiny_mnist):
    described = data.describe("mnist")
    assert described.bytes == sum(part.size for part in tiny_mnist.parts)
    assert described.where == tiny_mnist.files()[0].parent
    tiny_mnist.files()[0].unlink()
    assert data.describe("mnist").bytes == described.bytes - tiny_mnist.parts[0].size


def test_pixels_are_the_files_own_and_writable(tiny_mnist):
    dataset = data.load("mnist")
    dataset.train.pixels[0] = 0
    assert data.load("mnist").fingerprint != dataset.fingerprint


def test_our_digests_are_those_of_the_installed_torchvision():
    # Read as text: torchvision cannot be imported beside every torch.
    spec = importlib.util.find_spec("torchvision")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    source = Path(spec.submodule_search_locations[0]) / "datasets" / "cifar.py"
    text = source.read_text(encoding="utf-8")
    for part in CIFAR_10.parts:
        assert part.md5 in text
    for name in ("url =", "filename =", "tgz_md5 ="):
        assert name in text
    mnist = (source.parent / "mnist.py").read_text(encoding="utf-8")
    for part in (*MNIST.parts, *FASHION_MNIST.parts):
        assert f'"{Path(part.path).name}.gz"' in mnist
    for name in ("mirrors =", "resources ="):
        assert name in mnist
