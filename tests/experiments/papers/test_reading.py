"""Readouts of the experiments: ridge, dropout's halves, batches in order."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from hebblab.data import Images
from hebblab.experiments.papers import reading


def test_ridge_is_the_closed_form():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(60, 5, generator=generator)
    labels = torch.randint(3, (60,), generator=generator)
    x, y = rows.double().numpy(), np.eye(3)[labels.numpy()]
    centred = x - x.mean(0)
    weights = np.linalg.solve(centred.T @ centred + 2.0 * np.eye(5), centred.T @ (y - y.mean(0)))
    scores = x @ weights + y.mean(0) - x.mean(0) @ weights
    found = reading.ridge(rows, labels, penalty=2.0, classes=3)(rows)
    assert found.tolist() == scores.argmax(1).tolist()


def test_half_of_the_values_are_dropped_wherever_they_stand():
    kept = reading._half(301, 99, torch.Generator().manual_seed(0))
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    deviation = 5 / math.sqrt(kept.numel())
    assert float(kept.mean()) == pytest.approx(1, abs=deviation)
    for place in range(8):
        own = kept.flatten()[place::8]
        assert float(own.mean()) == pytest.approx(1, abs=3 * deviation)


def test_in_order_batches_drop_nothing(digits):
    part = digits.test
    assert isinstance(part, Images)
    batches = reading.InOrder(part, 300)
    sizes = [len(labels) for _, labels in batches]
    assert sizes == [300, 300, 300, 100]
    assert len(batches) == 4


def test_validation_images_choose_the_penalty_and_test_images_nothing(digits):
    labels = digits.test.labels
    shuffled = dataclasses.replace(digits, test=dataclasses.replace(digits.test, labels=labels * 0))
    penalties = (30.0, 1e-2, 1e-6)
    scores = {one: reading.solved_softmax(None, "", digits, (one,))[0] for one in penalties}
    validation, test, penalty = reading.solved_softmax(None, "", digits, penalties)
    assert penalty == max(penalties, key=scores.__getitem__)
    assert validation == pytest.approx(scores[penalty], abs=0.002)
    assert test > 0.8
    assert reading.solved_softmax(None, "", shuffled, penalties)[2] == penalty
