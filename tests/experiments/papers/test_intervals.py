"""Intervals over runs: no bound of a percentage that cannot be, and none that is cut in silence."""

import dataclasses
import math

import pytest

import hebblab as hl
from hebblab.evaluation import student_interval
from hebblab.experiments.papers import claims, pages
from hebblab.experiments.papers.intervals import cut, is_share, summary
from hebblab.experiments.papers.results import PaperResult, Results
from hebblab.experiments.papers.talloen import GAP

ACCURACY = "test accuracy, %"


def numbers(*values):
    return [{"value": value} for value in values]


@pytest.mark.parametrize(
    ("values", "ends", "kind"),
    [
        ((97.0, 99.0, 100.0), (None, 100.0), "Student t, 3 runs, cut at 100"),
        ((1.0, 0.5, 3.0), (0.0, None), "Student t, 3 runs, cut at 0"),
        ((0.0, 50.0, 100.0), (0.0, 100.0), "Student t, 3 runs, cut at 0 and 100"),
        ((80.0, 81.0, 82.0), (None, None), "Student t, 3 runs"),
        ((97.0, 99.0, 100.0, 100.0), (None, 100.0), "Student t, 4 runs, cut at 100"),
    ],
)
def test_a_percentage_ends_where_percentages_end_and_says_so(values, ends, kind):
    found = summary(numbers(*values), ACCURACY)
    mean, low, high = student_interval(values)
    assert found["ours"] == mean
    assert found["low"] == (low if ends[0] is None else ends[0])
    assert found["high"] == (high if ends[1] is None else ends[1])
    assert (found["interval"], found["n"]) == (kind, len(values))


@pytest.mark.parametrize("measure", ["seconds an epoch", GAP, "points gained", "epochs until 95 %"])
def test_what_is_no_share_is_as_it_is(measure):
    values = (-3.0, 0.0, 110.0)
    found = summary(numbers(*values), measure)
    assert (found["low"], found["high"]) == student_interval(values)[1:]
    assert found["interval"] == "Student t, 3 runs"
    assert not is_share(measure)


def test_one_run_and_two_have_nothing_to_cut():
    one = summary([{"value": 100.0, "low": 99.6, "high": 100.0, "n": 1000}], ACCURACY)
    assert (one["high"], one["interval"]) == (100.0, "Wilson, 1,000 images")
    two = summary(numbers(90.0, 100.0), ACCURACY)
    assert math.isnan(two["low"])
    assert two["interval"] == ""
    assert summary([], ACCURACY)["n"] == 0
    low, high, words = cut(ACCURACY, math.nan, math.nan)
    assert math.isnan(low) and math.isnan(high) and not words


def test_pages_and_reasons_print_no_impossible_bound(fake):
    place = ("ours", "L1")
    judge = claims.number(ACCURACY, place, 98.0)
    near = dataclasses.replace(
        fake, published=(), claims=(hl.papers.Claim("It is 98.", judge),), layers=("L1",)
    )
    outcomes = {
        hl.papers.Cell(*place, seed): {
            "numbers": {ACCURACY: {"value": value}},
            "about": {},
            "data": {"title": "x", "fingerprint": "y"},
            "cpu_seconds": 1.0,
            "made": {},
        }
        for seed, value in ((1, 97.0), (2, 99.0), (3, 100.0))
    }
    result = PaperResult(near, fake.data(), outcomes, {})
    (row,) = pages.sections(result)["numbers"][1].splitlines()[2:3]
    assert "94.87 to 100.00 (Student t, 3 runs, cut at 100)" in row
    (claim,) = result.claims
    assert "98.67 (94.87 to 100.00, cut at 100, n = 3)" in claim[2]
    reached = claims.reached(ACCURACY, "s", place, 90.0, 10)
    spent = {
        cell: {"numbers": one["numbers"] | {"s": {"value": 1.0}}} for cell, one in outcomes.items()
    }
    assert "(94.87 to 100.00, cut at 100, n = 3)" in reached(Results(spent, {})).reason
