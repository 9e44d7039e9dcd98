"""One number of the table, and the table as pandas, HTML and JSON take it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

COLUMNS = (
    *("representation", "layer", "probe", "value", "low", "high", "n", "seconds"),
    *("measure", "interval", "note"),
)


@dataclass(frozen=True)
class Row:
    """One number of the table.

    Attributes:
        representation: "learned", or the name of a control.
        layer: The layer, or the one whose shape the control has; empty for the inputs.
        probe: As asked for.
        value: The number; NaN where it is not defined, and `note` says why.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n: Images, or subsets, that the interval is over.
        seconds: Wall-clock time of the probe, shared by all its numbers.
        measure: What the number is, such as "accuracy".
        interval: Which kind.
        note: What else belongs to it.
    """

    representation: str
    layer: str
    probe: str
    value: float
    low: float
    high: float
    n: int
    seconds: float
    measure: str = "accuracy"
    interval: str = "Wilson"
    note: str = ""


_HEAD = ("representation", "layer", "probe", "measure", "value", "95 % interval", "n", "note")


_SHARES = ("accuracy", "precision", "mAP", "calibration")


def cells(row: Row) -> tuple[str, ...]:
    """Return a row as people read it, in the order of the heading."""
    shares = row.measure.startswith(_SHARES)
    value, low, high = (_shown(number, shares) for number in (row.value, row.low, row.high))
    interval = "" if math.isnan(row.low) else f"{low} to {high} ({row.interval})"
    return (
        row.representation,
        row.layer,
        row.probe,
        row.measure,
        value,
        interval,
        f"{row.n:,}",
        row.note,
    )


def as_html(rows: Iterable[Row], caption: str, notes: Mapping[str, str]) -> str:
    """Return a table as HTML; whatever a person named is escaped."""
    head = "".join(f"<th>{escape(name)}</th>" for name in _HEAD)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells(row)) + "</tr>"
        for row in rows
    )
    items = "".join(f"<li>{escape(f'{name}: {note}')}</li>" for name, note in notes.items())
    below = f'<ul class="hebblab-evaluation-notes">{items}</ul>' if items else ""
    return (
        f'<table class="hebblab-evaluation"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"
    )


def _shown(number: float, share: bool) -> str:
    if math.isnan(number):
        return "–"
    return f"{100 * number:.2f} %" if share else f"{number:.4g}"


def plain(row: Row) -> dict[str, Any]:
    """Return a row as JSON takes it; a number that is not defined is None."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in asdict(row).items()
    }
