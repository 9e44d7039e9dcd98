"""What a weight matrix says by itself: norms, convergence, sign, histogram."""

import math
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, shown
from hebblab.metrics.rows import as_rows

DEAD = 1e-6
_ROUNDING = 1e-6  # float32 weights on the edge of the tolerance are inside


@dataclass(frozen=True)
class Convergence:
    """How many units hold the norm that their rule drives them to.

    Attributes:
        converged: Share of all units whose p-norm is within the tolerance of 1, on both sides.
        dead: Share of all units whose p-norm is below 1e-6; they are never converged.
    """

    converged: float
    dead: float


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of weights in bins of equal width, symmetric around zero.

    Attributes:
        counts: int64 (bins,).
        edges: float64 (bins + 1,), from -m to m where m is the largest absolute weight.
    """

    counts: Tensor
    edges: Tensor


def norms(weights: Tensor, p: float = 2.0) -> Tensor:
    r"""Return the p-norm of every unit, \((\sum_j |w_{ij}|^p)^{1/p}\).

    Args:
        weights: (units, fan_in), or a convolution's (units, channels, height, width): its norm
            is over the whole patch.
        p: Above 0; infinity is the largest absolute entry.

    Returns:
        float64 (units,).

    Raises:
        InvalidValue: Weights that are not finite, or an impossible `p`.

    >>> norms(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([5., 0.], dtype=torch.float64)
    """
    if isinstance(p, bool) or not isinstance(p, Real) or not p > 0:
        raise InvalidValue(f"p must be a number above 0, not {shown(p)}.")
    rows = as_rows(weights).double()
    largest = rows.abs().amax(1, keepdim=True)
    scale = torch.where(largest > 0, largest, 1.0)
    return torch.linalg.vector_norm(rows / scale, ord=float(p), dim=1) * scale[:, 0]


def convergence(weights: Tensor, p: float, tolerance: float = 0.1) -> Convergence:
    r"""Say which share of the units has reached p-norm 1: \(|\,\|w_i\|_p - 1| \le\) tolerance.

    It is no measure of learning: a collapsed network can be converged throughout. Only a rule
    that holds a norm gives it a meaning; `p` is that rule's.

    Args:
        weights: (units, fan_in), or a convolution's weights.
        p: The norm that the rule holds at 1.
        tolerance: Above 0 and below 1.

    Raises:
        InvalidValue: Weights that are not finite, an impossible `p` or `tolerance`.

    >>> convergence(torch.tensor([[1.05, 0.0], [0.5, 0.0], [0.0, 0.0], [1.2, 0.0]]), p=2)
    Convergence(converged=0.25, dead=0.25)
    """
    if isinstance(tolerance, bool) or not isinstance(tolerance, Real) or not 0 < tolerance < 1:
        raise InvalidValue(f"tolerance must be between 0 and 1, not {shown(tolerance)}.")
    norm = norms(weights, p)
    near = (norm - 1).abs() <= tolerance + _ROUNDING
    return Convergence(float(near.double().mean()), float((norm < DEAD).double().mean()))


def negative_share(weights: Tensor) -> float:
    r"""Return the share of all weight that is negative: \(\sum |w|_{w<0} / \sum |w|\), 0 to 1.

    Weight counts by its size, so pixels that faded to almost nothing do not count.

    Raises:
        InvalidValue: Weights that are not finite.

    >>> negative_share(torch.tensor([[3.0, -1.0], [0.0, 0.0]]))
    0.25
    """
    rows = as_rows(weights).double()
    largest = rows.abs().max()
    if largest == 0:
        return 0.0
    rows = rows / largest
    return float(rows.clamp(max=0).abs().sum() / rows.abs().sum())


def histogram(weights: Tensor, bins: int = 64) -> Histogram:
    """Count the weights in `bins` bins of equal width over a symmetric range.

    A bin holds its lower edge and not its upper one; the last bin holds both. Weights that are
    all zero give the range -1 to 1.

    Args:
        weights: (units, fan_in), or a convolution's weights.
        bins: 1 to 4096.

    Raises:
        InvalidValue: Weights that are not finite, or an impossible number of bins.

    >>> histogram(torch.tensor([[-2.0, 0.0, 0.5, 2.0]]), bins=4).counts.tolist()
    [1, 0, 2, 1]
    """
    if isinstance(bins, bool) or not isinstance(bins, int) or not 1 <= bins <= 4096:
        raise InvalidValue(f"bins must be a whole number from 1 to 4096, not {shown(bins)}.")
    values = as_rows(weights).flatten().double()
    largest = float(values.abs().max())
    if not largest > math.ulp(0.0) * 4096:
        largest = 1.0
    places = (2 * torch.arange(bins + 1, dtype=torch.float64) - bins) / bins
    edges = (places * largest).to(values.device)
    # A guess by arithmetic, put right by the edges themselves: much faster than a search.
    found = values.div(largest).add_(1).mul_(bins / 2).long().clamp_(0, bins - 1)
    found -= (values < edges[found]).long()
    found += (values >= edges[found + 1]).long()
    found.clamp_(0, bins - 1)
    return Histogram(torch.bincount(found, minlength=bins), edges)
