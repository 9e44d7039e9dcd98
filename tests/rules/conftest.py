"""What the tests of rules share: real runs, short ones."""

import pytest
import torch
from torch import nn

from hebblab import Local, metrics
from hebblab.data import Batches, as_floats
from hebblab.nn import initial
from hebblab.training import HebbianTrainer, attach_linear_decay


class Trained:
    """100 units after some steps of a rule on real digits."""

    def __init__(self, digits, rule, start, rate, seed=301, centre=None, options=None):
        self.digits = digits
        self.model = nn.Sequential()
        self.model.add_module("flatten", nn.Flatten())
        self.model.add_module("hidden", nn.Linear(784, 100, bias=False))
        generator = torch.Generator().manual_seed(seed)
        self.optimizer = Local(self.model.named_parameters(), lr=rate)
        self.trainer = HebbianTrainer(
            self.model, rule, self.optimizer, None, initialize=False, options=options
        )
        initial.draw_(self.model.hidden.weight, start, generator)
        self.batches = Batches(digits.train, 100, generator, centre)
        self.centre = centre

    def steps(self, count, decay=False):
        handle = attach_linear_decay(self.trainer, self.optimizer, count) if decay else None
        self.trainer.state.max_epochs = None  # else ignite goes on counting where it ended
        self.trainer.run(self.batches, epochs=count // len(self.batches))
        if handle:
            handle.remove()
        return self

    @property
    def weights(self):
        return self.model.hidden.weight.detach()

    @property
    def visible(self):
        return float(metrics.visible(self.weights, self.digits.train.pixels).float().mean())

    @property
    def entropy(self):
        seen = as_floats(self.digits.validation, centre=self.centre).flatten(1)
        return metrics.activation_statistics(seen @ self.weights.T).win_entropy


@pytest.fixture
def train(digits):
    return lambda *given, **named: Trained(digits, *given, **named)
