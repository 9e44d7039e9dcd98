"""How the parts stand together: boxes, and a grid that answers to the Lab's own width."""

from collections.abc import Sequence

import ipywidgets

from .hands import Parts


def compose(parts: Parts) -> ipywidgets.Box:
    """Return the whole dashboard; `lab.css` arranges it, `evaluation.css` the Probe screen.

    The outer box is what container queries measure, so that a notebook's cell decides and not the
    window; the inner box is the grid. The Probe screen stands in it beside the three columns, and
    is seen in their place while it is open.

    Args:
        parts: The widgets, charts in the order in which they stand.
    """
    charts = _box("hl-charts", parts.charts)
    study = _box("hl-study", (parts.evaluation, *parts.plots))
    grid = _box("hl-grid", (parts.bar, parts.controls, parts.weights, charts, study))
    return _box("hebblab-lab", (grid,))


def _box(name: str, children: Sequence[ipywidgets.Widget]) -> ipywidgets.Box:
    made = ipywidgets.Box(tuple(children))
    made.add_class(name)
    return made
