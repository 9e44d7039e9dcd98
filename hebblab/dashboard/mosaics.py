"""Weight images as bytes: which units, in which order, on which scale."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SCALES = ("shared", "unit")
ORDERS = ("number", "wins", "norm", "similarity")
MODES = ("weights", "change")
ZERO = 128
LIMIT = 400
_SAMPLE = 40_000
_LADDER = (1.0, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 3.9, 4.7, 5.6, 6.8, 8.2, 10.0)


@dataclass(frozen=True)
class Picture:
    """One frame of weight images.

    Attributes:
        data: Bytes, unit after unit, each row after row; with three channels, each pixel's
            red, green and blue together.
        meta: What the page must know to paint them: "step", "units" (their numbers),
            "columns", "height", "width", "channels", "greyed" (positions of units that win
            nothing), "low" and "high" (the ends of the colour bar, in words), "caption", "label"
            (what is shown, for those who do not see it), "pages" and "page".
    """

    data: bytes
    meta: dict[str, Any]


def pictures(weights: Floats, shape: tuple[int, ...]) -> Floats:
    """Return weights (units, fan_in) as images (units, channels, height, width).

    Inputs that are no images become the squarest picture that holds them exactly. Where there are
    neither one nor three channels, each unit's channels stand beside each other as tiles of one
    picture.

    >>> pictures(np.zeros((2, 12), np.float32), (12,)).shape
    (2, 1, 3, 4)
    >>> pictures(np.zeros((5, 36), np.float32), (4, 3, 3)).shape
    (5, 1, 6, 6)
    """
    units = len(weights)
    if len(shape) != 3:
        size = math.prod(shape)
        height = max(h for h in range(1, math.isqrt(size) + 1) if size % h == 0)
        return weights.reshape(units, 1, height, size // height)
    channels, height, width = shape
    images = weights.reshape(units, channels, height, width)
    if channels in (1, 3):
        return images
    across = math.ceil(math.sqrt(channels))
    down = math.ceil(channels / across)
    tiles = np.zeros((units, down * across, height, width), np.float32)
    tiles[:, :channels] = images
    tiles = tiles.reshape(units, down, across, height, width).transpose(0, 1, 3, 2, 4)
    return np.ascontiguousarray(tiles).reshape(units, 1, down * height, across * width)


def robust_bound(weights: Floats, winning: NDArray[np.bool_] | None = None) -> float:
    """Return the 99th percentile of |w| over the units that win (all, where none does).

    One noisy unit would otherwise hide every digit. Large layers are read at evenly spaced
    weights.
    """
    if winning is not None and winning.any() and not winning.all():
        weights = weights[winning]
    flat = weights.ravel()
    # A stride that shares no factor with the image's width meets every pixel.
    stride = max(1, flat.size // _SAMPLE) | 1
    sample = np.abs(flat[::stride])
    if sample.size == 0:
        return 0.0
    place = int(0.99 * (sample.size - 1))
    value = float(np.partition(sample, place)[place])
    return value if math.isfinite(value) else 0.0


def rung(value: float) -> float:
    """Return the first of the scale's steps from `value` on, about 20 % apart.

    >>> rung(0.13), rung(0.2), rung(0)
    (0.15, 0.22, 1.0)
    """
    if not value > 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    for step in _LADDER:
        if step * power >= value * (1 - 1e-9):
            return float(f"{step * power:.6g}")
    return 10 * power


class SteadyBound:
    """A bound that moves in steps, and not at all while the weights stay near it.

    >>> bound = SteadyBound()
    >>> [bound(value) for value in (0.20, 0.21, 0.19, 0.225, 0.16, 0.12)]
    [0.22, 0.22, 0.22, 0.22, 0.22, 0.15]
    """

    def __init__(self) -> None:
        self.value = 0.0

    def __call__(self, wanted: float) -> float:
        """Return the bound for this value: up at once, down when it is two thirds empty."""
        if wanted > 1.05 * self.value:
            self.value = rung(wanted)
        elif 0 < wanted < self.value / 1.6:
            self.value = rung(1.1 * wanted)
        return self.value or 1.0


def encode(images: Floats, bound: float | Floats) -> bytes:
    """Return images (units, C, H, W) as bytes, 128 for zero and 1 to 255 for -bound to bound.

    Args:
        images: C is 1 or 3; with 3, the three bytes of a pixel stand together.
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
    made = scaled.astype(np.uint8)
    return made.tobytes() if images.shape[1] == 1 else made.transpose(0, 2, 3, 1).tobytes()


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


def _number(value: float) -> str:
    if not 1e-5 <= value < 1e6:
        return f"{value:.2g}"
    return f"{value:.{max(0, 1 - math.floor(math.log10(value)))}f}"


@dataclass
class Gallery:
    """What a person chose to see of a layer, and the memory that keeps it from jumping.

    The shared scale moves in steps. An order by wins, norm or similarity is taken when it is
    chosen, at a new run, and when `resort` says so: images that change places cannot be watched.

    Attributes:
        scale: "shared", or "unit" for each unit on its own scale.
        order: "number", "wins", "norm" (largest first) or "similarity".
        mode: "weights", or "change" for the difference to a reference.
        page: Which `limit` units, from 0.
        limit: Units at once.
    """

    scale: str = "shared"
    order: str = "number"
    mode: str = "weights"
    page: int = 0
    limit: int = LIMIT
    _bounds: dict[str, SteadyBound] = field(default_factory=dict, repr=False)
    _kept: tuple[object, NDArray[np.intp]] | None = field(default=None, repr=False)
    _step: int = field(default=0, repr=False)

    def paint(
        self,
        weights: Floats,
        shape: tuple[int, ...],
        *,
        step: int = 0,
        layer: str = "",
        winning: NDArray[np.bool_] | None = None,
        greyed: NDArray[np.bool_] | None = None,
        wins: NDArray[Any] | None = None,
        norms: NDArray[Any] | None = None,
        reference: Floats | None = None,
        columns: int | None = None,
        resort: bool = False,
    ) -> Picture:
        """Return the frame to send.

        Args:
            weights: (units, fan_in).
            shape: What `fan_in` is as a picture, (C, H, W) or (D,).
            step: The step at which the weights were copied.
            layer: The layer's name.
            winning: Which units win: the shared scale is read from them alone.
            greyed: Which units are shown grey.
            wins: Wins of each unit, for the order by wins.
            norms: Norm of each unit, for the order by norm; Euclidean where not given.
            reference: The weights that "change" is the difference to.
            columns: Units in a line where they stand in their own order: how they lie on a sheet.
            resort: Take the order anew.
        """
        if step < self._step:
            self._bounds.clear()
            resort = True
        self._step = step
        change = self.mode == "change" and reference is not None
        if change and reference is not None and reference.shape == weights.shape:
            weights = weights - reference
        units = len(weights)
        # Order and page are taken once a request may have changed them on another thread.
        order = self._order(weights, wins, norms, resort)
        columns = columns if self.order == "number" else None
        limit = max(1, self.limit // columns) * columns if columns else self.limit  # whole lines
        pages = max(1, math.ceil(units / limit))
        page = min(max(self.page, 0), pages - 1)
        seen = order[page * limit : (page + 1) * limit]
        whole = pages == 1 and self.order == "number"
        images = pictures(weights if whole else weights[seen], shape)
        low, high, bound = self._scale(images, weights, winning, "change" if change else "weights")
        shown = np.zeros(units, bool) if greyed is None else np.asarray(greyed, bool)
        first = f", from {page * limit:,}" if page else ""
        caption = f"{len(seen):,} of {units:,} units{first}"
        named = f" of layer {layer}" if layer else ""
        what = "Change of the weights" if change else "Weight images"
        meta = {
            "step": step,
            "units": seen.tolist(),
            "columns": columns or math.ceil(math.sqrt(len(seen))) or 1,
            "height": images.shape[2],
            "width": images.shape[3],
            "channels": images.shape[1],
            "greyed": np.flatnonzero(shown[seen]).tolist(),
            "low": low,
            "high": high,
            "caption": f"{caption} · “{layer}”" if layer else caption,
            "label": f"{what} of {caption}{named} at step {step:,}",
            "page": page,
            "pages": pages,
        }
        return Picture(encode(images, bound), meta)

    def _scale(
        self, images: Floats, weights: Floats, winning: NDArray[np.bool_] | None, mode: str
    ) -> tuple[str, str, float | Floats]:
        if self.scale == "unit":
            each = np.abs(images).max(axis=(1, 2, 3))
            return "− own largest", "+ own largest", each.astype(np.float32)
        steady = self._bounds.setdefault(mode, SteadyBound())
        bound = steady(robust_bound(weights, winning))
        return f"−{_number(bound)}", f"+{_number(bound)}", bound

    def _order(
        self,
        weights: Floats,
        wins: NDArray[Any] | None,
        norms: NDArray[Any] | None,
        resort: bool,
    ) -> NDArray[np.intp]:
        units = len(weights)
        wanted = (self.order, units)
        if self.order == "number":
            return np.arange(units)
        if not resort and self._kept is not None and self._kept[0] == wanted:
            return self._kept[1]
        if self.order == "similarity":
            made = by_similarity(weights)
        else:
            values = wins if self.order == "wins" else norms
            if values is None or len(values) != units:
                if self.order == "wins":
                    # Nothing is counted yet: the next frame asks again.
                    return np.arange(units)
                values = np.linalg.norm(weights, axis=1)
            made = np.argsort(-np.asarray(values, np.float64), kind="stable")
        self._kept = (wanted, made)
        return made
