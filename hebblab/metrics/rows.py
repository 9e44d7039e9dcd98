"""Weights of any layer as checked rows, one row a unit."""

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, shown


def as_rows(weights: Tensor, name: str = "weights") -> Tensor:
    """Return `weights` as finite rows (units, fan_in), detached, in their own dtype.

    Args:
        weights: (units, fan_in), or (units, channels, height, width) of a convolution.
        name: What an error calls them.

    Raises:
        InvalidValue: No floating tensor of units, an empty one, or one that is not finite.
    """
    if not isinstance(weights, Tensor):
        raise InvalidValue(f"{name} must be a torch.Tensor (units, fan_in), not {shown(weights)}.")
    if weights.ndim < 2 or weights.numel() == 0 or not weights.is_floating_point():
        raise InvalidValue(
            f"{name} must be floating, one row a unit: (units, fan_in) with at least one of "
            f"each, not {tuple(weights.shape)} of {weights.dtype}."
        )
    rows = weights.detach().flatten(1)
    if not bool(torch.isfinite(rows).all()):
        bad = ~torch.isfinite(rows)
        unit = int(bad.any(1).nonzero()[0])
        raise InvalidValue(
            f"{name}: {int(bad.sum()):,} of {rows.numel():,} values are not finite (NaN or "
            f"infinite), the first in unit {unit}. Measure a run before it diverges, or lower "
            "its learning rate."
        )
    return rows


def unit_rows(weights: Tensor, name: str = "weights") -> Tensor:
    """Return the rows at Euclidean norm 1, in float64; rows of zeros stay zero.

    Dividing by the largest entry first keeps the squares of huge and tiny rows in range.
    """
    rows = as_rows(weights, name).double()
    largest = rows.abs().amax(1, keepdim=True)
    rows = rows / torch.where(largest > 0, largest, 1.0)
    length = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return rows / torch.where(length > 0, length, 1.0)
