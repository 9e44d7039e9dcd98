"""Figures of a paper's numbers: ours with intervals, the published ones beside them."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hebblab.charts import SERIES, Spec, axis, escape, layout
from hebblab.errors import InvalidValue, unknown
from hebblab.experiments.papers import drawing
from hebblab.experiments.papers.drawing import note, wrapped
from hebblab.experiments.papers.pages import number
from hebblab.experiments.papers.paper import NOT_RUN
from hebblab.experiments.papers.results import PaperResult

if TYPE_CHECKING:
    import plotly.graph_objects as go

Row = dict[str, Any]


def numbers(
    result: PaperResult, measure: str | None = None, conditions: Sequence[str] | None = None
) -> "go.Figure":
    """Draw one measure: by layer as curves, or one row a condition where there is one layer.

    Args:
        result: Of `Paper.run`.
        measure: A name of the table; by default the first accuracy on test images.
        conditions: By name, in the order of the paper; None is all.

    Raises:
        UnknownName: The table has no such measure, or the paper no such condition.
        InvalidValue: No cell has a number.
    """
    chosen = measured(result, measure)
    named(result, conditions or ())
    every = [{str(key): row[key] for key in row} for row in result.table.to_dict("records")]
    rows = [
        row
        for row in every
        if row["measure"] in (chosen, "") and (not conditions or row["condition"] in conditions)
    ]
    layers = [one for one in result.paper.layers if any(row["layer"] == one for row in rows)]
    drawer = _by_layer if len(layers) > 1 else _by_condition
    return drawer(result, chosen, rows, layers)


def measured(result: PaperResult, measure: str | None = None) -> str:
    """Return the name of a measure that there are numbers of.

    Raises:
        UnknownName: There is none of that name.
        InvalidValue: No cell has a number.
    """
    known = list(dict.fromkeys(key[2] for key in result.results.known()))
    if not known:
        raise InvalidValue(f"No cell of {result.paper.name} has a number yet. Run some first.")
    if measure is None:
        return next((one for one in known if one.startswith("test")), known[0])
    if measure not in known:
        raise unknown(f"measure of {result.paper.name}", measure, known)
    return measure


def named(result: PaperResult, conditions: Sequence[str]) -> None:
    """Refuse a condition that the paper does not have.

    Raises:
        UnknownName: Naming the nearest.
    """
    for one in conditions:
        if one not in result.paper.conditions:
            raise unknown(f"cell of {result.paper.name}", one, result.paper.conditions)


def _key(rows: Sequence[Row], runs: bool) -> str:
    """Return what the marks are."""
    kinds = [kind for kind in dict.fromkeys(row["interval"] for row in rows) if kind]
    told = ["● ours" + (f", 95 % interval ({'; '.join(kinds)})" if kinds else "")]
    if runs and any(row["n"] > 1 for row in rows):
        told.append("○ single runs")
    if any(math.isfinite(row["published"]) for row in rows):
        told.append("◇ published")
    return " · ".join(told)


def _ends(rows: Sequence[Row], extra: Sequence[float] = ()) -> tuple[float, float]:
    values = [row[key] for row in rows for key in ("ours", "low", "high", "published")]
    for row in rows:
        half = row["published_half"]
        if math.isfinite(half):
            values += [row["published"] - half, row["published"] + half]
    return drawing.span([*values, *extra])


def _published(row: Row) -> tuple[float, float, float]:
    value, half = row["published"], row["published_half"]
    return value, value - half, value + half


def _by_condition(
    result: PaperResult, measure: str, rows: list[Row], _layers: list[str]
) -> "go.Figure":
    """Draw one row a condition: mean, interval, single runs, and what was published."""
    names = [wrapped(row["condition"]) for row in rows]
    at = [float(len(rows) - 1 - place) for place in range(len(rows))]
    known = [(row, y) for row, y in zip(rows, at, strict=True) if row["n"]]
    singles = [
        (value, y)
        for row, y in known
        for value in result.results.values(row["condition"], row["layer"], measure).values()
        if row["n"] > 1
    ]
    low, high = _ends(rows, [value for value, _ in singles])
    told = [
        (*_published(row), y)
        for row, y in zip(rows, at, strict=True)
        if math.isfinite(row["published"])
    ]
    data = [
        drawing.points(told, "@warm", "diamond-open", 11, above=-0.2),
        drawing.marks(singles, "@quiet", "circle-open", 6),
        drawing.points(
            [(row["ours"], row["low"], row["high"], y) for row, y in known], "@accent", "circle", 9
        ),
    ]
    texts = [note(row["ours"], y, number(row["ours"]), "@ink", yshift=15) for row, y in known] + [
        note(low, y, escape(row["note"], 90), "@muted", xanchor="left")
        for row, y in zip(rows, at, strict=True)
        if not row["n"]
    ]
    x = axis(measure, low, high, grid=True)
    y = axis("", -0.6, len(rows) - 0.4, ticks=dict(zip(at, names, strict=True)))
    return drawing.in_rows(heading(result, measure), _key(rows, True), data, x, y, names, texts)


def _by_layer(result: PaperResult, measure: str, rows: list[Row], layers: list[str]) -> "go.Figure":
    """Draw one curve a condition over the layers."""
    conditions = list(dict.fromkeys(row["condition"] for row in rows))
    colors = {one: SERIES[at % len(SERIES)] for at, one in enumerate(conditions)}
    low, high = _ends(rows)
    data: list[Spec] = []
    ends: list[tuple[str, float, str]] = []
    for place, condition in enumerate(conditions):
        # Beside each other, so that no interval hides another.
        aside = 0.03 * (place - (len(conditions) - 1) / 2)
        mine = [row for row in rows if row["condition"] == condition]
        known = [row for row in mine if row["n"]]
        told = [row for row in mine if math.isfinite(row["published"])]
        x = [layers.index(row["layer"]) + aside for row in known]
        color = colors[condition]
        data.append(_curve(known, x, color))
        theirs = [(layers.index(row["layer"]) + aside + 0.04, row["published"]) for row in told]
        intervals = {"error_y": drawing.errors([_published(row) for row in told], color)}
        data.append(drawing.marks(theirs, color, "diamond-open", 11) | intervals)
        name = condition if known else f"{condition} ({mine[0]['note'] or NOT_RUN})"
        last = (known or told or [{"ours": low, "published": low}])[-1]
        where = last["ours"] if known else last["published"]
        ends.append((wrapped(name, 24), where, color))
    labels = drawing.labels(ends, low, high)
    x_axis = axis("layer", -0.3, len(layers) - 0.7, ticks=dict(enumerate(layers)))
    spec = layout(x_axis, axis(measure, low, high, grid=True), annotations=labels)
    title, names = heading(result, measure), [name for name, _, _ in ends]
    return drawing.curved(title, _key(rows, False), data, spec, names)


def _curve(known: Sequence[Row], x: Sequence[float], color: str) -> Spec:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": list(x),
        "y": [row["ours"] for row in known],
        "line": {"color": color, "width": 2},
        "marker": {"color": color, "size": 8, "opacity": 1},
        "error_y": drawing.errors([(row["ours"], row["low"], row["high"]) for row in known], color),
        "cliponaxis": False,
        "text": [f"{escape(row['condition'])}, {escape(row['layer'])}" for row in known],
        "hovertemplate": "%{text}: %{y:.2f}<extra></extra>",
    }


def heading(result: PaperResult, what: str) -> str:
    """Return a heading, which names the data set, and so one that is not the paper's."""
    title = f"{what} · {result.source.title}"
    return title[:1].upper() + title[1:]
