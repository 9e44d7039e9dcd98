"""What the fast paths of rules are made of: products into kept buffers, and sums as bags.

Results live in the buffers of a `Scratch` until the next first chunk of a step.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from hebblab.nn.scratch import Scratch
from hebblab.rules import products, ranks
from hebblab.rules.reductions import count
from hebblab.rules.rule import Rows, Rule, Statistics

SMALL = 200_000  # responses a batch below which plain products beat gathering the touched rows


def responses(inputs: Tensor, weights: Tensor, scratch: Scratch) -> Tensor:
    """Return X Wᵀ (samples, units) in a buffer."""
    buffer = scratch.take("responses", (len(inputs), len(weights)), inputs)
    return products.times(inputs, weights, buffer)


def hebbian(
    activity: Tensor, inputs: Tensor, total: Statistics | None, scratch: Scratch, sign: int = 1
) -> Tensor:
    """Return ± YᵀX (units, fan_in) on top of what `total` begins with."""
    buffer = scratch.take("hebbian", (activity.shape[1], inputs.shape[1]), inputs)
    before = None if total is None else total[0]
    return products.over_samples(activity, inputs, before, buffer, sign)


def powers(activity: Tensor, wanted: tuple[int, ...], scratch: Scratch) -> tuple[Tensor, ...]:
    """Return each Σ|Y|ᵖ over samples that is wanted, for p of 1 and 2, (units,)."""
    kept = scratch.take("powers", tuple(activity.shape), activity)
    return tuple(
        (torch.abs(activity, out=kept) if p == 1 else torch.square(activity, out=kept)).sum(dim=0)
        for p in wanted
    )


def added(total: Statistics | None, *sums: Tensor) -> Statistics:
    """Return the sums of a chunk on top of a total's; its first member is added to already."""
    if total is None:
        return sums
    return (sums[0], *(old.add_(new) for old, new in zip(total[1:], sums[1:], strict=True)))


def softmax(logits: Tensor, top: Tensor, temperature: float, out: Tensor) -> Tensor:
    """Return the softmax of logits / T, given the largest of each sample (samples, 1)."""
    torch.sub(logits, top, out=out).div_(temperature)
    return torch.ops.aten._softmax.out(out, 1, False, out=out)  # type: ignore[no-any-return]


def lively(inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Return 1 for samples that are not all zero and 0 for the rest, (samples,).

    Only samples of length zero, which may be short of the smallest number, are looked at one by
    one, as that takes longer than to find all lengths.
    """
    if inputs.is_cuda:
        return inputs.any(dim=1).to(inputs.dtype)
    if lengths is None:
        lengths = torch.linalg.vector_norm(inputs, dim=1)
    alive = lengths > 0
    if not bool(alive.all()):
        rows = (~alive).nonzero()[:, 0]
        alive[rows] = inputs.index_select(0, rows).any(dim=1)
    return alive.to(inputs.dtype)


def without_zeros(inputs: Tensor, scratch: Scratch) -> Tensor:
    """Return the samples that are not all zero, where leaving out the others is worth a copy.

    Four in ten patches of handwritten digits are paper. As libraries prepare anew for every size of
    a product, some zeros stay, up to the next multiple of 64.
    """
    alive = lively(inputs) > 0
    kept = -(-int(alive.sum()) // 64) * 64
    if kept > 0.9 * len(inputs):
        return inputs
    rows = torch.cat((alive.nonzero(), alive.logical_not_().nonzero()))[:kept, 0]
    buffer = scratch.take("without zeros", (kept, inputs.shape[1]), inputs)
    return torch.index_select(inputs, 0, rows, out=buffer)


def scored_(
    scores: Tensor, inputs: Tensor, weights: Tensor, similarity: str
) -> tuple[Tensor, Tensor | None]:
    """Turn responses into scores in place; return them, and the samples' lengths where found."""
    if similarity == "dot":
        return scores, None
    if similarity == "distance":
        return scores.sub_(weights.square().sum(dim=1).mul_(0.5)), None
    lengths = torch.linalg.vector_norm(inputs, dim=1)
    own = torch.linalg.vector_norm(weights, dim=1)
    scores.div_(torch.where(lengths > 0, lengths, 1.0)[:, None])
    scores.div_(torch.where(own > 0, own, 1.0))
    if similarity == "raised-cosine":
        scores.add_(1).mul_(0.5).square_()
    return scores, lengths


class Winners:
    """Who won each sample of a chunk, and by how much: (k · samples,) pairs, rank by rank.

    Args:
        inputs: (samples, fan_in).
        weights: (units, fan_in).
        k: How many units win.
        similarity: What they are compared by.
        graded: Whether a winner counts by its response instead of by 1.
        thresholds: (units,), or None.
        scratch: Keeps the buffers.
    """

    def __init__(
        self,
        inputs: Tensor,
        weights: Tensor,
        k: int,
        similarity: str,
        graded: bool,
        thresholds: Tensor | None,
        scratch: Scratch,
    ) -> None:
        answers = responses(inputs, weights, scratch)
        compared = answers
        if graded and (similarity != "dot" or thresholds is not None):
            compared = scratch.take("scores", tuple(answers.shape), answers).copy_(answers)
        compared, lengths = scored_(compared, inputs, weights, similarity)
        if thresholds is not None:
            compared = compared.sub_(thresholds)
        best, values = ranks.best(compared, k, scratch, inputs)
        strength = lively(inputs, lengths)[:, None].expand(-1, k)
        if thresholds is not None:
            strength = strength * (values > 0)
        if graded:
            strength = strength * answers.gather(1, best)
        self.inputs = inputs
        self.units = len(weights)
        self.who = best.T.reshape(-1)
        self.how = strength.T.reshape(-1)

    def fired(self) -> Tensor:
        """Return how many samples each unit won, (units,)."""
        return torch.bincount(self.who[self.how != 0], minlength=self.units)

    def power(self, p: int) -> Tensor:
        """Return Σ |how|ᵖ of each unit, (units,)."""
        values = self.how.abs() if p == 1 else self.how.square()
        return totals(self.who, values, self.units)

    def statistics(
        self, total: Statistics | None, powers: tuple[int, ...], with_fired: bool
    ) -> Statistics:
        """Return YᵀX, each Σ|Y|ᵖ, the number of samples and where asked how often each unit won."""
        summed = all_bags(self.who, self.how, self.inputs, self.units)
        if total is not None:
            summed = total[0].add_(summed)
        sums = (self.power(p) for p in powers)
        fired = (self.fired(),) if with_fired else ()
        return added(total, summed, *sums, count(self.inputs), *fired)

    def touched(self, rule: Rule, weights: Tensor, powers: tuple[int, ...]) -> Rows:
        """Return the change of the units that won, of a rule by which the others have none."""
        rows, summed = bags(self.who, self.how, self.inputs)
        sums = (self.power(p)[rows] for p in powers)
        own = weights.index_select(0, rows)
        return Rows(rows, rule.change((summed, *sums, count(self.inputs)), own))


def totals(who: Tensor, values: Tensor, units: int) -> Tensor:
    """Return the sum of the values of each unit, (units,)."""
    return torch.bincount(who, values, minlength=units).to(values.dtype)


def bags(who: Tensor, how: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return the units that occur, in rising order, and for each the sum of how × its samples.

    Args:
        who: (m · samples,) unit of each pair, samples in order m times over.
        how: (m · samples,) what a pair counts.
        inputs: (samples, fan_in).

    Returns:
        (touched,) and (touched, fan_in).
    """
    order = who.argsort(stable=True)
    rows, counts = torch.unique_consecutive(who[order], return_counts=True)
    return rows, _bagged(order, counts.cumsum(0) - counts, how, inputs)


def all_bags(who: Tensor, how: Tensor, inputs: Tensor, units: int) -> Tensor:
    """Return for every unit the sum of how × its samples, (units, fan_in); see `bags`."""
    order = who.argsort(stable=True)
    offsets = torch.searchsorted(who[order], torch.arange(units, device=who.device))
    return _bagged(order, offsets, how, inputs)


def _bagged(order: Tensor, offsets: Tensor, how: Tensor, inputs: Tensor) -> Tensor:
    return F.embedding_bag(
        order % len(inputs), inputs, offsets, mode="sum", per_sample_weights=how[order]
    )
