"""Windows cut out of images at given places."""

import torch
from torch import Tensor


def crops(
    images: Tensor, which: Tensor, top: Tensor, left: Tensor, size: tuple[int, int]
) -> Tensor:
    """Return one window for each entry of `which`, zero where it reaches beyond its image.

    Args:
        images: (N, channels, height, width).
        which: Number of each window's image, (M,).
        top: Row of each window's first pixel, (M,); it may be negative.
        left: Column of each window's first pixel, (M,); it may be negative.
        size: Height and width of a window.

    Returns:
        (M, channels, *size), on the device of the images.

    >>> images = torch.arange(9.0).view(1, 1, 3, 3)
    >>> place = torch.tensor([0])
    >>> crops(images, place, place + 1, place - 1, (2, 3))
    tensor([[[[0., 3., 4.],
              [0., 6., 7.]]]])
    """
    device = images.device
    height, width = images.shape[2:]
    rows = top.to(device)[:, None] + torch.arange(size[0], device=device)
    columns = left.to(device)[:, None] + torch.arange(size[1], device=device)
    inside_rows = (rows >= 0) & (rows < height)
    inside_columns = (columns >= 0) & (columns < width)
    channels = torch.arange(images.shape[1], device=device)
    found = images[
        which.to(device)[:, None, None, None],
        channels[None, :, None, None],
        rows.clamp(0, height - 1)[:, None, :, None],
        columns.clamp(0, width - 1)[:, None, None, :],
    ]
    return found.mul_(inside_rows[:, None, :, None] & inside_columns[:, None, None, :])
