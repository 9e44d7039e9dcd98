import itertools
import math

import numpy as np
import pytest
import torch

from hebblab import metrics
from hebblab.errors import InvalidValue

SHEETS = [(3, 4, False), (3, 4, True), (1, 12, False), (1, 12, True), (12, 1, True), (2, 6, True)]


def drawn(samples=50, units=12, fan_in=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, fan_in, generator=generator)
    return inputs, torch.randn(units, fan_in, generator=generator)


def steps_apart(a, b, rows, columns, closed):
    down, across = abs(a // columns - b // columns), abs(a % columns - b % columns)
    if closed:
        down, across = min(down, rows - down), min(across, columns - across)
    return down, across


@pytest.mark.parametrize("sheet", SHEETS)
def test_the_topographic_error_counts_samples_whose_second_unit_is_no_neighbour(sheet):
    inputs, weights = drawn()
    wrong = 0
    for x in inputs.double().numpy():
        far = ((weights.double().numpy() - x) ** 2).sum(1)
        first, second = np.argsort(far, kind="stable")[:2]
        wrong += max(steps_apart(first, second, *sheet)) > 1
    found = metrics.topographic_error(inputs, weights, *sheet)
    assert found == pytest.approx(wrong / 50)
    assert 0 < found < 1


def test_the_topographic_error_of_a_grid_of_places_is_none_and_of_a_shuffled_one_large():
    down, across = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    places = torch.stack((down.flatten(), across.flatten()), 1)
    samples = 7 * torch.rand(500, 2, generator=torch.Generator().manual_seed(1))
    assert metrics.topographic_error(samples, places, 8, 8) == 0
    shuffled = places[torch.randperm(64, generator=torch.Generator().manual_seed(2))]
    assert metrics.topographic_error(samples, shuffled, 8, 8) > 0.7


def test_equal_units_count_by_the_lowest_index():
    weights = torch.tensor([[9.0], [1.0], [1.0], [9.0], [1.0]])
    assert metrics.topographic_error(torch.ones(3, 1), weights, 1, 5) == 0
    assert metrics.topographic_error(torch.full((3, 1), 9.0), weights, 1, 5) == 1


def test_the_quantisation_error_is_the_mean_distance_to_the_nearest_unit():
    inputs, weights = drawn()
    far = torch.cdist(inputs.double(), weights.double())
    assert metrics.quantisation_error(inputs, weights) == pytest.approx(float(far.amin(1).mean()))
    assert metrics.quantisation_error(inputs, inputs) == pytest.approx(0, abs=1e-6)


def test_pieces_of_the_samples_do_not_show(monkeypatch):
    inputs, weights = drawn()
    whole = [metrics.topographic_error(inputs, weights, 3, 4)]
    whole.append(metrics.quantisation_error(inputs, weights))
    monkeypatch.setattr("hebblab.metrics.sheet._CHUNK", 7)
    pieces = [metrics.topographic_error(inputs, weights, 3, 4)]
    pieces.append(metrics.quantisation_error(inputs, weights))
    assert pieces == pytest.approx(whole)


@pytest.mark.parametrize("sheet", [(8, 9, False), (1, 72, False), (1, 72, True), (14, 14, True)])
def test_cosines_are_those_of_neighbours_and_of_units_more_than_five_apart(sheet):
    _, weights = drawn(units=sheet[0] * sheet[1])
    near, far = [], []
    for a, b in itertools.combinations(range(len(weights)), 2):
        cosine = float(torch.nn.functional.cosine_similarity(weights[a], weights[b], dim=0))
        apart = steps_apart(a, b, *sheet)
        if max(apart) == 1:
            near.append(cosine)
        if math.hypot(*apart) > 5:
            far.append(cosine)
    assert len(near) > 50
    assert len(far) > 50
    found = metrics.sheet_cosines(weights, *sheet)
    assert found == pytest.approx((np.mean(near), np.mean(far)), abs=1e-6)


def test_a_small_sheet_has_nobody_far_and_one_unit_nobody_near():
    _, weights = drawn()
    assert metrics.sheet_cosines(weights, 3, 4).far is None
    assert metrics.sheet_cosines(weights[:1], 1, 1) == (None, None)


def test_images_and_filters_are_taken_as_they_are():
    inputs, weights = drawn()
    images, filters = inputs.view(50, 1, 2, 2), weights.view(12, 1, 2, 2)
    assert metrics.topographic_error(images, filters, 3, 4) == metrics.topographic_error(
        inputs, weights, 3, 4
    )
    assert metrics.sheet_cosines(filters, 3, 4) == metrics.sheet_cosines(weights, 3, 4)


def test_what_fits_no_sheet_is_refused_in_words():
    inputs, weights = drawn()
    for measure in (
        lambda rows, columns: metrics.topographic_error(inputs, weights, rows, columns),
        lambda rows, columns: metrics.sheet_cosines(weights, rows, columns),
    ):
        with pytest.raises(InvalidValue, match="5 × 2 holds 10 units, not 12"):
            measure(5, 2)
        for rows in (0, -3, True, 3.0, None):
            with pytest.raises(InvalidValue, match="rows must be a whole number"):
                measure(rows, 4)


def test_what_fits_no_weights_is_refused_in_words():
    inputs, weights = drawn()
    for measure in (
        lambda x, w: metrics.topographic_error(x, w, 3, 4),
        lambda x, w: metrics.quantisation_error(x, w),
    ):
        with pytest.raises(InvalidValue, match="3 numbers a sample, 4 a unit"):
            measure(inputs[:, :3], weights)
        with pytest.raises(InvalidValue, match="inputs: 1 of 200 values"):
            measure(
                inputs.index_fill(0, torch.tensor([1]), 0).index_put(
                    (torch.tensor([0]), torch.tensor([0])), torch.tensor(math.nan)
                ),
                weights,
            )
        with pytest.raises(InvalidValue, match="inputs must be floating"):
            measure(inputs.int(), weights)
    with pytest.raises(InvalidValue, match="two units at least"):
        metrics.topographic_error(inputs, weights[:1], 1, 1)
