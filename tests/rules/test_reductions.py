"""How sums over many samples become one step, in every precision."""

import pytest
import torch

from hebblab import rules
from hebblab.rules import thresholds
from hebblab.rules.reductions import averaged, reduce

MANY = 70_000  # more than float16 counts
# Their Σr is a sum of ones, which itself leaves float16 where one unit wins nearly everything.
COUNTING = ("instar", "som")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_mean_is_the_sum_by_the_number_bit_by_bit(dtype):
    summed = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=dtype)
    expected = summed / torch.tensor(77, dtype=dtype)
    samples = torch.tensor(77)
    assert torch.equal(averaged(summed, samples), expected)
    assert torch.equal(reduce(summed, "mean", samples=samples), expected)
    kept = summed.clone()
    assert averaged(kept, samples, in_place=True) is kept
    assert torch.equal(kept, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("in_place", [True, False])
def test_half_precision_divides_by_numbers_it_cannot_hold(dtype, in_place):
    summed = torch.full((2, 2), 700.0, dtype=dtype)
    found = averaged(summed, torch.tensor(MANY), in_place)
    assert found.dtype is dtype
    assert torch.allclose(found.float(), torch.tensor(0.01), rtol=0.01)
    assert (found is summed) == in_place


def _averaging():
    for name in rules.available():
        if "mean" in getattr(rules.create(name).declared().get("reduction"), "choices", ("mean",)):
            yield name


@pytest.mark.parametrize("name", sorted(set(_averaging()) - set(COUNTING)))
def test_a_large_batch_in_half_precision_teaches_what_it_teaches_in_double(name):
    generator = torch.Generator().manual_seed(0)
    inputs = (0.1 * torch.rand(MANY, 4, generator=generator)).half()
    weights = torch.rand(3, 4, generator=generator).half()
    knobs = {"reduction": "mean"} if "reduction" in rules.create(name).declared() else {}
    rule = rules.create(name, **knobs)
    expected = rule.update(inputs.double(), weights.double())
    found = rule.update(inputs, weights)
    assert found.dtype is torch.float16
    assert float((found.double() - expected).abs().max() / expected.abs().max()) < 5e-3


def test_thresholds_in_half_precision_follow_the_wins_of_a_large_batch():
    held = torch.zeros(2, dtype=torch.float16)
    thresholds.adapt_(held, torch.tensor([MANY - 7_000, 7_000]), torch.tensor(MANY), 1, 0.5)
    assert torch.allclose(held.float(), torch.tensor([0.2, -0.2]), atol=1e-3)
