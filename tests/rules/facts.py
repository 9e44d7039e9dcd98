"""Where rules settle and what they become in a limit, as their papers and measurements say."""

import numpy as np
import pytest
import torch

from hebblab.errors import InvalidValue
from hebblab.rules import (
    HPCA,
    SOM,
    HardWTA,
    Hebb,
    HebbianAntiHebbian,
    Instar,
    KrotovHopfield,
    Oja,
    OjaSubspace,
    ProportionalWTA,
    Sanger,
    SoftHebb,
    SoftKrotov,
    SoftWTA,
)
from hebblab.rules.krotov import signed_power

VARIANCES = (5.0, 3.5, 2.5, 1.5, 0.5, 0.4, 0.3, 0.2)


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def uniform(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def spread(samples=400, variances=VARIANCES, seed=0):
    """Inputs without a mean whose second moment has exactly these eigenvalues, and its axes."""
    drawn = normal(samples, len(variances), seed=seed)
    columns = torch.linalg.qr(drawn - drawn.mean(0)).Q * samples**0.5
    axes = torch.linalg.qr(normal(len(variances), len(variances), seed=seed + 1)).Q
    return columns * torch.tensor(variances, dtype=torch.float64).sqrt() @ axes, axes


def settle(rule, inputs, weights, rate, steps):
    weights = weights.clone()
    for _ in range(steps):
        statistics = rule.statistics(inputs, weights)
        weights += rate * rule.change(statistics, weights)
        rule.advance(statistics, rate)
    return weights


def cosines(weights, axes):
    return weights @ axes.T / weights.norm(dim=1, keepdim=True)


def close(found, expected, tolerance):
    assert float((found - expected).abs().max()) < tolerance


def krotov_hopfield_settles_at_the_mean_at_p_norm_one():
    inputs = uniform(30, 8)
    weights = uniform(2, 8, seed=1)
    weights[1] = 0  # never answers, so that the other unit wins every input
    mean = inputs.mean(0)
    for p in (2.0, 2.5, 3.0, 4.0):
        rule = KrotovHopfield(delta=0, p=p, reduction="mean")
        settled = settle(rule, inputs, weights, 0.1, 1000)
        assert float(settled[0].norm(p=p)) == pytest.approx(1, abs=1e-5)
        close(settled[0], mean / mean.norm(p=p), 1e-5)
        power = mean ** (1 / (p - 1))
        assert p == 2 or float((settled[0] - power / power.norm(p=p)).abs().max()) > 1e-3
        assert not settled[1].any()


def krotov_hopfield_norms_grow_or_shrink_by_the_sign_of_the_pull():
    inputs, weights = normal(40, 12), normal(6, 12, seed=1)
    for p in (2.0, 3.0):
        rule = KrotovHopfield(p=p, reduction="sum", delta=1.5)
        pull = rule.statistics(inputs, weights)[1]
        slope = p * (signed_power(weights, p) * rule.update(inputs, weights)).sum(1)
        expected = p * pull * (1 - weights.abs().pow(p).sum(1))
        close(slope, expected, 1e-9 * float(expected.abs().max()))
        assert (pull > 0).any()
        assert (pull < 0).any()


def hebb_grows_along_the_leading_axis():
    inputs, axes = spread()
    grown = settle(Hebb(), inputs, normal(5, 8, seed=2), 0.1, 200)
    assert float(cosines(grown, axes)[:, 0].abs().min()) > 0.99999
    factor = settle(Hebb(), inputs, grown, 0.1, 1).norm(dim=1) / grown.norm(dim=1)
    close(factor, 1 + 0.1 * VARIANCES[0], 1e-6)


def hebb_with_unit_rows_is_the_limit_of_oja():
    inputs, _ = spread()
    weights = normal(3, 8, seed=2)
    by_power = weights.clone()
    for _ in range(300):
        by_power += 0.2 * Hebb().update(inputs, by_power)
        by_power /= by_power.norm(dim=1, keepdim=True)
    close(by_power, settle(Oja(), inputs, 0.1 * weights, 0.05, 600), 1e-4)


def instar_settles_at_the_means_of_clusters():
    centres = 4 * torch.eye(5, 10, dtype=torch.float64)
    samples = centres[:, None] + 0.3 * normal(5, 100, 10)
    start = centres + 0.5 * normal(5, 10, seed=1)
    for similarity in ("distance", "cosine"):
        rule = Instar(similarity=similarity)
        settled = settle(rule, samples.flatten(0, 1), start, 1.0, 80)
        close(settled, samples.mean(1), 1e-6)


def instar_settles_at_the_weighted_mean():
    inputs = normal(60, 8)
    rule = Instar(competition="softmax", temperature=0.5)
    settled = settle(rule, inputs, normal(5, 8, seed=1), 1.0, 600)
    shares = torch.softmax(inputs @ settled.T / 0.5, dim=1)
    close(settled, shares.T @ inputs / shares.sum(0)[:, None], 1e-6)


def oja_units_all_find_the_leading_axis_at_length_one():
    inputs, axes = spread()
    settled = settle(Oja(), inputs, 0.1 * normal(4, 8, seed=1), 0.05, 600)
    assert float(cosines(settled, axes)[:, 0].abs().min()) > 0.99998
    close(settled.norm(dim=1), 1, 1e-5)


def oja_settles_only_below_rate_times_eigenvalue_one():
    inputs, _ = spread()
    start = 0.1 * normal(1, 8, seed=1)

    def norms(factor):
        first = settle(Oja(), inputs, start, factor / VARIANCES[0], 400)
        return sorted(
            float(w.norm()) for w in (first, settle(Oja(), inputs, first, factor / VARIANCES[0], 1))
        )

    assert norms(0.9) == pytest.approx((1, 1), abs=1e-6)
    assert norms(1.05) == pytest.approx((0.87, 1.09), abs=0.01)
    assert not np.isfinite(norms(2.05)).all()


def oja_with_hard_winners_is_instar():
    inputs, weights = normal(30, 8), normal(5, 8, seed=1)
    for k in (1, 3):
        for reduction in ("mean", "sum", "max", "share"):
            knobs = {"competition": "hard", "k": k, "reduction": reduction}
            close(
                Oja(**knobs).update(inputs, weights), Instar(**knobs).update(inputs, weights), 1e-12
            )


def oja_subspace_spans_the_leading_axes_orthonormally():
    inputs, axes = spread()
    settled = settle(OjaSubspace(), inputs, 0.1 * normal(4, 8, seed=1), 0.05, 1500)
    close(settled @ settled.T, torch.eye(4, dtype=torch.float64), 1e-6)
    close(settled.T @ settled, axes[:4].T @ axes[:4], 1e-6)
    assert float(cosines(settled, axes).abs().max()) < 0.99, "turned, no axis by itself"


def oja_subspace_with_more_units_than_inputs_leaves_the_whole_space():
    inputs, _ = spread()
    settled = settle(OjaSubspace(), inputs, 0.1 * normal(20, 8, seed=1), 0.05, 3000)
    close(settled.T @ settled, torch.eye(8, dtype=torch.float64), 1e-5)


def sanger_finds_the_axes_in_order():
    inputs, axes = spread()
    settled = settle(Sanger(), inputs, 0.1 * normal(4, 8, seed=1), 0.1, 1000)
    found = cosines(settled, axes).abs()
    assert found.argmax(1).tolist() == [0, 1, 2, 3]
    assert float(found.diagonal().min()) > 0.9999
    close(settled.norm(dim=1), 1, 1e-4)


def hpca_with_relu_finds_pairs_of_axes():
    half, axes = spread(2000)
    inputs = torch.cat((half, -half))
    settled = settle(HPCA(), inputs, 0.3 * normal(6, 8, seed=1), 0.1, 2000)
    found = cosines(settled, axes)
    assert found.abs().argmax(1).sort().values.tolist() == [0, 0, 1, 1, 2, 2]
    assert float(found.abs().amax(1).min()) > 0.99
    for axis in range(3):
        pair = found[found.abs().argmax(1) == axis][:, axis]
        assert sorted(pair.sign().tolist()) == [-1, 1]
    close(settled.norm(dim=1), 1, 0.02)


def hpca_with_tanh_finds_axes_at_other_norms():
    inputs, axes = spread(4000)
    settled = settle(HPCA(activation="tanh"), inputs, 0.3 * normal(4, 8, seed=1), 0.1, 1000)
    assert float(cosines(settled, axes)[:, :4].abs().diagonal().min()) > 0.97
    close(settled.norm(dim=1), torch.tensor([2.10, 1.86, 1.67, 1.43]), 0.05)
    assert HPCA(activation="tanh").norm is None


def hpca_with_the_identity_is_sanger():
    inputs, weights = normal(30, 8), normal(5, 8, seed=1)
    rule = HPCA(activation="identity")
    assert torch.equal(rule.update(inputs, weights), Sanger().update(inputs, weights))


def hard_wta_settles_at_the_means_of_what_units_win():
    inputs = normal(200, 6)
    settled = settle(HardWTA(similarity="distance"), inputs, normal(5, 6, seed=1), 1.0, 60)
    nearest = torch.cdist(inputs, settled).argmin(1)
    for unit in nearest.unique():
        close(settled[unit], inputs[nearest == unit].mean(0), 1e-9)


def soft_wta_settles_at_the_weighted_means():
    inputs = uniform(60, 6)
    rule = SoftWTA(temperature=0.05)
    settled = settle(rule, inputs, uniform(4, 6, seed=1), 0.5, 800)
    shares = rule.shares(inputs, settled)
    close(settled, shares.T @ inputs / shares.sum(0)[:, None], 1e-6)


def soft_wta_cold_is_hard_wta_under_mean_and_sum():
    inputs, weights = uniform(60, 6), uniform(5, 6, seed=1)
    for similarity in ("dot", "cosine", "raised-cosine", "distance"):
        hard = HardWTA(similarity=similarity)
        best = hard.ranking(inputs, weights).topk(2, dim=1).values
        clear = inputs[(best[:, 0] - best[:, 1]) > 0.05]
        assert len(clear) > 5
        for reduction in ("mean", "sum"):
            cold = SoftWTA(temperature=1e-3, similarity=similarity, reduction=reduction)
            hard = HardWTA(similarity=similarity, reduction=reduction)
            close(cold.update(clear, weights), hard.update(clear, weights), 1e-9)


def soft_wta_hot_takes_every_unit_to_the_mean():
    inputs = uniform(60, 6)
    settled = settle(SoftWTA(temperature=100), inputs, uniform(4, 6, seed=1), 1.0, 10)
    close(settled, inputs.mean(0), 1e-3)


def proportional_wta_settles_at_the_weighted_means():
    inputs = uniform(60, 6)
    rule = ProportionalWTA(exponent=8)
    settled = settle(rule, inputs, uniform(4, 6, seed=1), 0.5, 2000)
    shares = rule.shares(inputs, settled)
    close(settled, shares.T @ inputs / shares.sum(0)[:, None], 1e-6)


def proportional_wta_makes_all_units_of_positive_inputs_nearly_alike():
    inputs = uniform(60, 6)
    settled = settle(ProportionalWTA(), inputs, uniform(4, 6, seed=1), 1.0, 300)
    close(settled, inputs.mean(0), 1e-3)


def proportional_wta_with_a_large_exponent_is_hard_wta():
    inputs, weights = uniform(60, 6), uniform(5, 6, seed=1)
    hard = HardWTA(similarity="dot", reduction="mean")
    best = hard.ranking(inputs, weights).topk(2, dim=1).values
    clear = inputs[best[:, 1] < 0.75 * best[:, 0]]
    assert len(clear) > 3
    rule = ProportionalWTA(exponent=100, reduction="mean")
    close(rule.update(clear, weights), hard.update(clear, weights), 1e-9)


def _held(rule, p, rate=0.02, steps=1500):
    """Settle on positive inputs; the rows of units whose pull is positive have p-norm 1."""
    inputs = uniform(60, 12).pow(3)
    settled = settle(rule, inputs, uniform(6, 12, seed=1), rate, steps)
    pull = rule.statistics(inputs, settled)[1]
    lively = pull > 1e-3 * pull.abs().max()
    assert int(lively.sum()) >= 3
    close(settled[lively].norm(p=p, dim=1), 1, 1e-3)


def softhebb_units_that_learn_more_than_they_unlearn_have_norm_one():
    _held(SoftHebb(temperature=0.05, reduction="mean"), 2.0, rate=0.1)
    _held(SoftHebb(temperature=0.5, anti_hebbian=False, reduction="mean"), 2.0, rate=0.2)


def softhebb_cold_is_krotov_hopfield_without_push():
    inputs, weights = 30 * normal(40, 8), 3 * normal(6, 8, seed=1)
    for reduction in ("max", "mean", "sum"):
        cold = SoftHebb(temperature=1e-2, reduction=reduction).update(inputs, weights)
        hard = KrotovHopfield(delta=0, reduction=reduction).update(inputs, weights)
        close(cold, hard, 1e-12 * float(hard.abs().max()))


def soft_krotov_units_that_learn_more_than_they_unlearn_have_p_norm_one():
    for p, push in ((2.0, "absolute"), (2.5, "relative"), (3.0, "absolute")):
        rule = SoftKrotov(p=p, push=push, temperature=0.05, delta=0.1, reduction="mean")
        _held(rule, p, rate=0.1)


def soft_krotov_cold_is_krotov_hopfield():
    inputs, weights = 300 * normal(40, 8), 3 * normal(6, 8, seed=1)
    for p in (2.0, 2.5, 4.0):
        for k in (2, 5):
            knobs = {"p": p, "k": k}
            cold = SoftKrotov(temperature=1e-2, delta=0.7, **knobs).update(inputs, weights)
            close(cold, KrotovHopfield(delta=0.7, **knobs).update(inputs, weights), 1e-14)
            cold = SoftKrotov(temperature=1e-2, delta=0.7, push="relative", **knobs)
            hard = KrotovHopfield(delta=0, **knobs)
            close(cold.update(inputs, weights), hard.update(inputs, weights), 1e-14)


def som_settles_at_the_weighted_means_exactly():
    inputs = normal(300, 2)
    trained = settle(SOM(radius=2.0), inputs, normal(16, 2, seed=1), 1.0, 20)
    rule = SOM(radius=1.0)
    settled = settle(rule, inputs, trained, 1.0, 100)
    close(settle(rule, inputs, settled, 1.0, 1), settled, 1e-12)
    best = torch.cdist(inputs, settled).argmin(1)
    places = torch.cartesian_prod(torch.arange(4), torch.arange(4)).double()
    carried = torch.exp(-torch.cdist(places, places).square() / 2)[best]
    close(settled, carried.T @ inputs / carried.sum(0)[:, None], 1e-12)


def som_narrow_is_hard_wta_by_distance():
    inputs, weights = normal(100, 5), normal(12, 5, seed=1)
    weights[3] = 5  # never wins
    for reduction in ("share", "mean", "sum"):
        hard = HardWTA(similarity="distance", reduction=reduction).update(inputs, weights)
        narrow = SOM(radius=0.1, reduction=reduction).update(inputs, weights)
        close(narrow, hard, 1e-5 if reduction == "share" else 1e-12)
    wider = SOM(radius=0.3).update(inputs, weights)
    hard = HardWTA(similarity="distance").update(inputs, weights)
    assert float((wider - hard).abs().max()) > 0.5, "share divides a faint part by itself"


def som_wide_takes_every_unit_to_the_mean():
    inputs = normal(100, 5) + 3
    settled = settle(SOM(radius=50.0), inputs, normal(16, 5, seed=1), 1.0, 5)
    close(settled, inputs.mean(0), 0.03)


def hebbian_anti_hebbian_filters_span_the_leading_axes_orthonormally():
    inputs, axes = spread()
    rule = HebbianAntiHebbian()
    settled = settle(rule, inputs, normal(4, 8, seed=1) / 8**0.5, 0.05, 3000)
    lateral = rule.buffers["lateral"]
    filters = torch.linalg.solve(lateral, settled)
    close(rule.filters(settled), filters, 1e-10)
    close(filters @ filters.T, torch.eye(4, dtype=torch.float64), 1e-4)
    close(filters.T @ filters, axes[:4].T @ axes[:4], 1e-3)
    eigenvalues = torch.linalg.eigvalsh(lateral).flip(0)
    close(eigenvalues, torch.tensor(VARIANCES[:4], dtype=torch.float64), 1e-2)


def hebbian_anti_hebbian_settles_up_to_tau_one():
    inputs, axes = spread()
    rule = HebbianAntiHebbian(tau=1.0)
    settled = settle(rule, inputs, normal(4, 8, seed=1) / 8**0.5, 0.05, 4000)
    filters = rule.filters(settled)
    close(filters.T @ filters, axes[:4].T @ axes[:4], 0.05)
    for tau in (1.0000001, 1.25, 2):
        with pytest.raises(InvalidValue, match=r"τ \(tau\) must be a number from 0.05 to 1"):
            HebbianAntiHebbian(tau=tau)


def hebbian_anti_hebbian_begins_as_twice_the_distance_to_the_power_step():
    inputs, weights = normal(30, 8), normal(4, 8, seed=1)
    moment = inputs.T @ inputs / len(inputs)
    close(HebbianAntiHebbian().update(inputs, weights), 2 * (weights @ moment - weights), 1e-12)


def hebbian_anti_hebbian_of_2015_spans_the_same_axes():
    inputs, axes = spread()
    for gamma, rate, steps in ((0.99, 0.05, 2000), (1.0, 1.0, 1500)):
        rule = HebbianAntiHebbian(variant="2015", gamma=gamma)
        settled = settle(rule, inputs, normal(4, 8, seed=1) / 8**0.5, rate, steps)
        lateral = rule.buffers["lateral"]
        assert not lateral.diagonal().any()
        filters = torch.linalg.solve(torch.eye(4, dtype=torch.float64) + lateral, settled)
        close(rule.filters(settled), filters, 1e-10)
        close(filters @ filters.T, torch.eye(4, dtype=torch.float64), 5e-3)
        close(filters.T @ filters, axes[:4].T @ axes[:4], 2e-2)
        outputs = rule.ranking(inputs, settled)
        moment = outputs.T @ outputs / len(inputs)
        # Where it rests, units inhibit each other by their correlation, seen from each.
        close(lateral, moment / moment.diagonal()[:, None] * (1 - torch.eye(4)), 2e-2)


def hebbian_anti_hebbian_of_2015_is_the_papers_step_on_one_sample():
    """Written down once more, sample after sample, without any mean or sum."""
    inputs, _ = spread(60)
    weights = normal(3, 8, seed=1) / 8**0.5
    rule = HebbianAntiHebbian(variant="2015", gamma=0.98)
    w, m = weights.numpy().copy(), np.zeros((3, 3))
    d = np.full(3, 2 * np.pi * np.mean(inputs[0].numpy() ** 2))
    for x in inputs.numpy():
        y = np.linalg.solve(np.eye(3) + m, w @ x)
        d = 0.98 * d + y**2
        w = w + y[:, None] * (x - w * y[:, None]) / d[:, None]
        m = m + y[:, None] * (y - m * y[:, None]) / d[:, None]
        np.fill_diagonal(m, 0)
    found = weights.clone()
    for x in inputs:
        statistics = rule.statistics(x[None], found)
        found += rule.change(statistics, found)
        rule.advance(statistics, 1.0)
    close(found, torch.from_numpy(w), 1e-10)
    close(rule.buffers["lateral"], torch.from_numpy(m), 1e-10)
    close(rule.buffers["activity"], torch.from_numpy(d), 1e-10)


def hebbian_anti_hebbian_without_answers_below_zero_meets_its_conditions():
    inputs = spread(200)[0].abs()
    for variant in ("2018", "2015"):
        rule = HebbianAntiHebbian(variant=variant, nonnegative=True)
        weights = settle(rule, inputs, normal(5, 8, seed=1).abs() / 8**0.5, 0.05, 400)
        matrix, drive = rule.circuit(weights), inputs @ weights.T
        answers = rule.ranking(inputs, weights)
        assert (answers >= 0).all() and 0.05 < (answers > 0).double().mean() < 0.95
        left = answers @ matrix.T - drive
        size = drive.abs().max()
        assert left[answers > 0].abs().max() < 0.02 * size
        assert left[answers == 0].min() > -0.02 * size
        assert torch.equal(rule.filters(weights), weights)
