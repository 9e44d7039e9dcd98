"""Weights of units as pictures, several networks beside each other, with what they measure."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hebblab import metrics
from hebblab.charts import WEIGHTS, Spec, escape, layout
from hebblab.errors import InvalidValue, shown
from hebblab.experiments.papers import drawing
from hebblab.experiments.papers.drawing import note

if TYPE_CHECKING:
    import plotly.graph_objects as go

_BRIGHT = 0.99  # share of the weights that the colours tell apart
_LEVEL = 127  # of the strongest colour
_SPACE = 0.05  # of the width, between two pictures
_SIDE = 24  # pixels left and right
_LINE = 16  # pixels of a line of text
_HEAD, _FOOT = 3 * _LINE, 16  # pixels above and below the pictures


def weights(
    networks: Mapping[str, Tensor],
    image_shape: Sequence[int],
    title: str = "Weights of single units",
    units: int = 25,
    seed: int = 1,
) -> "go.Figure":
    """Draw some units of each network, with total variation and effective rank of all of them.

    Warm is positive, blue negative, each picture on its own scale; three channels are colours, grey
    where a weight is zero.

    Args:
        networks: By name, weights (units, fan_in) or (units, channels, height, width).
        image_shape: Of one unit's weights: (1 or 3, height, width), or (height, width).
        title: Of the figure.
        units: Drawn at random of each, at the most.
        seed: Of the draw.

    Raises:
        InvalidValue: There is no network, or its weights make no such picture.

    >>> figure = weights({"noise": torch.randn(9, 16)}, (4, 4), units=4)
    >>> figure.layout.annotations[-1].text
    '<b>noise</b>'
    """
    if not networks:
        raise InvalidValue("weights() needs at least one network, as {'name': weights}.")
    shape = (1, *image_shape) if len(image_shape) == 2 else tuple(image_shape)
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise InvalidValue(
            f"Pictures have the shape (1 or 3, height, width), not {shown(tuple(image_shape))}."
        )
    each = (1 - _SPACE * (len(networks) - 1)) / len(networks)
    data: list[Spec] = []
    texts: list[Spec] = []
    arranged = layout({}, {})
    for place, (name, rows) in enumerate(networks.items()):
        few = min(units, len(rows))
        drawn = metrics.mosaic(rows, shape, limit=few, seed=seed, gap=1)
        grid, ratio = drawn.pixels, drawn.pixels.shape[0] / drawn.pixels.shape[1]
        axes = ("x", "y") if place == 0 else (f"x{place + 1}", f"y{place + 1}")
        data.append(_picture(grid) | {"xaxis": axes[0], "yaxis": axes[1]})
        left = place * (each + _SPACE)
        bare: Spec = {"visible": False, "fixedrange": True}
        arranged[axes[0].replace("x", "xaxis")] = bare | {
            "domain": [left, left + each],
            "range": [-0.5, grid.shape[1] - 0.5],
            "constrain": "domain",
        }
        arranged[axes[1].replace("y", "yaxis")] = bare | {
            "range": [grid.shape[0] - 0.5, -0.5],
            "scaleanchor": axes[0],
            "constrain": "domain",
            "anchor": axes[0],
        }
        corner: Spec = {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
        lines = measures(rows, shape)
        named = f"<b>{escape(name)}</b>"
        for up, (text, color) in enumerate([*((one, "@muted") for one in lines), (named, "@ink")]):
            where = {"yshift": 4 + _LINE * up}
            texts.append(note(left, 1, text, color, **corner, **where))
    words = f"{units} units drawn at random; warm positive, blue negative; measures are of all"
    if shape[0] == 3:
        words = f"{units} units drawn at random; grey is zero, colours are weights; measures of all"
    arranged["annotations"] = texts
    wide = (drawing.WIDTH - 2 * _SIDE) * each
    height = drawing.TOP + _HEAD + _FOOT + round(wide * ratio)
    figure = drawing.drawn(title, words, data, arranged, height=height, left=_SIDE, right=_SIDE)
    figure.update_layout(margin={"t": drawing.TOP + _HEAD, "b": _FOOT})
    return figure


def measures(rows: Tensor, image_shape: Sequence[int]) -> tuple[str, str]:
    """Return what tells prototypes from noise, in words, the last line first.

    >>> measures(torch.tensor([[0.0, 0, 1, 1], [0, 1, 0, 1]]), (2, 2))
    ('effective rank 1.9 of 2', 'total variation 1.00')
    """
    most = min(len(rows), rows[0].numel())
    return (
        f"effective rank {metrics.effective_rank(rows):.1f} of {most:,}",
        f"total variation {metrics.total_variation(rows, image_shape):.2f}",
    )


def _picture(grid: Tensor) -> dict[str, Any]:
    """Return one mosaic as a trace: a colour map for one channel, colours for three."""
    bound = float(grid.abs().flatten()[:: max(1, grid.numel() // 1_000_000)].quantile(_BRIGHT))
    levels = (_LEVEL * grid / (bound or 1.0)).clamp(-_LEVEL, _LEVEL).round()
    if grid.ndim == 3:
        return {"type": "image", "z": (128 + levels).to(torch.uint8).tolist(), "hoverinfo": "skip"}
    return {
        "type": "heatmap",
        "z": levels.to(torch.int8).numpy(),
        "zmin": -_LEVEL,
        "zmax": _LEVEL,
        "colorscale": [list(stop) for stop in WEIGHTS],
        "showscale": False,
        "hoverinfo": "skip",
    }
