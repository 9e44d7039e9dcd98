"""What learned features are worth: probes on frozen networks, with baselines and intervals."""

from hebblab.evaluation.intervals import Score, wilson
from hebblab.evaluation.probes import ProbeResult, linear_probe

__all__ = ["ProbeResult", "Score", "linear_probe", "wilson"]
