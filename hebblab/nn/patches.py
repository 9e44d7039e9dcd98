"""Convolutions whose patches may be normalised and whitened before they are learnt."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hebblab.errors import InvalidValue, shown
from hebblab.knobs import Value
from hebblab.nn import inputs, unfolding
from hebblab.nn.buffers import adopt
from hebblab.nn.scratch import Scratch
from hebblab.nn.whitening import zca_of

_CHUNK = 4096  # patches at once


class PatchConv2d(nn.Conv2d):
    r"""A convolution that may see patches normalised and whitened; a plain one until it is told to.

    A patch \(x\) of a group is seen as \(\hat x = (x - m) Z\): rules learn from \(\hat x\), and
    the responses are \(W \hat x\), computed as a convolution with \(W Z^\top\) and a bias. With
    `patch_norm` x itself is brought to length one, or to mean 0 and deviation 1, before all that.

    Source: Coates, Ng and Lee, AISTATS 2011 (both, of patches); Miconi 2021, the notebook's FLAT.

    Attributes:
        patch_norm: What is done to each patch of a group: "none", "unit" or "standardise", as
            `InputNorm` does it to whole samples. A person's own is set before `fit_patches`.
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
        self.fitted_norm: str | None = None
        self._norm = inputs.Mode()

    @property
    def patch_norm(self) -> str:
        """What is done to each patch; assignment is validated."""
        return self._norm.mode

    @patch_norm.setter
    def patch_norm(self, value: str) -> None:
        self._norm.mode = value

    @property
    def sees_otherwise(self) -> bool:
        """Whether patches are seen otherwise than as they come."""
        return self.patch_norm != "none" or self.matrix is not None

    def values(self) -> dict[str, Value]:
        """Return the present value of what may be set by hand."""
        return {"patch_norm": self.patch_norm}

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
                own = rows.view(-1, self.groups, self._fan_in)[:, group]
                yield inputs.normed(own, self.patch_norm)

        with torch.no_grad():
            found = [
                zca_of(partial(parts, group), len(places), self._fan_in, epsilon)
                for group in range(self.groups)
            ]
        with torch.inference_mode(False):
            self.mean = torch.cat([mean for mean, _ in found]).to(self.weight)
            self.matrix = torch.cat([matrix for _, matrix in found]).to(self.weight)
        self.epsilon = epsilon
        self.fitted_norm = self.patch_norm
        return self

    def seen(self, rows: Tensor, scratch: Scratch, group: int = 0) -> Tensor:
        """Return a group's patches (samples, fan_in) as the layer sees them, in a buffer.

        Where nothing is done to them, `rows` themselves.
        """
        if self.patch_norm != "none":
            buffer = scratch.take("normed", tuple(rows.shape), rows)
            rows = inputs.normed(rows, self.patch_norm, out=buffer)
        if self.matrix is None:
            return rows
        return self.whitened(rows, group, scratch.take("whitened", tuple(rows.shape), rows))

    def whitened(self, rows: Tensor, group: int = 0, out: Tensor | None = None) -> Tensor:
        """Return a group's patches (samples, fan_in) whitened, into `out` if given.

        They are normalised already. Where nothing is fitted, `rows` themselves.
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
        if self.patch_norm != "none":
            return self._of_normed(input)
        if self.matrix is None:
            return super().forward(input)
        responses: Tensor = self._conv_forward(input, *self.folded())
        return responses

    def _of_normed(self, input: Tensor) -> Tensor:
        """Return the responses to normalised patches, without a copy of the patches."""
        kernel, bias = self.folded()
        form = unfolding.Form.of(self)
        images = unfolding.framed(input, form, Scratch(), last=False)
        cut = unfolding.windows(images, form, last=False)
        cut = cut.view(*cut.shape[:3], self.groups, -1, *cut.shape[4:])
        numbers = (4, 5, 6)
        how = (kernel, None, self.stride, 0, self.dilation, self.groups)
        if self.patch_norm == "unit":
            responses = F.conv2d(images, *how) / self._by_unit(inputs.lengths(cut, numbers))
        else:
            mean, scale = inputs.spread(cut, numbers)
            # Near zero, so that what a patch has in common does not drown what it has of its own.
            shift = images.mean(dim=(1, 2, 3), keepdim=True)
            total = kernel.flatten(1).sum(dim=1).view(-1, 1, 1)
            responses = F.conv2d(images - shift, *how) - (self._by_unit(mean) - shift) * total
            responses = responses * self._by_unit(scale)
        return responses if bias is None else responses + bias.view(-1, 1, 1)

    def _by_unit(self, values: Tensor) -> Tensor:
        """Return numbers (N, down, across, groups, 1, 1, 1) of patches as (N, units, …)."""
        each = self.out_channels // self.groups
        return values.flatten(3).permute(0, 3, 1, 2).repeat_interleave(each, dim=1)

    def extra_repr(self) -> str:
        """Return the form for the printed network."""
        # Not all versions of torch declare what it returns.
        plain: Any = super()
        said: str = plain.extra_repr()
        said += "" if self.patch_norm == "none" else f", patch_norm={self.patch_norm}"
        return said if self.matrix is None else f"{said}, whitened=True"

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        size = self.groups * self._fan_in
        adopt(self, state_dict, prefix, mean=(size,), matrix=(size, self._fan_in))
        super()._load_from_state_dict(state_dict, prefix, *rest)


__all__ = ["PatchConv2d"]
