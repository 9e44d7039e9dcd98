"""Who wins, and how much of a response is let through."""

from typing import Literal

import torch
from torch import Tensor

from hebblab.errors import InvalidValue

Similarity = Literal["dot", "cosine", "raised-cosine", "distance"]
SIMILARITIES = ("dot", "cosine", "raised-cosine", "distance")
COMPETITIONS = ("none", "hard", "graded", "softmax", "proportional", "relu")

_TINY = 1e-12


def ranked(scores: Tensor, k: int) -> Tensor:
    """Return the units of the k best scores of each sample, best first, (samples, k).

    Equal scores rank by the lowest index, which `topk` alone does not promise.

    Raises:
        InvalidValue: There are fewer than k units.

    >>> ranked(torch.tensor([[1.0, 3.0, 3.0]]), 2)
    tensor([[1, 2]])
    """
    units = scores.shape[1]
    if k > units:
        raise InvalidValue(f"k = {k} is more than the {units} units there are.")
    if k == 1:
        return scores.max(dim=1, keepdim=True).indices
    if scores.is_cuda:
        return _ranked_by_keys(scores, k)
    values, best = scores.topk(min(k + 1, units), dim=1)
    equal = (values[:, 1:] == values[:, :-1]).any(dim=1)
    if bool(equal.any()):
        rows = equal.nonzero().squeeze(1)
        best[rows] = stable_order(scores[rows])[:, : best.shape[1]]
    return best[:, :k]


def _ranked_by_keys(scores: Tensor, k: int) -> Tensor:
    """Rank without looking at ties, as that would wait for a device.

    Keys are whole numbers in the order of the float32 scores that end in the index; float64 fills
    a key by itself and is sorted.
    """
    if scores.dtype != torch.float32:
        return stable_order(scores)[:, :k]
    bits = (scores + 0.0).view(torch.int32).to(torch.int64)  # the sum makes a zero of minus zero
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    behind = torch.arange(scores.shape[1] - 1, -1, -1, device=scores.device)
    return ((ordered << 32) | behind).topk(k, dim=1).indices


def stable_order(scores: Tensor) -> Tensor:
    """Return all units by falling score, equal ones by rising index."""
    return scores.sort(dim=1, descending=True, stable=True).indices


def winners(responses: Tensor, k: int = 1) -> Tensor:
    """Return 1 for the k best units of each sample and 0 for the rest, (samples, units).

    A sample to which no unit responds at all (all responses zero) has no winner; other ties go
    to the lowest index.

    >>> winners(torch.tensor([[0.2, 0.9], [0.0, 0.0]]))
    tensor([[0., 1.],
            [0., 0.]])
    """
    won = torch.zeros_like(responses).scatter_(1, ranked(responses, k), 1.0)
    return won.mul_((responses != 0).any(dim=1, keepdim=True))


def scores(inputs: Tensor, weights: Tensor, responses: Tensor, similarity: str) -> Tensor:
    """Return how well each unit matches each sample, (samples, units).

    Args:
        inputs: (samples, fan_in).
        weights: (units, fan_in).
        responses: `inputs @ weights.T`.
        similarity: "dot" u; "cosine" u/(‖w‖‖x‖), 0 for zero rows; "raised-cosine"
            ((1 + cosine)/2)²; "distance" u - ½‖w‖², whose largest is the nearest prototype.
    """
    if similarity == "dot":
        return responses
    if similarity == "distance":
        return responses - 0.5 * weights.square().sum(dim=1)
    # One after the other: the product of two small lengths would underflow.
    cosine = responses / _divisor(inputs)[:, None] / _divisor(weights)
    return cosine if similarity == "cosine" else (0.5 * (1 + cosine)).square()


def compete(
    responses: Tensor,
    scores: Tensor,
    alive: Tensor,
    competition: str,
    *,
    k: int = 1,
    temperature: float = 1.0,
    exponent: float = 1.0,
    thresholds: Tensor | None = None,
    absent: Tensor | None = None,
) -> Tensor:
    """Return the activity Y (samples, units) that a rule multiplies with.

    Args:
        responses: (samples, units), u.
        scores: (samples, units), what is compared.
        alive: (samples, 1), 0 where the sample is all zero and so has no winner.
        competition: "none" u; "hard" 1 for the k best; "graded" u of the k best; "softmax" of
            score/temperature; "proportional" max(score, 0)^exponent by its sum; "relu" max(u, 0).
        k: Number of winners.
        temperature: Of the softmax.
        exponent: Of the proportional competition.
        thresholds: (units,), subtracted from the scores of "hard" and "graded", where nobody
            wins with less than nothing left.
        absent: (samples, units) of bool, who takes no part in a competition; one that has winners
            or shares.
    """
    if competition == "none":
        return responses
    if competition == "relu":
        return responses.clamp_min(0)
    if absent is not None:
        somebody = absent.all(dim=1, keepdim=True).logical_not_()
        others = scores.masked_fill(absent & somebody, float("-inf"))
        found = compete(
            responses,
            others,
            alive,
            competition,
            k=k,
            temperature=temperature,
            exponent=exponent,
            thresholds=thresholds,
        )
        return found.masked_fill(absent, 0)
    if competition == "softmax":
        shifted = (scores - scores.amax(dim=1, keepdim=True)) / temperature
        return torch.softmax(shifted, dim=1) * alive
    if competition == "proportional":
        return _proportions(scores.clamp_min(0), exponent).mul_(alive)
    if thresholds is None:
        won = torch.zeros_like(scores).scatter_(1, ranked(scores, k), 1.0).mul_(alive)
    else:
        lifted = scores - thresholds
        best = ranked(lifted, k)
        positive = (lifted.gather(1, best) > 0).to(scores.dtype)
        won = torch.zeros_like(scores).scatter_(1, best, positive).mul_(alive)
    return won if competition == "hard" else won.mul_(responses)


def alive(inputs: Tensor) -> Tensor:
    """Return 1 for samples that are not all zero and 0 for the rest, (samples, 1)."""
    return (inputs != 0).any(dim=1, keepdim=True).to(inputs.dtype)


def _proportions(parts: Tensor, exponent: float) -> Tensor:
    """Return partᵃ by the sum of those of its sample, which counts as 1e-12 at the least.

    Powers of the largest part of a sample cancel, so that none of them overflows.
    """
    top = parts.amax(dim=1, keepdim=True)
    top = torch.where(top > 0, top, 1.0)
    powers = (parts / top).pow_(exponent)
    floor = _TINY * top.pow(-exponent)
    return powers / powers.sum(dim=1, keepdim=True).maximum(floor)


def _divisor(rows: Tensor) -> Tensor:
    """Return the length of each row, 1 where it has none."""
    length: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return torch.where(length > 0, length, 1.0)
