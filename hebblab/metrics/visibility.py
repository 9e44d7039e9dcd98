"""Whether a unit's weights have become a picture of what it was shown."""

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, shown
from hebblab.metrics.rows import as_rows, unit_rows

_CHUNK = 4096  # images compared at once


def visible(weights: Tensor, images: Tensor) -> Tensor:
    r"""Say which units show a digit: like some image, and smooth.

    A unit is visible if its largest cosine to an image is above 0.5 and its roughness
    \((\overline{\Delta_y^2} + \overline{\Delta_x^2}) / 2\operatorname{var}(w)\) is below 0.5:
    white noise has 2, a digit about 0.25. Both are needed, since uniform noise alone has cosine
    0.51. Copies of the mean image pass: ask for a win entropy above 0.8 beside it.

    Args:
        weights: (units, channels * height * width).
        images: (samples, channels, height, width), of any scale; uint8 pixels will do.

    Returns:
        bool (units,); its mean is the share that is visible.

    Raises:
        InvalidValue: The weights do not fit the images, or are not finite.

    >>> blob = torch.hann_window(16).outer(torch.hann_window(16)).view(1, 1, 16, 16)
    >>> visible(blob.reshape(1, 256) + 0.01, blob)
    tensor([True])
    """
    rows = as_rows(weights)
    if not isinstance(images, Tensor):
        raise InvalidValue(f"images must be a tensor of pictures, not {shown(images)}.")
    if images.ndim != 4 or images.shape[0] == 0 or images[0].numel() != rows.shape[1]:
        raise InvalidValue(
            f"Weights of {rows.shape[1]:,} numbers a unit do not fit images of shape "
            f"{tuple(images.shape)}; (samples, channels, height, width) is needed."
        )
    directions = unit_rows(weights).float()
    best = torch.full((rows.shape[0],), -1.0, device=rows.device)
    for first in range(0, images.shape[0], _CHUNK):
        part = images[first : first + _CHUNK]
        lines = unit_rows(part.flatten(1).float(), "images").float()
        best = torch.maximum(best, (lines @ directions.T).amax(0))
    return (best > 0.5) & (_roughness(directions.view(-1, *images.shape[1:])) < 0.5)


def _roughness(pictures: Tensor) -> Tensor:
    down = pictures.diff(dim=2).square().mean((1, 2, 3))
    across = pictures.diff(dim=3).square().mean((1, 2, 3))
    variance = pictures.var((1, 2, 3), correction=0)
    return torch.where(variance > 1e-12, (down + across) / (2 * variance), torch.inf)
