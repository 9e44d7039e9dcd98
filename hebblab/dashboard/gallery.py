"""What a person chose to see of a layer: which units, in which order, how, on which scale."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fields import FIELDS, Field
from .mosaics import LIMIT, ZERO, Floats, Picture, averaged, by_similarity, encode, pictures, tiled
from .scales import SteadyBound, robust_bound, written

SCALES = ("shared", "unit")
ORDERS = ("number", "wins", "norm", "similarity")
MODES = ("weights", "change", *FIELDS)

Units = NDArray[np.intp]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class _Shown:
    """The images of one page, what they are, and what the chosen unit's picture is.

    The shared scale is read from `spread`, of all units, or else from the images themselves.
    """

    images: Floats
    kind: str
    what: str
    hint: str = ""
    note: str = ""
    close: NDArray[np.uint8] | None = None
    spread: Floats | None = None


@dataclass
class Gallery:
    """What a person chose to see of a layer, and the memory that keeps it from jumping.

    The shared scale moves in steps. An order by wins, norm or similarity is taken when it is
    chosen, at a new run, and when `resort` says so: images that change places cannot be watched.

    Attributes:
        scale: "shared", or "unit" for each unit on its own scale.
        order: "number", "wins", "norm" (largest first) or "similarity".
        mode: "weights", "change" for the difference to a reference, or for deep layers
            "back-projection" or "patches".
        page: Which `limit` units, from 0.
        limit: Units at once.
    """

    scale: str = "shared"
    order: str = "number"
    mode: str = "weights"
    page: int = 0
    limit: int = LIMIT
    _bounds: dict[tuple[str, str], SteadyBound] = field(default_factory=dict, repr=False)
    _kept: tuple[object, Units] | None = field(default=None, repr=False)
    _step: int = field(default=0, repr=False)

    def paint(
        self,
        weights: Floats,
        shape: tuple[int, ...],
        *,
        step: int = 0,
        layer: str = "",
        winning: Flags | None = None,
        greyed: Flags | None = None,
        wins: NDArray[Any] | None = None,
        norms: NDArray[Any] | None = None,
        reference: Floats | None = None,
        columns: int | None = None,
        resort: bool = False,
        deep: bool = False,
        look: Callable[[str, Units], Field | None] | None = None,
        chosen: int | None = None,
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
            deep: Whether a layer before gives this one its inputs.
            look: Returns what units look for in the image, of a kind; None as long as that is not
                known: then the weights are shown.
            chosen: The unit that is shown large.
        """
        if step < self._step:
            self._bounds.clear()
            resort = True
        self._step = step
        units = len(weights)
        # Order and page are taken once a request may have changed them on another thread.
        order = self._order(weights, wins, norms, resort)
        columns = columns if self.order == "number" else None
        limit = max(1, self.limit // columns) * columns if columns else self.limit  # whole lines
        pages = max(1, math.ceil(units / limit))
        page = min(max(self.page, 0), pages - 1)
        seen = order[page * limit : (page + 1) * limit]
        mode = self.mode
        found = look(mode, seen) if look is not None and mode in FIELDS else None
        if found is None:
            shown = self._weights(weights, shape, seen, reference, deep, chosen)
        else:
            shown, step = _looked_for(found, seen, chosen), found.step
        if winning is not None and shown.spread is None:
            winning = winning[seen]
        low, high, bound = self._scale(shown, layer, winning)
        lost = np.zeros(units, bool) if greyed is None else np.asarray(greyed, bool)
        first = f", from {page * limit:,}" if page else ""
        caption = f"{len(seen):,} of {units:,} units{first}"
        named = f" of layer {layer}" if layer else ""
        meta: dict[str, Any] = {
            "step": step,
            "units": seen.tolist(),
            "columns": columns or math.ceil(math.sqrt(len(seen))) or 1,
            "height": shown.images.shape[2],
            "width": shown.images.shape[3],
            "channels": shown.images.shape[1],
            "greyed": np.flatnonzero(lost[seen]).tolist(),
            "low": low,
            "high": high,
            "caption": f"{caption} · “{layer}”" if layer else caption,
            "label": f"{shown.what} of {caption}{named} at step {step:,}",
            "hint": shown.hint,
            "note": shown.note,
            "page": page,
            "pages": pages,
        }
        if shown.close is None:
            return Picture(encode(shown.images, bound), meta)
        height, width, channels = shown.close.shape
        meta["close"] = {"unit": chosen, "height": height, "width": width, "channels": channels}
        return Picture(encode(shown.images, bound), meta, shown.close.tobytes())

    def _weights(
        self,
        weights: Floats,
        shape: tuple[int, ...],
        seen: Units,
        reference: Floats | None,
        deep: bool,
        chosen: int | None,
    ) -> _Shown:
        change = self.mode == "change" and reference is not None
        if change and reference is not None and reference.shape == weights.shape:
            weights = weights - reference
        kind, what = ("change", "Change of the weights") if change else ("weights", "Weight images")
        whole = len(seen) == len(weights) and self.order == "number"
        images = pictures(weights if whole else weights[seen], shape, deep)
        if not averaged(shape, deep):
            rows = f"Each square is a unit's {weights.shape[1]:,} weights, line by line. Click one."
            return _Shown(images, kind, what, rows if deep else "", spread=weights)
        channels = f"{shape[0]:,} input channels"
        close = None
        if chosen is not None and chosen < len(weights):
            apart = weights[chosen].reshape(shape[0], 1, *shape[1:])
            close = tiled(apart, robust_bound(apart) or 1.0)
        return _Shown(
            images,
            kind,
            f"{what} (means over {channels})",
            f"Each square is the mean over {channels}. Click a unit to see them all.",
            "" if close is None else f"its {channels}, on a scale of their own",
            close,
        )

    def _scale(
        self, shown: _Shown, layer: str, winning: Flags | None
    ) -> tuple[str, str, float | Floats]:
        images = shown.images
        if self.scale == "unit":
            each = np.abs(images).max(axis=(1, 2, 3))
            return "− own largest", "+ own largest", each.astype(np.float32)
        if shown.kind == "patches" and images.shape[1] == 3:
            return "black", "white", 0.5
        steady = self._bounds.setdefault((shown.kind, layer), SteadyBound())
        spread = images.reshape(len(images), -1) if shown.spread is None else shown.spread
        bound = steady(robust_bound(spread, winning))
        return f"−{written(bound)}", f"+{written(bound)}", bound

    def _order(
        self,
        weights: Floats,
        wins: NDArray[Any] | None,
        norms: NDArray[Any] | None,
        resort: bool,
    ) -> Units:
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


def _looked_for(found: Field, seen: Units, chosen: int | None) -> _Shown:
    """Return the pictures of a field: colours lie around their middle, which is grey."""
    images = found.of(seen)
    if found.kind == "back-projection":
        said = "projected straight back to the image"
        return _Shown(
            images,
            found.kind,
            "Back-projections",
            f"Each square is what a unit answers to, {said}. Click a unit to see it large.",
            f"what it answers to, {said}",
        )
    middle = np.float32(0.5 if images.shape[1] == 3 else 0.0)
    best = None if chosen is None else found.best(chosen)
    count = found.places.image.shape[1] if found.places is not None else 0
    every = f"{count} patches of {found.images:,} training images"
    return _Shown(
        images - middle,
        found.kind,
        f"Means of the {count} best patches",
        f"Each square is the mean of the {every} that excite the unit most. Click one to see all.",
        "" if best is None else f"the {every} that excite it most",
        None if best is None else tiled(best - middle, 0.5 if middle else float(best.max()) or 1.0),
    )


__all__ = ["MODES", "ORDERS", "SCALES", "ZERO", "Gallery"]
