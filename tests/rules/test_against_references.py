"""Every rule against its definition, and what all rules promise of `update`."""

from itertools import product

import numpy as np
import pytest
import torch

from hebblab import rules
from hebblab.nn import Scratch
from hebblab.rules import Rows
from tests.references import rules as reference

COMPETITIONS = ("none", "hard", "graded", "softmax", "proportional", "relu")
SIMILARITIES = ("dot", "cosine", "raised-cosine", "distance")


def family(name, competitions):
    for competition in competitions:
        for similarity in SIMILARITIES if competition not in ("none", "relu") else ("dot",):
            yield name, {"competition": competition, "similarity": similarity, "k": 2}
    for reduction in ("sum", "max", "share"):
        yield name, {"competition": competitions[-1], "reduction": reduction}
        yield name, {"competition": "softmax", "temperature": 0.3, "reduction": reduction}


CASES = [
    *(
        ("krotov-hopfield", {"p": p, "k": k, "delta": delta})
        for p, k, delta in product((2.0, 2.5, 3.0, 4.0), (2, 3, 7), (0.4, 0.0))
    ),
    *(("krotov-hopfield", {"reduction": r, "p": 3.0, "k": 3}) for r in ("mean", "sum")),
    ("krotov-hopfield", {"precision_floor": 1e-3, "delta": 2.0}),
    *family("hebb", COMPETITIONS),
    ("hebb", {"weight_decay": 0.25}),
    ("hebb", {"weight_decay": 1.0, "competition": "hard", "reduction": "max"}),
    *family("instar", COMPETITIONS[1:]),
    *family("oja", COMPETITIONS),
    *(
        ("hard-wta", {"similarity": s, "reduction": r, "k": k})
        for s, r, k in product(SIMILARITIES, ("share", "share2", "mean", "sum", "max"), (1, 3))
    ),
    *(
        ("soft-wta", {"similarity": s, "reduction": r, "temperature": t})
        for s, r, t in product(SIMILARITIES, ("share", "share2", "mean", "sum", "max"), (0.02, 1.0))
    ),
]


def named(case):
    return case[0] + "".join(f" {key}={value}" for key, value in case[1].items())


def scene(seed=0, samples=6, fan_in=5, units=7, signed=True):
    """Inputs of which one is all zero, and weights."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, fan_in, generator=generator, dtype=torch.float64)
    weights = torch.randn(units, fan_in, generator=generator, dtype=torch.float64)
    if not signed:
        inputs, weights = inputs.abs(), weights.abs()
    inputs[3] = 0
    return inputs, weights


def worst(found, expected):
    return np.abs(found.double().numpy() - expected).max() / max(np.abs(expected).max(), 1e-300)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_the_update_is_the_definition(case):
    name, knobs = case
    rule = rules.create(name, **knobs)
    for signed in (True, False):
        inputs, weights = scene(signed=signed)
        before = inputs.clone(), weights.clone()
        expected = reference.RULES[name](inputs.numpy(), weights.numpy(), **knobs)
        assert np.abs(expected).max() > 0
        found = rule.update(inputs, weights)
        assert found.dtype is torch.float64
        assert found.shape == weights.shape
        assert worst(found, expected) < 1e-10
        assert torch.equal(inputs, before[0])
        assert torch.equal(weights, before[1])
        assert torch.equal(rule.update(inputs, weights), found), "a rule must not move by itself"

        rough = rule.update(inputs.float(), weights.float())
        assert rough.dtype is torch.float32
        exact = reference.RULES[name](
            inputs.float().double().numpy(), weights.float().double().numpy(), **knobs
        )
        assert worst(rough, exact) < 1e-5


@pytest.mark.parametrize("case", CASES, ids=named)
def test_statistics_of_uneven_pieces_add_up(case):
    name, knobs = case
    rule = rules.create(name, **knobs)
    inputs, weights = scene(2, samples=23)
    total = None
    for piece in inputs.split([1, 3, 7, 1, 5, 2, 4]):
        part = rule.statistics(piece, weights)
        total = part if total is None else tuple(map(torch.add, total, part))
    for whole, summed in zip(rule.statistics(inputs, weights), total, strict=True):
        assert torch.allclose(whole.double(), summed.double(), rtol=1e-12, atol=1e-12)
    assert torch.allclose(
        rule.change(total, weights), rule.update(inputs, weights), rtol=1e-10, atol=1e-12
    )


def test_the_number_of_samples_is_counted_exactly():
    for name in reference.RULES:
        rule = rules.create(name)
        inputs, weights = scene()
        samples = rule.statistics(inputs.float(), weights.float())[-1]
        assert samples.ndim == 0
        assert samples.dtype in (torch.int64, torch.float64)
        assert int(samples) == len(inputs), "samples that are all zero count"


@pytest.mark.parametrize("name", sorted(reference.RULES))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_shares_of_transposed_and_strided_arguments_are_the_same(name, dtype):
    rule = rules.create(name)
    inputs, weights = (t.to(dtype) for t in scene())
    strided = inputs.T.contiguous().T, torch.stack((weights, weights), dim=2)[:, :, 1]
    found = rule.update(*strided)
    assert torch.allclose(found, rule.update(inputs, weights), atol=1e-5)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_extreme_inputs_stay_finite(case):
    name, knobs = case
    rule = rules.create(name, **knobs)
    inputs, weights = scene(5)
    small = torch.full_like(inputs, 1e-310)
    for extreme in (inputs * 0, inputs[:1], inputs[3:4], inputs * 1e15, small, small * 0 + 5e-324):
        assert torch.isfinite(rule.update(extreme, weights)).all()
        assert torch.isfinite(rule.update(extreme, weights * 0)).all()
    rough, weights = inputs.float(), weights.float()
    denormal = torch.full_like(rough, 1e-42)
    for extreme in (rough * 0, rough[:1], rough[3:4], denormal):
        assert torch.isfinite(rule.update(extreme, weights)).all()
        assert torch.isfinite(rule.update(extreme, weights * 1e-30)).all()
    if name != "oja":  # y² leaves float32 with any algorithm
        assert torch.isfinite(rule.update(rough * 1e15, weights)).all()


@pytest.mark.parametrize("name", sorted(reference.RULES))
def test_no_input_asks_for_no_change(name):
    inputs, weights = scene()
    assert not rules.create(name).update(inputs * 0, weights).any()


@pytest.mark.parametrize("name", sorted(reference.RULES))
def test_the_order_of_samples_does_not_matter(name):
    rule = rules.create(name)
    inputs, weights = scene(7)
    assert torch.allclose(
        rule.update(inputs, weights), rule.update(inputs.flip(0), weights), atol=1e-12
    )


@pytest.mark.parametrize("name", sorted(reference.RULES))
def test_another_order_of_units_is_another_order_of_rows(name):
    rule = rules.create(name)
    inputs, weights = scene(8)
    turned = torch.randperm(len(weights), generator=torch.Generator().manual_seed(1))
    assert torch.allclose(
        rule.update(inputs, weights)[turned], rule.update(inputs, weights[turned]), atol=1e-12
    )


@pytest.mark.parametrize("name", sorted(reference.RULES))
def test_ties_go_to_the_lowest_index(name):
    """Whole numbers, so that equal rows have exactly equal responses."""
    generator = torch.Generator().manual_seed(9)
    weights = torch.randint(-3, 4, (4, 6), generator=generator).double().repeat(3, 1)
    inputs = torch.randint(-3, 4, (9, 6), generator=generator).double()
    for knobs in ({"k": 2}, {"k": 3}, {"k": 5}, {"k": 12}):
        if name == "soft-wta":
            knobs = {}
        elif name in ("hebb", "oja"):
            knobs = {**knobs, "competition": "hard"}
        for dtype in (torch.float64, torch.float32):
            found = rules.create(name, **knobs).update(inputs.to(dtype), weights.to(dtype))
            expected = reference.RULES[name](inputs.numpy(), weights.numpy(), **knobs)
            assert worst(found, expected) < 1e-5


@pytest.mark.parametrize("k", [2, 3, 7, 400])
@pytest.mark.parametrize("p", [2.0, 2.5, 3.0])
@pytest.mark.parametrize("reduction", ["max", "mean", "sum"])
def test_the_fast_path_of_krotov_hopfield_is_its_update(k, p, reduction):
    rule = rules.create("krotov-hopfield", k=k, p=p, reduction=reduction)
    generator = torch.Generator().manual_seed(k)
    weights = torch.randn(400, 30, generator=generator)
    inputs = torch.rand(600, 30, generator=generator)
    inputs[::50] = 0
    found = rule.fused(inputs, weights, Scratch())
    assert isinstance(found, Rows)
    assert len(found.indices.unique()) == len(found.indices)
    assert worst(spread(found, weights), rule.update(inputs, weights).numpy()) < 2e-5


def test_the_fast_path_breaks_ties_as_the_update_does():
    generator = torch.Generator().manual_seed(3)
    weights = torch.randint(-2, 3, (50, 12), generator=generator).float().repeat(8, 1)
    inputs = torch.randint(0, 3, (600, 12), generator=generator).float()
    inputs[:100] = 0
    weights[-1] = 5  # the best of all, so that the first tie is at rank 2
    for k in (2, 3, 8, 9, 399, 400):
        rule = rules.create("krotov-hopfield", k=k, delta=0.5)
        found = rule.fused(inputs, weights, Scratch())
        assert torch.allclose(spread(found, weights), rule.update(inputs, weights), atol=1e-6)
    touched = spread(rules.create("krotov-hopfield").fused(inputs, weights, Scratch()), weights)
    units = touched.abs().sum(1).nonzero().flatten().tolist()
    assert units[-1] == 399
    assert max(units[:-1]) < 50


@pytest.mark.parametrize("reduction", ["max", "mean", "sum"])
def test_the_fast_path_keeps_nothing_nothing_and_little_little(reduction):
    generator = torch.Generator().manual_seed(3)
    weights = torch.rand(400, 12, generator=generator)
    inputs = torch.rand(600, 12, generator=generator)
    for floor in (1e-30, 1e-3):
        rule = rules.create("krotov-hopfield", reduction=reduction, precision_floor=floor)
        assert not spread(rule.fused(inputs * 0, weights, Scratch()), weights).any()
        for size in (1e-7, 1.0, 1e15):
            found = spread(rule.fused(inputs * size, weights, Scratch()), weights)
            assert worst(found, rule.update(inputs * size, weights).numpy()) < 2e-5


def test_the_fast_path_is_for_large_float32_batches():
    rule = rules.create("krotov-hopfield")
    weights = torch.rand(400, 5)
    assert rule.fused(torch.rand(499, 5), weights, Scratch()) is None
    assert rule.fused(torch.rand(500, 5), weights, Scratch()) is not None
    assert rule.fused(torch.rand(500, 5).double(), weights.double(), Scratch()) is None


def test_the_fast_path_ignores_the_default_dtype():
    rule = rules.create("krotov-hopfield")
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(400, 5, generator=generator)
    inputs = torch.rand(500, 5, generator=generator)
    expected = rule.update(inputs, weights)
    torch.set_default_dtype(torch.float64)
    try:
        found = rule.fused(inputs, weights, Scratch())
        assert found.values.dtype is torch.float32
        assert torch.allclose(spread(found, weights), expected, atol=1e-5)
    finally:
        torch.set_default_dtype(torch.float32)


def spread(rows, weights):
    return torch.zeros_like(weights).index_copy(0, rows.indices, rows.values)


class TestCachedPower:
    """The fast path keeps sgn(w)|w|^(p-1) between steps; nothing may make it stale."""

    def setup_method(self):
        self.generator = torch.Generator().manual_seed(11)
        self.layer = torch.nn.Linear(20, 400, bias=False)
        self.layer.weight.data.uniform_(-1, 1, generator=self.generator)
        self.weight = self.layer.weight.detach()
        self.rule = rules.create("krotov-hopfield", p=3.0, k=4)
        self.scratch = Scratch()

    def check(self, step=True):
        inputs = torch.rand(500, 20, generator=self.generator)
        expected = self.rule.update(inputs, self.weight)
        found = self.rule.fused(inputs, self.weight, self.scratch)
        assert worst(spread(found, self.weight), expected.numpy()) < 2e-5
        if step:
            self.weight.index_add_(0, found.indices, found.values, alpha=0.1)

    def test_over_steps(self):
        for p in (3.0, 2.5, 4.0):
            self.rule.p = p
            for _ in range(4):
                self.check()

    def test_after_a_write_from_outside(self):
        self.check()
        self.weight.uniform_(-1, 1, generator=self.generator)
        self.check()
        self.weight[7] = 3.0
        self.check()

    def test_after_a_write_in_the_place_of_the_step(self):
        self.check(step=False)
        self.weight.uniform_(-1, 1, generator=self.generator)
        self.check()

    def test_after_a_write_that_torch_does_not_count(self):
        self.check()
        self.layer.weight.data.uniform_(-1, 1, generator=self.generator)
        self.check()
        self.check()
        self.layer.weight.data.numpy()[:] *= 2
        self.check()

    def test_after_an_edit_of_p(self):
        self.check()
        self.rule.p = 2.5
        self.check()
        self.rule.p = 2.0
        self.check()
        self.rule.p = 3.0
        self.check()

    def test_after_a_batch_of_another_size(self):
        self.check()
        for samples in (800, 501):
            inputs = torch.rand(samples, 20, generator=self.generator)
            expected = self.rule.update(inputs, self.weight)
            found = self.rule.fused(inputs, self.weight, self.scratch)
            assert worst(spread(found, self.weight), expected.numpy()) < 2e-5
        self.check()

    def test_with_the_weights_of_another_layer(self):
        self.check()
        self.weight = torch.rand(400, 20, generator=self.generator)
        self.check()
