"""How strong a colour is: bounds that noise does not blow up and that do not breathe."""

import math

import numpy as np
from numpy.typing import NDArray

_SAMPLE = 40_000
_LADDER = (1.0, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 3.9, 4.7, 5.6, 6.8, 8.2, 10.0)


def robust_bound(weights: NDArray[np.float32], winning: NDArray[np.bool_] | None = None) -> float:
    """Return the 99th percentile of |w| over the units that win (all, where none does).

    One noisy unit would otherwise hide every digit. Large layers are read at evenly spaced
    weights.
    """
    if winning is not None and winning.any() and not winning.all():
        weights = weights[winning]
    flat = weights.ravel()
    # A stride that shares no factor with the image's width meets every pixel.
    stride = max(1, flat.size // _SAMPLE) | 1
    sample = np.abs(flat[::stride])
    if sample.size == 0:
        return 0.0
    place = int(0.99 * (sample.size - 1))
    value = float(np.partition(sample, place)[place])
    return value if math.isfinite(value) else 0.0


def rung(value: float) -> float:
    """Return the first of the scale's steps from `value` on, about 20 % apart.

    >>> rung(0.13), rung(0.2), rung(0)
    (0.15, 0.22, 1.0)
    """
    if not value > 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    for step in _LADDER:
        if step * power >= value * (1 - 1e-9):
            return float(f"{step * power:.6g}")
    return 10 * power


class SteadyBound:
    """A bound that moves in steps, and not at all while the weights stay near it.

    >>> bound = SteadyBound()
    >>> [bound(value) for value in (0.20, 0.21, 0.19, 0.225, 0.16, 0.12)]
    [0.22, 0.22, 0.22, 0.22, 0.22, 0.15]
    """

    def __init__(self) -> None:
        self.value = 0.0

    def __call__(self, wanted: float) -> float:
        """Return the bound for this value: up at once, down when it is two thirds empty."""
        if wanted > 1.05 * self.value:
            self.value = rung(wanted)
        elif 0 < wanted < self.value / 1.6:
            self.value = rung(1.1 * wanted)
        return self.value or 1.0


def written(value: float) -> str:
    """Return a bound as it stands beside the colours.

    >>> written(0.27), written(3.0), written(1e-7)
    ('0.27', '3.0', '1e-07')
    """
    if not 1e-5 <= value < 1e6:
        return f"{value:.2g}"
    return f"{value:.{max(0, 1 - math.floor(math.log10(value)))}f}"
