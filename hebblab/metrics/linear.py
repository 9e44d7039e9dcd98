"""A network's way to one of its layers, made linear and walked backwards."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hebblab.errors import InvalidValue, unknown
from hebblab.nn import InputNorm, PatchConv2d, Whitening
from hebblab.nn.activations import ACTIVATIONS
from hebblab.nn.modes import evaluating
from hebblab.nn.norms import RelativeBatchNorm1d, RelativeBatchNorm2d, relative
from hebblab.nn.sequence import steps

Size = tuple[int, int]
Pool = nn.MaxPool2d | nn.AvgPool2d

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
# What leaves every number where it is; what it does to its size is taken as nothing.
_POINTWISE = (InputNorm, Whitening, nn.Identity, nn.Dropout, nn.Dropout2d, *ACTIVATIONS)
_PASSED = (nn.Linear, nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.Flatten, *_NORMS, *_POINTWISE)


@dataclass(frozen=True)
class Path:
    """The modules before a layer, in order, and the layer."""

    before: tuple[nn.Module, ...]
    layer: nn.Linear | nn.Conv2d
    name: str

    @property
    def flat(self) -> bool:
        """Whether the layer is given rows, so that its units have no place in the image."""
        return isinstance(self.layer, nn.Linear)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the layer is given for a batch."""
        for module in self.before:
            x = module(x)
        return x

    def shapes(self, image_shape: tuple[int, ...]) -> list[torch.Size]:
        """Return the shape that each module before the layer is given, and the layer itself.

        Raises:
            InvalidValue: The network cannot take such images.
        """
        weight = self.layer.weight
        x = torch.zeros(1, *image_shape, dtype=weight.dtype, device=weight.device)
        found = [x.shape[1:]]
        try:
            with torch.no_grad():
                for module in (*self.before, self.layer):
                    if isinstance(module, nn.Linear) and len(found[-1]) != 1:
                        raise ValueError("a Linear layer needs a Flatten before it")
                    with evaluating(module):
                        x = module(x)
                    found.append(x.shape[1:])
        except (RuntimeError, ValueError, IndexError) as error:
            shape = "×".join(map(str, image_shape))
            raise InvalidValue(
                f"Layer {self.name!r} cannot be reached from images of {shape}: {error}"
            ) from error
        return found[:-1]


def path_to(network: nn.Module, layer: str) -> Path:
    """Return the way to a layer.

    Raises:
        InvalidValue: The network is no Sequential, or holds on the way a module whose linear part
            is not known.
        UnknownName: No Linear or Conv2d of that name is in it.
    """
    if not isinstance(network, nn.Sequential):
        raise InvalidValue(
            f"Receptive fields are followed through a torch.nn.Sequential, nested or not; this is "
            f"a {type(network).__name__}."
        )
    line = dict(steps(network))
    layers = {name for name, one in line.items() if isinstance(one, nn.Linear | nn.Conv2d)}
    if layer not in layers:
        raise unknown("layer", layer, layers)
    before: list[nn.Module] = []
    for name, module in line.items():
        if name == layer:
            break
        if not isinstance(module, _PASSED):
            raise InvalidValue(
                f"Receptive fields cannot be followed through {name!r}, a "
                f"{type(module).__name__}; only through Linear, Conv2d, MaxPool2d, AvgPool2d, "
                "batch norms, Flatten, and what acts on each number alone."
            )
        before.append(module)
    found = line[layer]
    assert isinstance(found, nn.Linear | nn.Conv2d)
    return Path(tuple(before), found, layer)


def kernel(conv: nn.Conv2d) -> Tensor:
    """Return the kernel that a convolution applies to what it is given."""
    return (conv.folded()[0] if isinstance(conv, PatchConv2d) else conv.weight).detach()


def reach(module: nn.Conv2d | Pool, axis: int) -> tuple[int, int, int]:
    """Return how far one output sees along an axis, the stride, and the padding before it."""
    if isinstance(module, nn.Conv2d):
        left, _, top, _ = module._reversed_padding_repeated_twice
        padding = (top, left)[axis]
    else:
        padding = _pair(module.padding)[axis]
    return (
        _pair(getattr(module, "dilation", 1))[axis] * (_pair(module.kernel_size)[axis] - 1) + 1,
        _pair(module.stride)[axis],
        padding,
    )


def back(module: nn.Module, g: Tensor, size: Size | None) -> Tensor:
    """Return what the transpose of a module's linear part makes of `g`.

    Args:
        module: One of those that `path_to` lets pass, no Flatten.
        g: (units, channels, height, width), or (units, numbers).
        size: (height, width) of what the module is given; None inside a window, where no rim is
            near and the answer is as large as what `g` sees.
    """
    if isinstance(module, nn.Conv2d):
        g = F.conv_transpose2d(
            g, kernel(module), None, module.stride, 0, 0, module.groups, module.dilation
        )
        return g if size is None else _unpad(module, g, size)
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        whole: tuple[int | None, int | None] = size or (None, None)
        rows, columns = (
            _average(module, axis, g.shape[2 + axis], whole[axis], g) for axis in (0, 1)
        )
        if isinstance(module, nn.AvgPool2d) and module.divisor_override:
            g = g / module.divisor_override
        return rows.T @ g @ columns
    if isinstance(module, nn.Linear):
        return g @ module.weight.detach()
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        return g * _scale(module).view(-1, *(1 for _ in g.shape[2:]))
    return g


def _scale(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> Tensor:
    if norm.running_var is None:
        raise InvalidValue("A batch norm without running statistics has no linear part.")
    scale = torch.rsqrt(norm.running_var + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight.detach()
    if isinstance(norm, RelativeBatchNorm1d | RelativeBatchNorm2d):
        scale = scale * relative(norm)
    return scale


def _pair(value: int | tuple[int, ...]) -> Size:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _average(pool: Pool, axis: int, out: int, size: int | None, like: Tensor) -> Tensor:
    """Return a pooling along one axis as a matrix (out, in): pooling is the product of two."""
    window, stride, padding = reach(pool, axis)
    count = _pair(pool.kernel_size)[axis]
    if size is None:
        padding, size = 0, (out - 1) * stride + window
    dilation = (window - 1) // (count - 1) if count > 1 else 1
    place = torch.arange(out)[:, None] * stride - padding + torch.arange(count) * dilation
    inside = (place >= 0) & (place < size)
    counted = inside
    if isinstance(pool, nn.AvgPool2d):
        if pool.divisor_override:
            counted = torch.zeros_like(inside)
        elif pool.count_include_pad:
            counted = place < size + padding
    share = inside / counted.sum(1, keepdim=True).clamp_min(1)
    matrix = torch.zeros(out, size).scatter_add_(1, place.clamp(0, size - 1), share)
    return matrix.to(like)


def _unpad(conv: nn.Conv2d, g: Tensor, size: Size) -> Tensor:
    """Return what a convolution's padding makes of `g` backwards: rims fold onto what they copy."""
    left, right, top, bottom = conv._reversed_padding_repeated_twice
    high, wide = size[0] + top + bottom, size[1] + left + right
    # Strides may leave the last lines unseen.
    g = F.pad(g, (0, wide - g.shape[3], 0, high - g.shape[2]))
    if not any((left, right, top, bottom)):
        return g
    rows = _copies(size[0], top, bottom, conv.padding_mode, g)
    return rows.T @ g @ _copies(size[1], left, right, conv.padding_mode, g)


def _copies(size: int, first: int, last: int, mode: str, like: Tensor) -> Tensor:
    """Return a padding along one axis as a matrix (padded, size)."""
    lines = torch.eye(size).to(like)
    if mode == "zeros":
        return F.pad(lines, (0, 0, first, last))
    return F.pad(lines.T[None], (first, last), mode=mode)[0].T


__all__ = ["Path", "Size", "back", "kernel", "path_to", "reach"]
