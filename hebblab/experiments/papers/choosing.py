"""What of a paper is asked for, and what of it is measured together."""

import os
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from hebblab.errors import InvalidValue, shown, unknown

if TYPE_CHECKING:
    from hebblab.experiments.papers.paper import Cell


def conditions(paper: str, given: object, known: Collection[str]) -> list[str]:
    """Return names of conditions.

    Raises:
        UnknownName: The paper has no such condition.
        InvalidValue: There is none, or something that is no name.
    """
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, Iterable):
        raise InvalidValue(f"cells takes names, not {shown(given)}.")
    found = list(names)
    for name in found:
        if not isinstance(name, str) or name not in known:
            raise unknown(f"cell of {paper}", name, known)
    if not found:
        raise InvalidValue("No cell was named.")
    return found


def layers(paper: str, given: object, known: Sequence[str]) -> list[str]:
    """Return names of layers from names, or places counted from 1.

    Raises:
        UnknownName: The paper has no such layer.
        InvalidValue: There is none.
    """
    listed = [given] if isinstance(given, str | int) else given
    if not isinstance(listed, Iterable) or not (chosen := list(listed)):
        raise InvalidValue(f"layers takes names or places from 1, not {shown(given)}.")
    return [_layer(paper, one, known) for one in chosen]


def _layer(paper: str, given: object, known: Sequence[str]) -> str:
    if isinstance(given, int) and not isinstance(given, bool):
        if 1 <= given <= len(known):
            return known[given - 1]
        raise InvalidValue(f"{paper} has layers 1 to {len(known)}, and no layer {given}.")
    if not isinstance(given, str) or given not in known:
        raise unknown(f"layer of {paper}", given, known)
    return given


def seeds(given: object) -> tuple[int, ...]:
    """Return seeds from seeds, or from how many: 1 to n.

    Raises:
        InvalidValue: There is none, or one that is no whole number from 0.

    >>> seeds(3), seeds([5, 4, 5])
    ((1, 2, 3), (5, 4))
    """
    wanted: tuple[object, ...] = ()
    if isinstance(given, int):
        wanted = tuple(range(1, given + 1))
    elif isinstance(given, Iterable):
        wanted = tuple(given)
    found = [one for one in wanted if isinstance(one, int) and not isinstance(one, bool)]
    if not found or len(found) < len(wanted) or min(found) < 0 or isinstance(given, bool):
        raise InvalidValue(
            f"seeds must be how many (at least 1), or whole numbers from 0, not {shown(given)}."
        )
    return tuple(dict.fromkeys(found))


def refuse(jobs: object, folder: object, progress: object = None) -> None:
    """Refuse what nothing can be run with, before anything is.

    Raises:
        InvalidValue: Naming what was wrong and what is accepted.
    """
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise InvalidValue(f"jobs must be a whole number from 1, not {shown(jobs)}.")
    if folder is not None and not isinstance(folder, str | os.PathLike):
        raise InvalidValue(f"folder is the path of a folder, or None, not {shown(folder)}.")
    if progress is not None and not callable(progress):
        raise InvalidValue(
            f"progress is a function of (done, total, words), or None, not {shown(progress)}."
        )


def grouped(cells: Iterable["Cell"]) -> dict[tuple[str, int], list[str]]:
    """Return what is measured together: the layers of each condition with each seed."""
    groups: dict[tuple[str, int], list[str]] = {}
    for cell in cells:
        groups.setdefault((cell.condition, cell.seed), []).append(cell.layer)
    return groups
