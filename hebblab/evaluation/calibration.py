"""Whether a readout is as sure as it is right."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, shown
from hebblab.evaluation import checks

_HAIR = 1e-7


@dataclass(frozen=True, eq=False)
class Reliability:
    """Confidence beside accuracy, by bins of equal width.

    Attributes:
        confidence: (bins,), mean probability of the chosen class; NaN where a bin is empty.
        accuracy: (bins,), share of right answers; NaN where a bin is empty.
        count: int64 (bins,).
        error: The expected calibration error, 0 to 1.
    """

    confidence: Tensor
    accuracy: Tensor
    count: Tensor
    error: float

    def plain(self) -> dict[str, float | list[int] | list[float | None]]:
        """Return it as JSON takes it: by each attribute's name a list over bins; empty is None.

        Bin b of B holds confidences above b/B up to (b + 1)/B.

        >>> sure = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
        >>> reliability(sure, torch.tensor([1, 0]), bins=2).plain()
        {'confidence': [None, 0.875], 'accuracy': [None, 1.0], 'count': [0, 2], 'error': 0.125}
        """
        return {
            "confidence": _filled(self.confidence),
            "accuracy": _filled(self.accuracy),
            "count": self.count.tolist(),
            "error": self.error,
        }


def reliability(probabilities: Tensor, labels: Tensor, bins: int = 15) -> Reliability:
    r"""Return confidence and accuracy by bins of confidence, and the expected calibration error.

    \[ECE = \sum_b \frac{n_b}{n}\,|acc_b - conf_b|\]

    over bins \((0, 1/B], …, ((B-1)/B, 1]\) of the largest probability.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.

    Args:
        probabilities: (samples, classes), rows that sum to 1.
        labels: int64 (samples,).
        bins: B, at least 1.

    Raises:
        InvalidValue: The shapes do not fit, or the rows are no probabilities.

    >>> probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> round(reliability(probabilities, torch.tensor([0, 1, 1]), bins=5).error, 4)
    0.2
    """
    given = checks.rows("Probabilities", probabilities)
    checks.labelled(labels, len(given), given.shape[1])
    if len(given) == 0:
        raise InvalidValue("Calibration needs at least one answer.")
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise InvalidValue(f"bins is a whole number from 1, not {shown(bins)}.")
    exact = probabilities.double()
    sums = exact.sum(dim=1)
    if not bool(((sums - 1).abs() < 1e-3).all() and (exact >= 0).all()):
        raise InvalidValue(
            "Rows of probabilities are at least 0 and sum to 1. Of scores, take the softmax first."
        )
    sure, chosen = exact.max(dim=1)
    right = (chosen == labels).double()
    place = _bin(sure, bins)
    count = torch.bincount(place, minlength=bins)
    confidence = torch.bincount(place, weights=sure, minlength=bins) / count
    accuracy = torch.bincount(place, weights=right, minlength=bins) / count
    gap = (accuracy - confidence).abs().nan_to_num(0.0)
    error = float((gap * count).sum() / len(labels))
    return Reliability(confidence, accuracy, count, error)


def error_interval(
    found: Reliability, probabilities: Tensor, labels: Tensor
) -> tuple[float, float]:
    """Return the 95 % interval of an expected calibration error, (low, high).

    The error is a mean over samples once it is fixed which bins are over- and which
    underconfident; the interval is that mean's, by the normal distribution. It does not cover that
    the error of a perfectly calibrated readout is above 0 in any finite sample.

    Args:
        found: What `reliability` returned for the same samples.
        probabilities: (samples, classes).
        labels: int64 (samples,).
    """
    sure, chosen = probabilities.double().max(dim=1)
    direction = (found.accuracy - found.confidence).nan_to_num(0.0).sign()
    each = ((chosen == labels).double() - sure) * direction[_bin(sure, len(found.count))]
    half = 1.96 * float(each.std(correction=0)) / len(each) ** 0.5
    return max(0.0, found.error - half), min(1.0, found.error + half)


def _filled(values: Tensor) -> list[float | None]:
    return [None if value.isnan() else float(value) for value in values]


def _bin(sure: Tensor, bins: int) -> Tensor:
    # A probability on a bin's edge, as float32 has it, is a hair above.
    return torch.ceil((sure - _HAIR) * bins).long().sub_(1).clamp_(0, bins - 1)


def calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Return the expected calibration error, 0 to 1; see `reliability`.

    >>> calibration_error(torch.eye(2), torch.tensor([0, 1]))
    0.0
    """
    return reliability(probabilities, labels, bins).error
