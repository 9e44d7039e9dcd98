"""Whether units on a sheet have become a map: order, detail, and how like neighbours are."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, shown
from hebblab.metrics.rows import as_rows, unit_rows

_CHUNK = 4096  # samples compared at once


class SheetCosines(NamedTuple):
    """How like units are that lie beside each other, and how like those that lie far apart.

    Attributes:
        near: Mean cosine of a unit and each of its up to eight neighbours; None without any.
        far: Mean cosine of units more than five places apart; None where the sheet is too small.
    """

    near: float | None
    far: float | None


def topographic_error(
    inputs: Tensor, weights: Tensor, rows: int, columns: int, closed: bool = False
) -> float:
    """Return the share of samples whose two nearest units are no neighbours on the sheet, 0 to 1.

    Neighbours are the eight around a unit. Units are compared by Euclidean distance, equal ones by
    the lowest index.

    Args:
        inputs: (samples, fan_in), or images, which are flattened.
        weights: (units, fan_in); unit r * columns + c lies at row r, column c.
        rows: Of the sheet.
        columns: Of the sheet.
        closed: Whether opposite edges are neighbours.

    Raises:
        InvalidValue: Shapes that do not fit, fewer than two units, or values that are not finite.

    Source: Kiviluoto, Proc. ICNN 1996.

    >>> chain = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    >>> samples = torch.tensor([[0.1], [1.4], [2.9]])
    >>> topographic_error(samples, chain, 1, 4)
    0.0
    >>> round(topographic_error(samples, chain[[0, 2, 1, 3]], 1, 4), 4)
    0.6667
    """
    lines, samples = _fitting(inputs, weights)
    apart = _apart(len(lines), rows, columns, closed).amax(dim=0).to(lines.device)
    if len(lines) < 2:
        raise InvalidValue("A topographic error needs two units at least, not 1.")
    wrong = 0
    for part in _parts(samples):
        scores = _scores(part, lines)
        best = scores.argmax(dim=1, keepdim=True)
        second = scores.scatter(1, best, -torch.inf).argmax(dim=1)
        wrong += int((apart[best[:, 0], second] > 1).sum())
    return wrong / len(samples)


def quantisation_error(inputs: Tensor, weights: Tensor) -> float:
    """Return the mean Euclidean distance of the samples to their nearest unit.

    Args:
        inputs: (samples, fan_in), or images, which are flattened.
        weights: (units, fan_in).

    Raises:
        InvalidValue: Shapes that do not fit, or values that are not finite.

    >>> quantisation_error(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([[0.0], [2.0]]))
    1.3333333333333333
    """
    lines, samples = _fitting(inputs, weights)
    total = 0.0
    for part in _parts(samples):
        nearest = lines[_scores(part, lines).argmax(dim=1)]
        total += float(torch.linalg.vector_norm(part - nearest, dim=1).sum())
    return total / len(samples)


def sheet_cosines(weights: Tensor, rows: int, columns: int, closed: bool = False) -> SheetCosines:
    """Return the mean cosine of neighbours on a sheet, and of units more than five places apart.

    On a map neighbours are alike and distant units are not; without order both are the same.

    Args:
        weights: (units, fan_in); unit r * columns + c lies at row r, column c.
        rows: Of the sheet.
        columns: Of the sheet.
        closed: Whether opposite edges are neighbours.

    Raises:
        InvalidValue: A sheet that does not hold the units, or weights that are not finite.

    >>> angles = torch.linspace(0, 3.14159, 12)
    >>> fan = torch.stack((angles.cos(), angles.sin()), dim=1)
    >>> near, far = sheet_cosines(fan, 1, 12)
    >>> round(near, 3), round(far, 3)
    (0.959, -0.523)
    """
    lines = unit_rows(weights)
    apart = _apart(len(lines), rows, columns, closed).to(lines.device)
    cosines = lines @ lines.T
    widest = apart.amax(dim=0)
    # Five places as the crow flies: a diagonal step is longer than one along an edge.
    return SheetCosines(_mean(cosines[widest == 1]), _mean(cosines[apart.square().sum(dim=0) > 25]))


def _fitting(inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    lines, samples = as_rows(weights).double(), as_rows(inputs, "inputs").double()
    if lines.shape[1] != samples.shape[1]:
        raise InvalidValue(
            f"Inputs {tuple(inputs.shape)} and weights {tuple(weights.shape)} do not fit: "
            f"{samples.shape[1]:,} numbers a sample, {lines.shape[1]:,} a unit."
        )
    return lines, samples


def _parts(samples: Tensor) -> Iterator[Tensor]:
    for first in range(0, len(samples), _CHUNK):
        yield samples[first : first + _CHUNK]


def _scores(samples: Tensor, lines: Tensor) -> Tensor:
    """Return what is largest for the nearest unit, (samples, units)."""
    return samples @ lines.T - 0.5 * lines.square().sum(dim=1)


def _apart(units: int, rows: int, columns: int, closed: bool) -> Tensor:
    """Return how many rows and columns lie between units, (2, units, units)."""
    for name, value in (("rows", rows), ("columns", columns)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidValue(f"{name} must be a whole number from 1, not {shown(value)}.")
    if rows * columns != units:
        raise InvalidValue(
            f"A sheet of {rows} × {columns} holds {rows * columns:,} units, not {units:,}."
        )
    numbers = torch.arange(units)
    apart = []
    for places, side in ((numbers // columns, rows), (numbers % columns, columns)):
        far = (places[:, None] - places).abs()
        apart.append(far.minimum(side - far) if closed else far)
    return torch.stack(apart)


def _mean(values: Tensor) -> float | None:
    return float(values.mean()) if values.numel() else None
