"""Talloen's experiment at tiny size."""

import pytest

from hebblab.experiments.papers import data, talloen

LEARNT = (talloen.HEBB, talloen.SHORT, talloen.PATCHES, talloen.FORM)
RANDOM = (talloen.RANDOM, talloen.RANDOM_FORM)


def test_every_convolution_is_above_pixels_and_no_two_are_the_same(digits, told):
    settings = talloen.Settings(8, 800, 300, 500, updates=200, pictures=None, epochs=4)
    part = data.portion(digits, 1, 800, 300, 500)
    test, courses = {}, set()
    for condition in (*LEARNT, *RANDOM, talloen.END_TO_END, talloen.PIXELS):
        (found,) = told(talloen, part, settings, condition)
        test[condition] = found.numbers[talloen.TEST]
        gap = found.numbers[talloen.TRAIN] - test[condition]
        assert found.numbers[talloen.GAP] == pytest.approx(gap)
        assert 1 <= found.numbers[talloen.SOON] <= 4
        courses.add((*found.about["validation"], test[condition]))
    pixels = test.pop(talloen.PIXELS)
    assert 45 < pixels < min(test.values()) - 3
    assert test[talloen.FORM] > pixels + 10
    assert test[talloen.END_TO_END] > 70
    assert len(courses) == len(test) + 1
