"""The weights of many units as one picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, shown
from hebblab.metrics.rows import as_rows


@dataclass(frozen=True, eq=False)
class Mosaic:
    """Weight images laid out in a grid, row by row.

    Attributes:
        pixels: The weights as they are, (rows * height, columns * width), with the channels last
            where there are several. Cells without a unit are 0.
        rows: Cells from top to bottom.
        columns: Cells from left to right.
        units: Number of the unit in each cell, row by row.
        total: Units in the layer, shown or not.
        image_shape: (channels, height, width) of one cell.
    """

    pixels: Tensor
    rows: int
    columns: int
    units: tuple[int, ...]
    total: int
    image_shape: tuple[int, int, int]

    def cell(self, row: int, column: int) -> int | None:
        """Return the unit in a cell, None where it is empty."""
        place = row * self.columns + column
        inside = 0 <= row < self.rows and 0 <= column < self.columns
        return self.units[place] if inside and place < len(self.units) else None


def mosaic(
    weights: Tensor,
    image_shape: Sequence[int],
    columns: int | None = None,
    limit: int | None = None,
    *,
    page: int = 0,
    seed: int | None = None,
    order: Sequence[int] | None = None,
    gap: int = 0,
) -> Mosaic:
    """Lay the weights of many units out as one picture.

    Args:
        weights: (units, fan_in), or a convolution's (units, channels, height, width).
        image_shape: Shape of one unit's weights as a picture: (channels, height, width),
            (height, width), or (numbers,), which makes a strip.
        columns: Cells in a line; by default the grid is about square.
        limit: Most units shown at once; the rest is on further pages.
        page: Which page, from 0.
        seed: Show a random `limit` of the units, drawn from this seed, in order.
        order: Numbers of units in the order to show them; by default all, by number.
        gap: Empty pixels between cells.

    Raises:
        InvalidValue: Weights that are not finite or do not fit the picture, or an impossible
            grid, page or order.

    >>> picture = mosaic(torch.arange(12.0).reshape(3, 4), (1, 2, 2))
    >>> picture.rows, picture.columns, picture.units
    (2, 2, (0, 1, 2))
    >>> picture.pixels.tolist()[0]
    [0.0, 1.0, 4.0, 5.0]
    """
    rows = as_rows(weights)
    shape = picture_shape(image_shape, rows.shape[1])
    total = rows.shape[0]
    units = _chosen(total, limit, page, seed, order)
    _whole("columns", columns, 1, "None, or a whole number from 1")
    _whole("gap", gap, 0, "a whole number from 0")
    channels, height, width = shape
    if columns is None:
        columns = max(1, math.ceil(math.sqrt(len(units) * height / width)))
    columns = min(columns, len(units))
    lines = math.ceil(len(units) / columns)
    cells = rows.new_zeros(lines * columns, channels, height + gap, width + gap)
    chosen = rows[torch.tensor(units, device=rows.device)]
    cells[: len(units), :, :height, :width] = chosen.view(-1, *shape)
    grid = cells.view(lines, columns, channels, height + gap, width + gap)
    pixels = grid.permute(0, 3, 1, 4, 2).reshape(lines * (height + gap), -1, channels)
    pixels = pixels[: pixels.shape[0] - gap, : pixels.shape[1] - gap]
    if channels == 1:
        pixels = pixels[..., 0]
    return Mosaic(pixels.contiguous(), lines, columns, units, total, shape)


def picture_shape(image_shape: Sequence[int], fan_in: int) -> tuple[int, int, int]:
    """Return the shape of one unit's weights as a picture, (channels, height, width).

    Raises:
        InvalidValue: So many numbers do not make that picture.

    >>> picture_shape((28, 28), 784)
    (1, 28, 28)
    """
    shape = tuple(image_shape)
    if len(shape) > 3 or math.prod(shape) != fan_in or min(shape, default=0) < 1:
        raise InvalidValue(
            f"A unit's {fan_in:,} weights do not make a picture of shape {shown(shape)}: "
            "(channels, height, width), (height, width) or (numbers,) is needed."
        )
    channels, height, width = (1,) * (3 - len(shape)) + shape
    return channels, height, width


def _chosen(
    total: int, limit: int | None, page: int, seed: int | None, order: Sequence[int] | None
) -> tuple[int, ...]:
    _whole("limit", limit, 1, "None, or a whole number from 1")
    _whole("page", page, 0, "a whole number from 0")
    units = tuple(range(total)) if order is None else tuple(int(unit) for unit in order)
    if not units or min(units) < 0 or max(units) >= total:
        raise InvalidValue(
            f"order must name units from 0 to {total - 1}, at least one, not {shown(order)}."
        )
    if limit is None or limit >= len(units):
        if page:
            raise InvalidValue(f"All {len(units):,} units are on page 0; there is no page {page}.")
        return units
    if seed is not None:
        generator = torch.Generator().manual_seed(seed)
        places = torch.randperm(len(units), generator=generator)[:limit].sort().values
        return tuple(units[place] for place in places.tolist())
    pages = math.ceil(len(units) / limit)
    if page >= pages:
        raise InvalidValue(
            f"There are {pages} pages of {limit} units, 0 to {pages - 1}: no {page}."
        )
    return units[page * limit : (page + 1) * limit]


def _whole(name: str, value: object, low: int, accepted: str) -> None:
    if value is None and accepted.startswith("None"):
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise InvalidValue(f"{name} must be {accepted}, not {shown(value)}.")
