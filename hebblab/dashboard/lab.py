"""Lab: the whole dashboard as one object that a notebook cell shows."""

import atexit
import hashlib
import os
import weakref
from typing import TYPE_CHECKING, Any

from hebblab import presets
from hebblab.charts import figure
from hebblab.errors import InvalidValue, shown, unknown
from hebblab.live import Session
from hebblab.recipes import Recipe

from .bar import Bar
from .chart import Chart
from .controls import Controls
from .desk import Desk, Parts
from .evaluation import PLOTS, EvaluationPart
from .layout import compose
from .panels import PANELS
from .weights import Weights

if TYPE_CHECKING:
    import plotly.graph_objects as go

PRESET = "mnist-krotov"

_cells: dict[str, tuple[str, list["weakref.ref[Lab]"]]] = {}
_labs: "weakref.WeakSet[Lab]" = weakref.WeakSet()


class Lab:
    """The dashboard: weight images, curves and knobs of a run, live.

    As the last line of a cell it shows itself. Made from a preset, the run has no end, so that
    knobs keep acting, and it goes at the preset's own speed; running the cell again stops the
    predecessor. Made from a session, the session is the caller's and is never stopped.

    Args:
        session_or_preset: A preset's name, a `Recipe`, or a `Session`.

    Raises:
        UnknownName: There is no such preset.
        DataUnavailable: Its data set cannot be had.

    >>> lab = Lab("mnist-krotov")
    >>> lab.session.state, lab.session.speed
    ('ready', 60.0)
    >>> lab.close()
    """

    def __init__(self, session_or_preset: str | Recipe | Session | None = None) -> None:
        _replace_predecessor(self)
        owned = not isinstance(session_or_preset, Session)
        session = session_or_preset if isinstance(session_or_preset, Session) else None
        if session is None:
            session = _session(session_or_preset)
        parts = Parts(
            bar=Bar(),
            controls=Controls(),
            weights=Weights(),
            charts=tuple(Chart(panel()) for panel in PANELS),
            evaluation=EvaluationPart(),
            plots=tuple(Chart(plot()) for plot in PLOTS),
        )
        self._desk = Desk(session, owned, parts, served=bool(os.environ.get("HEBBLAB_SERVED")))
        self._box = compose(parts)
        _labs.add(self)

    @property
    def session(self) -> Session:
        """The run on view; choosing another preset makes another session."""
        return self._desk.session

    def figure(self, name: str) -> "go.Figure":
        """Return a chart as a Plotly figure, for papers and slides.

        Args:
            name: "convergence", "accuracy", "activations" or "histogram".

        Raises:
            UnknownName: There is no such chart.
        """
        panels = {chart.panel.name: chart.panel for chart in self._desk.parts.charts}
        if name not in panels:
            raise unknown("chart", name, panels)
        return figure(panels[name].spec(self._desk.story()))

    def close(self) -> None:
        """Take the dashboard from the page; a session of its own is stopped with it."""
        self._desk.close()
        _close_widget(self._box)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self._box._repr_mimebundle_(**options)

    def __repr__(self) -> str:
        return f"<Lab of {self.session!r}>"


def _session(wanted: object) -> Session:
    if wanted is None:
        wanted = os.environ.get("HEBBLAB_PRESET") or PRESET
    if not isinstance(wanted, str | Recipe):
        raise InvalidValue(
            f"A Lab shows a preset's name, an hl.Recipe or an hl.Session, not {shown(wanted)}."
        )
    recipe = presets.get(wanted) if isinstance(wanted, str) else wanted
    return Session(recipe, endless=True, speed=recipe.speed)


def _replace_predecessor(lab: Lab) -> None:
    """Close the Labs that an earlier run of the same cell made."""
    cell, execution = _cell()
    if not cell:
        return
    before, labs = _cells.get(cell, ("", []))
    if before != execution:
        for old in labs:
            predecessor = old()
            if predecessor is not None:
                predecessor.close()
        labs = []
    _cells[cell] = (execution, [*labs, weakref.ref(lab)])


def _cell() -> tuple[str, str]:
    """Return what identifies the running cell, and this execution of it; empty outside a kernel."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None or not hasattr(shell, "get_parent"):
        return "", ""
    parent = shell.get_parent() or {}
    if parent.get("header", {}).get("msg_type") != "execute_request":
        return "", ""
    code = str(parent.get("content", {}).get("code", ""))
    cell = parent.get("metadata", {}).get("cellId") or hashlib.sha256(code.encode()).hexdigest()
    return str(cell), str(parent["header"].get("msg_id", ""))


def _close_widget(widget: Any) -> None:
    """Close a widget with its children, layout and style, which ipywidgets keeps otherwise."""
    for child in getattr(widget, "children", ()):
        _close_widget(child)
    for name in ("layout", "style"):
        beside = getattr(widget, name, None)
        if beside is not None and hasattr(beside, "close"):
            beside.close()
    widget.close()


@atexit.register
def _close_all() -> None:
    for lab in list(_labs):
        lab._desk.close()
