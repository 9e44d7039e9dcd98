"""The k best units of each sample, in less time than `topk` takes, equal ones by rising index.

Units are looked at in blocks: the k best lie in the k blocks with the best maxima. What is compared
are float64 keys that hold a float32 exactly and, in the bits that it leaves free, the unit's index,
so that NumPy's partition returns both at once and decides ties.
"""

import torch
from torch import Tensor

from hebblab.nn.scratch import Scratch
from hebblab.rules.competition import ranked, stable_order

_SMALL = 100_000  # responses below which the many small steps cost more than they save
_MANY = 1000  # units from which keys are quicker than `topk` for any k
_LEAST = 2.0**-1000  # instead of zero, whose sign and free bits would not compare
_MOST = 2.0**900  # instead of infinity, for the same reason


def best(
    responses: Tensor, k: int, scratch: Scratch, inputs: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return units and values (samples, k): the best first, the k-th last, the others between.

    Args:
        responses: (samples, units), at least k units.
        k: From 1.
        scratch: Keeps the buffers.
        inputs: (samples, fan_in), where the order of a sample that is all zero does not matter.

    >>> units, values = best(torch.tensor([[1.0, 3.0, 2.0, 3.0]]), 2, Scratch())
    >>> units, values
    (tensor([[1, 3]]), tensor([[3., 3.]]))
    """
    if k == 1:
        return top(responses)
    samples, units = responses.shape
    packable = responses.dtype == torch.float32 and responses.device.type == "cpu"
    if not packable or not responses.is_contiguous() or responses.numel() < _SMALL:
        chosen = ranked(responses, k)
        return chosen, responses.gather(1, chosen)
    if 64 * (k + 1) <= units < _MANY:
        return _by_topk(responses, k, inputs)
    block = _block(units, k)
    if block == 1:
        numbers = torch.arange(units)
        chosen = _partitioned(responses, numbers, units, k, scratch, "candidates")
        return chosen, responses.gather(1, chosen)
    columns = units // block
    maxima = scratch.take("maxima", (samples, columns), responses)
    torch.amax(responses.view(samples, block, columns), dim=1, out=maxima)
    # One block more than k, whose maximum tells whether a tie reaches beyond the chosen ones.
    few = _partitioned(maxima, torch.arange(columns), columns, k + 1, scratch, "maxima keys")
    shift = torch.arange(0, units, columns)
    candidates = scratch.take("candidates", (samples, k + 1, block), responses, torch.int64)
    torch.add(few[:, :, None], shift, out=candidates)
    candidates = candidates.view(samples, -1)
    values = scratch.take("values", tuple(candidates.shape), responses)
    torch.gather(responses, 1, candidates, out=values)
    chosen = _partitioned(values, candidates, units, k, scratch, "candidates")
    found = responses.gather(1, chosen)
    tied = found[:, k - 1] == maxima.gather(1, few[:, k:])[:, 0]
    _settle_(chosen, found, tied, responses, inputs)
    return chosen, found


def _by_topk(responses: Tensor, k: int, inputs: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the k best by `topk`, which is quick while 64 times as many are few."""
    values, chosen = responses.topk(k + 1, dim=1)
    _settle_(chosen, values, (values[:, 1:] == values[:, :-1]).any(dim=1), responses, inputs)
    return chosen[:, :k], values[:, :k]


def _settle_(
    chosen: Tensor, values: Tensor, tied: Tensor, responses: Tensor, inputs: Tensor | None
) -> None:
    """Rank samples with equal units again, by rising index, but for those of zeros."""
    if not bool(tied.any()):
        return
    rows = tied.nonzero()[:, 0]
    if inputs is not None:
        rows = rows[inputs.index_select(0, rows).any(dim=1)]
    again = responses.index_select(0, rows)
    order = stable_order(again)[:, : chosen.shape[1]]
    chosen[rows], values[rows] = order, again.gather(1, order)


def top(responses: Tensor) -> tuple[Tensor, Tensor]:
    """Return the best unit of each sample and its value, (samples, 1); the first of equal ones.

    >>> top(torch.tensor([[1.0, 3.0, 3.0]]))
    (tensor([[1]]), tensor([[3.]]))
    """
    if responses.device.type != "cpu":
        values, units = responses.max(dim=1, keepdim=True)
        return units, values
    units = torch.empty(len(responses), 1, dtype=torch.int64)
    responses.numpy().argmax(axis=1, out=units.view(-1).numpy())  # 10 times quicker than torch's
    return units, responses.gather(1, units)


def _partitioned(
    values: Tensor, numbers: Tensor, below: int, k: int, scratch: Scratch, name: str
) -> Tensor:
    """Return the numbers (samples, k) of the k largest values, the largest first, the k-th last.

    Equal values rank by their number. `numbers` are those of the columns, or (samples, columns).
    """
    samples, columns = values.shape
    keys = scratch.take(f"{name} keys", (samples, columns), values, torch.float64)
    keys.copy_(values).add_(_LEAST).clamp_(-_MOST, _MOST)
    bits = keys.view(torch.int64)
    mask = (1 << max(1, (below - 1).bit_length())) - 1
    # A larger mantissa is a larger number above zero, and a smaller one below.
    free = torch.bitwise_right_shift(bits, 63, out=scratch.take("free", (samples, columns), bits))
    free.bitwise_not_().bitwise_and_(mask).bitwise_xor_(numbers)
    bits.bitwise_or_(free)
    # One place at a time: asked for two, NumPy leaves its fast way.
    keys.numpy().partition(columns - k, axis=1)
    chosen = bits[:, columns - k :].flip(1)
    if k > 2:
        first = keys[:, columns - k :].argmax(dim=1, keepdim=True).neg_().add_(k - 1)
        winner = chosen.gather(1, first)
        chosen.scatter_(1, first, chosen[:, :1].clone())
        chosen[:, :1] = winner
    return chosen.bitwise_right_shift(63).bitwise_not_().bitwise_xor_(chosen).bitwise_and_(mask)


def _block(units: int, k: int) -> int:
    """Return how many units share a maximum, as measured; 1 where blocks lose."""
    goal = 10 if units >= 1000 or k <= 3 else 4
    for block in sorted(range(2, 2 * goal), key=lambda size: abs(size - goal)):
        if units % block == 0 and units // block > 2 * (k + 1):
            return block
    return 1
