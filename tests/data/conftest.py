"""What the tests of data share: an own data folder, and tiny sets in the published formats."""

import hashlib
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hebblab.data import sources
from hebblab.data.published import CIFAR_10, MNIST, File, Published


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder of the test's own."""
    path = tmp_path / "data-folder"
    path.mkdir()
    monkeypatch.setenv("HEBBLAB_DATA", str(path))
    return path


def idx(array: np.ndarray) -> bytes:
    return (
        struct.pack(">HBB", 0, 8, array.ndim)
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.astype(np.uint8).tobytes()
    )


def cifar_batch(pixels: np.ndarray, labels: np.ndarray) -> bytes:
    """The opcodes of a published batch: protocol 2, labels before pixels, both plain strings."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    numbers = b"".join(b"K" + bytes([label]) for label in labels)
    shape = b"".join(b"M" + struct.pack("<H", length) for length in pixels.shape[:2])
    return (
        b"\x80\x02}(" + text(b"batch_label") + text(b"training batch 1 of 5")
        + text(b"labels") + b"](" + numbers + b"e"
        + text(b"data") + b"cnumpy.core.multiarray\n_reconstruct\n" + b"cnumpy\nndarray\n"
        + b"K\x00\x85" + text(b"b") + b"\x87R(K\x01" + shape + b"\x86"
        + b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R\x89"
        + b"T" + struct.pack("<i", pixels.size) + pixels.tobytes() + b"tb"
        + text(b"filenames") + b"](e" + b"u."
    )  # fmt: skip


def write(root: Path, contents: dict[str, bytes]) -> tuple[File, ...]:
    for path, content in contents.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return tuple(
        File(path, len(content), hashlib.md5(content).hexdigest())
        for path, content in contents.items()
    )


@pytest.fixture
def tiny_mnist(home: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    """`mnist`, whole and with right digests, but of 40 + 10 images of 4×4 pixels."""
    draw = np.random.RandomState(0)
    files = {}
    for split, length in (("train", 40), ("t10k", 10)):
        files[f"MNIST/raw/{split}-images-idx3-ubyte"] = idx(draw.randint(0, 256, (length, 4, 4)))
        files[f"MNIST/raw/{split}-labels-idx1-ubyte"] = idx(np.arange(length) % 10)
    tiny = replace(MNIST, parts=write(home, files))
    monkeypatch.setitem(sources._SOURCES, "mnist", tiny)
    return tiny


@pytest.fixture
def tiny_cifar(home: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    """`cifar-10`, whole and with right digests, but of 5 × 10 + 10 images."""
    draw = np.random.RandomState(1)
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    files = {
        f"cifar-10-batches-py/{name}": cifar_batch(
            draw.randint(0, 256, (10, 3072), dtype=np.uint8), np.roll(np.arange(10), number)
        )
        for number, name in enumerate(names)
    }
    files["cifar-10-batches-py/batches.meta"] = b"meta"
    tiny = replace(CIFAR_10, parts=write(home, files))
    monkeypatch.setitem(sources._SOURCES, "cifar-10", tiny)
    return tiny


@pytest.fixture
def picture() -> Callable[..., None]:
    """A function that writes one image file of random pixels."""
    from PIL import Image

    draw = np.random.RandomState(2)

    def make(
        path: Path, size: tuple[int, int] = (6, 5), mode: str = "L", **options: object
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        width, height = size
        if mode == "I;16":
            image = Image.fromarray(draw.randint(0, 65536, (height, width)).astype(np.uint16))
        else:
            depth = {"L": (), "RGB": (3,), "RGBA": (4,), "LA": (2,)}[mode]
            image = Image.fromarray(draw.randint(0, 256, (height, width, *depth), dtype=np.uint8))
        image.save(path, **options)

    return make
