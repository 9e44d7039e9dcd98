"""The data sets of the papers: the exact one where it is, else a copy that every heading names."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from hebblab import data
from hebblab.data import Dataset, Images
from hebblab.errors import DataUnavailable, InvalidValue

_CIFAR_COPY = "cifar-10-jpeg"


@dataclass(frozen=True)
class Source:
    """A data set as a paper's headings name it.

    Attributes:
        place: What `hebblab.data.load` is given.
        title: As headings have it.
        exact: Whether it is, byte for byte, the published one.
    """

    place: str
    title: str
    exact: bool = True


def exact(name: str, title: str) -> Callable[[], Source]:
    """Return the finder of a published set, which `hebblab.data` checks against its digests."""
    return lambda: Source(name, title)


def cifar_10() -> Source:
    """Return CIFAR-10 where it is, or else the JPEG copy in the data folder.

    Raises:
        DataUnavailable: Neither is there; nothing is downloaded for a paper unasked.
    """
    copy = data.folder() / _CIFAR_COPY
    if data.describe("cifar-10").bytes or not copy.is_dir():
        if not data.describe("cifar-10").present and not copy.is_dir():
            raise DataUnavailable(
                f"CIFAR-10 is not in {data.folder()}, and no JPEG copy of it is in "
                f"{copy} (train/CLASS, test/CLASS). Run: hebblab data get cifar-10"
            )
        return Source("cifar-10", "CIFAR-10")
    return Source(str(copy), "CIFAR-10, JPEG copy", exact=False)


def absent(source: Source) -> str:
    """Return why a source cannot be read and what brings it, in a sentence; nothing if it is here.

    >>> absent(Source("mnist-5k", "MNIST, 5,000 digits"))
    ''
    """
    if source.place not in data.available() or data.describe(source.place).present:
        return ""
    return (
        f"{source.title} is not in {data.folder()}: `hebblab data get {source.place}` in a "
        f'terminal, or `hl.data.get("{source.place}")` here, fetches it.'
    )


@lru_cache(maxsize=1)
def load(source: Source) -> Dataset:
    """Return the set; the last one stays in memory for the next cell.

    Raises:
        DataUnavailable: It is missing, or not the published one.
    """
    return data.load(source.place)


@lru_cache(maxsize=1)
def portion(
    dataset: Dataset,
    seed: int,
    train: int | None = None,
    validation: int | None = None,
    test: int | None = None,
) -> Dataset:
    """Return a random part of each split; the test images do not depend on the seed.

    Args:
        dataset: Of images.
        seed: Of what is drawn from training and validation images.
        train: Images to train on; None is all.
        validation: Images to choose by; None is all.
        test: Images to score at the end; None is all.

    Raises:
        InvalidValue: A split holds fewer.
    """
    generator = torch.Generator().manual_seed(seed)
    return Dataset(
        dataset.name,
        _drawn(dataset.train, train, generator, "training"),
        _drawn(dataset.validation, validation, generator, "validation"),
        _drawn(dataset.test, test, torch.Generator().manual_seed(0), "test"),
        dataset.classes,
        dataset.notes,
    )


@lru_cache(maxsize=1)
def merged(dataset: Dataset) -> Dataset:
    """Return a set that trains on training and validation images, where nothing is chosen."""
    train, validation = _images(dataset.train), _images(dataset.validation)
    both = Images(
        torch.cat((train.pixels, validation.pixels)), torch.cat((train.labels, validation.labels))
    )
    return Dataset(dataset.name, both, validation, dataset.test, dataset.classes, dataset.notes)


def _images(part: object) -> Images:
    if not isinstance(part, Images):
        raise InvalidValue("The papers' experiments are about images; this data set holds none.")
    return part


def _drawn(part: object, count: int | None, generator: torch.Generator, split: str) -> Images:
    images = _images(part)
    if count is None:
        return images
    if count > len(images):
        raise InvalidValue(
            f"The experiment takes {count:,} {split} images, and the data set has {len(images):,}."
        )
    rows: Tensor = torch.randperm(len(images), generator=generator)[:count]
    return Images(images.pixels[rows], images.labels[rows])
