"""Inputs made worse on purpose, the same ones for every representation."""

import math

import torch
import torch.nn.functional as F

from hebblab.data import Images, Vectors, mean_image
from hebblab.data.images import Inputs
from hebblab.errors import InvalidValue, shown
from hebblab.evaluation import checks

NOISE = (0.1, 0.2, 0.3, 0.5)
OCCLUSION = (0.25, 0.5)
_CHUNK = 1024


def noisy(images: Inputs, deviation: float, seed: int = 0) -> Inputs:
    """Return inputs with Gaussian noise added.

    Pixels are cut at black and white and rounded to bytes, as a camera would; vectors are not.

    Args:
        images: Images or Vectors.
        deviation: σ of the noise, 0 to 10; of images in units of the range from black to white.
        seed: Of the noise. The same seed gives every representation the same noise.

    Raises:
        InvalidValue: Neither images nor vectors, a deviation out of bounds, or a seed that is none.

    >>> grey = Images(torch.full((2, 1, 40, 40), 128, dtype=torch.uint8), torch.zeros(2).long())
    >>> round(float(noisy(grey, 0.1).pixels.float().std() / 255), 2)
    0.1
    """
    _between("The deviation of noise", deviation, 0, 10)
    if not isinstance(images, Images | Vectors):
        raise InvalidValue(f"Noise is added to Images or Vectors, not {shown(images, 40)}.")
    generator = torch.Generator().manual_seed(checks.seed(seed))
    if isinstance(images, Vectors):
        noise = torch.randn(images.values.shape, generator=generator)
        return Vectors(images.values + deviation * noise.to(images.values.device), images.labels)
    pixels = torch.empty_like(images.pixels)
    for first in range(0, len(images), _CHUNK):
        part = images.pixels[first : first + _CHUNK]
        noise = torch.randn(part.shape, generator=generator).mul_(255 * deviation)
        worse = noise.to(part.device).add_(part).clamp_(0, 255).round_()
        pixels[first : first + _CHUNK] = worse.to(torch.uint8)
    return Images(pixels, images.labels)


def occluded(images: Inputs, side: float, training: Inputs, seed: int = 0) -> Images:
    """Return images with a square at a random place filled with the mean training image.

    Args:
        images: Images.
        side: Of the square, as a share of the shorter side, 0 to 1.
        training: Images whose mean fills the square.
        seed: Of the places. The same seed gives every representation the same places.

    Raises:
        InvalidValue: Inputs that are no images, a side out of bounds, or a seed that is none.

    >>> white = Images(torch.full((3, 1, 8, 8), 255, dtype=torch.uint8), torch.zeros(3).long())
    >>> black = Images(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.zeros(3).long())
    >>> (occluded(white, 0.5, black).pixels == 0).sum(dim=(1, 2, 3)).tolist()
    [16, 16, 16]
    """
    _between("The side of an occlusion", side, 0, 1)
    pixels = _pixels(images, "occluded")
    height, width = pixels.shape[2:]
    edge = round(side * min(height, width))
    filling = _bytes(training)
    if filling.shape != pixels.shape[1:]:
        raise InvalidValue(
            f"What fills the square are images of {tuple(filling.shape)}, and those to occlude are "
            f"of {tuple(pixels.shape[1:])}."
        )
    rows = torch.arange(height)
    columns = torch.arange(width)
    generator = torch.Generator().manual_seed(checks.seed(seed))
    top = torch.randint(0, height - edge + 1, (len(pixels), 1), generator=generator)
    left = torch.randint(0, width - edge + 1, (len(pixels), 1), generator=generator)
    inside = ((rows >= top) & (rows < top + edge))[:, :, None] & (
        (columns >= left) & (columns < left + edge)
    )[:, None, :]
    hidden = inside[:, None].to(pixels.device)
    return Images(torch.where(hidden, filling.to(pixels.device), pixels), images.labels)


def faded(images: Inputs, contrast: float) -> Images:
    """Return images whose contrast is reduced towards each image's own mean.

    Args:
        images: Images.
        contrast: What is left of it, 0 to 1.

    Raises:
        InvalidValue: Inputs that are no images, or a contrast out of bounds.
    """
    _between("The contrast", contrast, 0, 1)
    values = _pixels(images, "faded").float()
    mean = values.mean(dim=(1, 2, 3), keepdim=True)
    return Images((mean + contrast * (values - mean)).round().to(torch.uint8), images.labels)


def shifted(images: Inputs, pixels: int, seed: int = 0) -> Images:
    """Return images moved by so many pixels, each in one of four directions; black moves in.

    Args:
        images: Images.
        pixels: 0 to the shorter side, less one.
        seed: Of the directions.

    Raises:
        InvalidValue: Inputs that are no images, a shift out of bounds, or a seed that is none.
    """
    still = _pixels(images, "shifted")
    height, width = still.shape[2:]
    if type(pixels) is not int or not 0 <= pixels < min(height, width):
        raise InvalidValue(
            f"A shift is a whole number from 0 to {min(height, width) - 1}, not {shown(pixels)}."
        )
    wide = F.pad(still, (pixels,) * 4)
    generator = torch.Generator().manual_seed(checks.seed(seed))
    ways = torch.randint(0, 4, (len(images),), generator=generator)
    moved = torch.empty_like(still)
    for way, (down, right) in enumerate(((0, 1), (2, 1), (1, 0), (1, 2))):
        chosen = (ways == way).to(still.device)
        top, left = down * pixels, right * pixels
        moved[chosen] = wide[chosen, :, top : top + height, left : left + width]
    return Images(moved, images.labels)


def _bytes(training: Inputs) -> torch.Tensor:
    return (mean_image(training) * 255).round().to(torch.uint8)


def _pixels(inputs: Inputs, what: str) -> torch.Tensor:
    if isinstance(inputs, Vectors):
        raise InvalidValue(f"Only images can be {what}; these inputs are plain vectors.")
    if not isinstance(inputs, Images):
        raise InvalidValue(f"Only Images can be {what}, not {shown(inputs, 40)}.")
    return inputs.pixels


def _between(what: str, value: object, low: float, high: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= float(value) <= high or math.isnan(float(value)):  # type: ignore[arg-type]
        raise InvalidValue(f"{what} goes from {low} to {high}, not {shown(value)}.")
