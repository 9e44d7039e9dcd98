"""What the component rules settle at, in which order, and what breaks them."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hebblab import rules
from hebblab.errors import NotFinite
from hebblab.nn import Scratch
from hebblab.rules import HPCA, OjaSubspace, Sanger

VARIANCES = (5.0, 3.5, 2.5, 1.5, 0.4, 0.2)
RULES = [Sanger(), OjaSubspace(), HPCA(), HPCA(activation="tanh"), HPCA(activation="identity")]


def cloud(samples=400, seed=0):
    """Turned Gaussian inputs of known variances, centred."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, 6, generator=generator, dtype=torch.float64)
    inputs *= torch.tensor(VARIANCES).sqrt()
    turn = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64)).Q
    inputs = inputs @ turn
    return inputs - inputs.mean(0)


def settled(rule, inputs, units, steps=800, rate=0.1, seed=1):
    generator = torch.Generator().manual_seed(seed)
    weights = 0.02 * torch.randn(units, inputs.shape[1], generator=generator, dtype=torch.float64)
    for _ in range(steps):
        weights += rate * rule.update(inputs, weights)
    return weights


def axes(inputs):
    """Eigenvalues and axes (rows) of the second moment, largest first."""
    values, vectors = torch.linalg.eigh(inputs.T @ inputs / len(inputs))
    return values.flip(0), vectors.T.flip(0)


def test_where_they_start_and_what_they_hold():
    for rule in RULES:
        assert (rule.initial_weights, rule.learning_rate) == ("normal(0, 0.02)", 0.01)
        assert rule.reduction == "mean"
        assert rule.bounded
        assert rule.norm == (None if getattr(rule, "activation", "") == "tanh" else 2.0)
        assert not rule.teachable
    assert (Sanger.ordered, HPCA.ordered, OjaSubspace.ordered) == (True, True, False)
    assert HPCA().activation == "relu"


def test_sanger_finds_the_principal_axes_in_order():
    inputs = cloud()
    weights = settled(Sanger(), inputs, 4)
    cosines = (weights @ axes(inputs)[1].T)[:, :4]
    assert torch.allclose(cosines.abs(), torch.eye(4, dtype=torch.float64), atol=1e-4)


def test_sanger_is_sequential():
    """A unit waits for those before it."""
    inputs = cloud()
    for steps, near in ((20, 2), (40, 3), (100, 4)):
        weights = torch.nn.functional.normalize(settled(Sanger(), inputs, 4, steps))
        cosines = (weights @ axes(inputs)[1].T).diagonal().abs()
        assert (cosines > 0.95).tolist() == [True] * near + [False] * (4 - near)


def test_the_subspace_rule_spans_the_leading_axes_and_turns_among_them():
    inputs = cloud()
    weights = settled(OjaSubspace(), inputs, 4)
    leading = axes(inputs)[1][:4]
    assert torch.allclose(weights @ weights.T, torch.eye(4, dtype=torch.float64), atol=1e-4)
    assert torch.allclose(weights.T @ weights, leading.T @ leading, atol=2e-3)
    assert float((weights @ leading.T).abs().max(dim=1).values.min()) < 0.95


def test_more_units_than_inputs_leave_a_projector_on_all_inputs():
    inputs = cloud()
    for units in (8, 20):  # both forms of the statistics
        weights = settled(OjaSubspace(), inputs, units, steps=1500)
        assert torch.allclose(weights.T @ weights, torch.eye(6, dtype=torch.float64), atol=1e-3)


def test_rectified_units_come_in_pairs_of_plus_and_minus():
    inputs = torch.cat((cloud(), -cloud()))
    weights = settled(HPCA(), inputs, 4, steps=1500)
    leading = axes(inputs)[1][:2]
    assert torch.allclose(weights.norm(dim=1), torch.ones(4, dtype=torch.float64), atol=0.02)
    for axis in leading:
        along = (weights @ axis).sort().values
        assert along[0] < -0.95
        assert along[-1] > 0.95
    pairs = weights @ weights.T
    assert (pairs.min(dim=1).values < -0.95).all()


def test_squashed_units_find_the_axes_at_norms_above_one():
    inputs = cloud(2000)
    weights = settled(HPCA(activation="tanh"), inputs, 4, steps=1500)
    norms = weights.norm(dim=1)
    cosines = torch.nn.functional.normalize(weights) @ axes(inputs)[1].T
    assert (cosines.diagonal().abs() > 0.97).all()
    assert norms.tolist() == sorted(norms.tolist(), reverse=True)
    assert norms[0] > 1.8
    assert norms[3] > 1.2


def test_hpca_with_the_identity_is_sanger_bit_for_bit():
    inputs = cloud(50)
    for units in (4, 30):
        weights = torch.randn(units, 6, generator=torch.manual_seed(3), dtype=torch.float64)
        same = HPCA(activation="identity").update(inputs, weights)
        assert torch.equal(same, Sanger().update(inputs, weights))


def test_a_unit_that_never_answers_never_moves():
    inputs = cloud(50).abs()
    weights = torch.rand(3, 6, generator=torch.manual_seed(3), dtype=torch.float64)
    weights[1] *= -1
    change = HPCA().update(inputs, weights)
    assert not change[1].any()
    assert change[0].any()
    assert change[2].any()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.name} {rule.values()}")
@pytest.mark.parametrize("units", [5, 12, 13, 64, 65, 200])
def test_both_forms_of_the_statistics_say_the_same(rule, units):
    inputs = cloud(40)
    weights = 0.2 * torch.randn(units, 6, generator=torch.manual_seed(4), dtype=torch.float64)
    statistics = rule.statistics(inputs, weights)
    assert len(statistics) == (2 if units > 12 else 3)
    outputs = inputs @ weights.T
    outputs = {"relu": outputs.relu(), "tanh": outputs.tanh()}.get(
        getattr(rule, "activation", ""), outputs
    )
    gram = outputs.T @ outputs
    forgotten = (gram.tril() if rule.ordered else gram) @ weights
    expected = (outputs.T @ inputs - forgotten) / 40
    assert torch.allclose(rule.change(statistics, weights), expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.name} {rule.values()}")
def test_pieces_of_any_size_have_statistics_of_one_shape_and_add_up(rule):
    inputs = cloud(41)
    for units in (5, 200):
        weights = 0.2 * torch.randn(units, 6, generator=torch.manual_seed(5), dtype=torch.float64)
        parts = [rule.statistics(piece, weights) for piece in inputs.split([1, 30, 3, 7])]
        total = tuple(map(sum, zip(*parts, strict=True)))
        whole = rule.statistics(inputs, weights)
        assert all(map(torch.allclose, total, whole))
        assert torch.allclose(rule.change(total, weights), rule.update(inputs, weights))


def test_a_wide_layer_needs_no_matrix_of_units_by_units():
    statistics = Sanger().statistics(torch.rand(7, 25), torch.rand(400, 25))
    assert [tuple(one.shape) for one in statistics] == [(400, 25), ()]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.name} {rule.values()}")
@pytest.mark.parametrize("shape", [(5, 40, 60), (16, 150, 290), (30, 300, 300), (1, 9, 4)])
def test_a_whole_batch_goes_by_what_is_left_over_wherever_that_is_less_work(rule, shape):
    """The statistics of these layers hold a matrix of units by units; the fast path forms none."""
    samples, fan_in, units = shape
    generator = torch.Generator().manual_seed(6)
    inputs = torch.randn(samples, fan_in, generator=generator, dtype=torch.float64)
    weights = torch.randn(units, fan_in, generator=generator, dtype=torch.float64) / fan_in
    assert len(rule.statistics(inputs, weights)) == 3
    found = rule.fused(inputs, weights, Scratch())
    assert (found is None) == (rule.ordered and units < 128)
    if found is not None:
        expected = rule.update(inputs, weights)
        assert torch.allclose(found, expected, rtol=0, atol=1e-10 * float(expected.abs().max()))


def test_the_fully_connected_layer_of_lagani_is_trained_without_its_gram_matrix():
    """4,096 units of 2,304 inputs: sixteen times fewer multiplications at batches of 64."""
    inputs, weights = torch.empty(64, 2304, device="meta"), torch.empty(4096, 2304, device="meta")
    seen = []

    class Watched(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            found = function(*args, **(kwargs or {}))
            seen.extend(one.numel() for one in (found,) if isinstance(one, torch.Tensor))
            return found

    with Watched():
        assert HPCA().fused(inputs, weights, Scratch()) is not None
    assert max(seen) == 4096 * 2304


def test_a_rate_beyond_the_largest_eigenvalue_does_not_settle():
    """At rate × λ below 1 the norm is 1; above 2 the weights leave the finite numbers."""
    inputs = cloud()
    largest = float(axes(inputs)[0][0])
    calm = settled(Sanger(), inputs, 1, steps=300, rate=0.9 / largest)
    assert float(calm.norm()) == pytest.approx(1, abs=1e-6)
    swinging = settled(Sanger(), inputs, 1, steps=300, rate=1.6 / largest)
    assert abs(float(swinging.norm()) - 1) > 0.05
    with pytest.raises(NotFinite, match=r"The weights \(1, 6\) hold .* NaN or infinite"):
        settled(Sanger(), inputs, 1, steps=300, rate=2.1 / largest)


def test_uncentred_the_first_unit_is_the_mean():
    inputs = cloud() + torch.tensor([9.0, 0, 0, 0, 0, 0])
    first = settled(Sanger(), inputs, 2, rate=0.005)[0]
    assert abs(float(torch.cosine_similarity(first, inputs.mean(0), dim=0))) > 0.99


def test_the_sum_is_the_mean_times_the_samples():
    inputs = cloud(30)
    weights = torch.randn(4, 6, generator=torch.manual_seed(6), dtype=torch.float64)
    for name in ("sanger", "oja-subspace", "hpca"):
        mean = rules.create(name).update(inputs, weights)
        summed = rules.create(name, reduction="sum").update(inputs, weights)
        assert torch.allclose(summed, 30 * mean)
