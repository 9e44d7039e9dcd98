"""Ridge regression onto classes in closed form: sums over samples first, then any penalty."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hebblab.errors import InvalidValue
from hebblab.evaluation import checks
from hebblab.evaluation.readout import Readout
from hebblab.evaluation.standard import NOT_FINITE, Standard, near
from hebblab.rules import products

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0)
_ROWS = 4096  # of one product
_LEAST, _BLOCK = 128, 256  # columns of one product: what lies below these blocks is left out
_EXACT = 4096  # features up to which equations are solved in float64
_TOGETHER = 256  # equations up to which all penalties are solved at once
_SCORED = 1 << 18  # scores that stay in a core's cache while the best is looked for


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
            InvalidValue: A feature is not finite, or there are more or fewer than were fitted on.
        """
        mean, scale = self.standard
        folded = (self.weights * scale).flatten(0, 1)
        offset = (self.bias.flatten() - folded @ mean)[:, None]
        found = []
        ready = checks.rows("features", features, len(mean))
        for rows in torch.split(ready, max(1, _SCORED // len(folded))):
            scores = checks.finite(torch.addmm(offset, folded, rows.T.to(folded.dtype)))
            # Several times faster than argmax across so few classes.
            found.append(scores.view(*self.bias.shape, len(rows)).max(dim=1).indices)
        return torch.cat(found, dim=1)

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
        near: (features,), a point that features are taken from so that no digits are lost, such as
            their mean; sums that are to add up share it.
        classes: Number of classes.
    """

    def __init__(self, near: Tensor, classes: int) -> None:
        self.near = near
        # On the right of the features stand the classes, so that one product sums both.
        size = (len(near), len(near) + classes)
        self._squares = torch.zeros(size, dtype=torch.float64, device=near.device)
        self.counts = torch.zeros(classes, dtype=torch.int64, device=near.device)

    @classmethod
    def of(cls, features: Tensor, labels: Tensor, classes: int) -> "Moments":
        """Return the sums over samples; see `add`."""
        moments = cls(near(features), classes)
        moments.add(features, labels)
        return moments

    @property
    def samples(self) -> int:
        """How many samples were added."""
        return int(self.counts.sum())

    @property
    def standard(self) -> Standard:
        """What brings the samples added to mean 0 and deviation 1.

        Raises:
            InvalidValue: No sample was added, or no feature varies.
        """
        squares = self._squares.diagonal()
        return Standard.from_sums(self.near, self.samples, self._sums.sum(dim=1), squares)

    @property
    def _sums(self) -> Tensor:
        """By class, (features, classes)."""
        return self._squares[:, len(self.near) :]

    def add(self, features: Tensor, labels: Tensor) -> None:
        """Add samples: features (samples, features), labels int64 (samples,).

        Raises:
            InvalidValue: A feature is not finite; nothing is added.
        """
        width, classes = len(self.near), len(self.counts)
        size, block = min(len(features), _ROWS), min(_BLOCK, max(_LEAST, -(-width // 2)))
        # Lines are features, as a product over samples is quickest between lines.
        ready = features.new_empty((width + classes) * size)
        product = features.new_empty(block * (width + classes))
        found = torch.zeros_like(self._squares)
        for rows, own in zip(torch.split(features, size), torch.split(labels, size), strict=True):
            part = ready[: (width + classes) * len(rows)].view(width + classes, len(rows))
            part[:width].copy_(rows.T).sub_(self.near[:, None])
            part[width:].zero_().scatter_(0, own[None], 1.0)
            for first in range(0, width, block):
                last = min(first + block, width)
                high, wide = last - first, width + classes - first
                out = product[: high * wide].view(high, wide)
                found[first:last, first:] += products.times(part[first:last], part[first:], out)
        if not bool(torch.isfinite(found[:, width:].sum())):
            raise InvalidValue(NOT_FINITE)
        self._squares += found
        self.counts += torch.bincount(labels, minlength=classes)

    def __iadd__(self, other: "Moments") -> "Moments":
        self._squares += other._squares
        self.counts += other.counts
        return self

    def __sub__(self, other: "Moments") -> "Moments":
        """Return the sums over samples that the other does not hold; this one holds all of its."""
        left = Moments(self.near, len(self.counts))
        left._squares = self._squares - other._squares
        left.counts = self.counts - other.counts
        return left

    def solve(
        self, penalties: Sequence[float] = PENALTIES, standard: Standard | None = None
    ) -> RidgePath:
        r"""Return the readouts that minimise \(\frac1n \|XW^\top + c - Y\|^2 + \lambda \|W\|^2\).

        Y is one-hot, and the offset c is not penalised. One Cholesky factor a penalty: eight of
        them take a third of the time of the one eigendecomposition that would serve all.

        Args:
            penalties: λ, each above 0, in units of a standardised feature's variance.
            standard: What the features are standardised by; by default the samples' own.

        Raises:
            InvalidValue: By default, as for `standard`.
        """
        standard = self.standard if standard is None else standard
        width = len(self.near)
        samples, scale = self.samples, standard.scale.double()
        mean, share = self._sums.sum(dim=1) / samples, self.counts.double() / samples
        dtype = torch.float64 if width <= _EXACT else torch.float32
        covariance = torch.addr(self._squares[:, :width], mean, mean, beta=1 / samples, alpha=-1)
        covariance.mul_(torch.outer(scale, scale)).triu_()
        covariance = covariance.add_(covariance.triu(1).T).to(dtype)
        wanted = torch.addr(self._sums, mean, share, beta=1 / samples, alpha=-1)
        wanted = wanted.mul_(scale[:, None]).to(dtype)
        weights = _solved(covariance, wanted, penalties).mT
        bias = share - weights.double() @ ((self.near + mean - standard.mean) * scale)
        return RidgePath(tuple(penalties), weights.float(), bias.float(), standard)


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
    given = [samples * penalty for penalty in penalties]
    weights = _solved(kernel, truth - share, given).mT.float() @ rows
    bias = share.float() - weights @ mean
    return RidgePath(tuple(penalties), weights, bias, standard)


def _solved(matrix: Tensor, wanted: Tensor, penalties: Sequence[float]) -> Tensor:
    """Return what solves (matrix + λ) Z = wanted for each λ, (penalties, rows, columns).

    Args:
        matrix: (rows, rows), its diagonal changed in place.
        wanted: (rows, columns).
        penalties: λ.
    """
    diagonal = matrix.diagonal().clone()
    if len(matrix) <= _TOGETHER:
        # The calls cost as much as what they do, where matrices are small.
        each = diagonal + diagonal.new_tensor(penalties)[:, None]
        many = matrix.expand(len(penalties), -1, -1).clone()
        many.diagonal(dim1=1, dim2=2).copy_(each)
        factors, failed = torch.linalg.cholesky_ex(many)
        if not bool(failed.any()):
            together: Tensor = torch.cholesky_solve(wanted, factors)
            return together
    found = wanted.new_empty(len(penalties), *wanted.shape)
    for place, penalty in enumerate(penalties):
        factor = _factor(matrix, diagonal, penalty)
        found[place] = torch.cholesky_solve(wanted, factor)
    return found


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
