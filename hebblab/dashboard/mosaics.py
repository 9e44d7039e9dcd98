"""Weight images as bytes: what a unit's weights are as a picture, and its colours."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

ZERO = 128
LIMIT = 400


@dataclass(frozen=True)
class Picture:
    """One frame of weight images.

    Attributes:
        data: Bytes, unit after unit, each row after row; with three channels, each pixel's
            red, green and blue together.
        meta: What the page must know to paint them: "step", "units" (their numbers),
            "columns", "height", "width", "channels", "greyed" (positions of units that win
            nothing), "low" and "high" (the ends of the colour bar, in words), "caption", "label"
            (what is shown, for those who do not see it), "pages" and "page". Of deep layers also
            "hint" and "note" (what the squares are, and the chosen unit's picture) and "close"
            ("unit", "height", "width" and "channels" of that picture, where it is another one).
        close: Bytes of the chosen unit's picture; 0 is nothing.
    """

    data: bytes
    meta: dict[str, Any]
    close: bytes = b""


def pictures(weights: Floats, shape: tuple[int, ...], deep: bool = False) -> Floats:
    """Return weights (units, fan_in) as images (units, channels, height, width).

    Inputs that are no images become the squarest picture that holds them exactly. Channels that
    are no colours are averaged: where in its window a unit wants its inputs, and where not.

    Args:
        weights: (units, fan_in).
        shape: What `fan_in` is, (channels, height, width) or (numbers,).
        deep: Whether the channels are those of a layer before, so that three are no colours.

    >>> pictures(np.zeros((2, 12), np.float32), (12,)).shape
    (2, 1, 3, 4)
    >>> pictures(np.arange(8, dtype=np.float32)[None], (2, 2, 2)).tolist()
    [[[[2.0, 3.0], [4.0, 5.0]]]]
    """
    units = len(weights)
    if len(shape) != 3:
        size = math.prod(shape)
        height = max(h for h in range(1, math.isqrt(size) + 1) if size % h == 0)
        return weights.reshape(units, 1, height, size // height)
    images = weights.reshape(units, *shape)
    return images.mean(axis=1, keepdims=True) if averaged(shape, deep) else images


def averaged(shape: tuple[int, ...], deep: bool = False) -> bool:
    """Whether `pictures` are means over channels."""
    return len(shape) == 3 and shape[0] != 1 and (deep or shape[0] != 3)


def encode(images: Floats, bound: float | Floats) -> bytes:
    """Return images (units, C, H, W) as bytes.

    See `levels`; where C is 3, the three bytes of a pixel stand together.
    """
    made = levels(images, bound)
    return made.tobytes() if images.shape[1] == 1 else made.transpose(0, 2, 3, 1).tobytes()


def levels(images: Floats, bound: float | Floats) -> NDArray[np.uint8]:
    """Return images as numbers of colours, 128 for zero and 1 to 255 for -bound to bound.

    Args:
        images: (units, C, H, W), C being 1 or 3.
        bound: One number, or one for each unit.
    """
    bounds = np.asarray(bound, np.float32)
    factor = np.divide(127.0, bounds, out=np.ones_like(bounds), where=bounds > 0)
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = images * (factor[:, None, None, None] if factor.ndim else np.float32(factor))
    # Adding before the cast rounds to nearest; what is not a number has no colour.
    scaled += ZERO + 0.5
    np.clip(scaled, 1.0, 255.5, out=scaled)
    if not np.isfinite(scaled.sum()):
        np.nan_to_num(scaled, copy=False, nan=ZERO)
    made: NDArray[np.uint8] = scaled.astype(np.uint8)
    return made


def tiled(images: Floats, bound: float) -> NDArray[np.uint8]:
    """Return several images as one, side by side in about a square, (height, width, C).

    Between them, and where the last line is not full, stands 0, which is no colour.

    >>> tiled(np.zeros((2, 1, 1, 2), np.float32), 1.0)[:, :, 0].tolist()
    [[128, 128, 0, 128, 128]]
    """
    count, channels, height, width = images.shape
    across = math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    tiles = np.zeros((down * across, height + 1, width + 1, channels), np.uint8)
    tiles[:count, :height, :width] = levels(images, bound).transpose(0, 2, 3, 1)
    grid = tiles.reshape(down, across, height + 1, width + 1, channels).transpose(0, 2, 1, 3, 4)
    whole = grid.reshape(down * (height + 1), across * (width + 1), channels)
    return np.ascontiguousarray(whole[:-1, :-1])


def by_similarity(weights: Floats) -> NDArray[np.intp]:
    """Return an order in which each unit stands beside one that it resembles.

    A chain: from unit 0 always to the most similar unit (cosine) not yet in it. Above 2,000 units
    the order along the first direction of variation stands in, which costs less.
    """
    units = len(weights)
    norms = np.linalg.norm(weights, axis=1, keepdims=True)
    rows = weights / np.maximum(norms, 1e-12)
    if units > 2000:
        centred = rows - rows.mean(0)
        direction = centred[int(np.argmax(np.linalg.norm(centred, axis=1)))]
        for _ in range(20):
            direction = centred.T @ (centred @ direction)
            direction /= max(float(np.linalg.norm(direction)), 1e-30)
        return np.argsort(centred @ direction, kind="stable")
    cosines = rows @ rows.T
    free = np.zeros(units, np.float32)
    chain = np.zeros(units, np.intp)
    for place in range(1, units):
        free[chain[place - 1]] = -np.inf
        chain[place] = int(np.argmax(cosines[chain[place - 1]] + free))
    return chain
