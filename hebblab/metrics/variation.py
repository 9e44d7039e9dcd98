"""How rough a unit's weights are as a picture: their total variation."""

from collections.abc import Sequence

from torch import Tensor

from hebblab.metrics.mosaics import picture_shape
from hebblab.metrics.rows import as_rows


def total_variation(weights: Tensor, image_shape: Sequence[int]) -> float:
    r"""Return how much neighbouring pixels differ, beside how much any pixels do.

    Of each unit the mean of \(|w_p - w_q|\) over pixels p, q that touch, down and across, divided
    by the mean of \(|w_p - \bar w|\) over all its pixels; then the mean over units. Scale and
    offset of a unit do not count. Normal noise has √2, uniform noise 4/3; smooth pictures have
    little: digits about 0.3. Units of one value have 0.

    Args:
        weights: (units, fan_in), or a convolution's (units, channels, height, width).
        image_shape: Shape of one unit's weights as a picture: (channels, height, width),
            (height, width), or (numbers,), a strip.

    Raises:
        InvalidValue: Weights that are not finite or do not fit the picture.

    >>> import torch
    >>> checks, ramp = torch.tensor([[0.0, 1, 1, 0]]), torch.tensor([[0.0, 0, 1, 1]])
    >>> total_variation(checks, (2, 2)), total_variation(ramp, (2, 2))
    (2.0, 1.0)
    """
    rows = as_rows(weights).double()
    pictures = rows.view(-1, *picture_shape(image_shape, rows.shape[1]))
    down, across = (pictures.diff(dim=axis).abs().flatten(1) for axis in (2, 3))
    neighbours = down.shape[1] + across.shape[1]
    spread = (rows - rows.mean(1, keepdim=True)).abs().mean(1)
    if not neighbours:
        return 0.0
    rough = (down.sum(1) + across.sum(1)) / neighbours
    return float((rough / spread.clamp_min(1e-300)).where(spread > 0, 0.0).mean())
