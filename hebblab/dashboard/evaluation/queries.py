"""An image and what it resembles, in words."""

from collections.abc import Sequence
from typing import Any

from hebblab.data import Dataset
from hebblab.live.neighbours import Nearest

from .confusions import Confusion
from .pictures import SHOWN

_TITLES = ("by learned features", "by raw pixels")


def query_view(
    matrix: Confusion,
    dataset: Dataset,
    query: int | None,
    near: Nearest | None,
    refusal: str,
) -> dict[str, Any]:
    """Return the query's part of the view.

    Args:
        matrix: How the readout answered.
        dataset: Where the images are from.
        query: Place of the image among the validation images.
        near: Its neighbours; None while they are being found.
        refusal: Why there are none.
    """
    if query is None:
        return {"image": None, "title": "", "note": refusal, "rows": []}
    names, true = matrix.names, int(matrix.labels[query])
    answer = int(matrix.answers[query])
    said = "named rightly" if answer == true else f"taken for “{names[answer]}”"
    labels = dataset.train.labels
    rows = []
    for title, places in zip(_TITLES, near or (), strict=False):
        found = labels[places.to(labels.device)].tolist()
        rows.append(_row(title, found, true, names))
    return {
        "image": query,
        "title": f"image {query:,}: “{names[true]}”, {said}",
        "note": refusal or ("" if near is not None else "Looking for the nearest images …"),
        "rows": rows,
    }


def _row(title: str, found: Sequence[int], true: int, names: Sequence[str]) -> dict[str, Any]:
    same = sum(one == true for one in found)
    return {
        "title": title,
        "said": f"{same} of {len(found)} of its class",
        "labels": [{"text": names[one], "same": one == true} for one in found],
    }


def cell_view(matrix: Confusion, row: int, column: int, of: str) -> dict[str, str]:
    """Return what the view says of a cell's images.

    Args:
        matrix: How the readout answered.
        row: Of the cell.
        column: Of the cell.
        of: Whose readout, in words.
    """
    true, taken = (matrix.names[matrix.seen[place]] for place in (row, column))
    places = matrix.images(row, column)
    verb = "named rightly" if row == column else f"taken for “{taken}”"
    whole = int((matrix.labels == matrix.seen[row]).sum())
    shown = min(len(places), SHOWN)
    some = f" The first {shown} are shown." if shown < len(places) else ""
    return {
        "title": f"“{true}” {verb}: {len(places):,} of {whole:,}",
        "note": f"By a ridge readout of {of}.{some} Press an image to see what it resembles."
        if places
        else f"By a ridge readout of {of}.",
    }
