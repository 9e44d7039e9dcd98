"""How the summed update of a batch becomes one step."""

import torch
from torch import Tensor

REDUCTIONS = ("mean", "sum", "max", "share")

_SHARE_FLOOR = 1e-12  # part of the definition: below it a unit does not move


def reduce(
    summed: Tensor,
    reduction: str,
    *,
    samples: Tensor,
    activity: Tensor | None = None,
    floor: float = 1e-30,
    in_place: bool = False,
) -> Tensor:
    """Return the summed update (units, fan_in) divided as `reduction` says.

    Args:
        summed: Update summed over samples.
        reduction: "mean" by the number of samples; "sum" by nothing; "max" by the largest
            absolute entry; "share" each unit by the sum of its activity.
        samples: Number of samples, 0-d.
        activity: Σ|r| of each unit, (units,); needed for "share".
        floor: Smallest divisor of "max", so that a zero update stays zero.
        in_place: Whether `summed` itself may be changed and returned.
    """
    if reduction == "mean":
        return averaged(summed, samples, in_place)
    if reduction == "max":
        divisor = largest(summed).clamp_min(representable(floor, summed))
    elif reduction.startswith("share"):
        assert activity is not None
        divisor = activity.clamp_min(representable(_SHARE_FLOOR, activity))[:, None]
    else:
        return summed
    return summed.div_(divisor) if in_place else summed / divisor


def averaged(summed: Tensor, samples: Tensor, in_place: bool = False) -> Tensor:
    """Return a sum divided by the number of samples, which float16 cannot hold beyond 65,504.

    >>> averaged(torch.ones(1, dtype=torch.float16), torch.tensor(100_000))
    tensor([1.0014e-05], dtype=torch.float16)
    """
    wide = torch.promote_types(summed.dtype, torch.float32)
    if wide == summed.dtype:
        divisor = samples.to(wide)
        return summed.div_(divisor) if in_place else summed / divisor
    found = (summed.to(wide) / samples.to(wide)).to(summed.dtype)
    return summed.copy_(found) if in_place else found


def pulled(
    statistics: tuple[Tensor, ...], weights: Tensor, reduction: str, in_place: bool = False
) -> Tensor:
    """Return A - diag(c) W divided as `reduction` says, for statistics (A, c, Σ|r|, samples, …)."""
    hebbian, pull, active, samples, *_ = statistics
    summed = hebbian if in_place else hebbian.clone()
    summed.addcmul_(pull[:, None], weights, value=-1)
    return reduce(summed, reduction, samples=samples, activity=active, in_place=True)


def floor_idle(reduction: str) -> dict[str, str]:
    """Return why a precision floor changes nothing; empty where it does."""
    reason = f"It changes nothing while the reduction is {reduction}."
    return {} if reduction == "max" else {"precision_floor": reason}


def count(inputs: Tensor) -> Tensor:
    """Return the number of samples, 0-d and exact (float32 cannot count beyond 16.7 million)."""
    return torch.full((), len(inputs), device=inputs.device)  # filled there: nothing to wait for


def representable(floor: float, values: Tensor) -> float:
    """Return the floor, or the least that the values' dtype does not round to zero."""
    return max(floor, torch.finfo(values.dtype).tiny)


def largest(values: Tensor) -> Tensor:
    """Return the largest absolute entry, 0-d; one pass, no copy."""
    low, high = values.aminmax()
    return high.maximum(-low)
