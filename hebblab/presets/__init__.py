"""Named recipes with their source, what one should see, and how long they take."""

import tomllib
from functools import cache
from importlib.resources import files

from hebblab.errors import unknown
from hebblab.recipes import Recipe


def available() -> tuple[str, ...]:
    """Return the names of all presets, sorted.

    >>> "mnist-krotov" in available()
    True
    """
    return _names()


def get(name: str) -> Recipe:
    """Return a preset by name.

    Raises:
        UnknownName: There is none; the nearest name is said.

    >>> get("mnist-krotov").network
    'dense-100'
    """
    if not isinstance(name, str) or name not in _names():
        raise unknown("preset", name, _names())
    return _read(name).model_copy(deep=True)


@cache
def _read(name: str) -> Recipe:
    text = (files(__name__) / f"{name}.toml").read_text(encoding="utf-8")
    return Recipe(name=name, **tomllib.loads(text))


@cache
def _names() -> tuple[str, ...]:
    found = [entry.name for entry in files(__name__).iterdir() if entry.name.endswith(".toml")]
    return tuple(sorted(name.removesuffix(".toml") for name in found))
