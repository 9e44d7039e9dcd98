"""Layers that learn inside a model's own forward pass."""

import pytest
import torch
from torch import nn

import hebblab as hl
from hebblab.rules import create


class Own(nn.Module):
    """Calls its layers itself."""

    def __init__(self):
        super().__init__()
        self.one = nn.Linear(6, 4, bias=False)
        self.two = nn.Linear(4, 3, bias=False)
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(torch.relu(self.two(torch.relu(self.one(x)))))


def sequence():
    return nn.Sequential(
        nn.Linear(6, 4, bias=False),
        nn.ReLU(),
        nn.Linear(4, 3, bias=False),
        nn.ReLU(),
        nn.Linear(3, 2),
    )


def trained(model, names, rule, updates="in-order"):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name in names:
            weight = model.get_submodule(name).weight
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.3)
    rules = {name: create(rule) for name in names}
    optimizer = hl.Local(model.named_parameters(), lr=0.1)
    trainer = hl.HebbianTrainer(model, rules, optimizer, initialize=False, updates=updates)
    trainer.run([torch.randn(10, 6, generator=generator) for _ in range(5)], epochs=2)
    return [model.get_submodule(name).weight.detach() for name in names]


@pytest.mark.parametrize("updates", ["in-order", "simultaneous"])
@pytest.mark.parametrize("rule", ["oja", "hebbian-anti-hebbian"])
def test_it_learns_as_a_sequence_does(rule, updates):
    """Units that answer by M⁻¹W pass that on, whoever calls the layer."""
    inside = trained(Own(), ("one", "two"), rule, updates)
    along = trained(sequence(), ("0", "2"), rule, updates)
    for a, b in zip(inside, along, strict=True):
        assert torch.equal(a, b)


def test_what_answers_by_its_weights_is_called_once():
    model, calls = Own(), []
    model.one.register_forward_hook(lambda *_: calls.append("one"))
    model.two.register_forward_hook(lambda *_: calls.append("two"))
    trained(model, ("one", "two"), "oja")
    assert calls == ["one"] * 10, "and the last layer not at all"


def test_a_failure_leaves_no_hook():
    class Bad(hl.Rule):
        """Fails."""

        name = "bad"

        def update(self, inputs, weights):
            raise RuntimeError("no")

    model = Own()
    optimizer = hl.Local(model.named_parameters(), lr=0.1)
    trainer = hl.HebbianTrainer(model, {"two": Bad()}, optimizer)
    with pytest.raises(RuntimeError, match="no"):
        trainer.run([torch.zeros(2, 6)], epochs=1)
    assert all(not module._forward_pre_hooks for module in model.modules())
    assert all(not module._forward_hooks for module in model.modules())
