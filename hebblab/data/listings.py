"""What a folder of images holds, found out without opening a single image."""

import hashlib
import os
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from hebblab.data.store import listed, reason
from hebblab.errors import DataUnavailable, shown

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".webp", ".gif")
_SPLITS = {"train": "train", "test": "test", "validation": "validation", "val": "validation"}
_CLASSES_LIMIT = 10_000


@dataclass(frozen=True)
class Entry:
    """One image file: its path within the folder, class, split, and what tells it has changed."""

    relative: str
    label: int
    split: str
    size: int
    changed: int


@dataclass(frozen=True)
class Listing:
    """All images of a folder, in a fixed order; `split` is "" where the folder has no splits."""

    root: Path
    classes: tuple[str, ...]
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]

    @property
    def key(self) -> str:
        """A digest that changes when a file is added, renamed, removed or written."""
        digest = hashlib.sha256(os.fsencode(self.root))
        for entry in self.entries:
            digest.update(os.fsencode(entry.relative))
            digest.update(f"\0{entry.label} {entry.split} {entry.size} {entry.changed}\0".encode())
        return digest.hexdigest()


def scan(root: Path) -> Listing:
    """Return what `root` holds: train/CLASS/... and test/CLASS/..., or CLASS/...

    Raises:
        DataUnavailable: If there are no images, or some lie where no class is, or cannot be read.
    """
    found = _Search(root)
    folders = found.folders(root)
    found.refuse_loose(root)
    places: list[tuple[str, Path]] = []
    if any(name in folders for name in ("train", "test")):
        for wanted in ("train", "test"):
            if wanted not in folders:
                raise DataUnavailable(f"it has no folder {wanted!r} beside the other one")
        for name in folders:
            if name not in _SPLITS or {"val", "validation"} <= set(folders):
                raise DataUnavailable(
                    f"beside train and test only validation may stand, and once, not {shown(name)}"
                )
            found.refuse_loose(root / name)
            places.append((_SPLITS[name], root / name))
    else:
        places.append(("", root))
    classes = {split: found.folders(place) for split, place in places}
    names = classes["train" if "train" in classes else ""]
    for split, own in classes.items():
        if own != names:
            differing = sorted(set(own) ^ set(names))
            raise DataUnavailable(
                f"{split} has not the classes of train; they differ in "
                f"{listed(map(shown, differing))}"
            )
    if len(names) > _CLASSES_LIMIT:
        raise DataUnavailable(f"{len(names):,} classes are more than {_CLASSES_LIMIT:,}")
    for split, place in places:
        for label, name in enumerate(names):
            found.images(place / name, label, split)
    return found.listing(tuple(_printable(name) for name in names))


class _Search:
    """One walk through a folder: gathers images, links that were skipped, files that are none."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.entries: list[Entry] = []
        self.skipped: dict[str, None] = {}  # in order, each once, though a place is seen twice
        self._prefix = len(os.path.join(root, ""))
        self.broken: list[str] = []
        self.others: Counter[str] = Counter()

    def folders(self, place: Path) -> list[str]:
        """Return the names of the folders in one place, sorted."""
        return [entry.name for entry in self._inside(place) if entry.is_dir(follow_symlinks=False)]

    def refuse_loose(self, place: Path) -> None:
        """Refuse images that lie beside the class folders instead of in one."""
        loose = [entry.name for entry in self._inside(place) if _is_image(entry)]
        if loose:
            raise DataUnavailable(
                f"some images lie in no class folder ({len(loose):,}): "
                f"{listed(map(shown, loose))}; those of a class go into a folder of its own"
            )

    def images(self, place: Path, label: int, split: str) -> None:
        """Gather the images under one class folder, however deep."""
        before = len(self.entries) + len(self.broken)
        pending = [place]
        while pending:
            folder = pending.pop()
            for entry in self._inside(folder):
                if entry.is_dir(follow_symlinks=False):
                    pending.append(Path(entry.path))
                elif _is_image(entry):
                    self._add(entry, label, split)
                else:
                    self.others[Path(entry.name).suffix.lower() or "no ending"] += 1
        if len(self.entries) + len(self.broken) == before:
            raise DataUnavailable(f"there are no images in {self._name(place)}{self._others()}")

    def listing(self, classes: tuple[str, ...]) -> Listing:
        """Return what was found, or refuse all of it."""
        if not self.entries and not self.broken:
            raise DataUnavailable(f"there are no images in it{self._others()}")
        if self.broken:
            raise DataUnavailable(
                f"{len(self.broken):,} of {len(self.entries) + len(self.broken):,} images "
                f"cannot be read: {listed(map(shown, self.broken))}"
            )
        notes: tuple[str, ...] = ()
        if self.skipped:
            notes = (
                f"Links that leave the folder or lead to another one in it were skipped "
                f"({len(self.skipped):,}): {listed(map(shown, self.skipped))}.",
            )
        return Listing(self.root, classes, tuple(self.entries), notes)

    def _inside(self, place: Path) -> list[os.DirEntry[str]]:
        """Return what lies in one place, sorted, without hidden files and links to be skipped."""
        try:
            with os.scandir(place) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            raise DataUnavailable(f"{self._name(place)} cannot be read ({reason(error)})") from None
        stay = []
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            if self._leaves(entry):
                self.skipped[self._relative(entry)] = None
            else:
                stay.append(entry)
        return stay

    def _leaves(self, entry: os.DirEntry[str]) -> bool:
        """Say whether a link leads out of the folder, or in a circle within it."""
        if not entry.is_symlink():
            return False
        try:
            target = Path(entry.path).resolve()
        except (OSError, RuntimeError):
            return True
        return not target.is_relative_to(self.root) or target.is_dir()

    def _add(self, entry: os.DirEntry[str], label: int, split: str) -> None:
        relative = self._relative(entry)
        try:
            status = entry.stat()
        except OSError:
            self.broken.append(relative)
            return
        if stat.S_ISREG(status.st_mode):
            self.entries.append(Entry(relative, label, split, status.st_size, status.st_mtime_ns))
        else:
            self.broken.append(relative)

    def _relative(self, entry: os.DirEntry[str]) -> str:
        return entry.path[self._prefix :]

    def _name(self, place: Path) -> str:
        return shown(str(place.relative_to(self.root))) if place != self.root else "the folder"

    def _others(self) -> str:
        if not self.others:
            return ""
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.others.most_common(3))
        return f", only other files ({kinds}); images end in {', '.join(SUFFIXES)}"


def _is_image(entry: os.DirEntry[str]) -> bool:
    return entry.name.lower().endswith(SUFFIXES) and not entry.is_dir(follow_symlinks=False)


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
