"""The fast path of Krotov and Hopfield's rule: its update, at once and over steps."""

import pytest
import torch

from hebblab import rules
from hebblab.nn import Scratch
from hebblab.rules import Rows


def worst(found, expected):
    """The largest difference by the largest entry."""
    return float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-30))


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
    assert worst(spread(found, weights), rule.update(inputs, weights)) < 2e-5


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
            assert worst(found, rule.update(inputs * size, weights)) < 2e-5


def test_the_fast_path_is_for_large_batches():
    rule = rules.create("krotov-hopfield")
    weights = torch.rand(400, 5)
    assert rule.fused(torch.rand(499, 5), weights, Scratch()) is None
    assert rule.fused(torch.rand(500, 5), weights, Scratch()) is not None


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
        assert worst(spread(found, self.weight), expected) < 2e-5
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
            assert worst(spread(found, self.weight), expected) < 2e-5
        self.check()

    def test_with_the_weights_of_another_layer(self):
        self.check()
        self.weight = torch.rand(400, 20, generator=self.generator)
        self.check()
