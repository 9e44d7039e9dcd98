"""A folder of images as a data set: converted once, kept, and split the same for everybody."""

import warnings
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor

from hebblab.data.conversions import convert, keep, kept
from hebblab.data.images import Dataset, Images
from hebblab.data.listings import Listing, scan
from hebblab.data.progress import Progress, reporting
from hebblab.data.splits import stratified
from hebblab.data.store import named, reason
from hebblab.errors import DataUnavailable, InvalidValue

_VALIDATION_SHARE = 0.2


def from_folder(path: str | PathLike[str], progress: Progress | None = None) -> Dataset:
    """Return the set in a folder of PNG, JPEG, BMP, PGM, PPM, WebP or GIF images of one size.

    The folder holds `train/CLASS/...` and `test/CLASS/...`, and `validation/CLASS/...` if it likes
    (else a fifth of each class of train is taken); or `CLASS/...`, split 60 : 20 : 20 by a fixed
    seed. Folders within a class belong to it. The images of a split are in mixed order.

    Everything grey gives one channel, else all become RGB; transparency is dropped. The pixels are
    kept in the data folder and converted again when a file's name, length or time has changed.
    Links that leave the folder are skipped, which a warning and `Dataset.notes` say.

    Args:
        path: The folder.
        progress: Called with (done, total, text); by default a bar, where stderr is a terminal.

    Raises:
        DataUnavailable: If the folder is missing or holds no images, images of unequal sizes or
            unreadable ones; they are counted and the first ones named, and none is loaded.
    """
    try:
        root = Path(path).expanduser().resolve(strict=True)
        if not root.is_dir():
            raise DataUnavailable("it is no folder")
    except (OSError, RuntimeError, ValueError) as error:
        raise DataUnavailable(
            f"The folder {named(path)} cannot be used: {reason(error)}."
        ) from None
    try:
        listing = scan(root)
        splits = _splits(listing)
        pixels = _pixels(listing, torch.cat(splits), progress)
    except (DataUnavailable, InvalidValue) as error:
        raise DataUnavailable(
            f"The folder {named(root)} cannot be used: {str(error).rstrip('.')}."
        ) from None
    for note in listing.notes:
        warnings.warn(f"{named(root)}: {note}", stacklevel=2)
    labels = _labels(listing)
    train, validation, test = (
        Images(part, labels[rows])
        for part, rows in zip(
            pixels.split_with_sizes([len(rows) for rows in splits]), splits, strict=True
        )
    )
    name = root.name or str(root)
    return Dataset(name, train, validation, test, listing.classes, listing.notes)


def _labels(listing: Listing) -> Tensor:
    return torch.tensor([entry.label for entry in listing.entries])


def _splits(listing: Listing) -> tuple[Tensor, Tensor, Tensor]:
    """Return the rows of train, validation and test, each in mixed order."""
    labels = _labels(listing)

    def rows(split: str) -> Tensor:
        own = torch.tensor([entry.split == split for entry in listing.entries])
        return torch.nonzero(own).flatten()

    def mixed(rows: Tensor) -> Tensor:
        return rows[stratified(labels[rows], ())[0]]

    train = rows("train")
    if not len(train):
        train, validation, test = stratified(labels)
        return train, validation, test
    validation = rows("validation")
    if len(validation):
        return mixed(train), mixed(validation), mixed(rows("test"))
    rest, held = stratified(labels[train], (_VALIDATION_SHARE,))
    return train[rest], train[held], mixed(rows("test"))


def _pixels(listing: Listing, order: Tensor, progress: Progress | None) -> Tensor:
    """Return the pixels in the order of the splits, which are then views of one tensor."""
    pixels = kept(listing.root, listing.key)
    if pixels is None:
        paths = [listing.root / listing.entries[row].relative for row in order.tolist()]
        with reporting(progress) as report:
            pixels = convert(paths, listing.root, report)
        keep(listing.root, listing.key, pixels)
    return pixels
