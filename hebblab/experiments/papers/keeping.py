"""Results of cells as files: where each is, and whether it is still a result of this paper."""

import contextlib
import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hebblab.errors import DataUnavailable
from hebblab.experiments.papers import data
from hebblab.experiments.papers.data import Source
from hebblab.experiments.papers.paper import Cell, Paper
from hebblab.version import __version__

Outcome = dict[str, Any]

SCHEMA = 1


def place(paper: Paper, cell: Cell, folder: Path) -> Path:
    """Return the file of a cell."""
    words = re.sub(r"[^a-z0-9]+", "-", f"{cell.condition} {cell.layer}".lower()).strip("-")
    return folder / paper.name / f"{words}-{cell.seed}.json"


def kept(
    paper: Paper, cell: Cell, folder: Path | None, source: Source | None = None
) -> Outcome | None:
    """Return a cell's result from its file; None if it is none of this paper as it is now.

    It counts if it is whole and of this version, these settings and, where a source is given and
    can be read, these very data.
    """
    if folder is None:
        return None
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        found: Outcome = json.loads(place(paper, cell, folder).read_text(encoding="utf-8"))
        told = (found["schema"], found["settings"], found["cell"], found["made"]["hebblab"])
        own = [cell.condition, cell.layer, cell.seed]
        if told == (SCHEMA, paper.digest, own, __version__) and _whole(found):
            same = source is None or _of(found, source)
            return found if same else None
    return None


def missing(paper: Paper, cells: Iterable[Cell], folder: str | Path | None) -> list[Cell]:
    """Return the cells whose files are not in a folder."""
    at = None if folder is None else Path(folder)
    return [cell for cell in cells if kept(paper, cell, at) is None]


def _whole(found: Outcome) -> bool:
    numbers = [value for number in found["numbers"].values() for value in number.values()]
    return (
        bool(numbers)
        and all(_inside(number) for number in found["numbers"].values())
        and all(math.isfinite(value) for value in (*numbers, found["cpu_seconds"]))
        and isinstance(found["about"], dict)
    )


def _inside(number: dict[str, float]) -> bool:
    """Whether a number lies in its own interval, if it has one."""
    value = number["value"]
    return number.get("low", value) <= value <= number.get("high", value)


def _of(found: Outcome, source: Source) -> bool:
    """Whether a result is of the source's data; by their title alone where they are not here."""
    if found["data"]["title"] != source.title:
        return False
    with contextlib.suppress(DataUnavailable):
        return bool(found["data"]["fingerprint"] == data.load(source).fingerprint)
    return True
