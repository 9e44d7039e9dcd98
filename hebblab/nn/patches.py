"""Convolutions whose patches may be whitened before they are learnt."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hebblab.errors import InvalidValue, shown
from hebblab.nn import unfolding
from hebblab.nn.buffers import adopt
from hebblab.nn.scratch import Scratch
from hebblab.nn.whitening import zca_of

_CHUNK = 4096  # patches at once


class PatchConv2d(nn.Conv2d):
    r"""A convolution that sees whitened patches; a plain one until they are fitted.

    A patch \(x\) of a group is seen as \(\hat x = (x - m) Z\): rules learn from \(\hat x\), and
    the responses are \(W \hat x\), computed as a convolution with \(W Z^\top\) and a bias.

    Attributes:
        mean: None, or the groups' mean patches, (groups · fan_in,).
        matrix: None, or the groups' matrices one below the other, (groups · fan_in, fan_in).
        epsilon: What the last fit added to every variance.

    >>> conv = PatchConv2d(1, 2, 3, bias=False)
    >>> images = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> _ = conv.fit_patches(images, torch.Generator().manual_seed(1), samples=500)
    >>> conv.matrix.shape, conv(images).shape
    (torch.Size([9, 9]), torch.Size([20, 2, 6, 6]))
    """

    mean: Tensor | None
    matrix: Tensor | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register_buffer("mean", None)
        self.register_buffer("matrix", None)
        self.epsilon = 1e-3

    @property
    def _fan_in(self) -> int:
        return self.weight[0].numel()

    def fit_patches(
        self,
        images: Tensor,
        generator: torch.Generator,
        samples: int = 100_000,
        epsilon: float = 1e-3,
    ) -> "PatchConv2d":
        """Learn mean and matrix of each group from patches at random places; return the module.

        Args:
            images: What the layer is given, (N, C, H, W).
            generator: Draws the places, none twice; the same places for every group.
            samples: Patches drawn, 2 to 10,000,000; all where there are no more than that.
            epsilon: 1e-6 to 1.

        Raises:
            InvalidValue: The patches cannot be whitened; nothing is changed. See `zca`.
        """
        if (
            not isinstance(images, Tensor)
            or images.dim() != 4
            or images.shape[1] != self.in_channels
            or not images.is_floating_point()
        ):
            raise InvalidValue(
                f"Patches are drawn from images (N, {self.in_channels}, height, width) in floating "
                "point."
            )
        if type(samples) is not int or not 2 <= samples <= 10_000_000:
            raise InvalidValue(
                f"samples must be a whole number from 2 to 10,000,000, not {shown(samples)}."
            )
        form = unfolding.Form.of(self)
        high, wide = form.places(*images.shape[2:])
        if min(high, wide) < 1:
            kernel = "×".join(map(str, self.kernel_size))
            size = "×".join(map(str, images.shape[2:]))
            raise InvalidValue(f"The {kernel} kernel does not fit into images of {size}.")
        total = len(images) * high * wide
        if total > samples:
            places = unfolding.distinct(total, samples, generator)
        else:
            places = torch.arange(total)
        scratch = Scratch()

        def parts(group: int) -> Iterator[Tensor]:
            for first in range(0, len(places), _CHUNK):
                some = places[first : first + _CHUNK]
                shape = (len(some), self.groups * self._fan_in)
                rows, here = scratch.take("rows", shape, images), some.to(images.device)
                unfolding.gathered(images, here, form, scratch, rows, last=False)
                yield rows.view(-1, self.groups, self._fan_in)[:, group]

        with torch.no_grad():
            found = [
                zca_of(partial(parts, group), len(places), self._fan_in, epsilon)
                for group in range(self.groups)
            ]
        with torch.inference_mode(False):
            self.mean = torch.cat([mean for mean, _ in found]).to(self.weight)
            self.matrix = torch.cat([matrix for _, matrix in found]).to(self.weight)
        self.epsilon = epsilon
        return self

    def whitened(self, rows: Tensor, group: int = 0, out: Tensor | None = None) -> Tensor:
        """Return a group's patches (samples, fan_in) as the layer sees them, into `out` if given.

        Where nothing is fitted, `rows` themselves.
        """
        if self.mean is None or self.matrix is None:
            return rows
        here = slice(group * self._fan_in, (group + 1) * self._fan_in)
        return torch.mm(rows - self.mean[here], self.matrix[here], out=out)

    def folded(self) -> tuple[Tensor, Tensor | None]:
        """Return the kernel and the bias of the same responses to patches as they come."""
        if self.mean is None or self.matrix is None:
            return self.weight, self.bias
        rows = self.weight.reshape(self.groups, -1, self._fan_in)
        kernel = rows @ self.matrix.view(self.groups, self._fan_in, -1).mT
        bias = -(kernel @ self.mean.view(self.groups, -1, 1)).flatten()
        return kernel.view(self.weight.shape), bias if self.bias is None else bias + self.bias

    def forward(self, input: Tensor) -> Tensor:
        """Return the responses (batch, units, height, width)."""
        if self.matrix is None:
            return super().forward(input)
        responses: Tensor = self._conv_forward(input, *self.folded())
        return responses

    def extra_repr(self) -> str:
        """Return the form for the printed network."""
        plain: str = super().extra_repr()  # type: ignore[no-untyped-call]
        return plain if self.matrix is None else f"{plain}, whitened=True"

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        size = self.groups * self._fan_in
        adopt(self, state_dict, prefix, mean=(size,), matrix=(size, self._fan_in))
        super()._load_from_state_dict(state_dict, prefix, *rest)


__all__ = ["PatchConv2d"]
