"""Scripts and styles of the page, found once, compressed once, and kept.

Compressing four megabytes for each of thirty pages would hold up the server's only thread, so a
file is compressed when it is first asked for, off that thread.
"""

import asyncio
import gzip
import hashlib
import mimetypes
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tornado.web import RequestHandler

from hebblab.serving.gate import plain_page

_HASHED_NAME = re.compile(r"[.-](?=[0-9a-f]*\d)[0-9a-f]{8,}\.")
_COMPRESSIBLE = ("text/", "application/javascript", "application/json", "image/svg+xml")


@dataclass(frozen=True)
class Stored:
    """One file as it is sent."""

    plain: bytes
    compressed: bytes | None
    kind: str
    etag: str
    lasting: bool


class Shelf:
    """Named groups of folders, and the files read from them so far.

    Args:
        groups: by name, the folders in which a file of that group is looked for, in order.
        files: single files by name; they keep their name for ever.
    """

    def __init__(
        self, groups: Mapping[str, Sequence[str | Path]], files: Mapping[str, Path | bytes]
    ) -> None:
        self._groups = {name: [Path(folder) for folder in at] for name, at in groups.items()}
        self._files = dict(files)
        self._stored: dict[tuple[str, str], Stored] = {}

    async def get(self, group: str, name: str) -> Stored | None:
        """Return a file, or None where there is none of that name in its group."""
        key = (group, name)
        if key not in self._stored:
            stored = await asyncio.to_thread(self._read, group, name)
            if stored is None:
                return None
            self._stored[key] = stored
        return self._stored[key]

    def _read(self, group: str, name: str) -> Stored | None:
        if not group and name in self._files:
            source = self._files[name]
            return store(source if isinstance(source, bytes) else source.read_bytes(), name, True)
        for folder in self._groups.get(group, ()):
            root = folder.resolve()
            path = (folder / name).resolve()
            if path.is_relative_to(root) and path.is_file():
                return store(path.read_bytes(), name, _HASHED_NAME.search(path.name) is not None)
        return None


def store(content: bytes, name: str, lasting: bool) -> Stored:
    """Return a file as it is sent, compressed where that makes it smaller."""
    kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
    kind = kind or "application/octet-stream"
    small = gzip.compress(content, 9, mtime=0) if kind.startswith(_COMPRESSIBLE) else None
    if small is not None and len(small) >= len(content):
        small = None
    digest = hashlib.sha256(content).hexdigest()[:24]
    return Stored(content, small, kind, f'W/"{digest}"', lasting)


class ShelfHandler(RequestHandler):  # type: ignore[misc]
    """Sends files from a shelf."""

    SUPPORTED_METHODS = ("GET", "HEAD")

    def initialize(self, shelf: Shelf, group: str) -> None:
        """Take the shelf and which group of it these addresses stand for."""
        self._shelf = shelf
        self._group = group

    async def head(self, name: str) -> None:
        """Send what `get` sends, without the file."""
        await self.get(name)

    async def get(self, name: str) -> None:
        """Send one file."""
        stored = await self._shelf.get(self._group, name) if name else None
        if stored is None:
            self.set_status(404)
            self.finish(plain_page("There is no such file here."))
            return
        lasting = "public, max-age=31536000, immutable"
        self.set_header("Cache-Control", lasting if stored.lasting else "no-cache")
        self.set_header("Etag", stored.etag)
        self.set_header("Vary", "Accept-Encoding")
        if self.check_etag_header():
            self.set_status(304)
            return
        charset = "; charset=utf-8" if stored.kind.startswith("text/") else ""
        self.set_header("Content-Type", stored.kind + charset)
        body = stored.plain
        if stored.compressed and "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            body = stored.compressed
        self.finish(body)

    def compute_etag(self) -> str | None:
        """Keep the one that was set."""
        return None
