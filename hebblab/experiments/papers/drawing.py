"""What figures of papers share: names that fit, axes that hold everything, labels apart."""

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from hebblab.charts import SIZE, Spec, escape, figure, layout

if TYPE_CHECKING:
    import plotly.graph_objects as go

WIDTH = 760
TOP, BOTTOM = 84, 52

_LETTER = 7.2  # pixels, of the usual font at the usual size
_ROW = 44  # pixels of a row of points
_PLOT = 300  # pixels of a plot with curves
_LINE = 16  # pixels of a line of text
_COLUMN = 30  # letters of a name before it is broken


def wrapped(text: str, letters: int = _COLUMN) -> str:
    """Return a name in lines, as Plotly breaks them.

    >>> wrapped("krotov-hopfield on true patches + backprop")
    'krotov-hopfield on true<br>patches + backprop'
    """
    lines = textwrap.wrap(text, letters, break_long_words=False, break_on_hyphens=False)
    return "<br>".join(escape(line) for line in lines)


def wide(names: Iterable[str]) -> int:
    """Return the pixels that the longest line of some wrapped names takes.

    >>> wide(["ab", "abc<br>abcdef"])
    43
    """
    return math.floor(
        _LETTER * max((len(line) for name in names for line in _lines(name)), default=0)
    )


def _lines(name: str) -> list[str]:
    return name.split("<br>")


def span(values: Iterable[float], room: float = 0.08) -> tuple[float, float]:
    """Return the ends of an axis that holds all finite values, with room beyond them.

    >>> span([1.0, 3.0, float("nan")], room=0.5)
    (0.0, 4.0)
    """
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    pad = room * (high - low) or max(1.0, 0.05 * abs(high))
    return low - pad, high + pad


def apart(values: Sequence[float], gap: float) -> list[float]:
    """Return places at least `gap` apart, as near to the values as that lets them be.

    >>> apart([1.0, 1.0, 9.0], 2.0)
    [0.0, 2.0, 9.0]
    """
    order = sorted(range(len(values)), key=lambda at: values[at])
    blocks: list[tuple[float, int]] = []
    for rank, at in enumerate(order):
        mean, size = values[at] - rank * gap, 1
        while blocks and blocks[-1][0] > mean:
            before, count = blocks.pop()
            mean = (before * count + mean * size) / (count + size)
            size += count
        blocks.append((mean, size))
    level = [mean for mean, size in blocks for _ in range(size)]
    places = [0.0] * len(values)
    for rank, at in enumerate(order):
        places[at] = level[rank] + rank * gap
    return places


def errors(given: Sequence[tuple[float, float, float]], color: str) -> Spec:
    """Return the intervals of points (value, low, high); those that are none have no line."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [_or_none(high - value) for value, _, high in given],
        "arrayminus": [_or_none(value - low) for value, low, _ in given],
        "color": color,
        "thickness": 1.5,
        "width": 4,
    }


def _or_none(length: float) -> float | None:
    return length if math.isfinite(length) else None


def drawn(
    title: str,
    words: str,
    data: list[Spec],
    arranged: Spec,
    *,
    height: int,
    left: int = 64,
    right: int = 24,
) -> "go.Figure":
    """Return a figure in the house's look with margins that its names fit into."""
    spec = {"title": title, "subtitle": words, "words": "", "data": data, "layout": arranged}
    made = figure(spec, WIDTH, height)
    made.update_layout(margin={"l": left, "r": right, "t": TOP, "b": BOTTOM})
    # Names begin at the left margin, and so do title and key.
    corner = {"x": 0, "xref": "container", "y": 1, "yref": "container", "yanchor": "top"}
    made.update_layout(title=corner | {"pad": {"l": 14, "t": 16}})
    return made


def note(x: float, y: float, text: str, color: str, **more: object) -> Spec:
    """Return a text in the chart."""
    return {
        "x": x,
        "y": y,
        "text": text,
        "showarrow": False,
        "font": {"color": color, "size": SIZE},
        "borderpad": 1,
    } | more


def marks(given: Sequence[tuple[float, float]], color: str, symbol: str, size: int) -> Spec:
    """Return points (x, y)."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [x for x, _ in given],
        "y": [y for _, y in given],
        "marker": {"color": color, "symbol": symbol, "size": size, "opacity": 1},
        "cliponaxis": False,
        "hovertemplate": "%{x:.2f}<extra></extra>",
    }


def points(
    given: Sequence[tuple[float, float, float, float]],
    color: str,
    symbol: str,
    size: int,
    above: float = 0.0,
) -> Spec:
    """Return points (x, low, high, y) with horizontal intervals."""
    intervals = errors([(x, low, high) for x, low, high, _ in given], color)
    placed = [(x, y + above) for x, _, _, y in given]
    return marks(placed, color, symbol, size) | {"error_x": intervals}


def in_rows(
    title: str,
    words: str,
    data: list[Spec],
    x: Spec,
    y: Spec,
    names: Sequence[str],
    texts: list[Spec],
    shapes: Sequence[Spec] = (),
) -> "go.Figure":
    """Return a figure of rows, each with its name, from the top."""
    # The names are broken already, and escaped before that.
    y |= {"ticktext": list(names), "tickfont": {"color": "@ink", "size": SIZE}}
    x |= {"nticks": 7}
    height = TOP + BOTTOM + max(2, len(names)) * _ROW
    left = max(64, wide(names) + 16)
    spec = layout(x, y, annotations=texts, shapes=shapes)
    return drawn(title, words, data, spec, height=height, left=left)


def labels(ends: Sequence[tuple[str, float, str]], low: float, high: float) -> list[Spec]:
    """Return the names of curves at their right ends, none over another."""
    lines = max((name.count("<br>") + 1 for name, _, _ in ends), default=1)
    gap = (_LINE * lines + 2) / _PLOT * (high - low)
    places = apart([y for _, y, _ in ends], gap)
    # In shares of the axis, as Plotly leaves out a text whose value is beyond its end.
    corner = {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "middle"}
    return [
        note(1.0, (y - low) / (high - low), name, color, xshift=8, align="left", **corner)
        for (name, _, color), y in zip(ends, places, strict=True)
    ]


def curved(
    title: str, words: str, data: list[Spec], spec: Spec, names: Sequence[str]
) -> "go.Figure":
    """Return a figure of curves, named at their right ends."""
    height = TOP + BOTTOM + _PLOT
    right = min(WIDTH // 3, wide(names) + 20)
    spec["yaxis"]["title"]["standoff"] = 10
    spec["yaxis"]["nticks"] = spec["xaxis"]["nticks"] = 7
    return drawn(title, words, data, spec, height=height, right=right)
