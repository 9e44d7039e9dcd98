"""A knob that changes nothing as the others are set says so, and why."""

from itertools import product

import pytest
import torch

from hebblab import presets, rules
from hebblab.training import OPTIONS, without_effect

SETTINGS = {
    "hebb": {"competition": ("none", "relu", "hard", "graded", "softmax", "proportional")},
    "instar": {"competition": ("relu", "hard", "graded", "softmax", "proportional")},
    "oja": {"competition": ("none", "relu", "hard", "graded", "softmax", "proportional")},
    "krotov-hopfield": {"delta": (0.0, 0.4), "reduction": ("max", "mean", "sum")},
    "softhebb": {"reduction": ("max", "mean")},
    "hebbian-anti-hebbian": {"variant": ("2018", "2015")},
    "soft-krotov": {"delta": (0.0, 0.4), "reduction": ("max", "sum")},
}
OTHERS = {
    "similarity": ("dot", "cosine", "distance"),
    "k": (2, 3, 5),
    "temperature": (0.1, 1.0, 5.0),
    "precision_floor": (1e-30, 1e-3),
    "tau": (0.1, 0.5, 1.0),
    "gamma": (0.5, 0.99, 1.0),
}
CASES = [
    (name, dict(zip(knobs, values, strict=True)))
    for name, knobs in SETTINGS.items()
    for values in product(*knobs.values())
]


def moved(rule, inputs, weights):
    """What a rule asks for, and asks for then, once what it holds has moved."""
    first = rule.update(inputs, weights)
    rule.advance(rule.statistics(inputs, weights), 0.01)
    return torch.cat((first, rule.update(inputs, weights)))


@pytest.mark.parametrize(("name", "setting"), CASES, ids=str)
def test_what_is_called_idle_changes_nothing_and_the_rest_does(name, setting):
    generator = torch.Generator().manual_seed(4)
    inputs = torch.rand(40, 6, generator=generator, dtype=torch.float64) * 1e-6
    weights = torch.rand(7, 6, generator=generator, dtype=torch.float64) * 3
    idle = rules.create(name, **setting).idle()
    for knob, values in OTHERS.items():
        if knob not in rules.get(name).declared():
            continue
        first, *rest = (
            moved(rules.create(name, **setting, **{knob: value}), inputs, weights)
            for value in values
        )
        same = all(torch.equal(first, one) for one in rest)
        assert same is (knob in idle), knob
    assert all(reason.endswith(".") for reason in idle.values())


@pytest.mark.parametrize("name", rules.available())
def test_a_rule_as_it_comes_calls_only_its_own_knobs_idle(name):
    assert set(rules.create(name).idle()) <= set(rules.get(name).declared())


@pytest.mark.parametrize("name", presets.available())
def test_no_preset_sets_what_its_rule_ignores(name):
    recipe = presets.get(name)
    for layer in recipe.rules:
        rule = recipe.rule(layer)
        knobs = rule.knobs()
        assert {one for one in rule.idle() if getattr(rule, one) != knobs[one].default} == set()
        options = recipe.options(layer)
        idle = without_effect(rule, options)
        assert {one for one in idle if getattr(options, one) != OPTIONS[one].default} == set()


@pytest.mark.parametrize("reduction", ["share", "max", "mean"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_unit_that_wins_nothing_stands_still_in_half_precision(reduction, dtype):
    rule = rules.create("hard-wta", reduction=reduction)
    weights = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=dtype)
    found = rule.update(torch.tensor([[2.0, 0.0]], dtype=dtype), weights)
    assert torch.equal(found[1], torch.zeros(2, dtype=dtype))
    assert torch.isfinite(found).all() and found[0, 0] > 0
    nothing = rule.update(torch.zeros(3, 2, dtype=dtype), weights)
    assert torch.equal(nothing, torch.zeros_like(weights))
