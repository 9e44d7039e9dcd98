"""Talloen's experiment at tiny size."""

import pytest

from hebblab.experiments.papers import data, talloen


def test_end_to_end_is_above_random_filters_above_nothing(digits, told):
    settings = talloen.Settings(8, 800, 300, 500, updates=200, pictures=None, epochs=4)
    part = data.portion(digits, 1, 800, 300, 500)
    test = {}
    for condition in (talloen.END_TO_END, talloen.RANDOM, talloen.HEBB, talloen.RANDOM_FORM):
        (found,) = told(talloen, part, settings, condition)
        test[condition] = found.numbers[talloen.TEST]
        gap = found.numbers[talloen.TRAIN] - test[condition]
        assert found.numbers[talloen.GAP] == pytest.approx(gap)
        assert 1 <= found.numbers[talloen.SOON] <= 4
        assert "validation" in found.about
    assert test[talloen.RANDOM] > 60
    assert test[talloen.RANDOM_FORM] not in (test[talloen.RANDOM], test[talloen.END_TO_END])
    assert test[talloen.END_TO_END] > 70
