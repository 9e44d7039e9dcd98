"""What can be set around a rule: declared once, bounded, and refused in words where it clashes."""

import pytest

from hebblab import InvalidValue, UnknownName, rules
from hebblab.nn import InputNorm, RePU, Whitening
from hebblab.rules import Rule
from hebblab.rules.registry import RESERVED
from hebblab.training import OPTIONS, LayerOptions, refuse_contradictions


def refused(name, words, knobs=None, **options):
    with pytest.raises(InvalidValue, match=words) as error:
        refuse_contradictions(rules.create(name, **(knobs or {})), LayerOptions(**options))
    assert len(str(error.value)) < 300
    with pytest.raises(InvalidValue, match="'conv1'"):
        refuse_contradictions(
            rules.create(name, **(knobs or {})), LayerOptions(**options), layer="conv1"
        )


def accepted(name, knobs=None, **options):
    refuse_contradictions(rules.create(name, **(knobs or {})), LayerOptions(**options))


def test_by_default_nothing_is_done_around_a_rule():
    said = LayerOptions().values()
    assert said.pop("learning_rate") == 0.1
    assert {name: value for name, value in said.items() if isinstance(value, bool) and value} == {}
    assert (said["n"], said["norm_adaptive_lr"], said["pruning"]) == (1.0, 0.0, 0.0)
    assert (said["input_norm"], said["zca"], said["patches_per_batch"]) == ("none", "none", 0)
    for name in rules.available():
        accepted(name)


def test_no_rule_may_take_a_name_of_theirs():
    assert set(OPTIONS) <= RESERVED


@pytest.mark.parametrize("name", OPTIONS)
def test_each_is_explained_and_refuses_what_it_cannot_be(name):
    knob = OPTIONS[name]
    assert knob.help.endswith(".") and 10 < len(knob.help) < 90
    assert knob.live is (name != "pruning"), "another mask is another network"
    for bad in knob.invalid_values():
        with pytest.raises(InvalidValue):
            LayerOptions(**{name: bad})


def test_modules_of_the_network_declare_their_own():
    for name, own in (
        ("n", RePU.knob("n")),
        ("triangle", RePU.knob("triangle")),
        ("input_norm", InputNorm.knob()),
        ("zca_epsilon", Whitening.knob()),
    ):
        mine = OPTIONS[name]
        for what in ("default", "low", "high", "scale", "choices", "symbol", "title", "help"):
            assert getattr(mine, what) == getattr(own, what), (name, what)
        assert mine.step == own.step


def test_pruning_everything_is_out_of_bounds():
    assert LayerOptions(pruning=0.999).pruning == 0.999
    for share in (1, 1.0, 0.9991):
        with pytest.raises(InvalidValue, match=r"pruning.*from 0 to 0\.999"):
            LayerOptions(pruning=share)


def test_a_wrong_name_comes_with_the_nearest():
    with pytest.raises(UnknownName, match="Did you mean 'thresholds'"):
        LayerOptions(treshholds=True)


@pytest.mark.parametrize(
    "name",
    [
        *("krotov-hopfield", "softhebb", "soft-krotov", "oja-subspace", "sanger"),
        "hebbian-anti-hebbian",
    ],
)
def test_unit_norm_rows_are_refused_where_a_rule_bounds_itself(name):
    refused(name, f"'{name}' holds its own norm.*Leave row_norm off", row_norm=True)


def test_unit_norm_rows_are_taken_by_rules_without_a_bound():
    for name in ("hebb", "oja", "instar", "hard-wta", "soft-wta", "proportional-wta", "som"):
        accepted(name, row_norm=True)


def test_thresholds_need_winners_that_are_counted():
    accepted("hard-wta", thresholds=True)
    for name in ("instar", "hebb", "oja"):
        for competition in ("hard", "graded"):
            accepted(name, {"competition": competition}, thresholds=True)
        for competition in ("softmax", "relu", "proportional"):
            refused(name, "no winners.*Choose", {"competition": competition}, thresholds=True)
    for name in ("krotov-hopfield", "softhebb", "soft-wta", "sanger", "som", "proportional-wta"):
        refused(name, "no winners.*Choose", thresholds=True)


def test_abstention_needs_a_competition():
    for name in ("hard-wta", "soft-wta", "proportional-wta", "instar"):
        accepted(name, abstention=True)
    for competition in ("hard", "graded", "softmax", "proportional"):
        accepted("hebb", {"competition": competition}, abstention=True)
    for competition in ("none", "relu"):
        refused(
            "oja", "has none.*such as 'hard-wta'", {"competition": competition}, abstention=True
        )
    for name in ("krotov-hopfield", "softhebb", "sanger", "som", "hebbian-anti-hebbian"):
        refused(name, "out of a competition.*has none", abstention=True)


def test_a_norm_adaptive_rate_needs_a_norm():
    for name in ("softhebb", "krotov-hopfield", "oja", "sanger", "oja-subspace", "soft-krotov"):
        accepted(name, norm_adaptive_lr=0.5)
    for name in ("hebb", "instar", "hard-wta", "soft-wta", "som", "hebbian-anti-hebbian"):
        refused(name, "holds no norm.*such as 'softhebb'", norm_adaptive_lr=0.5)
    refused("hpca", "holds no norm", {"activation": "tanh"}, norm_adaptive_lr=0.5)


def test_a_teacher_needs_a_competition_to_decide():
    for name in ("hard-wta", "soft-wta", "proportional-wta", "instar", "hebb", "oja"):
        accepted(name, teacher=True)
    for name in ("krotov-hopfield", "softhebb", "sanger", "hpca", "oja-subspace", "som"):
        refused(name, "no competition that a teacher could decide", teacher=True)


def test_a_teacher_needs_a_rule_that_hears_it():
    class Deaf(Rule):
        """Its update knows no targets."""

        name = "deaf"
        teachable = True

        def update(self, inputs, weights):
            return weights

    with pytest.raises(InvalidValue, match="no competition that a teacher could decide"):
        refuse_contradictions(Deaf(), LayerOptions(teacher=True))


def test_units_with_a_place_need_all_connections():
    for name in ("sanger", "hpca", "som"):
        refused(name, "its place among the others.*Leave pruning at 0", pruning=0.5)
    for name in ("krotov-hopfield", "oja", "oja-subspace", "hard-wta", "hebbian-anti-hebbian"):
        accepted(name, pruning=0.5)
