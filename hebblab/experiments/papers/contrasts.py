"""Differences between conditions, paired by seed, as a figure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hebblab.charts import axis, escape
from hebblab.errors import InvalidValue
from hebblab.evaluation import paired_difference, verdict
from hebblab.experiments.papers import drawing
from hebblab.experiments.papers.drawing import note, wrapped
from hebblab.experiments.papers.figures import heading, measured, named
from hebblab.experiments.papers.paper import NOT_RUN, NotRun
from hebblab.experiments.papers.results import PaperResult

if TYPE_CHECKING:
    import plotly.graph_objects as go

Row = dict[str, Any]


def differences(
    result: PaperResult, pairs: Sequence[tuple[str, str]], measure: str | None = None
) -> "go.Figure":
    """Draw what one condition is above another, paired by seed, for each layer.

    Args:
        result: Of `Paper.run`.
        pairs: Two conditions each: the first less the second.
        measure: A name of the table; by default the first accuracy on test images.

    Raises:
        UnknownName: There is no such condition or measure.
        InvalidValue: No cell has a number, or no pair is given.
    """
    chosen = measured(result, measure)
    if not pairs:
        raise InvalidValue("Name at least one pair of conditions.")
    named(result, [one for pair in pairs for one in pair])
    found = [
        _difference(result, a, b, layer, chosen) for a, b in pairs for layer in result.paper.layers
    ]
    several = len(result.paper.layers) > 1
    names = [_less(one, several) for one in found]
    at = [float(len(found) - 1 - place) for place in range(len(found))]
    known = [(one, y) for one, y in zip(found, at, strict=True) if one["n"]]
    singles = [(value, y) for one, y in known for value in one["each"]]
    ends = [one[key] for one, _ in known for key in ("ours", "low", "high")]
    low, high = drawing.span([0.0, *ends, *(value for value, _ in singles)])
    data = [drawing.marks(singles, "@quiet", "circle-open", 6)]
    for clear, color in ((True, "@accent"), (False, "@mark")):
        points = [
            (one["ours"], one["low"], one["high"], y) for one, y in known if one["clear"] == clear
        ]
        data.append(drawing.points(points, color, "circle", 9))
    texts = [
        note(one["ours"], y, f"{one['ours']:+.2f}".replace("-", "−"), "@ink", yshift=15)
        for one, y in known
    ] + [
        note(low, y, escape(one["note"], 90), "@muted", xanchor="left")
        for one, y in zip(found, at, strict=True)
        if not one["n"]
    ]
    line = {"color": "@muted", "width": 1}
    zero = {"type": "line", "x0": 0, "x1": 0, "y0": 0, "y1": 1, "yref": "paper", "line": line}
    words = "● mean, paired by seed, 95 % interval (Student t) · ○ single pairs"
    if any(one["n"] < 3 for one, _ in known):
        words += " · no bar: under three pairs"
    elif any(not one["clear"] for one, _ in known):
        words += " · grey: zero is not excluded"
    what = "difference in " + chosen.replace(", %", ", points")
    x = axis(what, low, high, grid=True)
    y = axis("", -0.6, len(found) - 0.4, ticks=dict(zip(at, names, strict=True)))
    return drawing.in_rows(heading(result, what), words, data, x, y, names, texts, [zero])


def _less(one: Row, several: bool) -> str:
    where = f" · {one['layer']}" if several else ""
    return wrapped(f"{one['a']} less {one['b']}{where}", 44)


def _difference(result: PaperResult, a: str, b: str, layer: str, measure: str) -> Row:
    row: Row = {"a": a, "b": b, "layer": layer, "n": 0, "note": ""}
    try:
        first, second = result.results.pairs((a, layer), (b, layer), measure)
    except NotRun as error:
        return row | {"note": f"{NOT_RUN}: {error}"}
    mean, low, high = paired_difference(first, second)
    clear = not verdict(low, high, len(first)).startswith("cannot")
    each = [one - other for one, other in zip(first, second, strict=True)]
    return row | {
        "n": len(each),
        "each": each if len(each) > 1 else [],
        "ours": mean,
        "low": low,
        "high": high,
        "clear": clear,
    }
