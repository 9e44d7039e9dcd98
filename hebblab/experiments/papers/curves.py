"""Accuracy epoch by epoch, as a figure."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hebblab.charts import SERIES, Spec, axis, layout
from hebblab.errors import InvalidValue, unknown
from hebblab.experiments.papers import drawing
from hebblab.experiments.papers.drawing import wrapped
from hebblab.experiments.papers.figures import heading
from hebblab.experiments.papers.results import PaperResult

if TYPE_CHECKING:
    import plotly.graph_objects as go


def curves(result: PaperResult, name: str = "validation", layer: str | None = None) -> "go.Figure":
    """Draw accuracy by epoch, for cells that kept it: the mean over seeds, each seed thin.

    Args:
        result: Of `Paper.run`.
        name: Of a list of shares among what cells tell about themselves.
        layer: By default the paper's last one.

    Raises:
        UnknownName: The paper has no such layer.
        InvalidValue: No cell kept such a list.
    """
    known = result.paper.layers
    if layer is not None and layer not in known:
        raise unknown(f"layer of {result.paper.name}", layer, known)
    where = known[-1] if layer is None else layer
    found: dict[str, list[list[float]]] = {}
    for cell, outcome in result.outcomes.items():
        if cell.layer != where:
            continue
        if curve := outcome["about"].get(name):
            found.setdefault(cell.condition, []).append([100 * float(one) for one in curve])
    if not found:
        raise InvalidValue(f"No cell of {result.paper.name} kept {name!r} by epoch.")
    low, high = drawing.span([one for every in found.values() for curve in every for one in curve])
    data: list[Spec] = []
    ends: list[tuple[str, float, str]] = []
    for place, (condition, every) in enumerate(found.items()):
        color = SERIES[place % len(SERIES)]
        data += [_line(curve, color, 1.0, 0.35) for curve in every if len(every) > 1]
        # Seeds end at different epochs; a mean over some of them would jump.
        together = [math.fsum(values) / len(every) for values in zip(*every, strict=False)]
        data.append(_line(together, color, 2.5, 1.0))
        ends.append((wrapped(condition, 24), together[-1], color))
    longest = max(len(curve) for every in found.values() for curve in every)
    x = axis("epoch", 0.8, longest + 0.2, format="d")
    y = axis(f"{name} accuracy, %", low, high, grid=True)
    seeds = max(len(every) for every in found.values())
    words = f"Mean over {seeds} seeds, each seed thin" if seeds > 1 else "One seed"
    spec = layout(x, y, annotations=drawing.labels(ends, low, high))
    at = f", {where}" if len(known) > 1 else ""
    title = heading(result, f"{name} accuracy by epoch{at}")
    return drawing.curved(title, words, data, spec, [name for name, _, _ in ends])


def _line(curve: Sequence[float], color: str, width: float, opacity: float) -> Spec:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(range(1, len(curve) + 1)),
        "y": list(curve),
        "line": {"color": color, "width": width},
        "opacity": opacity,
        "hovertemplate": "epoch %{x}: %{y:.1f}<extra></extra>",
    }
