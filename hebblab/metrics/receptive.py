"""What the units of a layer, however deep, look for in the image."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hebblab.errors import InvalidValue, shown
from hebblab.metrics.crops import crops
from hebblab.metrics.linear import Path, Size, back, kernel, path_to, reach
from hebblab.nn.modes import evaluating

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
        _, height, width = _image_shape(image_shape)
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
    shape = _image_shape(image_shape)
    shapes = path.shapes(shape)
    chosen = _units(units, len(path.layer.weight))
    if path.flat:
        size: Size = (shape[1], shape[2])
    else:
        size = _window(path).size
    largest = max(shape[0] * size[0] * size[1], *(one.numel() for one in shapes))
    each = max(1, _CHUNK // largest)
    with torch.no_grad():
        found = path.layer.weight.new_empty(len(chosen), shape[0], *size)
        for first in range(0, len(chosen), each):
            found[first : first + each] = _projected(path, shapes, chosen[first : first + each])
    return found


def best_patches(
    network: nn.Module,
    layer: str,
    images: Tensor,
    count: int = 9,
    units: Sequence[int] | None = None,
    batch: int | None = None,
) -> Tensor:
    """Return the patches of images that excite each unit most, the best first.

    Every image counts once for a unit, by the place where its response is largest, so that a row
    does not show one spot nine times. Where a window reaches beyond the image it shows zeros.
    Equal responses: the earlier image.

    Args:
        network: A `torch.nn.Sequential`, nested or not; it is read in evaluation mode.
        layer: Name of a Linear or Conv2d layer in it.
        images: (N, channels, height, width), as the network is given them.
        count: Patches for each unit, 1 to N.
        units: Numbers of the units; all by default.
        batch: Images at once; by default what keeps 64 MB.

    Returns:
        (units, count, channels, height, width), with the window of `receptive_window`, on the
        device of `images`.

    Raises:
        InvalidValue: A module on the way cannot be followed, or the images do not fit.
        UnknownName: There is no such layer.

    >>> network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
    >>> _ = nn.init.ones_(network[0].weight)
    >>> images = torch.tensor([[[[0.0, 5.0]]], [[[7.0, 1.0]]]])
    >>> best_patches(network, "0", images, count=2).flatten()
    tensor([7., 5.])
    """
    path = path_to(network, layer)
    if not isinstance(images, Tensor) or images.dim() != 4 or not images.is_floating_point():
        raise InvalidValue("images must be floats (N, channels, height, width).")
    if type(count) is not int or not 1 <= count <= len(images):
        raise InvalidValue(
            f"count must be a whole number from 1 to the {len(images):,} images, not "
            f"{shown(count)}."
        )
    if batch is not None and (type(batch) is not int or batch < 1):
        raise InvalidValue(f"batch must be a whole number from 1, not {shown(batch)}.")
    shape = _image_shape(images.shape[1:])
    shapes = path.shapes(shape)
    chosen = _units(units, len(path.layer.weight))
    window = receptive_window(network, layer, shape)
    if batch is None:
        batch = max(1, _CHUNK // max(_responses(path, shapes[-1]), *(s.numel() for s in shapes)))
    which, place, columns = _strongest(path, images, chosen, count, batch)
    top = window.start[0] + place // columns * window.stride[0]
    left = window.start[1] + place % columns * window.stride[1]
    with torch.no_grad():
        found = crops(images, which.flatten(), top.flatten(), left.flatten(), window.size)
    return found.view(len(chosen), count, shape[0], *window.size)


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


def _responses(path: Path, given: torch.Size) -> int:
    """Return at most how many responses one image has at a layer."""
    units = len(path.layer.weight)
    if isinstance(path.layer, nn.Linear):
        return units
    left, right, top, bottom = path.layer._reversed_padding_repeated_twice
    return int(units * (given[1] + top + bottom) * (given[2] + left + right))


def _strongest(
    path: Path, images: Tensor, units: Tensor, count: int, batch: int
) -> tuple[Tensor, Tensor, int]:
    """Return image and place of each unit's largest responses, (units, count), and the columns."""
    weight, network = path.layer.weight, nn.ModuleList([*path.before, path.layer])
    best = weight.new_full((len(units), count), -torch.inf)
    which = torch.zeros(len(units), count, dtype=torch.int64, device=weight.device)
    place, columns = which.clone(), 1
    units = units.to(weight.device)
    with torch.no_grad(), evaluating(network):
        for first in range(0, len(images), batch):
            part = images[first : first + batch].to(weight.device, weight.dtype)
            responses = path.layer(path.forward(part))[:, units]
            columns = responses.shape[3] if responses.dim() == 4 else 1
            value, where = (
                responses.flatten(2).max(2)
                if responses.dim() == 4
                else (
                    responses,
                    torch.zeros_like(responses, dtype=torch.int64),
                )
            )
            number = torch.arange(first, first + len(part), device=weight.device)
            value = torch.cat([best, value.T], dim=1)
            # Stable, so that the earlier of equals stays before.
            best, order = value.sort(dim=1, descending=True, stable=True)
            best, order = best[:, :count], order[:, :count]
            which = torch.cat([which, number.expand(len(units), -1)], 1).gather(1, order)
            place = torch.cat([place, where.T], 1).gather(1, order)
    return which, place, columns


def _image_shape(image_shape: Sequence[int]) -> tuple[int, int, int]:
    shape = tuple(image_shape)
    if len(shape) != 3 or any(type(length) is not int or length < 1 for length in shape):
        raise InvalidValue(
            f"Receptive fields need images, (channels, height, width), not {shown(shape)}."
        )
    return shape[0], shape[1], shape[2]


def _units(units: Sequence[int] | None, known: int) -> Tensor:
    if units is None:
        return torch.arange(known)
    for unit in units:
        if type(unit) is not int or not 0 <= unit < known:
            raise InvalidValue(f"Units are whole numbers from 0 to {known - 1:,}, not {unit!r}.")
    return torch.tensor(list(units), dtype=torch.int64)


__all__ = ["ReceptiveWindow", "back_projection", "best_patches", "receptive_window"]
