"""Miconi's experiment at tiny size, and its winners."""

import torch

from hebblab.experiments.papers import data, miconi
from hebblab.nn import networks


def test_the_triangle_reads_better_than_winners_at_the_third_layer(digits, told):
    settings = miconi.Settings(5, 400, 500, epochs=2, settle=2)
    part = data.portion(digits, 1, 400, 100, 500)
    test = {}
    for condition in (miconi.WINNERS, miconi.TRIANGLE, miconi.PRUNING):
        found = told(miconi, part, settings, condition, miconi.LAYERS)
        assert [one.layer for one in found] == list(miconi.LAYERS)
        test[condition] = found[-1].numbers[miconi.TEST]
    assert test[miconi.TRIANGLE] > test[miconi.WINNERS] + 5
    assert not [name for name in networks.available() if name.startswith("paper")]


def test_a_winner_passes_on_one_at_each_place():
    winner = miconi.Winner()
    responses = torch.tensor([[[[1.0, -2.0]], [[0.5, -1.0]]]])
    assert winner(responses).flatten().tolist() == [1.0, 0.0, 0.0, 0.0]
    winner.thresholds = torch.tensor([1.0, 0.0])
    assert winner(responses).flatten().tolist() == [0.0, 0.0, 1.0, 0.0]
