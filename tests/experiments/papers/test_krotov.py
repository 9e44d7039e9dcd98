"""Krotov and Hopfield's experiment at tiny size."""

from hebblab.experiments.papers import krotov


def nothing(*_):
    pass


def value(measured, measure):
    number = measured.numbers[measure]
    return number["value"] if isinstance(number, dict) else number


def only(measured):
    (one,) = measured
    return one


def test_krotovs_features_read_better_than_random_ones_and_pixels(digits):
    settings = krotov.Settings(100, None, None, None, steps=600, until=0.9, epochs=5)
    found = {
        condition: only(krotov.on(digits, settings, condition, (), 1, nothing))
        for condition in (krotov.KROTOV, krotov.RANDOM, krotov.PIXELS, krotov.BACKPROP)
    }
    told = {name: value(one, krotov.VALIDATION) for name, one in found.items()}
    assert found[krotov.KROTOV].about["converged"] >= 0.9
    assert found[krotov.KROTOV].about["steps"] < 600
    assert told[krotov.KROTOV] > told[krotov.RANDOM] + 4
    assert told[krotov.BACKPROP] > told[krotov.RANDOM]
