"""The published sets in torchvision's layout: their files, digests and formats."""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor

from hebblab.data.downloads import fetch
from hebblab.data.images import Dataset, Images
from hebblab.data.progress import Progress
from hebblab.data.store import folder, has_size, mending, read_checked
from hebblab.errors import DataUnavailable

_HELD_OUT = 10_000

Arrays = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class File:
    """One file of a set: its path within the data folder, its length and its published MD5."""

    path: str
    size: int
    md5: str


@dataclass(frozen=True)
class Published:
    """A set that torchvision knows where to find; read without torchvision once it is there."""

    name: str
    title: str
    images: int
    image_shape: tuple[int, ...]
    classes: tuple[str, ...]
    download_bytes: int
    torchvision_name: str
    parts: tuple[File, ...]
    parse: Callable[[list[bytearray]], Arrays]

    def where(self) -> Path:
        """Return the folder that holds the files, whether or not they are there."""
        return (folder() / self.parts[0].path).parent

    def files(self) -> tuple[Path, ...]:
        """Return those files that exist."""
        paths = (folder() / part.path for part in self.parts)
        return tuple(path for path in paths if path.is_file())

    def present(self) -> bool:
        """Say whether every file is there with the right length; `read` looks at the digests."""
        return all(has_size(folder() / part.path, part.size) for part in self.parts)

    def absent(self) -> bool:
        """Say whether not one file is there, so that a download can overwrite nothing."""
        return not any((folder() / part.path).exists() for part in self.parts)

    def read(self) -> Dataset:
        """Return the set: the published test images, the last 10,000 others for validation.

        Raises:
            DataUnavailable: If a file is missing or is not, byte for byte, the published one.
        """
        try:
            contents = [read_checked(folder() / p.path, p.size, p.md5) for p in self.parts]
            pixels, labels, test_pixels, test_labels = self.parse(contents)
        except DataUnavailable as error:
            raise mending(self.name, str(error)) from None
        held = min(_HELD_OUT, len(pixels) // 2)
        return Dataset(
            self.name,
            Images(pixels[:-held], labels[:-held]),
            Images(pixels[-held:], labels[-held:]),
            Images(test_pixels, test_labels),
            self.classes,
        )

    def fetch(self, progress: Progress | None) -> None:
        """Download the files that are missing or damaged; the others are left alone.

        Raises:
            DataUnavailable: If they cannot be had. Nothing half done is left.
        """
        wanted = [part for part in self.parts if not self._intact(part)]
        why = "it is not there, and " if self.absent() else ""
        if wanted:
            try:
                expected = [(part.path, part.size, part.md5) for part in wanted]
                fetch(self.torchvision_name, expected, folder(), progress)
            except DataUnavailable as error:
                raise mending(self.name, f"{why}{error}") from None

    def _intact(self, part: File) -> bool:
        try:
            read_checked(folder() / part.path, part.size, part.md5)
        except DataUnavailable:
            return False
        return True


def _idx(content: bytearray, rank: int) -> Tensor:
    """Return the uint8 tensor of an IDX file: type and rank, the lengths as big-endian, bytes."""
    lengths = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank)]
    start = 4 + 4 * rank
    if content[:4] != bytes((0, 0, 8, rank)) or torch.Size(lengths).numel() != len(content) - start:
        raise DataUnavailable("a file is not in the IDX format")
    return torch.frombuffer(content, dtype=torch.uint8, offset=start).view(lengths)


def _parse_idx(contents: list[bytearray]) -> Arrays:
    images, labels, test_images, test_labels = contents
    return (
        _idx(images, 3).unsqueeze(1),
        _idx(labels, 1).long(),
        _idx(test_images, 3).unsqueeze(1),
        _idx(test_labels, 1).long(),
    )


def _batch(content: bytearray) -> tuple[Tensor, Tensor]:
    """Return pixels and labels of one CIFAR batch, read off its opcodes: nothing is unpickled.

    A batch is a dictionary: under "labels" small integers, under "data" the pixels as one string.
    """
    key, labels = "", []
    try:
        for opcode, argument, _ in pickletools.genops(BytesIO(content)):
            if opcode.name == "SHORT_BINSTRING" and argument in ("labels", "data", "filenames"):
                key = argument
            elif opcode.name == "BININT1" and key == "labels":
                labels.append(argument)
            elif opcode.name == "BINSTRING" and key == "data" and argument:
                values = bytearray(argument.encode("latin-1"))
                pixels = torch.frombuffer(values, dtype=torch.uint8).view(-1, 3, 32, 32)
                return pixels, torch.tensor(labels)
    except (ValueError, RuntimeError):
        pass
    raise DataUnavailable("a file is not a CIFAR-10 batch")


def _parse_cifar(contents: list[bytearray]) -> Arrays:
    batches = [_batch(content) for content in contents[:6]]
    pixels = torch.cat([pixels for pixels, _ in batches[:5]])
    labels = torch.cat([labels for _, labels in batches[:5]])
    return pixels, labels, *batches[5]


def _idx_files(place: str, digests: tuple[str, str, str, str]) -> tuple[File, ...]:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    sizes = (47_040_016, 60_008, 7_840_016, 10_008)
    return tuple(
        File(f"{place}/raw/{name}-ubyte", size, md5)
        for name, size, md5 in zip(names, sizes, digests, strict=True)
    )


MNIST = Published(
    "mnist",
    "70,000 handwritten digits",
    70_000,
    (1, 28, 28),
    tuple("0123456789"),
    11_594_722,
    "MNIST",
    _idx_files(
        "MNIST",
        (
            "6bbc9ace898e44ae57da46a324031adb",
            "a25bea736e30d166cdddb491f175f624",
            "2646ac647ad5339dbf082846283269ea",
            "27ae3e4e09519cfbb04c329615203637",
        ),
    ),
    _parse_idx,
)

FASHION_MNIST = Published(
    "fashion-mnist",
    "70,000 pieces of clothing, from Zalando",
    70_000,
    (1, 28, 28),
    (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    30_878_645,
    "FashionMNIST",
    _idx_files(
        "FashionMNIST",
        (
            "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "9018921c3c673c538a1fc5bad174d6f9",
            "8181f5470baa50b63fa0f6fddb340f0a",
            "15d484375f8d13e6eb1aabb0c3f46965",
        ),
    ),
    _parse_idx,
)

CIFAR_10 = Published(
    "cifar-10",
    "60,000 colour photographs of ten kinds",
    60_000,
    (3, 32, 32),
    (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    170_498_071,
    "CIFAR10",
    tuple(
        File(f"cifar-10-batches-py/{name}", size, md5)
        for name, size, md5 in (
            ("data_batch_1", 31_035_704, "c99cafc152244af753f735de768cd75f"),
            ("data_batch_2", 31_035_320, "d4bba439e000b95fd0a9bffe97cbabec"),
            ("data_batch_3", 31_035_999, "54ebc095f3ab1f0389bbae665268c751"),
            ("data_batch_4", 31_035_696, "634d18415352ddfa80567beed471001a"),
            ("data_batch_5", 31_035_623, "482c414d41f54cd18b22e5b47cb7c3cb"),
            ("test_batch", 31_035_526, "40351d587109b95175f43aff81a1287e"),
            ("batches.meta", 158, "5ff9c542aee3614f3951f8cda6e48888"),
        )
    ),
    _parse_cifar,
)
