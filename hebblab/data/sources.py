"""Data sets by name: which there are, where they lie, loading, fetching and checking them."""

from dataclasses import dataclass
from os import PathLike
from os.path import exists
from pathlib import Path

from hebblab.data.archives import from_npz
from hebblab.data.digits import Digits
from hebblab.data.folders import from_folder
from hebblab.data.images import Dataset
from hebblab.data.progress import Progress
from hebblab.data.published import CIFAR_10, FASHION_MNIST, MNIST, Published
from hebblab.data.store import folder, named
from hebblab.data.worlds import Drawn
from hebblab.data.worlds import sources as worlds
from hebblab.errors import DataUnavailable, unknown


@dataclass(frozen=True)
class Description:
    """A named set as a list of sets shows it.

    Attributes:
        name: The name for `load`.
        title: One line that says what it is.
        images: How many images, or points, it has.
        image_shape: (C, H, W), or (2,) for points in the plane.
        bytes: What it takes on this disk now.
        download_bytes: What a download would fetch; 0 where none is needed.
        where: The folder or file; None for what is drawn from a seed.
        present: Whether its files are there with their right lengths (`check` reads them).
    """

    name: str
    title: str
    images: int
    image_shape: tuple[int, ...]
    bytes: int
    download_bytes: int
    where: Path | None
    present: bool


_PATH_LIMIT = 4096
_Source = Digits | Published | Drawn
_EVERY: tuple[_Source, ...] = (Digits(), MNIST, FASHION_MNIST, CIFAR_10, *worlds())
_SOURCES: dict[str, _Source] = {source.name: source for source in _EVERY}


def available() -> tuple[str, ...]:
    """Return the names of the sets, sorted.

    >>> available()
    ('cifar-10', 'cloud-2d', 'clusters-2d', 'fashion-mnist', 'mnist', 'mnist-5k', 'ring-2d')
    """
    return tuple(sorted(_SOURCES))


def load(
    name: str | PathLike[str], progress: Progress | None = None, *, download: bool = True
) -> Dataset:
    """Return a data set by its name, or from a folder of images or an .npz file.

    Args:
        name: One of `available()`, or the path of a folder (`from_folder`) or .npz (`from_npz`).
        progress: Called with (done, total, text) while downloading or converting; by default a
            bar, where stderr is a terminal.
        download: Whether a named set that is not there at all is downloaded.

    Raises:
        UnknownName: For a name that is neither.
        DataUnavailable: If the set is missing, damaged or cannot be downloaded.

    >>> len(load("mnist-5k").train)
    3000
    """
    if isinstance(name, str) and name in _SOURCES:
        source = _SOURCES[name]
        if download and source.absent():
            source.fetch(progress)
        return source.read()
    path = str(name)
    if not isinstance(name, str | PathLike) or len(path) > _PATH_LIMIT:
        raise _unknown(name)
    if path.lower().endswith(".npz"):
        return from_npz(path)
    if exists(path) or not isinstance(name, str) or _like_a_path(path):
        if exists(path) and not Path(path).is_dir():
            raise DataUnavailable(f"{named(path)} is neither a folder of images nor an .npz file.")
        return from_folder(path, progress)
    raise _unknown(name)


def get(name: str, progress: Progress | None = None) -> Path | None:
    """Download what is missing or damaged of a named set, check it all, and return its place.

    None is the place of what is drawn from a seed.

    Raises:
        UnknownName: For a name that is not one of `available()`.
        DataUnavailable: If it cannot be had; the data folder is then as it was.
    """
    source = _source(name)
    source.fetch(progress)
    return source.where()


def check(name: str) -> Description:
    """Read a named set against its digests and return its description.

    Raises:
        UnknownName: For a name that is not one of `available()`.
        DataUnavailable: If a file is missing or is not the published one.

    >>> check("mnist-5k").present
    True
    """
    _source(name).read()
    return describe(name)


def describe(name: str) -> Description:
    """Return what is known of a named set without reading it.

    Raises:
        UnknownName: For a name that is not one of `available()`.

    >>> describe("mnist").images
    70000
    """
    source = _source(name)
    try:
        where = source.where()
    except DataUnavailable:
        where = folder()
    return Description(
        source.name,
        source.title,
        source.images,
        source.image_shape,
        sum(path.stat().st_size for path in source.files()),
        source.download_bytes,
        where,
        source.present(),
    )


def _source(name: str) -> _Source:
    if not isinstance(name, str) or name not in _SOURCES:
        raise _unknown(name)
    return _SOURCES[name]


def _unknown(name: object) -> Exception:
    return unknown(
        "data set", name, available(), "A folder of images or an .npz file is given by its path."
    )


def _like_a_path(name: str) -> bool:
    """Say whether a person who wrote this meant a path, though nothing is there."""
    return "/" in name or "\\" in name or name.startswith("~")
