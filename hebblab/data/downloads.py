"""Downloads: torchvision says where a set lies; what arrives is checked before it is moved in."""

import gzip
import hashlib
import http.client
import os
import tarfile
import urllib.request
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from hebblab.data.progress import Progress, reporting
from hebblab.data.store import reason, workshop
from hebblab.errors import DataUnavailable

_TIMEOUT_SECONDS = 20
_ARCHIVE_LIMIT = 2**30
_CHUNK = 2**18

Expected = tuple[str, int, str]
"""A file to be had: path within the data folder, length, MD5."""


def fetch(
    torchvision_name: str, wanted: Sequence[Expected], root: Path, progress: Progress | None
) -> None:
    """Download the wanted files of one of torchvision's sets into `root`.

    Everything is unpacked and checked in a folder of its own first; interrupted or refused, it
    leaves `root` as it was.

    Raises:
        DataUnavailable: With half a sentence, for the caller to complete.
    """
    kind = _torchvision_class(torchvision_name)
    try:
        with workshop(root) as bench, reporting(progress) as report:
            if hasattr(kind, "mirrors"):
                digests = dict(kind.resources)
                for path, size, md5 in wanted:
                    name = Path(path).name + ".gz"
                    urls = [mirror + name for mirror in kind.mirrors]
                    archive = _download(urls, digests[name], bench / name, report)
                    with gzip.open(archive) as source:
                        _unpack(source, bench / path, size, md5)
            else:
                archive = _download([kind.url], kind.tgz_md5, bench / kind.filename, report)
                _untar(archive, wanted, bench)
            for path, _, _ in wanted:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                os.replace(bench / path, root / path)
    except (OSError, EOFError, http.client.HTTPException, tarfile.TarError, zlib.error) as error:
        if isinstance(error, DataUnavailable):
            raise
        raise DataUnavailable(f"downloading it failed: {reason(error)}") from None


def _torchvision_class(name: str) -> Any:
    """Return torchvision's class, or say how to get a torchvision that fits this torch."""
    try:
        from torchvision import datasets

        return getattr(datasets, name)
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        import torch

        build = torch.__version__.partition("+")[2]
        index = f" --index-url https://download.pytorch.org/whl/{build}" if build else ""
        raise DataUnavailable(
            f"downloading it needs torchvision, and the one here does not load beside torch "
            f"{torch.__version__} ({reason(error)}), which "
            f"`pip install --force-reinstall torch torchvision{index}` cures"
        ) from None


def _download(urls: Sequence[str], md5: str, path: Path, report: Progress) -> Path:
    """Return `path` once one of the addresses has given the file with that digest."""
    failures = []
    for url in urls:
        try:
            _stream(url, md5, path, report)
            return path
        except (OSError, http.client.HTTPException) as error:
            failures.append(f"{url}: {reason(error)}")
    raise DataUnavailable(f"downloading it failed ({'; '.join(failures)})")


def _stream(url: str, md5: str, path: Path, report: Progress) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    request = urllib.request.Request(url, headers={"User-Agent": "hebblab"})
    with (
        urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response,
        open(path, "wb") as file,
    ):
        total = int(response.headers.get("Content-Length") or 0)
        done = 0
        while chunk := response.read(_CHUNK):
            done += len(chunk)
            if done > _ARCHIVE_LIMIT:
                raise DataUnavailable("it sends more than any set has")
            file.write(chunk)
            digest.update(chunk)
            report(done, total, f"Downloading {path.name}")
    if done < total:
        raise DataUnavailable(f"the connection ended after {done:,} of {total:,} bytes")
    if digest.hexdigest() != md5:
        raise DataUnavailable("what it sends does not have the published digest")


def _untar(archive: Path, wanted: Sequence[Expected], bench: Path) -> None:
    """Unpack the wanted members only; no path in the archive is ever used as a path."""
    missing = {path: (size, md5) for path, size, md5 in wanted}
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            if member.name in missing and member.isreg():
                source = tar.extractfile(member)
                if source is not None:
                    _unpack(source, bench / member.name, *missing.pop(member.name))
    if missing:
        raise DataUnavailable(f"{archive.name} lacks {', '.join(missing)}")


def _unpack(source: IO[bytes] | gzip.GzipFile, path: Path, size: int, md5: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.md5(usedforsecurity=False)
    done = 0
    with open(path, "wb") as file:
        while done <= size and (chunk := source.read(_CHUNK)):
            done += len(chunk)
            digest.update(chunk)
            file.write(chunk)
    if done != size or digest.hexdigest() != md5:
        raise DataUnavailable(f"{path.name} does not have the published digest when unpacked")
