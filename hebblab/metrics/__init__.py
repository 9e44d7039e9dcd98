"""What can be read off weights and activations: pure functions of tensors."""

from hebblab.metrics.activations import ActivationStatistics, activation_statistics
from hebblab.metrics.mosaics import Mosaic, mosaic
from hebblab.metrics.similarity import (
    Nearest,
    effective_rank,
    likeness,
    near_duplicates,
    nearest,
    turned,
)
from hebblab.metrics.visibility import visible
from hebblab.metrics.weights import (
    Convergence,
    Histogram,
    convergence,
    histogram,
    negative_share,
    norms,
)

__all__ = [
    "ActivationStatistics",
    "Convergence",
    "Histogram",
    "Mosaic",
    "Nearest",
    "activation_statistics",
    "convergence",
    "effective_rank",
    "histogram",
    "likeness",
    "mosaic",
    "near_duplicates",
    "nearest",
    "negative_share",
    "norms",
    "turned",
    "visible",
]
