"""Patches of a convolution as rows, copied in the order in which memory holds them."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hebblab.errors import InvalidValue
from hebblab.nn.scratch import Scratch


class Form(NamedTuple):
    """What cuts patches out of images: a convolution without its weights.

    Attributes:
        kernel: Rows and columns of a patch.
        stride: Steps between patches.
        dilation: Steps between the pixels of a patch.
        padding: Left, right, top and bottom.
        mode: What stands there: "zeros", "reflect", "replicate" or "circular".
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int, int, int]
    mode: str

    @classmethod
    def of(cls, module: nn.Conv2d) -> "Form":
        """Return the form of a layer."""
        left, right, top, bottom = module._reversed_padding_repeated_twice
        return cls(
            (module.kernel_size[0], module.kernel_size[1]),
            (module.stride[0], module.stride[1]),
            (module.dilation[0], module.dilation[1]),
            (left, right, top, bottom),
            module.padding_mode,
        )

    def places(self, height: int, width: int) -> tuple[int, int]:
        """Return how many patches an image gives down and across; below 1 where none fits."""
        left, right, top, bottom = self.padding
        down, across = (
            (length - dilation * (kernel - 1) - 1) // stride + 1
            for length, kernel, stride, dilation in zip(
                (height + top + bottom, width + left + right),
                self.kernel,
                self.stride,
                self.dilation,
                strict=True,
            )
        )
        return down, across


def framed(images: Tensor, form: Form, scratch: Scratch, last: bool) -> Tensor:
    """Return images (N, C, H, W) with their padding, from a buffer where they need one.

    Args:
        images: (N, C, height, width), in any memory format.
        form: Of the patches to come.
        scratch: Keeps the buffer.
        last: Whether the channels of a pixel are to lie side by side in memory.

    Raises:
        InvalidValue: The padding takes more pixels from an image than it has.
    """
    count, channels, height, width = images.shape
    left, right, top, bottom = form.padding
    if not any(form.padding) and images.stride(1 if last and channels > 1 else 3) == 1:
        return images
    high, wide = height + top + bottom, width + left + right
    if last:
        buffer = scratch.take("framed", (count, high, wide, channels), images)
        buffer = buffer.permute(0, 3, 1, 2)
    else:
        buffer = scratch.take("framed", (count, channels, high, wide), images)
    buffer[:, :, top : top + height, left : left + width].copy_(images)
    for axis, length, before, after in ((2, height, top, bottom), (3, width, left, right)):
        for place in (*range(before), *range(before + length, before + length + after)):
            rim = buffer.select(axis, place)
            if form.mode == "zeros":
                rim.zero_()
            else:
                source = before + _mirrored(place - before, length, form.mode)
                rim.copy_(buffer.select(axis, source))
    return buffer


def windows(images: Tensor, form: Form, last: bool) -> Tensor:
    """Return a view (N, down, across, C, kh, kw) of framed images; with `last` (…, kh, kw, C)."""
    (kh, kw), (sh, sw), (dh, dw) = form.kernel, form.stride, form.dilation
    count, channels, height, width = images.shape
    down = (height - dh * (kh - 1) - 1) // sh + 1
    across = (width - dw * (kw - 1) - 1) // sw + 1
    n, c, h, w = images.stride()
    c = c if channels > 1 else 1  # as torch leaves it open for a single channel
    shape, stride = (count, down, across), (n, h * sh, w * sw)
    if last:
        return images.as_strided(
            (*shape, kh, kw, channels), (*stride, h * dh, w * dw, c), images.storage_offset()
        )
    return images.as_strided(
        (*shape, channels, kh, kw), (*stride, c, h * dh, w * dw), images.storage_offset()
    )


def copy_(buffer: Tensor, piece: Tensor, last: bool) -> Tensor:
    """Copy windows into rows (samples, fan_in) and return these."""
    if not last or piece.stride(4) != piece.shape[5] * piece.stride(5):
        buffer.view(piece.shape).copy_(piece)
        return buffer
    # A line of a patch is one run of memory; the loops of a copy over lines cost more than they.
    count, down, across, lines, columns, channels = piece.shape
    rows = buffer.view(count, down, across, lines, columns * channels)
    shape = (count, down, across, columns * channels)
    for line in range(lines):
        source = piece[:, :, :, line]
        rows[:, :, :, line].copy_(
            source.as_strided(shape, (*source.stride()[:3], 1), source.storage_offset())
        )
    return buffer


def gathered(
    images: Tensor, places: Tensor, form: Form, scratch: Scratch, buffer: Tensor, last: bool
) -> Tensor:
    """Fill rows with the patches at some places alone, without padding or unfolding the rest.

    Args:
        images: (N, C, height, width).
        places: Number of each patch among all of the batch, image by image and line by line.
        form: Of the patches.
        scratch: Keeps the buffers.
        buffer: (places, fan_in), to be filled.
        last: Whether the order within a row is (kh, kw, C) instead of (C, kh, kw).
    """
    device = images.device
    channels, height, width = images.shape[1:]
    left, _, top, _ = form.padding
    down, across = form.places(height, width)
    lines, inside_lines = _source(
        places // across % down * form.stride[0] - top, 0, height, form, device
    )
    columns, inside_columns = _source(
        places % across * form.stride[1] - left, 1, width, form, device
    )
    n, c, h, w = images.stride()
    shape = (len(places), *form.kernel, channels)
    spread = scratch.take("places", shape, images, torch.int64)
    first = (places // (down * across) * n)[:, None] + lines * h
    own = torch.arange(0, channels * c, c, device=device) if c else lines.new_zeros(channels)
    torch.add((first[:, :, None] + (columns * w)[:, None, :])[..., None], own, out=spread)
    span = sum((size - 1) * stride for size, stride in zip(images.shape, (n, c, h, w), strict=True))
    flat = images.as_strided((span + 1,), (1,), images.storage_offset())
    where = spread if last else spread.permute(0, 3, 1, 2).contiguous()
    torch.index_select(flat, 0, where.view(-1), out=buffer.view(-1))
    if form.mode == "zeros" and any(form.padding):
        inside = inside_lines[:, :, None] & inside_columns[:, None, :]
        rows = buffer.view(len(places), *form.kernel, channels) if last else None
        if rows is None:
            rows = buffer.view(len(places), channels, *form.kernel).permute(0, 2, 3, 1)
        rows.mul_(inside[..., None])
    return buffer


def distinct(total: int, count: int, generator: torch.Generator) -> Tensor:
    """Return `count` different numbers below `total`, in rising order, all sets as likely.

    >>> distinct(10, 4, torch.Generator().manual_seed(0))
    tensor([0, 3, 4, 9])
    """
    if 2 * count >= total:
        return torch.randperm(total, generator=generator)[:count].sort().values
    drawn = torch.empty(0, dtype=torch.int64)
    while len(drawn) < count:
        again = torch.randint(total, (count - len(drawn),), generator=generator)
        drawn = torch.unique_consecutive(torch.cat((drawn, again)).sort().values)
    return drawn


def _source(
    first: Tensor, axis: int, length: int, form: Form, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return which pixels lines of patches show, (patches, kernel), and whether these exist."""
    reach = torch.arange(form.kernel[axis], device=device) * form.dilation[axis]
    place = first[:, None] + reach
    inside = (place >= 0) & (place < length)
    if not any(form.padding):
        return place, inside
    if form.mode == "circular":
        return place.remainder_(length), inside
    if form.mode == "reflect":
        place = place.abs_()
        return torch.minimum(place, 2 * (length - 1) - place), inside
    return place.clamp_(0, length - 1), inside


def _mirrored(place: int, length: int, mode: str) -> int:
    """Return the pixel that stands at a place outside of an image."""
    if mode == "reflect":
        source = -place if place < 0 else 2 * (length - 1) - place
    elif mode == "circular":
        source = place + length if place < 0 else place - length
    else:
        source = min(max(place, 0), length - 1)
    if not 0 <= source < length:
        raise InvalidValue(
            f"{mode.capitalize()} padding needs more pixels than the {length} of the image at "
            "hand: use less padding, or larger images."
        )
    return source
