"""Ridge regression onto classes in closed form: sums over samples first, then any penalty."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hebblab.errors import InvalidValue
from hebblab.evaluation.readout import Readout
from hebblab.evaluation.standard import NOT_FINITE, Standard

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0)
CHUNK = 4096  # rows of one product
_BLOCK = 256  # columns of one product: what lies below the diagonal's blocks is never computed
_EXACT = 4096  # features up to which equations are solved in float64


class RidgePath(NamedTuple):
    """Ridge readouts of the same samples, one for each penalty.

    Attributes:
        penalties: As given.
        weights: (penalties, classes, features), for standardised features.
        bias: (penalties, classes).
        standard: What the features are standardised by.
    """

    penalties: tuple[float, ...]
    weights: Tensor
    bias: Tensor
    standard: Standard

    def predict(self, features: Tensor) -> Tensor:
        """Return each readout's class of each row (samples, features), int64 (penalties, samples).

        Raises:
            InvalidValue: A feature is not finite.
        """
        mean, scale = self.standard
        folded = (self.weights * scale).flatten(0, 1)
        offset = self.bias.flatten() - folded @ mean
        scores = torch.addmm(offset[:, None], folded, features.T)
        if not bool(torch.isfinite(scores.sum())):
            raise InvalidValue(NOT_FINITE)
        return scores.view(*self.bias.shape, len(features)).argmax(dim=1)

    def readout(self, place: int) -> Readout:
        """Return the readout of one penalty."""
        mean, scale = self.standard
        return Readout(
            self.weights[place], self.bias[place], mean, scale, "ridge", self.penalties[place]
        )


class Moments:
    """Sums over labelled samples, from which readouts of every penalty follow.

    Sums of disjoint samples add up (`+=`), so that a subset costs its own samples only.

    Args:
        standard: What the features are standardised by.
        classes: Number of classes.
    """

    def __init__(self, standard: Standard, classes: int) -> None:
        width, device = len(standard.mean), standard.mean.device
        self.standard = standard
        self._squares = torch.zeros(width, width, dtype=torch.float64, device=device)
        self._sums = torch.zeros(classes, width, dtype=torch.float64, device=device)
        self.counts = torch.zeros(classes, dtype=torch.int64, device=device)

    @property
    def samples(self) -> int:
        """How many samples were added."""
        return int(self.counts.sum())

    def add(self, features: Tensor, labels: Tensor) -> None:
        """Add samples: features (samples, features), labels int64 (samples,).

        Raises:
            InvalidValue: A feature is not finite.
        """
        classes, width = self._sums.shape
        for rows, own in zip(torch.split(features, CHUNK), torch.split(labels, CHUNK), strict=True):
            ready = self.standard.applied(rows)
            truth = torch.zeros(classes, len(own), dtype=ready.dtype, device=ready.device)
            truth.scatter_(0, own[None], 1.0)
            sums = truth @ ready
            if not bool(torch.isfinite(sums.sum())):
                raise InvalidValue(NOT_FINITE)
            self._sums += sums
            self.counts += torch.bincount(own, minlength=classes)
            for first in range(0, width, _BLOCK):
                last = min(first + _BLOCK, width)
                self._squares[first:last, first:] += ready[:, first:last].T @ ready[:, first:]

    def __iadd__(self, other: "Moments") -> "Moments":
        self._squares += other._squares
        self._sums += other._sums
        self.counts += other.counts
        return self

    def solve(self, penalties: Sequence[float] = PENALTIES) -> RidgePath:
        r"""Return the readouts that minimise \(\frac1n \|XW^\top + c - Y\|^2 + \lambda \|W\|^2\).

        Y is one-hot, and the offset c is not penalised. One Cholesky factor a penalty: eight of
        them take a third of the time of the one eigendecomposition that would serve all.

        Args:
            penalties: λ, each above 0, in units of a standardised feature's variance.
        """
        classes, width = self._sums.shape
        samples = self.samples
        mean, share = self._sums.sum(dim=0) / samples, self.counts.double() / samples
        dtype = torch.float64 if width <= _EXACT else torch.float32
        covariance = self._squares.triu()
        covariance += covariance.triu(1).T
        covariance = covariance.div_(samples).sub_(torch.outer(mean, mean)).to(dtype)
        wanted = (self._sums / samples - torch.outer(share, mean)).T.to(dtype)
        diagonal = covariance.diagonal().clone()
        weights = wanted.new_empty(len(penalties), classes, width)
        for place, penalty in enumerate(penalties):
            factor = _factor(covariance, diagonal, penalty)
            weights[place] = torch.cholesky_solve(wanted, factor).T
        bias = share - weights.double() @ mean
        return RidgePath(tuple(penalties), weights.float(), bias.float(), self.standard)


def solve_few(
    features: Tensor,
    labels: Tensor,
    classes: int,
    standard: Standard,
    penalties: Sequence[float] = PENALTIES,
) -> RidgePath:
    """Return what `Moments` would solve, for samples fewer than features: as many equations.

    Args:
        features: (samples, features).
        labels: int64 (samples,).
        classes: Number of classes.
        standard: What the features are standardised by.
        penalties: As for `Moments.solve`.

    Raises:
        InvalidValue: A feature is not finite.
    """
    rows = standard.applied(features)
    if not bool(torch.isfinite(rows.sum())):
        raise InvalidValue(NOT_FINITE)
    samples, mean = len(rows), rows.mean(dim=0)
    rows -= mean
    truth = torch.zeros(samples, classes, dtype=torch.float64, device=rows.device)
    truth.scatter_(1, labels[:, None], 1.0)
    share = truth.mean(dim=0)
    kernel = (rows @ rows.T).double()
    diagonal = kernel.diagonal().clone()
    found = []
    for penalty in penalties:
        factor = _factor(kernel, diagonal, samples * penalty)
        found.append(torch.cholesky_solve(truth - share, factor).T.float() @ rows)
    weights = torch.stack(found)
    bias = share.float() - weights @ mean
    return RidgePath(tuple(penalties), weights, bias, standard)


def _factor(matrix: Tensor, diagonal: Tensor, penalty: float) -> Tensor:
    """Return the Cholesky factor of a matrix whose diagonal is set to `diagonal` + penalty."""
    while True:
        torch.add(diagonal, penalty, out=matrix.diagonal())
        factor, failed = torch.linalg.cholesky_ex(matrix)
        if not int(failed):
            found: Tensor = factor
            return found
        # Rounding left the matrix a little below positive: the next penalty stands for this one.
        penalty *= 10


def best(right: Tensor) -> int:
    """Return the place of the penalty with most answers right; among equals the strongest.

    Args:
        right: bool (penalties, samples), penalties rising.
    """
    counts = right.sum(dim=1)
    return int((counts == counts.max()).nonzero().max())
