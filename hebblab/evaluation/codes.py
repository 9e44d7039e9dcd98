"""What kind of code features are: sparse or dense, selective or shared, alike or not."""

import math

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, shown
from hebblab.evaluation import checks


def treves_rolls(activity: Tensor) -> tuple[float, float]:
    r"""Return the lifetime and the population sparseness of a code, each 0 (dense) to 1 (sparse).

    For one unit over n samples \(a = (\sum r/n)^2 / (\sum r^2/n)\) and the sparseness is
    \((1 - a)/(1 - 1/n)\); the lifetime sparseness is its mean over units, the population
    sparseness the same with units and samples exchanged. Units (samples) that never answer have
    none and are left out.

    Source: Treves and Rolls 1991; in this form Vinje and Gallant 2000.

    Args:
        activity: (samples, units), at least 0, at least two of each.

    Raises:
        InvalidValue: An entry that is negative or not finite, or too few samples or units.

    >>> lifetime, population = treves_rolls(torch.eye(4))
    >>> round(lifetime, 6), round(population, 6)
    (1.0, 1.0)
    """
    _check(activity)
    return _sparseness(activity.double()), _sparseness(activity.double().T)


def _sparseness(activity: Tensor) -> float:
    n = len(activity)
    # Of squares of large or small numbers nothing is left in the floats; by the largest, all is.
    largest = activity.amax(dim=0)
    activity = activity / torch.where(largest > 0, largest, 1.0)
    power = activity.square().mean(dim=0)
    share = activity.mean(dim=0).square()[power > 0] / power[power > 0]
    return float(((1 - share) / (1 - 1 / n)).mean()) if len(share) else math.nan


def hoyer(x: Tensor) -> float:
    r"""Return Hoyer's sparseness, 0 (all entries alike) to 1 (one entry); the mean over rows.

    \[(\sqrt d - \|x\|_1/\|x\|_2) / (\sqrt d - 1)\]

    Source: Hoyer, JMLR 2004. Rows of zeros have none and are left out.

    Args:
        x: (d,) or (rows, d), d at least 2, of any sign: weights or codes.

    Raises:
        InvalidValue: d is below 2, or a number is not finite.

    >>> hoyer(torch.tensor([0.0, 3.0, 0.0, 0.0]))
    1.0
    >>> round(hoyer(torch.ones(2, 9)), 6)
    0.0
    """
    if not isinstance(x, Tensor) or x.ndim == 0:
        raise InvalidValue(f"Sparseness is of a tensor (d,) or (rows, d), not {shown(x)}.")
    checks.finite(x)
    rows = x.double().reshape(1, -1) if x.ndim == 1 else x.double().flatten(1)
    size = rows.shape[1]
    if size < 2:
        raise InvalidValue(f"Sparseness needs rows of at least 2 numbers, not {size}.")
    largest = rows.abs().amax(dim=1, keepdim=True)
    rows = rows[largest[:, 0] > 0] / largest[largest > 0][:, None]
    if len(rows) == 0:
        return math.nan
    length = torch.linalg.vector_norm(rows, dim=1)
    root = math.sqrt(size)
    return float(((root - rows.abs().sum(dim=1) / length) / (root - 1)).mean())


def selectivity(activity: Tensor, labels: Tensor, classes: int) -> Tensor:
    r"""Return each unit's class selectivity, 0 (all classes alike) to 1 (one class), (units,).

    \((\mu_{max} - \mu_{rest}) / (\mu_{max} + \mu_{rest})\) of its mean activity by class, where
    the rest is the mean over the other classes that have samples. A unit that never answers has 0,
    and so has each where all samples are of one class.

    Source: Morcos et al., ICLR 2018.

    Args:
        activity: (samples, units), at least 0.
        labels: int64 (samples,).
        classes: Number of classes.

    Raises:
        InvalidValue: As for `treves_rolls`, or labels that do not fit.

    >>> activity = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    >>> selectivity(activity, torch.tensor([0, 1]), 2)
    tensor([1., 0.], dtype=torch.float64)
    """
    _check(activity)
    checks.labelled(labels, len(activity), classes)
    counts = torch.bincount(labels, minlength=classes)
    sums = torch.zeros(classes, activity.shape[1], dtype=torch.float64, device=activity.device)
    sums.index_add_(0, labels, activity.double())
    means = sums[counts > 0] / counts[counts > 0, None]
    if len(means) < 2:
        return torch.zeros_like(means[0])
    best = means.amax(dim=0)
    rest = (means.sum(dim=0) - best) / (len(means) - 1)
    whole = best + rest
    return torch.where(whole > 0, (best - rest) / torch.where(whole > 0, whole, 1.0), 0.0)


def win_information(winners: Tensor, labels: Tensor, units: int, classes: int) -> float:
    """Return what the winning unit tells of the class, in bits: their mutual information.

    Args:
        winners: int64 (samples,), the unit that wins each sample.
        labels: int64 (samples,).
        units: Number of units.
        classes: Number of classes.

    Raises:
        InvalidValue: Winners or labels that do not fit, or none at all.

    >>> win_information(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 1, 1]), 2, 2)
    1.0
    """
    checks.labelled(winners, None, units, "Winners")
    checks.labelled(labels, len(winners), classes)
    if len(winners) == 0:
        raise InvalidValue("Information needs at least one sample.")
    joint = torch.bincount(winners * classes + labels, minlength=units * classes).double()
    joint = (joint / joint.sum()).view(units, classes)
    apart = joint.sum(dim=1, keepdim=True) * joint.sum(dim=0, keepdim=True)
    seen = joint > 0
    return float((joint[seen] * (joint[seen] / apart[seen]).log2()).sum())


def linear_cka(x: Tensor, y: Tensor, debiased: bool = False) -> float:
    r"""Return how alike two representations of the same samples are, 0 to 1 (or about 0).

    \(\|X^\top Y\|_F^2 / (\|X^\top X\|_F \|Y^\top Y\|_F)\) of centred features. Without debiasing,
    noise of more features than samples looks alike.

    Source: Kornblith et al., ICML 2019; debiased by Song et al., JMLR 2012.

    Args:
        x: (samples, features).
        y: (samples, other features).
        debiased: Use the unbiased estimator; needs more than 3 samples.

    Raises:
        InvalidValue: Other numbers of samples, too few, or features that are not finite.

    >>> x = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0], [0.0, 0.0], [1.0, 5.0]])
    >>> round(linear_cka(x, 2 * x), 6)
    1.0
    """
    least = 4 if debiased else 2
    for one in (x, y):
        if not isinstance(one, Tensor) or one.ndim < 2:
            raise InvalidValue(
                f"A representation is a tensor (samples, features), not {shown(one)}."
            )
        checks.finite(one)
    if len(x) != len(y) or len(x) < least:
        raise InvalidValue(
            f"Two representations of the same samples are compared, at least {least} of them, not "
            f"{len(x)} and {len(y)}."
        )
    first, second = x.double().flatten(1), y.double().flatten(1)
    if debiased:
        a, b = (_off_diagonal(one @ one.T) for one in (first, second))
        between, own, other = _unbiased(a, b), _unbiased(a, a), _unbiased(b, b)
    else:
        first, second = first - first.mean(dim=0), second - second.mean(dim=0)
        between = float((first.T @ second).square().sum())
        own = float((first.T @ first).square().sum())
        other = float((second.T @ second).square().sum())
    scale = math.sqrt(max(0.0, own * other))
    return between / scale if scale else math.nan


def _off_diagonal(kernel: Tensor) -> Tensor:
    return kernel - torch.diag(kernel.diagonal())


def _unbiased(a: Tensor, b: Tensor) -> float:
    """Return the unbiased Hilbert-Schmidt estimate of two kernels with empty diagonals."""
    n = len(a)
    whole = a.sum() * b.sum() / ((n - 1) * (n - 2))
    mixed = 2 * (a.sum(dim=0) @ b.sum(dim=0)) / (n - 2)
    return float(((a * b).sum() + whole - mixed) / (n * (n - 3)))


def _check(activity: Tensor) -> None:
    checks.finite(checks.rows("A code", activity))
    if min(activity.shape) < 2:
        raise InvalidValue(
            f"A code is (samples, units), at least two of each, not {tuple(activity.shape)}."
        )
    if bool((activity < 0).any()):
        raise InvalidValue("A code is at least 0 everywhere. Give activations, not responses.")
