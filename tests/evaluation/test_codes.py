import math

import numpy as np
import pytest
import sklearn.metrics
import torch

from hebblab.errors import InvalidValue
from hebblab.evaluation import hoyer, linear_cka, selectivity, treves_rolls, win_information


def test_sparseness_by_hand():
    # Unit 1 over samples: mean 1, mean square 2, a = 1/2, s = (1 - 1/2) / (1 - 1/4) = 2/3.
    # Unit 2: constant, s = 0. Samples: (2, 1): a = 2.25/2.5; (0, 1): a = .25/.5, each / (1 - 1/2).
    activity = torch.tensor([[2.0, 1.0], [0.0, 1.0], [2.0, 1.0], [0.0, 1.0]])
    lifetime, population = treves_rolls(activity)
    assert lifetime == pytest.approx((2 / 3 + 0) / 2)
    assert population == pytest.approx((2 * (1 - 0.9) / 0.5 + 2 * (1 - 0.5) / 0.5) / 4)


def test_sparseness_goes_from_dense_to_one_of_n():
    assert treves_rolls(torch.ones(5, 7)) == pytest.approx((0, 0))
    assert treves_rolls(torch.eye(6)) == pytest.approx((1, 1))


def test_what_never_answers_has_no_sparseness():
    activity = torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    alone = torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    assert treves_rolls(activity)[0] == pytest.approx(treves_rolls(alone)[0])
    assert all(math.isnan(number) for number in treves_rolls(torch.zeros(3, 3)))


def test_sparseness_does_not_depend_on_scale():
    activity = torch.rand(20, 9, generator=torch.Generator().manual_seed(0))
    assert treves_rolls(activity * 37) == pytest.approx(treves_rolls(activity))


def test_hoyer_by_hand():
    # (3, 4): d = 2, (sqrt 2 - 7/5) / (sqrt 2 - 1).
    wanted = (math.sqrt(2) - 1.4) / (math.sqrt(2) - 1)
    assert hoyer(torch.tensor([3.0, -4.0])) == pytest.approx(wanted)
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0], [0.0, 9.0]])
    assert hoyer(rows) == pytest.approx((wanted + 1) / 2)
    assert math.isnan(hoyer(torch.zeros(2, 3)))
    with pytest.raises(InvalidValue, match="at least 2"):
        hoyer(torch.ones(3, 1))


def test_selectivity_by_hand():
    # Unit 1: class means 4, 1, 1: (4 - 1) / (4 + 1). Unit 2: 2, 0, 1: (2 - .5) / (2 + .5).
    activity = torch.tensor([[3.0, 2.0, 0.0], [5.0, 2.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    found = selectivity(activity, torch.tensor([0, 0, 1, 2]), 3)
    assert found.tolist() == pytest.approx([0.6, 0.6, 0.0])
    alike = selectivity(torch.ones(4, 2), torch.tensor([0, 1, 0, 1]), 2)
    assert alike.tolist() == [0, 0]


def test_win_information_is_scikit_learns_in_bits():
    generator = torch.Generator().manual_seed(0)
    winners = torch.randint(0, 6, (400,), generator=generator)
    labels = (winners + torch.randint(0, 3, (400,), generator=generator)) % 4
    wanted = sklearn.metrics.mutual_info_score(labels, winners) / math.log(2)
    assert win_information(winners, labels, 6, 4) == pytest.approx(wanted)


def test_win_information_at_its_ends():
    labels = torch.arange(8) % 4
    assert win_information(labels, labels, 4, 4) == pytest.approx(2.0)
    assert win_information(torch.zeros(8, dtype=torch.int64), labels, 4, 4) == pytest.approx(0)


def kernel_cka(x, y, debiased):
    """From kernels, entry by entry: Kornblith's form, or Song's sum over distinct samples."""
    n = len(x)
    k, m = x @ x.T, y @ y.T
    if not debiased:
        centre = np.eye(n) - 1 / n

        def alike(a, b):
            return np.trace(a @ centre @ b @ centre)
    else:

        def alike(a, b):
            total = 0.0
            for i in range(n):
                for j in range(n):
                    if j != i:
                        total += a[i, j] * b[i, j] / (n * (n - 3))
            sums = (a - np.diag(np.diag(a))).sum(1), (b - np.diag(np.diag(b))).sum(1)
            total += sums[0].sum() * sums[1].sum() / (n * (n - 1) * (n - 2) * (n - 3))
            return total - 2 * (sums[0] @ sums[1]) / (n * (n - 2) * (n - 3))

    return alike(k, m) / math.sqrt(alike(k, k) * alike(m, m))


@pytest.mark.parametrize("debiased", [False, True])
def test_cka_is_its_kernel_form(debiased):
    random = np.random.default_rng(0)
    x = random.normal(size=(14, 5))
    y = np.c_[x[:, :2], random.normal(size=(14, 4))]
    found = linear_cka(torch.from_numpy(x), torch.from_numpy(y), debiased)
    assert found == pytest.approx(kernel_cka(x, y, debiased))


def test_cka_forgets_turns_and_scale():
    x = torch.randn(30, 4, generator=torch.Generator().manual_seed(0)).double()
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(1)).double()).Q
    assert linear_cka(x, 3 * x @ turn + 5) == pytest.approx(1)


def test_only_the_debiased_one_tells_noise_from_noise():
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(40, 800, generator=generator) for _ in range(2))
    assert linear_cka(x, y) > 0.9
    assert abs(linear_cka(x, y, debiased=True)) < 0.1


def test_codes_that_are_none_are_refused():
    with pytest.raises(InvalidValue, match="at least 0 everywhere"):
        treves_rolls(torch.tensor([[1.0, -1.0], [0.0, 1.0]]))
    with pytest.raises(InvalidValue, match="at least two of each"):
        treves_rolls(torch.ones(1, 4))
    with pytest.raises(InvalidValue, match="floating tensor"):
        selectivity(torch.ones(4), torch.zeros(4, dtype=torch.int64), 2)
    with pytest.raises(InvalidValue, match="same samples"):
        linear_cka(torch.ones(5, 2), torch.ones(4, 2))
    with pytest.raises(InvalidValue, match="at least 4"):
        linear_cka(torch.ones(3, 2), torch.ones(3, 2), debiased=True)


def test_units_that_are_not_finite_are_refused_and_not_left_out():
    broken = torch.tensor([[torch.nan, 1.0], [2.0, 0.0]])
    labels = torch.tensor([0, 1])
    for call in (
        lambda: treves_rolls(broken),
        lambda: hoyer(broken),
        lambda: selectivity(broken, labels, 2),
    ):
        with pytest.raises(InvalidValue, match="not finite"):
            call()
    for wrong in (torch.tensor(3.0), [[1.0, 2.0]], None):
        with pytest.raises(InvalidValue, match="of a tensor"):
            hoyer(wrong)
    with pytest.raises(InvalidValue, match="floating tensor"):
        treves_rolls(torch.ones(2, 2).numpy())


def test_a_class_without_samples_does_not_count():
    activity = torch.tensor([[3.0, 1.0], [1.0, 1.0], [3.0, 1.0]])
    labels = torch.tensor([0, 1, 0])
    assert selectivity(activity, labels, 10).tolist() == [0.5, 0.0]
    assert selectivity(activity, torch.zeros(3).long(), 10).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_no_scale_is_too_small_or_large_for_sparseness(scale):
    activity = torch.rand(9, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    activity[:, 1] = 0
    assert treves_rolls(scale * activity) == pytest.approx(treves_rolls(activity))
    assert hoyer(scale * activity) == pytest.approx(hoyer(activity))
