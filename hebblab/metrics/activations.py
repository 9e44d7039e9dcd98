"""What a layer's activations say: size, sparseness, and who wins."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hebblab.errors import InvalidValue
from hebblab.metrics.rows import as_rows

_CHUNK = 1 << 20  # values in float64 at once


@dataclass(frozen=True, eq=False)
class ActivationStatistics:
    """What the activations of one layer on one sample look like.

    Attributes:
        mean: Over samples and units.
        std: Standard deviation over the same values, divided by their number.
        share_active: Share of values above 0, 0 to 1.
        wins: int64 (units,), the samples in which a unit is the strongest.
        win_entropy: Entropy of the wins over that of even wins: 1 is even, 0 is one unit for all.
    """

    mean: float
    std: float
    share_active: float
    wins: Tensor
    win_entropy: float


def activation_statistics(
    activations: Tensor, inputs: Tensor | None = None, responses: Tensor | None = None
) -> ActivationStatistics:
    r"""Summarise a layer's activations on a sample.

    The winner of a sample is its strongest unit, the first of equals. A sample in which no unit
    says anything (all zero) has no winner. The entropy is \(-\sum q_i \ln q_i / \ln H\) over the
    shares \(q_i\) of wins of the \(H\) units.

    Args:
        activations: (samples, units) after the activation, or (images, units, height, width):
            every position is a sample.
        inputs: What the layer saw, samples first; samples whose input is all zero (blank
            patches) are left out. (images, positions, fan_in) or (samples, fan_in).
        responses: Pre-activations of the shape of `activations`; winners are counted on them
            where given, so that units below zero can still be told apart.

    Raises:
        InvalidValue: Shapes that do not fit, or values that are not finite.

    >>> statistics = activation_statistics(torch.tensor([[0.0, 2.0], [4.0, 2.0], [0.0, 0.0]]))
    >>> statistics.wins.tolist(), statistics.win_entropy
    ([1, 1], 1.0)
    """
    rows = _samples(activations, "activations")
    judged = rows if responses is None else _samples(responses, "responses")
    if judged.shape != rows.shape:
        raise InvalidValue(
            f"responses {tuple(judged.shape)} must have the shape of the activations "
            f"{tuple(rows.shape)}."
        )
    if inputs is not None:
        seen = (inputs.flatten(0, 1) if inputs.ndim == 3 else inputs.flatten(1)).ne(0).any(1)
        if seen.shape[0] != rows.shape[0]:
            raise InvalidValue(
                f"inputs hold {seen.shape[0]:,} samples, the activations {rows.shape[0]:,}."
            )
        rows, judged = rows[seen], judged[seen]
    units = rows.shape[1]
    wins = torch.zeros(units, dtype=torch.int64, device=rows.device)
    if rows.shape[0] == 0:
        return ActivationStatistics(0.0, 0.0, 0.0, wins, 0.0)
    step = max(1, _CHUNK // units)
    places = range(0, rows.shape[0], step)
    mean = math.fsum(float(rows[at : at + step].double().sum()) for at in places) / rows.numel()
    spread, active = 0.0, 0
    for at in places:
        part, judged_part = rows[at : at + step], judged[at : at + step]
        spread += float((part.double() - mean).square().sum())
        active += int((part > 0).sum())
        spoke = judged_part.ne(0).any(1)
        wins += torch.bincount(judged_part.argmax(1)[spoke], minlength=units)
    return ActivationStatistics(
        mean, math.sqrt(spread / rows.numel()), active / rows.numel(), wins, _evenness(wins)
    )


def _samples(values: Tensor, name: str) -> Tensor:
    if isinstance(values, Tensor) and values.ndim == 4 and values.numel():
        values = values.permute(0, 2, 3, 1).flatten(0, 2)
    if isinstance(values, Tensor) and values.ndim != 2:
        raise InvalidValue(
            f"{name} must be (samples, units) or (images, units, height, width), "
            f"not {tuple(values.shape)}."
        )
    return as_rows(values, name)


def _evenness(wins: Tensor) -> float:
    total = int(wins.sum())
    if total == 0 or len(wins) == 1:
        return 0.0
    share = wins.double() / total
    return float(torch.special.entr(share).sum() / math.log(len(wins)))
