"""Coates' experiment at tiny size, and its k-means."""

import torch

from hebblab.experiments.papers import coates, data


def nothing(*_):
    pass


def value(measured, measure):
    number = measured.numbers[measure]
    return number["value"] if isinstance(number, dict) else number


def only(measured):
    (one,) = measured
    return one


def test_the_triangle_reads_better_than_winners_of_the_same_centres(digits):
    settings = coates.Settings(10, 500, 200, 500, patches=3000)
    part = data.portion(digits, 2, 500, 200, 500)
    told = {
        condition: value(only(coates.on(part, settings, condition, (), 2, nothing)), coates.TEST)
        for condition in (coates.TRIANGLE, coates.HARD, coates.HEBBIAN)
    }
    assert told[coates.TRIANGLE] > told[coates.HARD] + 2
    assert abs(told[coates.TRIANGLE] - told[coates.HEBBIAN]) < 8


def test_k_means_moves_centres_to_the_means_of_what_they_win():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(300, 2, generator=generator) + 8 * torch.arange(3.0).repeat_interleave(
        100
    ).view(-1, 1)
    found = coates.k_means(rows, rows[[0, 100, 200]]).sort(dim=0).values
    expected = rows.view(3, 100, 2).mean(1)
    torch.testing.assert_close(found, expected, atol=0.2, rtol=0)
