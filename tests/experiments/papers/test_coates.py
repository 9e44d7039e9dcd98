"""Coates' experiment at tiny size, and its k-means."""

import torch

from hebblab.experiments.papers import coates, data


def test_the_triangle_reads_better_than_winners_of_the_same_centres(digits, told):
    settings = coates.Settings(10, 500, 200, 500, patches=3000)
    part = data.portion(digits, 2, 500, 200, 500)
    test = {}
    for condition in (coates.TRIANGLE, coates.HARD, coates.HEBBIAN):
        (found,) = told(coates, part, settings, condition, seed=2)
        test[condition] = found.numbers[coates.TEST]
    assert test[coates.TRIANGLE] > test[coates.HARD] + 2
    assert abs(test[coates.TRIANGLE] - test[coates.HEBBIAN]) < 8


def test_k_means_moves_centres_to_the_means_of_what_they_win():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(300, 2, generator=generator) + 8 * torch.arange(3.0).repeat_interleave(
        100
    ).view(-1, 1)
    found = coates.k_means(rows, rows[[0, 100, 200]]).sort(dim=0).values
    expected = rows.view(3, 100, 2).mean(1)
    torch.testing.assert_close(found, expected, atol=0.2, rtol=0)
