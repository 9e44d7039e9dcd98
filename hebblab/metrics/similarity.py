"""How like each other the units are: nearest units, duplicates, effective rank, turning."""

import math
from numbers import Real
from typing import NamedTuple

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, shown
from hebblab.metrics.rows import unit_rows

_BLOCK = 512  # rows of the cosine matrix held at once


class Nearest(NamedTuple):
    """The most similar other unit of every unit.

    Attributes:
        unit: int64 (units,); -1 where there is only one unit.
        cosine: float32 (units,), -1 to 1; 0 where there is only one unit.
    """

    unit: Tensor
    cosine: Tensor


def nearest(weights: Tensor, sign_blind: bool = False) -> Nearest:
    """Return each unit's most similar other unit and the cosine between the two.

    `likeness` is the mean of these cosines and `near_duplicates` the share above a limit: who
    wants all three calls this once.

    Args:
        weights: (units, fan_in), or a convolution's weights. A unit of zeros has cosine 0 with
            every other.
        sign_blind: Compare |cosine|, for rules that learn an axis and not a direction.

    Raises:
        InvalidValue: Weights that are not finite.

    >>> nearest(torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])).unit.tolist()
    [2, 0, 0]
    """
    rows = unit_rows(weights).float()
    units = rows.shape[0]
    if units == 1:
        return Nearest(rows.new_full((1,), -1, dtype=torch.int64), rows.new_zeros(1))
    index = torch.empty(units, dtype=torch.int64, device=rows.device)
    cosine = rows.new_empty(units)
    for first in range(0, units, _BLOCK):
        block = rows[first : first + _BLOCK] @ rows.T
        if sign_blind:
            block = block.abs()
        own = torch.arange(block.shape[0], device=rows.device)
        block[own, own + first] = -torch.inf
        best = block.max(1)
        index[first : first + _BLOCK] = best.indices
        cosine[first : first + _BLOCK] = best.values
    return Nearest(index, cosine.clamp(-1, 1))


def likeness(weights: Tensor) -> float:
    """Return the mean cosine of the units to their nearest other unit, -1 to 1.

    A single unit resembles none: 0.

    Raises:
        InvalidValue: Weights that are not finite.

    >>> likeness(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    0.0
    """
    return float(nearest(weights).cosine.double().mean())


def near_duplicates(weights: Tensor, cosine: float = 0.95, sign_blind: bool = False) -> float:
    """Return the share of units that have another unit at more than `cosine`, 0 to 1.

    Args:
        weights: (units, fan_in), or a convolution's weights.
        cosine: The limit, -1 to 1.
        sign_blind: Compare |cosine|, for rules that learn an axis and not a direction.

    Raises:
        InvalidValue: Weights that are not finite, or an impossible limit.

    >>> near_duplicates(torch.tensor([[1.0, 0.0], [-1.0, 0.01]]))
    0.0
    >>> near_duplicates(torch.tensor([[1.0, 0.0], [-1.0, 0.01]]), sign_blind=True)
    1.0
    """
    if isinstance(cosine, bool) or not isinstance(cosine, Real) or not -1 <= cosine <= 1:
        raise InvalidValue(f"cosine must be a number from -1 to 1, not {shown(cosine)}.")
    return float((nearest(weights, sign_blind).cosine > cosine).double().mean())


def effective_rank(weights: Tensor) -> float:
    r"""Return how many directions the units span: \(\exp(-\sum q_i \ln q_i)\).

    \(q_i = \sigma_i / \sum \sigma\) are the normalised singular values of the weights with every
    row at Euclidean norm 1 (Roy and Vetterli 2007). Copies of one unit give 1, orthogonal units
    their number, weights that are all zero 0.

    Raises:
        InvalidValue: Weights that are not finite.

    >>> round(effective_rank(torch.tensor([[2.0, 0.0], [0.0, 0.1]])), 6)
    2.0
    """
    rows = unit_rows(weights)
    units, fan_in = rows.shape
    gram = rows @ rows.T if units <= fan_in else rows.T @ rows
    singular = torch.linalg.eigvalsh(gram).clamp_min(0).sqrt()
    total = singular.sum()
    if total == 0:
        return 0.0
    return float(torch.special.entr(singular / total).sum().exp())


def turned(before: Tensor, after: Tensor, degrees: float = 1.0) -> float:
    """Return the share of units that turned by less than `degrees` between two moments.

    A unit of zeros at both moments did not turn; one of zeros at one of them did.

    Args:
        before: (units, fan_in), or a convolution's weights.
        after: The same units later.
        degrees: Above 0, at most 180.

    Raises:
        InvalidValue: Different shapes, weights that are not finite, or an impossible angle.

    >>> turned(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[2.0, 0.01], [1.0, 1.0]]))
    0.5
    """
    if isinstance(degrees, bool) or not isinstance(degrees, Real) or not 0 < degrees <= 180:
        raise InvalidValue(f"degrees must be above 0 and at most 180, not {shown(degrees)}.")
    one, two = unit_rows(before, "before"), unit_rows(after, "after")
    if one.shape != two.shape:
        raise InvalidValue(
            f"before {tuple(before.shape)} and after {tuple(after.shape)} are not the same units."
        )
    # The chord is exact for small angles, where the cosine has lost them.
    chord = torch.linalg.vector_norm(one - two, dim=1)
    angle = 2 * torch.asin((chord / 2).clamp_max(1))
    angle = torch.where((one == 0).all(1) != (two == 0).all(1), math.pi, angle)
    return float((angle < math.radians(degrees)).double().mean())
