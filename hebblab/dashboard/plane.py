"""The plane as bytes: inputs of two numbers, the units' weights among them, and where they were."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hebblab.charts import number
from hebblab.data import Dataset, as_floats, mean_image
from hebblab.data.images import Vectors
from hebblab.live import Frame

from .mosaics import LIMIT, Picture

EDGE = 4.0
DOTS = 1000
_FAR = 1000.0  # where what left the picture long ago is drawn; a canvas adds up in float32


def shows(frame: Frame) -> bool:
    """Return whether a frame's weights lie among inputs of two numbers."""
    return frame.trail is not None


@dataclass
class Plane:
    """What the panel shows of a layer of two inputs.

    Attributes:
        page: Which `limit` units, from 0.
        limit: Units at once.
    """

    page: int = 0
    limit: int = LIMIT
    _chosen: tuple[int, Tensor] = field(default=(0, torch.empty(0)), repr=False)

    def paint(
        self,
        frame: Frame,
        dataset: Dataset,
        *,
        centred: bool = False,
        greyed: NDArray[np.bool_] | None = None,
    ) -> Picture:
        """Return the picture to send.

        Its data are the weights (units, 2), the trail (steps, units, 2) and the dots (dots, 2) as
        float32, and after them the label of each dot as a byte.

        Args:
            frame: With its trail.
            dataset: Of the run: at most 1,000 of its training inputs are dots.
            centred: Whether the mean of the inputs is subtracted before the layer sees them.
            greyed: Which units are shown grey.
        """
        assert frame.trail is not None
        units = len(frame.weights)
        pages = max(1, math.ceil(units / self.limit))
        page = min(max(self.page, 0), pages - 1)
        seen = np.arange(page * self.limit, min(units, (page + 1) * self.limit))
        weights = frame.weights.double().numpy()[seen]
        trail = frame.trail.numpy()[:, seen]
        dots, labels = self._dots(dataset, centred)
        norms = np.linalg.norm(weights, axis=1)
        gone = np.flatnonzero(np.abs(weights).max(axis=1) > EDGE)
        left = _left(seen[gone], norms[gone], len(seen))
        lost = np.zeros(units, bool) if greyed is None else np.asarray(greyed, bool)
        arrows = f"{_of(len(seen), units)} arrow{'' if units == 1 else 's'}"
        inputs = f"{_of(len(dots), len(dataset.train))} inputs"
        said = [
            f"{arrows} among {inputs} of layer {frame.layer} at step {frame.step:,}",
            _norms(norms),
            left.rstrip("."),
        ]
        meta: dict[str, Any] = {
            "plane": True,
            "step": frame.step,
            "units": seen.tolist(),
            "steps": len(trail),
            "dots": len(dots),
            "edge": EDGE,
            "classes": len(dataset.classes),
            "tinted": len(dataset.classes) > 2,
            "greyed": np.flatnonzero(lost[seen]).tolist(),
            "sheet": _sheet(frame) if len(seen) == units else None,
            "left": left,
            "caption": f"{arrows}, {inputs} · “{frame.layer}”",
            "label": "; ".join(part for part in said if part),
            "page": page,
            "pages": pages,
        }
        parts = [weights, _near(trail), dots.numpy()]
        data = b"".join(np.ascontiguousarray(part, "<f4").tobytes() for part in parts)
        return Picture(data + labels.numpy().astype(np.uint8).tobytes(), meta)

    def _dots(self, dataset: Dataset, centred: bool) -> tuple[Tensor, Tensor]:
        """Return inputs as the layer sees them, the same ones in every frame, and their labels."""
        train = dataset.train
        assert isinstance(train, Vectors)
        if len(train) > DOTS:
            if self._chosen[0] != len(train):
                # At random: points may be sorted by class, or repeat their classes in order.
                order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
                self._chosen = (len(train), order[:DOTS].sort().values)
            rows = self._chosen[1]
            part = Vectors(train.values[rows], train.labels[rows])
        else:
            part = train
        return as_floats(part, centre=mean_image(train) if centred else None), part.labels


def angle(weights: NDArray[Any]) -> str:
    """Return where a weight vector points, in words.

    >>> angle(np.array([1.0, 1.0])), angle(np.array([0.0, -2.0])), angle(np.zeros(2))
    ('45°', '−90°', 'nowhere')
    """
    x, y = (float(value) for value in weights)
    if x == y == 0:
        return "nowhere"
    return f"{round(math.degrees(math.atan2(y, x)))}°".replace("-", "−")


def _of(shown: int, all_: int) -> str:
    return f"{shown:,}" if shown == all_ else f"{shown:,} of {all_:,}"


def _norms(norms: NDArray[Any]) -> str:
    low, high = number(float(norms.min())), number(float(norms.max()))
    return f"norm {low}" if low == high else f"norms {low} to {high}"


def _left(units: NDArray[Any], norms: NDArray[Any], shown: int) -> str:
    if len(units) == 0:
        return ""
    if len(units) == 1:
        who = "The unit" if shown == 1 else f"Unit {units[0]}"
        return f"{who} has left the picture: {_norms(norms)}."
    every = "Both units" if shown == 2 else f"All {shown:,} units"
    who = every if len(units) == shown else f"{len(units):,} of {shown:,} units"
    return f"{who} have left the picture: {_norms(norms)}."


def _near(points: NDArray[Any]) -> NDArray[Any]:
    """Return points no farther than a canvas can draw, in their own directions."""
    reach = np.abs(points).max(axis=-1, keepdims=True)
    near: NDArray[Any] = points * (_FAR / np.maximum(reach, _FAR))
    return near


def _sheet(frame: Frame) -> list[int | bool] | None:
    """Return rows, columns and whether opposite edges meet, where the rule has a sheet of units."""
    sheet_of = getattr(frame.rule, "sheet_of", None)
    if not callable(sheet_of):
        return None
    found = sheet_of(len(frame.weights))
    if found is None:
        return None
    rows, columns, closed = found
    return [int(rows), int(columns), bool(closed)]
