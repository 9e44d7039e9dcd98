"""Kohonen's map: units on a sheet, the best one takes its neighbours along."""

import math

import numpy as np

from tests.references.competition import order, reduced, score


def places(units, rows):
    """Row by row, as the weight images are laid out."""
    columns = units // rows
    return [(i // columns, i % columns) for i in range(units)]


def nearest_to_square(units):
    fitting = [rows for rows in range(1, units + 1) if units % rows == 0]
    return min(fitting, key=lambda rows: (abs(rows - math.sqrt(units)), rows))


def square_distance(a, b, shape, sheet):
    far = [abs(i - j) for i, j in zip(a, b, strict=True)]
    if sheet == "torus":
        far = [min(d, side - d) for d, side in zip(far, shape, strict=True)]
    return far[0] ** 2 + far[1] ** 2


def neighbourhood_of(squared, radius, kind):
    if kind == "gaussian":
        return math.exp(-squared / (2 * radius**2))
    assert kind == "bubble"
    return 1.0 if math.sqrt(squared) <= radius else 0.0


def som(
    inputs,
    weights,
    radius=5.0,
    rows=None,
    sheet="plane",
    neighbourhood="gaussian",
    similarity="distance",
    reduction="share",
):
    units = len(weights)
    rows = rows or nearest_to_square(units)
    shape = rows, units // rows
    where = places(units, rows)
    summed, active = np.zeros(weights.shape), np.zeros(units)
    for x in inputs:
        if not np.any(x):
            continue
        best = order([score(x, w, similarity) for w in weights])[0]
        for i, w in enumerate(weights):
            squared = square_distance(where[i], where[best], shape, sheet)
            h = neighbourhood_of(squared, radius, neighbourhood)
            summed[i] += h * (x - w)
            active[i] += h
    return reduced(summed, reduction, len(inputs), active)
