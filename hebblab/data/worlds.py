"""Worlds of two numbers by name: the whole state of a rule can be seen in them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hebblab.data.images import Dataset, Vectors
from hebblab.data.points import HELD_OUT, Cloud, Clusters, Ring, World
from hebblab.data.progress import Progress
from hebblab.errors import InvalidValue, shown, unknown
from hebblab.knobs import Value

_WORLDS: dict[str, type[World]] = {world.name: world for world in (Cloud, Clusters, Ring)}


def available() -> tuple[str, ...]:
    """Return the names of the worlds, sorted.

    >>> available()
    ('cloud-2d', 'clusters-2d', 'ring-2d')
    """
    return tuple(sorted(_WORLDS))


def get(name: str) -> type[World]:
    """Return the class of a world by name.

    Raises:
        UnknownName: There is none; the nearest name is said.

    >>> get("ring-2d").declared()["noise"].default
    0.05
    """
    if not isinstance(name, str) or name not in _WORLDS:
        raise unknown("world", name, _WORLDS)
    return _WORLDS[name]


def load(name: str, seed: int = 0, **knobs: Any) -> Dataset:
    """Return a world as a data set of `Vectors`.

    Args:
        name: One of `available()`.
        seed: Of the points.
        **knobs: Values of its knobs; the others keep their defaults.

    Raises:
        UnknownName: There is no such world, or it has no such knob.
        InvalidValue: A value is out of bounds or of the wrong type.

    >>> load("clusters-2d", number=3, samples=400)
    Dataset('clusters-2d', 2, 3 classes, 400 + 100 + 100)
    """
    world = get(name)(**knobs)
    train, validation, test = (Vectors(*points) for points in world.splits(seed).values())
    return Dataset(name, train, validation, test, world.classes())


def deform(dataset: Dataset, name: str, seed: int = 0, **knobs: Value) -> Dataset:
    """Write a world's points, as the knobs make them now, over those of a data set.

    Batches of the data set hand out the new points from their next batch on. What is returned
    holds the same tensors, under the classes and the fingerprint that they have now.

    Args:
        dataset: What `load` returned for this world.
        name: The world.
        seed: That of the data set, so that the same sample is deformed.
        **knobs: Values of the world's knobs; the others are at their defaults.

    Raises:
        UnknownName: There is no such world, or it has no such knob.
        InvalidValue: A value is refused, or `samples` is not that of the data set; nothing is
            changed.

    >>> ring = load("ring-2d")
    >>> wide = deform(ring, "ring-2d", elongation=3.0)
    >>> float(ring.train.values[:, 0].std()) > 2
    True
    >>> wide.fingerprint == load("ring-2d", elongation=3.0).fingerprint
    True
    """
    world = get(name)(**knobs)
    parts = {split: getattr(dataset, split) for split in ("train", "validation", "test")}
    for split, part in parts.items():
        if not isinstance(part, Vectors) or part.shape != (2,):
            raise InvalidValue(f"{split} of {shown(dataset)} is no set of points in the plane.")
    if len(dataset.train) != world.samples:
        raise InvalidValue(
            f"{World.declared()['samples'].label} cannot change while a run is under way: there "
            f"are {len(dataset.train):,} points, and {world.samples:,} need a fresh start."
        )
    drawn = world.splits(seed)
    for split, (values, labels) in drawn.items():
        parts[split].values.copy_(values)
        parts[split].labels.copy_(labels)
    return Dataset(dataset.name, **parts, classes=world.classes(), notes=dataset.notes)


@dataclass(frozen=True)
class Drawn:
    """A world among the named sets: there is nothing to fetch, and nothing lies on a disk."""

    name: str
    title: str
    images: int
    image_shape: tuple[int, ...] = (2,)
    download_bytes: int = 0

    def where(self) -> Path | None:
        """Return None: it is nowhere."""
        return None

    def files(self) -> tuple[Path, ...]:
        """Return no file."""
        return ()

    def present(self) -> bool:
        """Always true: it is drawn when it is asked for."""
        return True

    def absent(self) -> bool:
        """Never true."""
        return False

    def read(self) -> Dataset:
        """Return the world at its defaults and seed 0."""
        return load(self.name)

    def fetch(self, progress: Progress | None) -> None:
        """Do nothing: there is nothing to fetch."""


def sources() -> tuple[Drawn, ...]:
    """Return the worlds as named sets."""
    each = World.declared()["samples"].default
    held_out = 2 * (int(each) // HELD_OUT)
    return tuple(Drawn(w.name, w.title, int(each) + held_out) for w in _WORLDS.values())


__all__ = [
    "Cloud",
    "Clusters",
    "Drawn",
    "Ring",
    "World",
    "available",
    "deform",
    "get",
    "load",
    "sources",
]
