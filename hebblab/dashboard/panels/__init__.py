"""The charts of the dashboard, one file each; adding one is a file and a line here."""

from .accuracy import Accuracy
from .activations import Activations
from .base import Header, LiveLine, Panel, ProbePoint, Story
from .convergence import Convergence
from .histogram import Histogram

PANELS: tuple[type[Panel], ...] = (Convergence, Accuracy, Activations, Histogram)

__all__ = [
    "PANELS",
    "Accuracy",
    "Activations",
    "Convergence",
    "Header",
    "Histogram",
    "LiveLine",
    "Panel",
    "ProbePoint",
    "Story",
]
