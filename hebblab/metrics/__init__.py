"""What can be read off weights and activations: pure functions of tensors."""

from hebblab.metrics.activations import ActivationStatistics, activation_statistics
from hebblab.metrics.mosaics import Mosaic, mosaic
from hebblab.metrics.places import BestPlaces, best_patches, best_places
from hebblab.metrics.receptive import ReceptiveWindow, back_projection, receptive_window
from hebblab.metrics.sheet import (
    SheetCosines,
    quantisation_error,
    sheet_cosines,
    topographic_error,
)
from hebblab.metrics.similarity import (
    Nearest,
    effective_rank,
    likeness,
    near_duplicates,
    nearest,
    turned,
)
from hebblab.metrics.variation import total_variation
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
    "BestPlaces",
    "Convergence",
    "Histogram",
    "Mosaic",
    "Nearest",
    "ReceptiveWindow",
    "SheetCosines",
    "activation_statistics",
    "back_projection",
    "best_patches",
    "best_places",
    "convergence",
    "effective_rank",
    "histogram",
    "likeness",
    "mosaic",
    "near_duplicates",
    "nearest",
    "negative_share",
    "norms",
    "quantisation_error",
    "receptive_window",
    "sheet_cosines",
    "topographic_error",
    "total_variation",
    "turned",
    "visible",
]
