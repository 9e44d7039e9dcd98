"""How claims are held against numbers: paired, with intervals, in one of four words."""

import pytest
import scipy.stats

import hebblab as hl
from hebblab.experiments.papers import NotRun, claims
from hebblab.experiments.papers.results import Results


def found(**cells):
    """Return results of conditions by layer and seed: found(a={"L1": [1.0, 2.0, 3.0]})."""
    outcomes = {
        hl.papers.Cell(name, layer, seed): {"numbers": {"x": {"value": value}}}
        for name, layers in cells.items()
        for layer, values in layers.items()
        for seed, value in enumerate(values)
    }
    return Results(outcomes, {})


def test_claims_say_when_nothing_can_be_told():
    cells = {
        ("a", 1): 81.0, ("a", 2): 79.0, ("a", 3): 80.5,
        ("b", 1): 80.0, ("b", 2): 80.0, ("b", 3): 80.0,
    }  # fmt: skip
    outcomes = {
        hl.papers.Cell(name, "L1", seed): {"numbers": {"x": {"value": value}}}
        for (name, seed), value in cells.items()
    }
    results = Results(outcomes, {})
    told = claims.ordered("x", ("a", "L1"), ("b", "L1"))(results)
    assert told.word == "not reproduced"
    assert "cannot tell at n = 3" in told.reason
    near = claims.gap("x", ("a", "L1"), ("b", "L1"), 0.5, at_most=5.0)(results)
    assert near.word == "reproduced"
    assert claims.gap("x", ("a", "L1"), ("b", "L1"), None, 5.0)(results).word == (
        "ordering reproduced"
    )
    assert claims.gap("x", ("a", "L1"), ("b", "L1"), 0.5, at_most=1.0)(results).word == (
        "not reproduced"
    )


def test_alike_is_two_sided_and_a_gap_the_other_way_round_is_none():
    places = ("a", "L1"), ("b", "L1")
    far = found(a={"L1": [70.0, 70.1, 69.9]}, b={"L1": [80.0, 80.0, 80.0]})
    assert claims.gap("x", *places, None, 1.0)(far).word == "ordering reproduced"
    alike = claims.gap("x", *places, None, 1.0, either=True)(far)
    assert (alike.word, "±1" in alike.reason) == ("not reproduced", True)
    other = claims.gap("x", *places, 0.5, 1.5)(far)
    assert other.word == "not reproduced"
    assert other.reason.endswith("the other way round")
    near = found(a={"L1": [80.1, 80.2, 80.0]}, b={"L1": [80.0, 80.0, 80.0]})
    assert claims.gap("x", *places, None, 1.0, either=True)(near).word == "ordering reproduced"


def test_of_what_nothing_can_be_told_it_is_not_said_that_it_does_not_rise():
    rising = {"L1": [60.0, 60.0, 60.0], "L2": [62.0, 62.1, 61.9]}
    judge = claims.rises("x", "soft", ("L1", "L2"), against="hard")
    unsure = found(soft=rising, hard={"L1": [60.0, 60.0, 60.0], "L2": [65.0, 55.0, 66.0]})
    assert judge(unsure).word == "not reproduced"
    falling = found(soft=rising, hard={"L1": [60.0, 60.0, 60.0], "L2": [59.0, 59.1, 58.8]})
    told = judge(falling)
    assert told.word == "ordering reproduced"
    assert "soft rises by +3.03 more" in told.reason
    both = found(soft=rising, hard={"L1": [60.0, 60.0, 60.0], "L2": [61.0, 61.1, 60.9]})
    assert judge(both).word == "not reproduced", "the other rises too"


def test_what_is_reached_is_told_with_its_cost():
    outcomes = {
        hl.papers.Cell("a", "L1", seed): {
            "numbers": {"x": {"value": 98 + 0.1 * seed}, "s": {"value": 100.0 + seed}}
        }
        for seed in range(3)
    }
    results = Results(outcomes, {})
    judge = claims.reached("x", "s", ("a", "L1"), 97.5, 600)
    assert judge(results).word == "reproduced"
    assert "s: 101 (99 to 103)" in judge(results).reason
    assert claims.reached("x", "s", ("a", "L1"), 98.0, 600)(results).word == "not reproduced"
    assert claims.reached("x", "s", ("a", "L1"), 97.5, 102)(results).word == "not reproduced"


def test_a_rule_that_learns_nothing_has_not_converged_early():
    places = ("slow", "L1"), ("quick", "L1")
    judge = claims.both(claims.ordered("x", *places), claims.gained("x", places[0]))
    epochs = {"slow": {"L1": [10.0, 11.0, 10.5]}, "quick": {"L1": [1.0, 1.0, 2.0]}}
    assert judge(found(**epochs)).word == "ordering reproduced"
    nothing = claims.both(claims.ordered("x", *places), claims.gained("x", places[1]))
    still = epochs | {"quick": {"L1": [0.1, -0.1, 0.0]}}
    told = nothing(found(**still))
    assert told.word == "not reproduced"
    assert "quick, x: +0.00" in told.reason


def test_an_interval_that_most_numbers_lie_in_reproduces_none():
    judge = claims.number("x", ("a", "L1"), 84.0, 0.5)
    told = judge(found(a={"L1": [80.0, 84.0, 88.0]}))
    assert (told.word, told.reason.endswith("too wide an interval to tell")) == (
        "not reproduced",
        True,
    )
    assert "published 84 ± 0.5" in told.reason
    assert judge(found(a={"L1": [83.4, 83.5, 83.6]})).word == "reproduced", "within both intervals"


def test_an_ordering_tells_the_largest_p_value_of_its_steps():
    results = found(
        a={"L1": [83.0, 84.0, 85.0]}, b={"L1": [81.0, 82.1, 83.0]}, c={"L1": [80.0] * 3}
    )
    places = [(name, "L1") for name in "abc"]
    steps = [claims.ordered("x", *pair)(results).p for pair in (places[:2], places[1:])]
    assert claims.ordered("x", *places)(results).p == max(steps)


def test_the_p_value_of_an_ordering_is_that_of_the_paired_test():
    ours, theirs = [83.0, 84.0, 85.5], [81.0, 82.1, 83.0]
    told = claims.ordered("x", ("a", "L1"), ("b", "L1"))(found(a={"L1": ours}, b={"L1": theirs}))
    assert told.p == pytest.approx(scipy.stats.ttest_rel(ours, theirs).pvalue)


@pytest.mark.parametrize(
    ("published", "word"),
    [
        (82.6, "not reproduced"),
        (82.9, "reproduced"),
        (83.5, "reproduced"),
        (84.1, "reproduced"),
        (84.4, "not reproduced"),
    ],
)
def test_a_published_number_lies_in_our_interval_widened_by_theirs(published, word):
    ours = found(a={"L1": [83.4, 83.5, 83.6]})  # 83.25 to 83.75
    assert claims.number("x", ("a", "L1"), published, 0.5)(ours).word == word


def test_an_interval_of_a_point_on_either_side_is_not_too_wide():
    ours = found(a={"L1": [83.2, 83.5, 83.8]})  # half of 0.745
    assert claims.number("x", ("a", "L1"), 84.0)(ours).word == "reproduced"
    wider = found(a={"L1": [83.0, 83.5, 84.0]})  # half of 1.24
    assert claims.number("x", ("a", "L1"), 84.0)(wider).word == "not reproduced"


def test_places_are_told_with_their_layers_only_where_these_differ():
    results = found(a={"L1": [83.0, 84.0, 85.0], "L2": [86.0, 87.0, 88.5]}, b={"L1": [80.0] * 3})
    alike = claims.ordered("x", ("a", "L1"), ("b", "L1"))(results)
    assert alike.reason.startswith("a less b: +4.00 (")
    deep = claims.ordered("x", ("a", "L2"), ("a", "L1"), ("b", "L1"))(results)
    assert deep.reason.startswith("a at L2 less a at L1: +3.17 (")
    assert "; a at L1 less b at L1: +4.00 (" in deep.reason
    assert deep.word == "ordering reproduced"


def test_too_few_runs_are_told_as_they_are():
    few = found(
        soft={"L1": [60.0, 61.0], "L2": [62.5, 64.0]}, hard={"L1": [60.0, 60.0], "L2": [61.0, 60.0]}
    )
    with pytest.raises(NotRun, match=r"2 of at least 3 runs.*\(soft less soft: 2.50, 3.00\)"):
        claims.rises("x", "soft", ("L1", "L2"))(few)
    with pytest.raises(NotRun, match=r"\(soft less hard: 0.00, 1.00\)"):
        claims.ordered("x", ("soft", "L1"), ("hard", "L1"))(few)
    with pytest.raises(NotRun, match=r"\(soft: 60.00, 61.00\).*--seeds 3"):
        claims.number("x", ("soft", "L1"), 60.0)(few)


def test_only_runs_of_both_conditions_are_compared_in_their_rises():
    soft = {"L1": [60.0] * 4, "L2": [62.0, 62.5, 63.0, 90.0]}
    hard = {"L1": [60.0] * 3, "L2": [59.0, 59.5, 59.2]}
    told = claims.rises("x", "soft", ("L1", "L2"), against="hard")(found(soft=soft, hard=hard))
    assert "soft rises by +3.27 more" in told.reason
