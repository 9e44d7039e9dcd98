"""Linear and Conv2d layers as one thing: rows of inputs and rows of weights."""

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor, nn

from hebblab.errors import InvalidValue
from hebblab.nn.scratch import Scratch

CHUNK = 4096  # patches at once: they stay in a core's cache, and memory has a bound


class LayerView:
    """A layer as a learning rule sees it: `inputs (samples, fan_in)`, `weights (units, fan_in)`.

    A convolution's samples are its true patches: one row for each image and position, zeros or
    whatever `padding_mode` says at the rim. A grouped convolution is `groups` layers that share
    a clock: `parts` gives one after another.

    Args:
        module: A `torch.nn.Linear` or `torch.nn.Conv2d` without bias.
        name: What errors call the layer.

    Raises:
        InvalidValue: Another kind of module, or a bias, which no Hebbian rule trains.

    >>> import torch
    >>> view = LayerView(nn.Conv2d(4, 6, 3, groups=2, bias=False))
    >>> view.units, view.fan_in, view.groups
    (6, 18, 2)
    >>> view.inputs(torch.zeros(5, 4, 8, 8), group=1).shape
    torch.Size([180, 18])
    """

    def __init__(self, module: nn.Module, name: str = "layer") -> None:
        if not isinstance(module, nn.Linear | nn.Conv2d):
            raise InvalidValue(
                f"Layer {name!r} is a {type(module).__name__}; "
                "Hebbian rules train Linear and Conv2d layers."
            )
        if module.bias is not None:
            raise InvalidValue(
                f"Layer {name!r} has a bias, which no Hebbian rule trains: make it with bias=False."
            )
        self.module = module
        self.name = name
        self.units = int(module.weight.shape[0])
        self.fan_in = module.weight[0].numel()
        self.groups = module.groups if isinstance(module, nn.Conv2d) else 1

    @property
    def unit_shape(self) -> tuple[int, ...]:
        """Shape of one unit's weights in the layer: (fan_in,) or (channels, height, width)."""
        return tuple(self.module.weight.shape[1:])

    def weights(self, group: int | None = None) -> Tensor:
        """Return the weights as rows (units, fan_in), to read; `scale_` changes them.

        With `group`, only that group's units.
        """
        rows = self.module.weight.detach().reshape(self.units, self.fan_in)
        if group is None or self.groups == 1:
            return rows
        each = self.units // self.groups
        return rows[group * each : (group + 1) * each]

    def scale_(self, factors: Tensor) -> None:
        """Multiply each unit's weights in place; `factors` is (units,)."""
        weight = self.module.weight.detach()
        weight.mul_(factors.view(-1, *(1 for _ in self.unit_shape)))

    def inputs(self, x: Tensor, group: int = 0) -> Tensor:
        """Return all rows (samples, fan_in) that `x`, a batch for the layer, holds for a group."""
        if isinstance(self.module, nn.Linear):
            return x.reshape(-1, self.fan_in)
        windows = self._windows(x, group)
        return windows.reshape(-1, self.fan_in)

    def chunks(self, x: Tensor, scratch: Scratch, group: int = 0) -> Iterator[Tensor]:
        """Yield the rows of `x` in pieces of at most `CHUNK` patches, or one line of an image.

        Pieces of a convolution share one buffer of `scratch`: use each before asking for the next.
        """
        if isinstance(self.module, nn.Linear):
            yield x.reshape(-1, self.fan_in)
            return
        windows = self._windows(x, group)
        images, height, width = windows.shape[:3]
        whole = max(1, CHUNK // (height * width))
        lines = height if height * width <= CHUNK else max(1, CHUNK // width)
        for first in range(0, images, whole):
            for line in range(0, height, lines):
                piece = windows[first : first + whole, line : line + lines]
                rows = piece.shape[0] * piece.shape[1] * piece.shape[2]
                buffer = scratch.take("patches", (rows, self.fan_in), x)
                buffer.view(piece.shape).copy_(piece)
                yield buffer

    def positions(self, image_shape: tuple[int, ...]) -> int:
        """Return how many samples one input of `image_shape` gives.

        Raises:
            InvalidValue: The kernel does not fit into the image.
        """
        if isinstance(self.module, nn.Linear):
            return 1
        module = self.module
        left, right, top, bottom = module._reversed_padding_repeated_twice
        size = []
        for axis, (length, pad) in enumerate(
            zip(image_shape[-2:], (top + bottom, left + right), strict=True)
        ):
            reach = module.dilation[axis] * (module.kernel_size[axis] - 1) + 1
            size.append((length + pad - reach) // module.stride[axis] + 1)
        if min(size) < 1:
            kernel = "×".join(str(k) for k in module.kernel_size)
            image = "×".join(str(n) for n in image_shape[-2:])
            raise InvalidValue(
                f"The {kernel} kernel of layer {self.name!r} does not fit into its {image} input."
            )
        return size[0] * size[1]

    def _windows(self, x: Tensor, group: int) -> Tensor:
        module = self.module
        assert isinstance(module, nn.Conv2d)
        self.positions(tuple(x.shape))
        padding = module._reversed_padding_repeated_twice
        if any(padding):
            mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
            x = F.pad(x, padding, mode=mode)
        each = module.in_channels // self.groups
        x = x[:, group * each : (group + 1) * each]
        (kh, kw), (sh, sw), (dh, dw) = module.kernel_size, module.stride, module.dilation
        high = (x.shape[2] - dh * (kh - 1) - 1) // sh + 1
        wide = (x.shape[3] - dw * (kw - 1) - 1) // sw + 1
        n, c, h, w = x.stride()
        return x.as_strided(
            (x.shape[0], high, wide, each, kh, kw), (n, h * sh, w * sw, c, h * dh, w * dw)
        )
