"""How the parts stand together: two boxes, and a grid that answers to the Lab's own width."""

from collections.abc import Sequence

import ipywidgets

from .bar import Bar
from .controls import Controls
from .weights import Weights


def compose(
    bar: Bar, controls: Controls, weights: Weights, charts: Sequence[ipywidgets.Widget]
) -> ipywidgets.Box:
    """Return the whole dashboard; `lab.css` arranges it.

    The outer box is what container queries measure, so that a notebook's cell decides and not the
    window; the inner box is the grid.

    Args:
        bar: Transport, status, errors.
        controls: Knobs and edits.
        weights: Weight images and the chosen unit.
        charts: The charts, in the order in which they stand.
    """
    column = ipywidgets.Box(tuple(charts))
    column.add_class("hl-charts")
    grid = ipywidgets.Box((bar, controls, weights, column))
    grid.add_class("hl-grid")
    lab = ipywidgets.Box((grid,))
    lab.add_class("hebblab-lab")
    return lab
