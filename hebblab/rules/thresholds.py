"""Homeostasis: thresholds that rise for units which win too often, until all win alike."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hebblab.rules.abstention import WINS

if TYPE_CHECKING:
    from hebblab.rules.rule import Rule

NAME = "thresholds"


def of(rule: "Rule") -> Tensor | None:
    """Return the thresholds θ (units,) that a rule holds, or None where it holds none."""
    return rule.buffers.get(NAME)


def fired(rule: "Rule", won: Tensor) -> tuple[Tensor, ...]:
    """Return how often each unit won, as a further statistic, where `counted` asks for it.

    Args:
        rule: Any rule.
        won: (samples, units), not zero where a unit won; where no winners are counted, its share.
    """
    if not counted(rule):
        return ()
    return ((won != 0).sum(dim=0) if rule.winners_wanted() is not None else won.sum(dim=0),)


def counted(rule: "Rule") -> bool:
    """Return whether a rule holds something that moves by how often units win."""
    return NAME in rule.buffers or WINS in rule.buffers


def adapt_(thresholds: Tensor, fired: Tensor, samples: Tensor, k: int, rate: float) -> None:
    """Move thresholds in place: θ += μ (share of samples won - k/units).

    Source: Miconi 2021, whose target is the same; any other makes all thresholds run away.

    >>> import torch
    >>> thresholds = torch.zeros(2)
    >>> adapt_(thresholds, torch.tensor([3, 1]), torch.tensor(4), k=1, rate=0.5)
    >>> thresholds
    tensor([ 0.1250, -0.1250])
    """
    wide = torch.promote_types(thresholds.dtype, torch.float32)  # float16 ends at 65,504
    share = fired.to(wide) / samples.to(wide)
    thresholds.add_(share.sub_(k / len(thresholds)), alpha=rate)
