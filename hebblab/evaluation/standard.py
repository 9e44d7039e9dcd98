"""What brings features to mean 0 and deviation 1, in one quick pass."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from hebblab.errors import InvalidValue

_NEAR = 256  # rows whose mean all are first compared with, so that no digits are lost
_CACHED = 1 << 20  # numbers that stay in a core's cache
_CONSTANT = 1e-6  # deviation over mean up to which a feature is constant

NOT_FINITE = (
    "Some features are not finite (NaN or infinite): the weights are too large, or the exponent n "
    "is. Lower one of them and probe again."
)


class Standard(NamedTuple):
    """What brings features to mean 0 and deviation 1; constant ones go to 0.

    Attributes:
        mean: (features,).
        scale: (features,), one over the deviation; 0 where a feature is constant.
    """

    mean: Tensor
    scale: Tensor

    @classmethod
    def of(cls, chunks: Iterable[Tensor], constant: bool = False) -> "Standard":
        """Return mean and scale over chunks (any, features), gathered in float64.

        Args:
            chunks: Of all samples.
            constant: Take features none of which varies, too.

        Raises:
            InvalidValue: No sample, features that are not finite, or none that varies.
        """
        count = 0
        point = sums = squares = torch.zeros(0)
        for chunk in chunks:
            if len(chunk) == 0 or chunk.shape[1] == 0:
                continue
            if count == 0:
                point = near(chunk)
                sums = torch.zeros(len(point), dtype=torch.float64, device=point.device)
                squares = sums.clone()
            # Products with ones are the fastest sums.
            for part in parts(chunk):
                apart = part - point
                ones = apart.new_ones(len(apart))
                sums += ones @ apart
                squares += ones @ apart.square_()
            count += len(chunk)
        return cls.from_sums(point, count, sums, squares, constant)

    @classmethod
    def from_sums(
        cls, point: Tensor, count: int, sums: Tensor, squares: Tensor, constant: bool = False
    ) -> "Standard":
        """Return mean and scale of features, from sums over what they are apart from a point.

        Args:
            point: (features,), near to all of them.
            count: How many samples.
            sums: (features,), float64.
            squares: (features,), float64.
            constant: Take features none of which varies, too.

        Raises:
            InvalidValue: As for `of`.
        """
        if count == 0 or len(point) == 0:
            raise InvalidValue("A readout needs at least one sample and one feature.")
        mean = point + sums / count
        deviation = (squares / count - (sums / count).square()).clamp_min(0).sqrt()
        if not bool(torch.isfinite(deviation).all()):
            raise InvalidValue(NOT_FINITE)
        varies = deviation > _CONSTANT * mean.abs()
        if not constant and not bool(varies.any()):
            raise InvalidValue(
                f"All {len(mean):,} features are the same for every one of {count:,} samples: "
                "there is nothing to read. Look at the layer's weights."
            )
        scale = torch.where(varies, 1 / torch.where(varies, deviation, 1.0), 0.0)
        return cls(mean.float(), scale.float())

    def applied(self, features: Tensor) -> Tensor:
        """Return standardised features, a tensor of their own."""
        return (features - self.mean).mul_(self.scale)

    def apply_(self, features: Tensor) -> None:
        """Standardise features in place."""
        for part in parts(features):
            part.sub_(self.mean).mul_(self.scale)


def near(features: Tensor) -> Tensor:
    """Return a point near to all rows (samples, features): the mean of the first."""
    return features[:_NEAR].mean(dim=0)


def parts(rows: Tensor) -> Iterable[Tensor]:
    """Return rows in parts that stay in a core's cache while something is done to them."""
    found: Iterable[Tensor] = torch.split(rows, max(64, _CACHED // max(1, rows.shape[1])))
    return found
