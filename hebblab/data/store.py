"""The data folder: reading files against their digests, and writing them whole or not at all."""

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hebblab.errors import DataUnavailable, shown


def folder() -> Path:
    """Return the folder of data sets: HEBBLAB_DATA, else the user's cache folder.

    >>> import hebblab.data
    >>> hebblab.data.folder().is_absolute()
    True
    """
    named = os.environ.get("HEBBLAB_DATA", "")
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("hebblab", appauthor=False)) / "data"


def mending(name: str, what: str) -> DataUnavailable:
    """Return the error for a named set: one sentence with the folder and the command that mends."""
    return DataUnavailable(
        f"{name} cannot be used: {what} (data folder: {folder()}); "
        f"`hebblab data get {name}` mends it, and the lab stays usable on mnist-5k."
    )


def read_checked(path: Path, size: int, md5: str) -> bytearray:
    """Return a file's bytes after checking length and MD5.

    Raises:
        DataUnavailable: With half a sentence, for the caller to complete.
    """
    try:
        status = path.stat()  # before opening, which would wait for ever at a named pipe
        if not stat.S_ISREG(status.st_mode):
            raise DataUnavailable(f"{path.name} is not a regular file")
        if status.st_size != size:
            raise DataUnavailable(f"{path.name} has {status.st_size:,} bytes where {size:,} belong")
        content = bytearray(size)
        with open(path, "rb") as file:
            read = file.readinto(content)
    except FileNotFoundError:
        raise DataUnavailable(f"{path.name} is missing") from None
    except DataUnavailable:
        raise
    except OSError as error:
        raise DataUnavailable(f"{path.name} cannot be read ({reason(error)})") from None
    if read != size or hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise DataUnavailable(f"{path.name} is damaged, its digest is not the published one")
    return content


def has_size(path: Path, size: int) -> bool:
    """Say whether a regular file of that size is there, without reading it."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == size


def named(path: str | os.PathLike[str]) -> str:
    """Return a path as a sentence may show it, however long or odd it is."""
    text = os.fspath(path)
    return text if len(text) <= 300 and text.isprintable() else shown(text, 300)


def reason(error: BaseException) -> str:
    """Return an exception's own words on one line, short enough for a sentence."""
    told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    words = " ".join(told.split()) or type(error).__name__
    return words if len(words) <= 200 else words[:199] + "…"


def listed(words: Iterable[str]) -> str:
    """Return the first three, and how many more there are."""
    words = list(words)
    more = f" and {len(words) - 3:,} more" if len(words) > 3 else ""
    return ", ".join(words[:3]) + more


@contextmanager
def workshop(parent: Path) -> Iterator[Path]:
    """Give a fresh folder beside its destination, gone afterwards whatever happens.

    What is complete is moved out of it by `os.replace`, so nobody ever sees half a file.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=parent) as name:
        yield Path(name)
