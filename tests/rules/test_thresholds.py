"""Thresholds on digits: they even out the wins, keep their sum, and stay still when looked at."""

import pytest
import torch

from hebblab import InvalidValue, rules
from hebblab.rules import HardWTA
from hebblab.training import LayerOptions

EVEN = LayerOptions(thresholds=True, threshold_rate=0.5)


def wins(trained):
    seen = trained.digits.validation.pixels.flatten(1) / 255
    return trained.trainer.rules["hidden"].shares(seen, trained.weights).sum(0)


def test_without_them_few_cosine_units_learn_and_with_them_all_do(train):
    """Cosine is blind to length, so nothing else spreads the wins."""
    plain = train(HardWTA(), "uniform(0, 1)", 0.1).steps(420, decay=True)
    even = train(HardWTA(), "uniform(0, 1)", 0.1, options=EVEN).steps(420, decay=True)
    assert plain.visible < 0.5
    assert even.visible > 0.97
    assert int((wins(plain) == 0).sum()) > 50
    assert int((wins(even) == 0).sum()) < 15
    assert float(wins(even).max()) < 60, "of 1,000 digits; 10 would be even"


def test_their_sum_stays_where_it_was(train):
    """The target is k/units, which all shares together reach: any other would run away."""
    trained = train(HardWTA(k=3), "uniform(0, 1)", 0.1, options=EVEN).steps(60)
    held = trained.trainer.learners["hidden"].thresholds
    assert float(held.abs().max()) > 0.01
    assert abs(float(held.sum())) < 1e-3


def test_looking_moves_nothing(train, digits):
    """Neither an evaluation nor whatever reads the rule; else features would go by their order."""
    trained = train(HardWTA(), "uniform(0, 1)", 0.1, options=EVEN).steps(60)
    learner = trained.trainer.learners["hidden"]
    before, weights = learner.thresholds.clone(), trained.weights.clone()
    images = digits.validation.pixels[:200].float() / 255
    trained.model.eval()
    trained.model(images)
    learner.answer(images.flatten(1))
    learner.filters()
    first = learner.change(images.flatten(1))
    learner.rule.ranking(images.flatten(1), weights)
    assert torch.equal(learner.change(images.flatten(1)), first)
    assert torch.equal(learner.thresholds, before)
    assert torch.equal(trained.weights, weights)


def test_a_unit_below_its_threshold_does_not_win_even_if_it_is_the_best():
    inputs = torch.tensor([[1.0, 0.0]])
    weights = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    rule = HardWTA()
    for thresholds, won in (
        ([0.0, 0.0], [1.0, 0.0]),
        ([0.5, 0.0], [0.0, 1.0]),  # 0.5 against 0.6
        ([1.1, 0.7], [0.0, 0.0]),  # both below
        ([1.1, 0.6], [0.0, 0.0]),  # one exactly at it
    ):
        rule.homeostasis(torch.tensor(thresholds))
        assert rule.shares(inputs, weights).tolist() == [won]
    rule.homeostasis(None)
    assert rule.buffers == {}


@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("sanger", {}),
        ("soft-wta", {}),
        ("oja", {"competition": "softmax"}),
        ("krotov-hopfield", {}),
    ],
)
def test_where_nobody_wins_they_are_refused_with_what_to_do(name, knobs):
    rule = rules.create(name, **knobs)
    with pytest.raises(InvalidValue, match=rf"'{name}' as it is set has no winners.*'hard-wta'"):
        rule.homeostasis(torch.zeros(3))
    assert rule.buffers == {}


def test_a_layer_refuses_them_before_it_is_made(train):
    with pytest.raises(InvalidValue, match="'softhebb' as it is set has no winners"):
        train(rules.create("softhebb"), "uniform(0, 1)", 0.1, options=EVEN)
