"""The table as the page shows it: rows of representations, columns of probes, what they say."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hebblab.evaluation import Comparison, Evaluation
from hebblab.evaluation.rows import Row
from hebblab.live import Snapshot

from .measures import BASELINES, COLUMNS, CONTROLS, COST, ROWS, TABLE, Words, rows_of


@dataclass(frozen=True)
class Found:
    """What a measurement found, and of which moment of the run."""

    snapshot: Snapshot
    evaluation: Evaluation


def table(found: Mapping[str, Found]) -> dict[str, Any]:
    """Return the table's part of the view.

    Args:
        found: Of one layer, by measurement.
    """
    known = next(iter(found.values()), None)
    words_of = ROWS if known is None else rows_of(known.snapshot.dataset)
    rows = {name: _numbers(name, found) for name in ROWS}
    scales = {column: _scale([row.get(column) for row in rows.values()]) for column in COLUMNS}
    return {
        "columns": [{"title": one.title, "help": one.help} for one in COLUMNS.values()],
        "rows": [
            {
                "name": name,
                "title": words.title,
                "help": _help(words, name, found),
                "measure": name if name in CONTROLS else "",
                "cost": COST.get(name, ""),
                "cells": [_cell(rows[name].get(column), scales[column]) for column in COLUMNS]
                if rows[name]
                else [],
            }
            for name, words in words_of.items()
        ],
        "verdicts": verdicts(found),
    }


def verdicts(found: Mapping[str, Found]) -> list[tuple[str, str]]:
    """Return what the paired comparisons by the ridge readout say, in two halves each.

    Controls of another moment of the run are left out: they were paired with other weights.
    """
    if TABLE not in found:
        return []
    at = found[TABLE].snapshot
    told = [found[TABLE].evaluation.comparisons("learned", "linear")]
    told += [
        found[name].evaluation.comparisons("learned", "linear")
        for name in CONTROLS
        if name in found and found[name].snapshot is at
    ]
    words = rows_of(at.dataset)
    return [verdict(one, words) for several in told for one in several]


def verdict(found: Comparison, words: Mapping[str, Words] = ROWS) -> tuple[str, str]:
    """Return a comparison in words: what was found, and beside what.

    Args:
        found: Learned features against something else.
        words: What each row is.

    >>> one = Comparison("learned", "pixels", "linear", 0.038, 0.02, 0.056, 1000, 0.001, "better")
    >>> verdict(one)
    ('3.8 points better', 'than raw pixels (2.0 to 5.6)')
    """
    other = words[found.b.partition("@")[0]].title
    low, high = 100 * found.low, 100 * found.high
    if found.verdict == "better":
        return (
            f"{100 * found.difference:.1f} points better",
            f"than {other} ({low:.1f} to {high:.1f})",
        )
    if found.verdict == "worse":
        worse = f"{-100 * found.difference:.1f} points worse"
        return worse, f"than {other} ({-high:.1f} to {-low:.1f})"
    between = f"{low:+.1f} to {high:+.1f} points".replace("-", "−")
    return "not to be told", f"from {other} on {found.n:,} inputs ({between})"


def _numbers(name: str, found: Mapping[str, Found]) -> dict[str, Row]:
    """Return the row of each column that there is."""
    measure = name if name in CONTROLS else TABLE
    if measure not in found:
        return {}
    own = [row for row in found[measure].evaluation.rows if row.representation == name]
    numbers: dict[str, Row] = {}
    for row in own:
        # Precision comes before mAP, and k = 10 before k = 1.
        if row.probe in COLUMNS and (row.probe not in numbers or row.measure.startswith("mAP")):
            numbers[row.probe] = row
    return numbers


def _help(words: Words, name: str, found: Mapping[str, Found]) -> str:
    measure = name if name in CONTROLS else TABLE
    note = found[measure].evaluation.notes.get(name, "") if measure in found else ""
    return f"{words.help} ({note})" if note else words.help


def _scale(rows: list[Row | None]) -> tuple[float, float]:
    ends = [
        value
        for row in rows
        if row is not None
        for value in (row.low, row.value, row.high)
        if math.isfinite(value)
    ]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    return low, max(high, low + 0.01)


def _cell(row: Row | None, scale: tuple[float, float]) -> dict[str, Any]:
    if row is None or not math.isfinite(row.value):
        return {"value": "–", "range": "", "low": None, "high": None, "at": None}
    low, high = scale

    def share(value: float) -> float | None:
        return round((value - low) / (high - low), 4) if math.isfinite(value) else None

    known = math.isfinite(row.low)
    return {
        "value": f"{100 * row.value:.1f} %",
        "range": f"{100 * row.low:.1f}–{100 * row.high:.1f}" if known else "",
        "low": share(row.low),
        "high": share(row.high),
        "at": share(row.value),
    }


def sample(found: Evaluation, noun: str) -> str:
    """Return what the numbers are of, in a sentence."""
    return (
        f"Fitted on {found.sizes['train']:,} training {noun}, scored on "
        f"{found.sizes[found.split]:,} {found.split} {noun}; small numbers are 95 % intervals. "
        "Test images stay closed."
    )


__all__ = ["BASELINES", "Found", "sample", "table", "verdict", "verdicts"]
