import math

import numpy as np
import pytest
import torch

from hebblab import metrics
from hebblab.errors import InvalidValue
from tests.references import metrics as reference


def weights(units=7, fan_in=12, seed=0):
    return torch.randn(units, fan_in, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("p", [1.5, 2.0, 3.0, 8.0])
def test_norms_are_the_roots_of_the_sums(p):
    w = weights()
    np.testing.assert_allclose(metrics.norms(w, p), reference.norms(w, p), rtol=1e-12)


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_norms_of_huge_and_tiny_rows_stay_in_range(size):
    w = torch.tensor([[3.0, 4.0]]) * size
    assert metrics.norms(w, 8).item() == pytest.approx(float(w[0, 1]) * (1 + 0.75**8) ** (1 / 8))


def test_norms_of_a_convolution_are_over_the_whole_patch():
    w = weights(4, 18).view(4, 2, 3, 3)
    assert torch.equal(metrics.norms(w), metrics.norms(w.flatten(1)))


@pytest.mark.parametrize("p", [0, -1, math.nan, True, "2", None])
def test_an_impossible_p_is_refused(p):
    with pytest.raises(InvalidValue, match="p must be a number above 0"):
        metrics.norms(weights(), p)


def test_convergence_is_bounded_on_both_sides_and_sets_dead_units_apart():
    w = torch.zeros(6, 4)
    w[:5, 0] = torch.tensor([0.89, 0.95, 1.0, 1.09, 1.11])
    found = metrics.convergence(w, p=2)
    assert found.converged == pytest.approx(3 / 6)
    assert found.dead == pytest.approx(1 / 6)


def test_a_norm_on_the_edge_of_the_tolerance_is_inside():
    w = torch.tensor([[0.9, 0.0], [1.1, 0.0]])
    assert metrics.convergence(w, p=2, tolerance=0.1).converged == 1.0


@pytest.mark.parametrize("p", [2.0, 3.0])
def test_convergence_agrees_with_the_reference(p):
    w = weights(40, 9) / 2
    found = metrics.convergence(w, p, tolerance=0.3)
    converged, dead = reference.convergence(w, p, 0.3)
    assert (found.converged, found.dead) == (pytest.approx(converged), pytest.approx(dead))
    assert 0 < found.converged < 1


def test_convergence_takes_the_root_of_the_sum():
    # The sum of cubes is 1.32, outside of the tolerance; its root, 1.097, is inside.
    w = torch.tensor([[1.097, 0.0]])
    assert metrics.convergence(w, p=3).converged == 1.0


@pytest.mark.parametrize("tolerance", [0, 1, -0.1, math.nan, True, "0.1"])
def test_an_impossible_tolerance_is_refused(tolerance):
    with pytest.raises(InvalidValue, match="tolerance must be between 0 and 1"):
        metrics.convergence(weights(), 2, tolerance)


def test_negative_share_is_of_the_weight_and_not_of_the_number_of_weights():
    w = torch.tensor([[9.0, -1e-6, -1e-6, -1.0]])
    assert metrics.negative_share(w) == pytest.approx(0.1, abs=1e-5)
    assert metrics.negative_share(-w) == pytest.approx(0.9, abs=1e-5)


def test_negative_share_agrees_with_the_reference_at_any_scale():
    w = weights()
    wanted = pytest.approx(reference.negative_share(w))
    assert metrics.negative_share(w) == wanted
    assert metrics.negative_share(w * 1e37) == wanted
    assert metrics.negative_share(torch.zeros(2, 3)) == 0.0


@pytest.mark.parametrize("bins", [1, 4, 64, 65])
def test_histogram_is_numpys_over_the_symmetric_range(bins):
    w = weights(30, 50)
    found = metrics.histogram(w, bins)
    counts, edges = reference.histogram(w, bins)
    assert found.counts.tolist() == counts.tolist()
    np.testing.assert_allclose(found.edges, edges, atol=1e-12)
    assert found.edges[0] == -found.edges[-1]


def test_every_weight_is_counted_once_with_zero_on_an_edge():
    w = torch.tensor([[-2.0, -1.0, 0.0, 0.0, 1.0, 2.0]])
    found = metrics.histogram(w, 4)
    assert found.counts.tolist() == [1, 1, 2, 2]
    assert found.edges.tolist() == [-2, -1, 0, 1, 2]


@pytest.mark.parametrize("value", [0.0, 3e38, 1e-30])
def test_histogram_of_one_value_keeps_every_count(value):
    found = metrics.histogram(torch.full((3, 5), value))
    assert int(found.counts.sum()) == 15
    assert found.counts.shape == (64,)
    assert found.edges.shape == (65,)
    assert bool(torch.isfinite(found.edges).all())
    assert bool((found.edges.diff() > 0).all())


@pytest.mark.parametrize("bins", [0, -1, 2.5, True, 5000])
def test_an_impossible_number_of_bins_is_refused(bins):
    with pytest.raises(InvalidValue, match="bins must be"):
        metrics.histogram(weights(), bins)


MEASURES = {
    "norms": metrics.norms,
    "convergence": lambda w: metrics.convergence(w, 2),
    "negative_share": metrics.negative_share,
    "histogram": metrics.histogram,
    "effective_rank": metrics.effective_rank,
    "nearest": metrics.nearest,
    "likeness": metrics.likeness,
    "near_duplicates": metrics.near_duplicates,
    "turned": lambda w: metrics.turned(w, w),
    "mosaic": lambda w: metrics.mosaic(w, (1, 3, 4)),
    "visible": lambda w: metrics.visible(w, torch.ones(2, 1, 3, 4)),
    "activation_statistics": metrics.activation_statistics,
}


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_finite_are_refused_in_words(name, bad):
    w = weights()
    w[3, 2] = bad
    with pytest.raises(InvalidValue, match=r"1 of 84 values are not finite.*unit 3"):
        MEASURES[name](w)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize(
    "wrong", [torch.ones(4), torch.ones(0, 12), torch.ones(3, 12, dtype=torch.int64), [[1.0]]]
)
def test_what_is_no_weight_matrix_is_refused(name, wrong):
    with pytest.raises(InvalidValue):
        MEASURES[name](wrong)


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_changes_nothing_and_keeps_no_graph(name):
    w = weights().requires_grad_()
    before = w.detach().clone()
    found = MEASURES[name](w)
    assert torch.equal(w, before)
    fields = found if isinstance(found, tuple) else vars(found).values() if hasattr(
        found, "__dataclass_fields__"
    ) else [found]  # fmt: skip
    assert not any(isinstance(f, torch.Tensor) and f.requires_grad for f in fields)


@pytest.mark.parametrize("name", MEASURES)
def test_one_unit_and_rows_of_zeros_are_measured(name):
    MEASURES[name](torch.ones(1, 12))
    MEASURES[name](torch.zeros(3, 12))
