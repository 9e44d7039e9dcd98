"""Faster ways of rules: the same sums and the same update, in buffers that are kept."""

import pytest
import torch

from hebblab import rules
from hebblab.nn import Scratch
from hebblab.rules import HardWTA, KrotovHopfield, Rows, Rule
from hebblab.rules.fast import lively

CASES = [
    ("krotov-hopfield", {}),
    ("krotov-hopfield", {"k": 7, "p": 3.0}),
    ("krotov-hopfield", {"k": 3, "p": 2.5, "delta": 0.0, "reduction": "mean"}),
    ("hard-wta", {}),
    ("hard-wta", {"similarity": "dot", "k": 3, "reduction": "share2"}),
    ("hard-wta", {"similarity": "distance", "reduction": "max"}),
    ("hard-wta", {"similarity": "raised-cosine", "k": 2, "reduction": "sum"}),
    ("soft-wta", {}),
    ("soft-wta", {"similarity": "dot", "temperature": 0.5, "reduction": "share2"}),
    ("soft-wta", {"similarity": "distance", "temperature": 0.5, "reduction": "mean"}),
    ("soft-wta", {"similarity": "raised-cosine", "reduction": "max"}),
    ("softhebb", {"temperature": 0.5}),
    ("softhebb", {"temperature": 0.5, "anti_hebbian": False, "reduction": "mean"}),
    ("hebb", {}),
    ("hebb", {"competition": "hard", "weight_decay": 0.1}),
    ("hebb", {"competition": "hard", "k": 2, "reduction": "share"}),
    ("hebb", {"competition": "graded", "similarity": "cosine", "k": 2}),
    ("hebb", {"competition": "softmax"}),
    ("instar", {}),
    ("instar", {"competition": "graded", "k": 3, "similarity": "distance"}),
    ("instar", {"competition": "relu"}),
    ("oja", {}),
    ("oja", {"reduction": "share"}),
    ("oja", {"competition": "graded", "k": 2, "reduction": "max"}),
    ("sanger", {}),
    ("hpca", {}),
    ("hpca", {"activation": "tanh", "reduction": "sum"}),
    ("oja-subspace", {}),
    ("proportional-wta", {}),
    ("soft-krotov", {}),
    ("som", {}),
    ("hebbian-anti-hebbian", {}),
    ("hebbian-anti-hebbian", {"variant": "2015"}),
    ("hebbian-anti-hebbian", {"nonnegative": True}),
]
ids = [f"{name}-{'-'.join(map(str, knobs.values()))}" for name, knobs in CASES]
cases = pytest.mark.parametrize(("name", "knobs"), CASES, ids=ids)


def scene(samples, units, fan_in, dtype, signed=False):
    generator = torch.Generator().manual_seed(samples + units)
    inputs = torch.rand(samples, fan_in, generator=generator, dtype=dtype)
    weights = torch.rand(units, fan_in, generator=generator, dtype=dtype)
    if signed:
        inputs, weights = 2 * inputs - 1, 2 * weights - 1
    inputs[::50] = 0
    return inputs, weights


def worst(found, expected):
    return float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-30))


@cases
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((600, 400, 12), torch.float32), ((40, 24, 30), torch.float64), ((90, 40, 12), torch.float64)],
)
def test_sums_of_pieces_are_those_of_the_whole(name, knobs, shape, dtype):
    inputs, weights = scene(*shape, dtype, signed=True)
    weights *= 0.3
    rule = rules.create(name, **knobs)
    expected = rule.statistics(inputs, weights)
    scratch = Scratch()
    limit = 1e-11 if dtype is torch.float64 else 2e-4
    for _ in range(2):
        total = None
        for piece in inputs.split((shape[0] // 3, shape[0] - shape[0] // 3)):
            total = rule.accumulated(piece, weights, total, scratch)
        assert len(total) == len(expected)
        for found, wanted in zip(total, expected, strict=True):
            assert found.shape == wanted.shape
            assert worst(found, wanted) < limit
        change = rule.change(total, weights)
        assert worst(change, rule.update(inputs, weights)) < limit


@cases
def test_the_whole_batch_at_once_is_the_update(name, knobs):
    rule = rules.create(name, **knobs)
    scratch = Scratch()
    for signed in (False, True):
        inputs, weights = scene(600, 400, 12, torch.float32, signed)
        before = inputs.clone(), weights.clone()
        found = rule.fused(inputs, weights, scratch)
        if found is None:
            continue
        assert torch.equal(inputs, before[0])
        assert torch.equal(weights, before[1])
        if isinstance(found, Rows):
            assert len(found.indices.unique()) == len(found.indices)
            found = torch.zeros_like(weights).index_copy(0, found.indices, found.values)
        assert worst(found, rule.update(inputs, weights)) < 2e-5


FAST = ["krotov-hopfield", "hard-wta", "instar"]


@pytest.mark.parametrize("name", FAST)
def test_rules_with_winners_touch_these_alone(name):
    inputs, weights = scene(600, 400, 12, torch.float32)
    assert isinstance(rules.create(name).fused(inputs, weights, Scratch()), Rows)
    assert isinstance(
        rules.create("hebb", competition="hard").fused(inputs, weights, Scratch()), Rows
    )
    decaying = rules.create("hebb", competition="hard", weight_decay=0.1)
    assert decaying.fused(inputs, weights, Scratch()) is None


@pytest.mark.parametrize("name", ["hard-wta", "instar", "hebb", "oja"])
@pytest.mark.parametrize("graded", [False, True])
def test_thresholds_are_heeded_and_keep_the_statistics(name, graded):
    if name == "hard-wta":
        knobs = {"similarity": "cosine", "k": 2}
    else:
        knobs = {"competition": "graded" if graded else "hard", "k": 2}
    inputs, weights = scene(600, 400, 12, torch.float32)
    rule = rules.create(name, **knobs)
    held = torch.rand(400, generator=torch.Generator().manual_seed(1))
    rule.homeostasis(held, 0.5)
    assert rule.fused(inputs, weights, Scratch()) is None
    expected = rule.statistics(inputs, weights)
    total, scratch = None, Scratch()
    for piece in inputs.split(250):
        total = rule.accumulated(piece, weights, total, scratch)
    for found, wanted in zip(total, expected, strict=True):
        assert worst(found.double(), wanted.double()) < 1e-5
    assert torch.equal(total[-1], expected[-1])
    assert int(total[-1].sum()) > 0


@cases
def test_buffers_are_taken_once(name, knobs):
    inputs, weights = scene(600, 400, 12, torch.float32)
    rule, scratch = rules.create(name, **knobs), Scratch()
    for _ in range(2):
        total = None
        for piece in inputs.split(300):
            total = rule.accumulated(piece, weights, total, scratch)
    kept = {name: one.data_ptr() for name, one in scratch._kept.items()}
    total = None
    for piece in inputs.split(300):
        total = rule.accumulated(piece, weights, total, scratch)
    assert {name: one.data_ptr() for name, one in scratch._kept.items()} == kept


class Mean(HardWTA):
    """A rule of one's own that changes what a rule of the package computes."""

    name = "mean-of-all"

    def shares(self, inputs, weights, targets=None):
        return torch.ones(len(inputs), len(weights), dtype=inputs.dtype)


class Renamed(KrotovHopfield):
    """A rule of one's own that only says other words."""

    name = "renamed"

    def in_words(self):
        return "As ever."


def test_a_rule_of_ones_own_does_not_inherit_a_faster_way_to_something_else():
    inputs, weights = scene(600, 400, 12, torch.float32)
    rule = Mean()
    assert rule.fused(inputs, weights, Scratch()) is None
    assert not rule.any_order()
    total = rule.accumulated(inputs, weights, None, Scratch())
    assert torch.equal(total[0], rule.statistics(inputs, weights)[0])
    assert Renamed().any_order()
    assert Renamed().fused(inputs, weights, Scratch()) is not None


def test_by_default_statistics_are_added_up():
    class Own(Rule):
        """Sums inputs."""

        def statistics(self, inputs, weights, targets=None):
            return (inputs.sum(dim=0).expand_as(weights),)

        def change(self, statistics, weights):
            return statistics[0]

    inputs, weights = scene(10, 4, 3, torch.float32)
    rule = Own()
    total = rule.accumulated(inputs[:4], weights, None, Scratch())
    total = rule.accumulated(inputs[4:], weights, total, Scratch())
    assert torch.allclose(total[0], rule.statistics(inputs, weights)[0])


def test_a_sample_below_the_smallest_length_is_alive_all_the_same():
    inputs = torch.tensor([[0.0, 0.0], [1e-30, 0.0], [1.0, 2.0]])
    lengths = torch.linalg.vector_norm(inputs, dim=1)
    assert lengths[1] == 0
    assert lively(inputs, lengths).tolist() == [0.0, 1.0, 1.0]
    assert lively(inputs).tolist() == [0.0, 1.0, 1.0]


@cases
def test_a_total_may_be_finished_in_its_place_and_a_change_leaves_it(name, knobs):
    inputs, weights = scene(60, 24, 10, torch.float64)
    rule, scratch = rules.create(name, **knobs), Scratch()
    total = rule.accumulated(inputs, weights, None, scratch)
    before = [one.clone() for one in total]
    expected = rule.change(total, weights)
    for now, then in zip(total, before, strict=True):
        assert torch.equal(now, then)
    assert torch.equal(rule.finished(total, weights), expected)
