"""The Probe screen: what a layer's features are worth, under every probe and beside controls."""

from .following import Follower
from .part import EvaluationPart
from .study import PLOTS, Study

__all__ = ["PLOTS", "EvaluationPart", "Follower", "Study"]
