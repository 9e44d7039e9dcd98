import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from hebblab.errors import InvalidValue
from hebblab.evaluation import (
    holm,
    mcnemar,
    paired_difference,
    paired_p_value,
    student_interval,
    student_quantile,
    verdict,
)

RUNS = [0.913, 0.921, 0.908, 0.917, 0.915]


def test_the_interval_over_five_runs_is_the_textbooks():
    mean, low, high = student_interval(RUNS)
    # By hand: s = 0.0048166, t(.975, 4) = 2.776445, half = t s / sqrt(5) = 0.0059806.
    assert mean == pytest.approx(0.9148)
    assert (high - low) / 2 == pytest.approx(0.0059806, abs=1e-6)


@pytest.mark.parametrize("n", [3, 4, 5, 10, 31])
def test_the_interval_is_scipys(n):
    values = np.random.default_rng(n).normal(0.5, 0.1, n)
    wanted = scipy.stats.t.interval(0.95, n - 1, values.mean(), scipy.stats.sem(values))
    mean, low, high = student_interval(values.tolist())
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx(wanted)


def test_equal_runs_leave_no_doubt():
    assert student_interval([0.5] * 4) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("values", [[0.9], [0.9, 0.8]])
def test_under_three_runs_there_is_a_mean_and_no_interval(values):
    mean, low, high = student_interval(values)
    assert mean == pytest.approx(sum(values) / len(values))
    assert math.isnan(low)
    assert math.isnan(high)


@pytest.mark.parametrize("values", [[], [0.9, math.nan, 0.8], [0.9, math.inf]])
def test_an_interval_refuses_what_is_no_number(values):
    with pytest.raises(InvalidValue, match="finite"):
        student_interval(values)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 8, 29, 30, 100, 999, 4000])
@pytest.mark.parametrize("probability", [0.6, 0.9, 0.975, 0.9995])
def test_quantiles_are_scipys(freedom, probability):
    wanted = scipy.stats.t.ppf(probability, freedom)
    assert student_quantile(probability, freedom) == pytest.approx(wanted, rel=1e-8)
    assert student_quantile(1 - probability, freedom) == pytest.approx(-wanted, rel=1e-7)


def test_the_median_is_zero():
    assert student_quantile(0.5, 3) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("probability", "freedom"), [(0.0, 3), (1.0, 3), (0.9, 0), (math.nan, 3)])
def test_quantiles_refuse_what_has_none(probability, freedom):
    with pytest.raises(InvalidValue):
        student_quantile(probability, freedom)


@pytest.mark.parametrize("numbers", [("a", 0.1, 3), (0.1, None, 3), (0.1, 0.2, "3")])
def test_a_verdict_refuses_what_is_no_interval(numbers):
    with pytest.raises(InvalidValue, match="must be"):
        verdict(*numbers)


def test_pairing_takes_away_what_runs_have_in_common():
    other = [value - 0.01 - 0.001 * place for place, value in enumerate(RUNS)]
    mean, low, high = paired_difference(RUNS, other)
    assert mean == pytest.approx(0.012)
    assert low > 0
    assert high - low < 0.005
    wanted = scipy.stats.ttest_rel(RUNS, other).confidence_interval(0.95)
    assert (low, high) == pytest.approx((wanted.low, wanted.high))


@pytest.mark.parametrize("n", [3, 4, 8, 30])
@pytest.mark.parametrize("apart", [0.0, 0.002, 0.05, 5.0])
def test_the_p_value_of_pairs_is_scipys(n, apart):
    generator = np.random.default_rng(n)
    ours = generator.normal(0.9, 0.01, n)
    theirs = ours - apart + generator.normal(0, 0.01, n)
    wanted = scipy.stats.ttest_rel(ours, theirs).pvalue
    assert paired_p_value(ours, theirs) == pytest.approx(wanted, rel=1e-6, abs=1e-14)
    assert paired_p_value(theirs, ours) == pytest.approx(wanted, rel=1e-6, abs=1e-14)


def test_pairs_that_are_too_few_or_all_alike_have_their_own_p_values():
    assert math.isnan(paired_p_value([0.9, 0.8], [0.7, 0.7]))
    assert paired_p_value(RUNS, RUNS) == 1.0
    assert paired_p_value([0.5, 0.75, 1.0], [0.25, 0.5, 0.75]) == 0.0


def test_pairs_need_partners():
    with pytest.raises(InvalidValue, match="not 5 and 4"):
        paired_difference(RUNS, RUNS[:4])


def test_words():
    assert verdict(0.001, 0.02, 5) == "better"
    assert verdict(-0.02, -0.001, 5) == "worse"
    assert verdict(0.0, 0.02, 5) == "cannot tell at n = 5"
    assert verdict(math.nan, math.nan, 2) == "cannot tell at n = 2"


@pytest.mark.parametrize(
    ("only_a", "only_b"), [(0, 0), (0, 1), (0, 6), (5, 15), (10, 10), (120, 180), (3000, 3200)]
)
def test_mcnemar_is_the_binomial_test(only_a, only_b):
    n = only_a + only_b
    wanted = scipy.stats.binomtest(only_a, n).pvalue if n else 1.0
    assert mcnemar(only_a, only_b) == pytest.approx(wanted, rel=1e-6)
    assert mcnemar(only_b, only_a) == mcnemar(only_a, only_b)


def test_mcnemar_by_hand():
    # Six of six the same way: 2 / 2^6.
    assert mcnemar(0, 6) == pytest.approx(2 / 64)
    with pytest.raises(InvalidValue):
        mcnemar(-1, 3)


def by_definition(p_values):
    """Holm: the i-th smallest times what is left, never below one before it."""
    count = len(p_values)
    ranked = sorted(range(count), key=lambda place: p_values[place])
    scaled = [min(1.0, (count - rank) * p_values[place]) for rank, place in enumerate(ranked)]
    raised = list(itertools.accumulate(scaled, max))
    return [raised[ranked.index(place)] for place in range(count)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_its_definition(p_values):
    assert holm(p_values) == pytest.approx(by_definition(p_values))


def test_holm_on_its_usual_example():
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([]) == []


def test_what_is_no_p_value_is_refused_and_one_of_too_few_runs_left_alone():
    found = holm([math.nan, 0.01, 0.04])
    assert math.isnan(found[0])
    assert found[1:] == pytest.approx([0.02, 0.04])
    assert holm([0.01, math.nan, 0.04])[2] == pytest.approx(0.04)
    for wrong in ([2, 0.1], [-0.1], [math.inf]):
        with pytest.raises(InvalidValue, match="from 0 to 1"):
            holm(wrong)


@pytest.mark.parametrize("wrong", [[1, None], 5, ["a"], "", [math.inf]])
def test_runs_that_are_no_numbers_are_refused(wrong):
    with pytest.raises(InvalidValue, match=r"finite number|list of numbers"):
        student_interval(wrong)


def test_counts_are_whole():
    for wrong in (1.5, "a", True, None):
        with pytest.raises(InvalidValue, match="whole number"):
            mcnemar(wrong, 2)
