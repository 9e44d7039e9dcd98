"""What options do around a rule: which connections exist, and how far each unit goes."""

import torch
from torch import Tensor

from hebblab.metrics import norms
from hebblab.rules import Rows

TINY = 1e-10  # added to what may be zero: a length that divides, a distance that multiplies


def drawn_mask(weight: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Return 0 where a connection does not exist and 1 elsewhere, of the shape of `weight`.

    A unit that is left without any connection is drawn again.

    Source: Miconi 2021, where each connection exists with a probability of its own.

    Args:
        weight: (units, ...).
        share: Of connections that do not exist, below 1.
        generator: A CPU generator.
    """
    kept = torch.rand(weight.shape, generator=generator).ge_(share)
    while (empty := ~kept.flatten(1).any(dim=1)).any():
        again = torch.rand((int(empty.sum()), *weight.shape[1:]), generator=generator)
        kept[empty] = again.ge_(share)
    return kept.to(weight)


def slowed(change: Tensor | Rows, weights: Tensor, p: float, power: float) -> Tensor | Rows:
    """Return a change whose rows are multiplied by (|norm - 1| + 1e-10) to a power.

    Source: the code of Journé et al., ICLR 2023.

    Args:
        change: (units, fan_in), or some rows of it.
        weights: (units, fan_in), before the step.
        p: Of the norm that the rule holds at 1.
        power: 0 to 1.

    >>> weights = torch.tensor([[1.25], [2.0]])
    >>> slowed(torch.ones(2, 1), weights, p=2.0, power=0.5).flatten().tolist()
    [0.5, 1.0]
    """
    if isinstance(change, Rows):
        weights = weights.index_select(0, change.indices)
    factor = norms(weights, p).sub_(1).abs_().add_(TINY).pow_(power).to(weights.dtype)[:, None]
    if isinstance(change, Rows):
        return Rows(change.indices, change.values * factor)
    return change * factor
