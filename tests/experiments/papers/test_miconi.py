"""Miconi's experiment at tiny size, and its winners."""

import torch

from hebblab.experiments.papers import data, miconi
from hebblab.nn import networks


def nothing(*_):
    pass


def value(measured, measure):
    number = measured.numbers[measure]
    return number["value"] if isinstance(number, dict) else number


def test_the_triangle_reads_better_than_winners_at_the_third_layer(digits):
    settings = miconi.Settings(5, 400, 500, epochs=2, settle=2)
    part = data.portion(digits, 1, 400, 100, 500)
    told = {}
    for condition in (miconi.WINNERS, miconi.TRIANGLE, miconi.PRUNING):
        found = list(miconi.on(part, settings, condition, miconi.LAYERS, 1, nothing))
        assert [one.layer for one in found] == list(miconi.LAYERS)
        told[condition] = value(found[-1], miconi.TEST)
    assert told[miconi.TRIANGLE] > told[miconi.WINNERS] + 5
    assert not [name for name in networks.available() if name.startswith("paper")]


def test_a_winner_passes_on_one_at_each_place():
    winner = miconi.Winner()
    responses = torch.tensor([[[[1.0, -2.0]], [[0.5, -1.0]]]])
    assert winner(responses).flatten().tolist() == [1.0, 0.0, 0.0, 0.0]
    winner.thresholds = torch.tensor([1.0, 0.0])
    assert winner(responses).flatten().tolist() == [0.0, 0.0, 1.0, 0.0]
