"""Whitening: directions of equal variance, for whole images before a network and for patches."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from hebblab.errors import InvalidValue
from hebblab.knobs import Knob, Knobbed, knob
from hebblab.nn.buffers import adopt
from hebblab.nn.inputs import standardised

_LARGEST = 8192  # numbers a sample: the eigenvectors of more take hours and gigabytes
_CHUNK = 2**22  # numbers in float64 at once


class _Strength(Knobbed):
    epsilon: float = knob(
        1e-3,
        symbol="ε",
        title="whitening floor",
        low=1e-6,
        high=1,
        scale="log",
        help="Added to every variance before whitening divides by it.",
    )


def zca(rows: Tensor, epsilon: float = 1e-3) -> tuple[Tensor, Tensor]:
    r"""Return what makes samples uncorrelated and leaves them as like themselves as can be.

    With the mean \(m\) and the covariance \(E \Lambda E^\top\) (over n - 1), whitened rows are
    \((X - m) E (\Lambda + \epsilon I)^{-1/2} E^\top\). All in float64, in chunks.

    Source: Bell and Sejnowski 1997; Coates, Ng and Lee 2011. Miconi 2021 divides by the number of
    features and does not centre; here the rows are centred and n - 1 divides.

    Args:
        rows: (samples, numbers), at least two samples.
        epsilon: 1e-6 to 1.

    Returns:
        The mean (numbers,) and the symmetric matrix (numbers, numbers), both float64.

    Raises:
        InvalidValue: Fewer than two samples, more than 8,192 numbers a sample, numbers that are
            not finite, or an epsilon out of bounds.

    >>> rows = torch.tensor([[0.0, 0.0], [2.0, 2.0], [0.0, 2.0], [2.0, 0.0]])
    >>> mean, matrix = zca(rows, 1e-6)
    >>> mean
    tensor([1., 1.], dtype=torch.float64)
    >>> torch.cov(((rows - mean) @ matrix).T).round(decimals=4)
    tensor([[1., 0.],
            [0., 1.]], dtype=torch.float64)
    """
    if not isinstance(rows, Tensor) or rows.dim() != 2:
        raise InvalidValue("ZCA takes rows (samples, numbers), as a tensor of two dimensions.")
    count, size = rows.shape
    return zca_of(lambda: _parts(rows), count, size, epsilon)


def zca_of(
    parts: Callable[[], Iterable[Tensor]], count: int, size: int, epsilon: float
) -> tuple[Tensor, Tensor]:
    """Return `zca` of rows that come in parts and never all at once.

    Args:
        parts: Called twice; gives all rows in parts (any, size).
        count: Rows in all.
        size: Numbers a row.
        epsilon: 1e-6 to 1.
    """
    epsilon = _Strength(epsilon=epsilon).epsilon
    if count < 2:
        raise InvalidValue(f"Whitening needs at least 2 samples to find a covariance, not {count}.")
    if not 1 <= size <= _LARGEST:
        raise InvalidValue(
            f"Whitening takes samples of 1 to {_LARGEST:,} numbers, not {size:,}: its matrix would "
            f"be {size:,}×{size:,}. Use smaller images, or whiten patches."
        )
    # What is kept must be no inference tensor, whoever asks.
    with torch.inference_mode(False), torch.no_grad():
        mean = torch.stack([part.double().sum(0) for part in parts()]).sum(0) / count
        if not bool(torch.isfinite(mean).all()):
            raise InvalidValue("Whitening needs finite numbers; the samples hold others.")
        covariance = mean.new_zeros(size, size)
        for part in parts():
            centred = part.double() - mean
            covariance.addmm_(centred.T, centred)
        variances, directions = torch.linalg.eigh(covariance / (count - 1))
        # Rounding may leave a variance of zero just below zero.
        scale = (variances.clamp_min(0) + epsilon).rsqrt()
        return mean, (directions * scale) @ directions.T


def _parts(rows: Tensor) -> Iterator[Tensor]:
    each = max(1, _CHUNK // max(1, rows.shape[1]))
    for first in range(0, len(rows), each):
        yield rows[first : first + each]


class Whitening(nn.Module):
    """Whitens whole images by ZCA; the identity until it is fitted.

    Fit it on training images alone, before a run begins; a state dictionary carries it, and one
    without it takes it away.

    Args:
        standardise: Bring each image to mean 0 and deviation 1 first, as Miconi does; without
            effect until it is fitted.

    Attributes:
        mean: None, or the mean image as a row (numbers,).
        matrix: None, or (numbers, numbers).

    >>> images = torch.rand(50, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    >>> whiten = Whitening()
    >>> whiten(images) is images
    True
    >>> whiten.fit(images, 1e-6)(images).flatten(1).T.cov().diagonal().mean()
    tensor(1.0000)
    """

    mean: Tensor | None
    matrix: Tensor | None

    def __init__(self, standardise: bool = False) -> None:
        super().__init__()
        self.standardise = standardise
        self.register_buffer("mean", None)
        self.register_buffer("matrix", None)

    @staticmethod
    def knob() -> Knob:
        """Return the declaration of epsilon."""
        return _Strength.declared()["epsilon"]

    def fit(self, images: Tensor, epsilon: float = 1e-3) -> "Whitening":
        """Learn mean and matrix from images (N, C, H, W) and return the module.

        Raises:
            InvalidValue: The images cannot be whitened; nothing is changed. See `zca`.
        """
        if not isinstance(images, Tensor) or images.dim() < 2 or not images.is_floating_point():
            raise InvalidValue("Whitening is fitted on a tensor of images in floating point.")
        rows = images.flatten(1)

        def parts() -> Iterator[Tensor]:
            for part in _parts(rows):
                yield standardised(part.double()) if self.standardise else part

        mean, matrix = zca_of(parts, len(rows), rows.shape[1], epsilon)
        with torch.inference_mode(False):
            self.mean, self.matrix = mean.to(images.dtype), matrix.to(images.dtype)
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Return the whitened images, of the same shape.

        Raises:
            InvalidValue: They are of another size than those it was fitted on.
        """
        if self.mean is None or self.matrix is None:
            return images
        numbers = images.shape[1:].numel()
        if numbers != len(self.mean):
            raise InvalidValue(
                f"The whitening was fitted on images of {len(self.mean):,} numbers; these have "
                f"{numbers:,}. Fit it again."
            )
        rows = (standardised(images) if self.standardise else images).flatten(1)
        return ((rows - self.mean) @ self.matrix).view(images.shape)

    def extra_repr(self) -> str:
        """Return what it does for the printed network."""
        return "identity" if self.mean is None else f"numbers={len(self.mean)}"

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        size = tuple(getattr(state_dict.get(f"{prefix}mean"), "shape", (0,)))[:1]
        adopt(self, state_dict, prefix, mean=size, matrix=size * 2)
        super()._load_from_state_dict(state_dict, prefix, *rest)


__all__ = ["Whitening", "zca", "zca_of"]
