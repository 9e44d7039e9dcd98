"""What the units of a layer, however deep, look for in the image."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hebblab.errors import InvalidValue, shown
from hebblab.metrics.linear import Path, Size, back, kernel, path_to, reach

_CHUNK = 2**24  # numbers at once, 64 MB in float32


@dataclass(frozen=True)
class ReceptiveWindow:
    """The part of the image that one unit of a layer sees.

    Attributes:
        size: Its height and width in pixels.
        stride: Pixels between the windows of neighbouring places, down and right.
        start: Row and column of the first place's first pixel; negative where padding is seen.
    """

    size: Size
    stride: Size
    start: Size

    def corner(self, row: int, column: int) -> Size:
        """Return the row and column of the first pixel that is seen from a place of the layer."""
        return self.start[0] + row * self.stride[0], self.start[1] + column * self.stride[1]


def receptive_window(
    network: nn.Module, layer: str, image_shape: Sequence[int] | None = None
) -> ReceptiveWindow:
    """Return the window of the image that a layer's units see.

    A window grows by (kernel - 1) · dilation · stride so far with every convolution and pooling.
    The units of a Linear layer see the whole image.

    Args:
        network: A `torch.nn.Sequential`, nested or not.
        layer: Name of a Linear or Conv2d layer in it.
        image_shape: (channels, height, width); a Linear layer needs it.

    Raises:
        InvalidValue: A module on the way cannot be followed, or the shape is missing.
        UnknownName: There is no such layer.

    >>> network = nn.Sequential(nn.Conv2d(1, 2, 5), nn.MaxPool2d(2), nn.Conv2d(2, 3, 3, padding=1))
    >>> receptive_window(network, "2")
    ReceptiveWindow(size=(10, 10), stride=(2, 2), start=(-2, -2))
    """
    path = path_to(network, layer)
    if path.flat:
        if image_shape is None:
            raise InvalidValue(
                f"Layer {layer!r} is Linear, so its units see the whole image: give image_shape, "
                "(channels, height, width)."
            )
        _, height, width = picture_size(image_shape)
        return ReceptiveWindow((height, width), (height, width), (0, 0))
    return _window(path)


def back_projection(
    network: nn.Module, layer: str, image_shape: Sequence[int], units: Sequence[int] | None = None
) -> Tensor:
    """Return each unit's weights, projected back through the layers before it to the image.

    It is the Jacobian of a unit's response in the image, for the network made linear: activations,
    `InputNorm` and dropout as the identity, batch norm as its scale (from its running statistics),
    max pooling as the average over its window. Every other step is exact, padding included; the
    kernel of a `PatchConv2d` is the one it applies to patches as they come. A fitted `Whitening`
    is taken as the identity, so that the pictures are those of whitened images.

    Units of a convolution are taken at a place where no rim is in sight and are cropped to what
    they see there; of a first layer these are the weights themselves.

    Source: Talloen et al. 2020 and Krotov and Hopfield 2019 show weights of first layers; Zeiler
    and Fergus 2014 project deeper ones back.

    Args:
        network: A `torch.nn.Sequential`, nested or not.
        layer: Name of a Linear or Conv2d layer in it.
        image_shape: (channels, height, width) of the network's images.
        units: Numbers of the units; all by default.

    Returns:
        (units, channels, height, width) of `receptive_window`.

    Raises:
        InvalidValue: A module on the way cannot be followed, or the images do not fit.
        UnknownName: There is no such layer.

    >>> network = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.ReLU(), nn.AvgPool2d(2),
    ...                         nn.Conv2d(2, 5, 2, bias=False))
    >>> back_projection(network, "3", (1, 9, 9)).shape
    torch.Size([5, 1, 6, 6])
    >>> torch.equal(back_projection(network, "0", (1, 9, 9)), network[0].weight)
    True
    """
    path = path_to(network, layer)
    shape = picture_size(image_shape)
    shapes = path.shapes(shape)
    wanted = chosen(units, len(path.layer.weight))
    if path.flat:
        size: Size = (shape[1], shape[2])
    else:
        size = _window(path).size
    largest = max(shape[0] * size[0] * size[1], *(one.numel() for one in shapes))
    each = max(1, _CHUNK // largest)
    with torch.no_grad():
        found = path.layer.weight.new_empty(len(wanted), shape[0], *size)
        for first in range(0, len(wanted), each):
            found[first : first + each] = _projected(path, shapes, wanted[first : first + each])
    return found


def _window(path: Path) -> ReceptiveWindow:
    size, stride, start = [1, 1], [1, 1], [0, 0]
    for module in (*path.before, path.layer):
        if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            for axis in (0, 1):
                window, step, padding = reach(module, axis)
                size[axis] += (window - 1) * stride[axis]
                start[axis] -= padding * stride[axis]
                stride[axis] *= step
    return ReceptiveWindow((size[0], size[1]), (stride[0], stride[1]), (start[0], start[1]))


def _projected(path: Path, shapes: list[torch.Size], units: Tensor) -> Tensor:
    layer = path.layer
    g = layer.weight.detach()[units] if isinstance(layer, nn.Linear) else _alone(layer, units)
    for module, given in zip(reversed(path.before), reversed(shapes[:-1]), strict=True):
        if isinstance(module, nn.Flatten):
            g = g.view(len(units), *given)
        else:
            size = (given[-2], given[-1]) if path.flat and len(given) == 3 else None
            g = back(module, g, size)
    return g


def _alone(conv: nn.Conv2d, units: Tensor) -> Tensor:
    """Return the kernels of some units over all channels and with the gaps of their dilation."""
    each = conv.in_channels // conv.groups
    size = (reach(conv, 0)[0], reach(conv, 1)[0])
    g = conv.weight.new_zeros(len(units), conv.in_channels, *size)
    channels = units[:, None] // (conv.out_channels // conv.groups) * each + torch.arange(each)
    spread = g[:, :, :: conv.dilation[0], :: conv.dilation[1]]
    spread[torch.arange(len(units))[:, None], channels] = kernel(conv)[units]
    return g


def picture_size(image_shape: Sequence[int]) -> tuple[int, int, int]:
    """Return (channels, height, width), or refuse what is no shape of images."""
    shape = tuple(image_shape)
    if len(shape) != 3 or any(type(length) is not int or length < 1 for length in shape):
        raise InvalidValue(
            f"Receptive fields need images, (channels, height, width), not {shown(shape)}."
        )
    return shape[0], shape[1], shape[2]


def chosen(units: Sequence[int] | None, known: int) -> Tensor:
    """Return the numbers of some units of so many, all by default, or refuse what is none."""
    if units is None:
        return torch.arange(known)
    for unit in units:
        if type(unit) is not int or not 0 <= unit < known:
            raise InvalidValue(f"Units are whole numbers from 0 to {known - 1:,}, not {unit!r}.")
    return torch.tensor(list(units), dtype=torch.int64)


__all__ = ["ReceptiveWindow", "back_projection", "chosen", "picture_size", "receptive_window"]
