"""The places in images where the units of a layer, however deep, answer most."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hebblab.errors import InvalidValue, shown
from hebblab.metrics.crops import crops
from hebblab.metrics.linear import Path, Size, path_to
from hebblab.metrics.receptive import chosen, picture_size, receptive_window
from hebblab.nn.modes import evaluating

_CHUNK = 2**24  # numbers at once, 64 MB in float32


@dataclass(frozen=True, eq=False)
class BestPlaces:
    """Where each unit's largest responses are, the largest first.

    Attributes:
        image: Number of the image, (units, count).
        top: Row of the first pixel that is seen from there; negative where padding is, likewise.
        left: Its column.
        size: Height and width of the window that is seen.
    """

    image: Tensor
    top: Tensor
    left: Tensor
    size: Size

    def patches(self, images: Tensor, units: slice | None = None) -> Tensor:
        """Return what the images show there, (units, count, channels, height, width).

        Args:
            images: (N, channels, height, width), of the size that the network was given.
            units: Those wanted; all by default.
        """
        part = slice(None) if units is None else units
        image, top, left = (every[part] for every in (self.image, self.top, self.left))
        with torch.no_grad():
            found = crops(images, image.flatten(), top.flatten(), left.flatten(), self.size)
        return found.view(*image.shape, *found.shape[1:])


def best_places(
    network: nn.Module,
    layer: str,
    images: Tensor,
    count: int = 9,
    units: Sequence[int] | None = None,
    batch: int | None = None,
) -> BestPlaces:
    """Return the places in images where each unit answers most, the best first.

    Every image counts once for a unit, by the place where its response is largest, so that a row
    does not show one spot nine times. Equal responses: the earlier image.

    Args:
        network: A `torch.nn.Sequential`, nested or not; it is read in evaluation mode.
        layer: Name of a Linear or Conv2d layer in it.
        images: (N, channels, height, width), as the network is given them.
        count: Patches for each unit, 1 to N.
        units: Numbers of the units; all by default.
        batch: Images at once; by default what keeps 64 MB.

    Raises:
        InvalidValue: A module on the way cannot be followed, or the images do not fit.
        UnknownName: There is no such layer.

    >>> network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
    >>> _ = nn.init.ones_(network[0].weight)
    >>> images = torch.tensor([[[[0.0, 5.0]]], [[[7.0, 1.0]]]])
    >>> places = best_places(network, "0", images, count=2)
    >>> places.image.tolist(), places.left.tolist()
    ([[1, 0]], [[0, 1]])
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
    shape = picture_size(images.shape[1:])
    shapes = path.shapes(shape)
    wanted = chosen(units, len(path.layer.weight))
    window = receptive_window(network, layer, shape)
    if batch is None:
        batch = max(1, _CHUNK // max(_responses(path, shapes[-1]), *(s.numel() for s in shapes)))
    which, place, columns = _strongest(path, images, wanted, count, batch)
    top = window.start[0] + place // columns * window.stride[0]
    left = window.start[1] + place % columns * window.stride[1]
    return BestPlaces(which, top, left, window.size)


def best_patches(
    network: nn.Module,
    layer: str,
    images: Tensor,
    count: int = 9,
    units: Sequence[int] | None = None,
    batch: int | None = None,
) -> Tensor:
    """Return the patches of images that excite each unit most, the best first.

    They are those of `best_places`, which says what it takes and refuses; where a window reaches
    beyond the image it shows zeros.

    Returns:
        (units, count, channels, height, width), with the window of `receptive_window`, on the
        device of `images`.

    >>> network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
    >>> _ = nn.init.ones_(network[0].weight)
    >>> images = torch.tensor([[[[0.0, 5.0]]], [[[7.0, 1.0]]]])
    >>> best_patches(network, "0", images, count=2).flatten()
    tensor([7., 5.])
    """
    return best_places(network, layer, images, count, units, batch).patches(images)


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


__all__ = ["BestPlaces", "best_patches", "best_places"]
