"""Random abstention: a unit that won much sits out at random, so that others come to win."""

from typing import TYPE_CHECKING

from torch import Tensor

from hebblab.errors import InvalidValue

if TYPE_CHECKING:
    from hebblab.rules.rule import Rule

WINS = "wins"
ABSENT = "absent"


def of(rule: "Rule") -> Tensor | None:
    """Return which units sit out which samples at hand, (samples, units), or None."""
    return rule.buffers.get(ABSENT)


def hold(rule: "Rule", wins: Tensor | None, absent: Tensor | None) -> None:
    """Let a rule hold both, where given; see `Rule.abstention`."""
    for name, held in ((WINS, wins), (ABSENT, absent)):
        if held is None:
            rule.buffers.pop(name, None)
        elif rule.abstains:
            rule.buffers[name] = held
        else:
            raise InvalidValue(
                f"{rule.name!r} as it is set has no competition that units could sit out. Choose a "
                "winner rule, such as 'hard-wta'."
            )


def chances(wins: Tensor, samples: int) -> Tensor:
    """Return how likely each unit sits out a sample, (units,) below 1.

    Its wins by those of the unit that won most, which count n/units more for n samples to come.

    Source: Lagani et al., HebbianPCA, random_abstention, which draws once a batch; here each
    sample is drawn for.

    >>> import torch
    >>> chances(torch.tensor([0.0, 30.0, 60.0]), samples=60)
    tensor([0.0000, 0.3750, 0.7500])
    """
    return wins / (wins.max() + samples / len(wins)).clamp_min(1)


def count_(wins: Tensor, won: Tensor) -> None:
    """Add the wins of a batch in place, and take those of the unit that won least off everyone.

    >>> import torch
    >>> wins = torch.tensor([0.0, 5.0])
    >>> count_(wins, torch.tensor([3, 4]))
    >>> wins
    tensor([0., 6.])
    """
    wins.add_(won.to(wins))
    wins.sub_(wins.min())
