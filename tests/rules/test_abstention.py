"""Who sits out a competition has no share in it, and its wins are counted."""

import numpy as np
import pytest
import torch

from hebblab import InvalidValue, rules
from hebblab.nn import Scratch
from hebblab.rules import abstention
from tests.references import competition

COMPETING = [
    ("hard-wta", {}),
    ("hard-wta", {"k": 3, "similarity": "dot"}),
    ("hard-wta", {"k": 2, "similarity": "distance", "reduction": "mean"}),
    ("soft-wta", {}),
    ("soft-wta", {"temperature": 1.0, "reduction": "share2"}),
    ("proportional-wta", {"exponent": 2.0}),
    ("instar", {}),
    ("instar", {"competition": "softmax"}),
    ("hebb", {"competition": "graded", "k": 2}),
    ("oja", {"competition": "proportional"}),
]
each = pytest.mark.parametrize(("name", "knobs"), COMPETING)


def scene(samples=20, units=6, fan_in=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, fan_in, generator=generator, dtype=torch.float64)
    inputs[3] = 0
    weights = torch.randn(units, fan_in, generator=generator, dtype=torch.float64)
    absent = torch.rand(samples, units, generator=generator) < 0.3
    absent[5] = True
    absent[6] = torch.arange(units) != 2
    return inputs, weights, absent


@each
def test_a_sample_teaches_those_that_take_part_as_if_there_were_no_others(name, knobs):
    inputs, weights, absent = scene()
    rule, alone = rules.create(name, **knobs), rules.create(name, **knobs)
    wins = torch.zeros(6, dtype=torch.float64)
    for row, (x, out) in enumerate(zip(inputs, absent, strict=True)):
        rule.abstention(wins, out[None])
        summed, *_ = rule.statistics(x[None], weights)
        assert not summed[out].any(), "who sits out learns nothing"
        here = (~out).nonzero()[:, 0]
        if len(here) >= knobs.get("k", 1):
            expected, *_ = alone.statistics(x[None], weights[here])
            assert torch.allclose(summed[here], expected, atol=1e-12), row


@each
def test_without_wins_held_nothing_is_other_than_before(name, knobs):
    inputs, weights, absent = scene()
    rule = rules.create(name, **knobs)
    plain = rule.update(inputs, weights)
    rule.abstention(torch.zeros(6, dtype=torch.float64), absent)
    assert not torch.allclose(rule.update(inputs, weights), plain)
    rule.abstention(torch.zeros(6, dtype=torch.float64))
    assert torch.allclose(rule.update(inputs, weights), plain), "nobody sits out"
    rule.abstention(None)
    assert rule.buffers == {} and torch.equal(rule.update(inputs, weights), plain)


@each
def test_pieces_add_up_and_the_fast_way_gives_the_same(name, knobs):
    inputs, weights, absent = scene(600, 40)
    rule = rules.create(name, **knobs)
    rule.abstention(torch.zeros(40, dtype=torch.float64), absent)
    whole = rule.statistics(inputs, weights)
    assert rule.fused(inputs, weights, Scratch()) is None
    total, first, scratch = None, 0, Scratch()
    for piece in inputs.split([1, 200, 399]):
        rule.abstention(rule.buffers["wins"], absent[first : first + len(piece)])
        total = rule.accumulated(piece, weights, total, scratch)
        first += len(piece)
    for expected, found in zip(whole, total, strict=True):
        assert torch.allclose(found.double(), expected.double(), atol=1e-9)


@each
def test_wins_are_counted_in_advance_alone_and_the_least_taken_off(name, knobs):
    inputs, weights, absent = scene()
    rule = rules.create(name, **knobs)
    wins = torch.zeros(6, dtype=torch.float64)
    rule.abstention(wins, absent)
    statistics = rule.statistics(inputs, weights)
    rule.update(inputs, weights)
    assert not wins.any()
    fired = np.zeros(6)
    kind = getattr(rule, "competition", {"soft-wta": "softmax", "proportional-wta": "proportional"}
                   .get(name, "hard"))  # fmt: skip
    for x, out in zip(inputs.numpy(), absent.numpy(), strict=True):
        here = np.flatnonzero(~out)
        if not np.any(x) or not len(here):
            continue
        shares = competition.activity(
            x, weights.numpy()[here], kind, rule.similarity,
            min(getattr(rule, "k", 1), len(here)),
            temperature=getattr(rule, "temperature", 1.0),
            exponent=getattr(rule, "exponent", 1.0),
        )  # fmt: skip
        counted = kind in ("hard", "graded")
        fired[here] += [float(y != 0) if counted else y for y in shares]
    rule.advance(statistics, 0.1)
    assert np.allclose(wins.numpy(), fired - fired.min())
    rule.advance(statistics, 0.1)
    assert np.allclose(wins.numpy(), 2 * (fired - fired.min()))


def test_the_chance_is_the_share_of_wins_of_whom_won_most():
    """As in Lagani's code: none for who won least, below one for who won most."""
    wins = torch.tensor([0.0, 10.0, 90.0], dtype=torch.float64)
    found = abstention.chances(wins, samples=30)
    assert found.tolist() == [0.0, 0.1, 0.9]
    assert abstention.chances(torch.zeros(4), samples=2).tolist() == [0.0] * 4
    shares = torch.tensor([0.0, 0.25, 0.5, 0.0])
    assert abstention.chances(shares, samples=1).tolist() == shares.tolist(), "no win is a whole"


def test_thresholds_go_along_with_it():
    inputs, weights, absent = scene()
    rule = rules.create("hard-wta")
    rule.homeostasis(torch.zeros(6, dtype=torch.float64), 0.5)
    rule.abstention(torch.zeros(6, dtype=torch.float64), absent)
    rule.advance(rule.statistics(inputs, weights), 0.1)
    assert rule.buffers["thresholds"].any() and rule.buffers["wins"].any()


@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("krotov-hopfield", {}),
        ("softhebb", {}),
        ("sanger", {}),
        ("som", {}),
        ("oja", {"competition": "none"}),
        ("hebb", {"competition": "relu"}),
        ("hebbian-anti-hebbian", {}),
    ],
)
def test_where_nobody_competes_nobody_sits_out(name, knobs):
    rule = rules.create(name, **knobs)
    assert not rule.abstains
    with pytest.raises(InvalidValue, match="no competition that units could sit out"):
        rule.abstention(torch.zeros(4))
    rule.abstention(None)
