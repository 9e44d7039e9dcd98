"""Talloen's experiment at tiny size."""

import pytest

from hebblab.experiments.papers import data, talloen


def nothing(*_):
    pass


def value(measured, measure):
    number = measured.numbers[measure]
    return number["value"] if isinstance(number, dict) else number


def only(measured):
    (one,) = measured
    return one


def test_end_to_end_is_above_random_filters_above_nothing(digits):
    settings = talloen.Settings(8, 800, 300, 500, updates=200, pictures=None, epochs=4)
    part = data.portion(digits, 1, 800, 300, 500)
    told = {}
    for condition in (talloen.END_TO_END, talloen.RANDOM, talloen.HEBB):
        measured = only(talloen.on(part, settings, condition, (), 1, nothing))
        told[condition] = value(measured, talloen.TEST)
        gap = value(measured, talloen.TRAIN) - told[condition]
        assert value(measured, talloen.GAP) == pytest.approx(gap)
        assert 1 <= value(measured, talloen.SOON) <= 4
    assert told[talloen.RANDOM] > 60
    assert told[talloen.END_TO_END] > 70
    assert "validation" in measured.about
