import pytest

from hebblab import errors
from hebblab.errors import shown, unknown


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.UnknownName, LookupError),
        (errors.InvalidValue, ValueError),
        (errors.WrongState, RuntimeError),
        (errors.DataUnavailable, OSError),
        (errors.Diverged, ArithmeticError),
        (errors.NotFinite, errors.InvalidValue),
        (errors.NotFinite, errors.Diverged),
    ],
)
def test_each_error_is_ours_and_pythons(kind, builtin):
    assert issubclass(kind, errors.HebblabError)
    assert issubclass(kind, builtin)
    assert str(kind("a sentence.")) == "a sentence."


def test_the_nearest_name_is_offered_and_no_far_one():
    assert "Did you mean 'soft-wta'?" in str(unknown("rule", "softwta", ["soft-wta", "oja"]))
    assert "Did you mean" not in str(unknown("rule", "zzzzzz", ["soft-wta", "oja"]))


def test_all_names_are_listed_in_order_with_the_advice_last():
    text = str(unknown("data set", "x", ["mnist", "cifar"], "hebblab data lists them."))
    assert text == "There is no data set 'x'. Known: cifar, mnist. hebblab data lists them."
    assert str(unknown("layer", "x", [])) == "There is no layer 'x'."


class Hostile:
    def __repr__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "thing",
    [None, 3, [1] * 10_000, {"a": "b" * 10_000}, "x" * 10_000_000, 10**100_000, Hostile(), b"\0"],
    ids=lambda thing: type(thing).__name__,
)
def test_whatever_is_named_the_text_stays_short(thing):
    assert len(shown(thing)) < 120
    text = str(unknown("rule", thing, ["oja"]))
    assert "Known: oja." in text
    assert len(text) < 300


def test_what_is_shown_is_recognised():
    assert shown("short") == "'short'"
    assert shown("a" * 70).startswith("'aaaa")
    assert "70 characters" in shown("a" * 70)
    assert "100,000 bits" in shown(1 << 99_999)
    assert shown(True) == "True"
    assert "RuntimeError" in shown(Hostile())


def test_a_text_that_would_break_a_line_is_escaped():
    assert "\n" not in shown("one\ntwo")
    assert "\x1b" not in str(unknown("rule", "\x1b[31m", ["oja"]))
