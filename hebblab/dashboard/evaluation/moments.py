"""How a measurement stands, at the chart that shows it: its button, its progress, its moment."""

from collections.abc import Mapping
from typing import Any

from hebblab.charts import Spec

from ..panels.base import Tool
from .plots import Plot
from .tables import Found

State = Mapping[str, Any]

_ANEW = "Measure the network as it is now."
_PENDING = ("waiting", "running")


def tools(measure: str, state: State) -> list[Tool]:
    """Return the button that begins a measurement, or ends it."""
    if state["state"] in _PENDING:
        return [Tool("cancel", "cancel", "End this without a result.", value=measure)]
    again = state["state"] == "done"
    return [Tool("measure", "again" if again else "measure", _ANEW if again else "", value=measure)]


def progress(state: State) -> float | None:
    """Return the share done of a measurement that is under way or waits."""
    share: float = state["share"]
    return share if state["state"] in _PENDING else None


def doing(state: State) -> str:
    """Return what is being done, and how long it will take."""
    if state["state"] == "waiting":
        return "waiting for what is measured before"
    # In a narrow chart the end of the line is cut: how long it takes is said first.
    return " · ".join(part for part in (state["left"], state["status"]) if part)


def drawn(plot: Plot, found: Found | None, noun: str, words: str, stale: bool) -> Spec:
    """Return a chart's specification, its step said first; a hollow mark says that it is past."""
    spec = plot.drawn(found, noun, words)
    if found is None:
        return spec
    mark = f"{'○ ' if stale else ''}step {found.snapshot.steps:,}"
    return spec | {"subtitle": f"{mark} · {spec['subtitle']}"}
