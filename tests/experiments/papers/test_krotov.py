"""Krotov and Hopfield's experiment at tiny size."""

from hebblab.experiments.papers import krotov


def test_krotovs_features_read_better_than_random_ones_and_pixels(digits, told):
    settings = krotov.Settings(100, None, None, None, steps=600, until=0.9, epochs=5)
    found = {}
    for condition in (krotov.KROTOV, krotov.RANDOM, krotov.PIXELS, krotov.BACKPROP):
        (found[condition],) = told(krotov, digits, settings, condition)
    validation = {name: one.numbers[krotov.VALIDATION] for name, one in found.items()}
    assert found[krotov.KROTOV].about["converged"] >= 0.9
    assert found[krotov.KROTOV].about["steps"] < 600
    assert validation[krotov.KROTOV] > validation[krotov.RANDOM] + 4
    assert validation[krotov.BACKPROP] > validation[krotov.RANDOM]
