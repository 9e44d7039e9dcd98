"""Images of the data set as bytes for the page: those of a cell, a query and its neighbours."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from hebblab.data import Dataset, Images

from ..mosaics import Floats, encode

SHOWN = 24  # of a cell, in two lines
COLUMNS = 12


def drawable(dataset: Dataset) -> bool:
    """Whether the inputs are images of one or three channels."""
    return isinstance(dataset.train, Images) and dataset.image_shape[0] in (1, 3)


def cell(dataset: Dataset, places: Sequence[int]) -> tuple[dict[str, Any], list[bytes]]:
    """Return the frame with validation images, at most 24."""
    seen = list(places[:SHOWN])
    return _frame("pictures", _floats(dataset, seen, "validation"), seen, COLUMNS)


def neighbours(
    dataset: Dataset, query: int, rows: Sequence[Sequence[int]]
) -> tuple[dict[str, Any], list[bytes]]:
    """Return the frame with a validation image, and rows of training images."""
    every = [place for row in rows for place in row]
    images = np.concatenate(
        [_floats(dataset, [query], "validation"), _floats(dataset, every, "train")]
    )
    return _frame("neighbours", images, [query, *every], max(map(len, rows)))


def _floats(dataset: Dataset, places: Sequence[int], split: str) -> Floats:
    images = getattr(dataset, split)
    assert isinstance(images, Images)
    pixels = images.pixels[torch.tensor(list(places), dtype=torch.int64)]
    found: Floats = pixels.float().div_(255.0).cpu().numpy()
    return found


def _frame(
    kind: str, images: Floats, units: list[int], columns: int
) -> tuple[dict[str, Any], list[bytes]]:
    _, channels, height, width = images.shape
    meta = {
        "type": kind,
        "units": units,
        "columns": columns,
        "height": height,
        "width": width,
        "channels": channels,
        "greyed": [],
    }
    # Ink on paper as the weights; colours lie around their middle, which is grey.
    data = encode(images, 1.0) if channels == 1 else encode(images - np.float32(0.5), 0.5)
    return meta, [data]
