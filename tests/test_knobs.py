"""The one declaration of a hyperparameter, and every way in which it is read."""

import math
from fractions import Fraction
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hebblab import InvalidValue, Knob, UnknownName, knob
from hebblab.knobs import Knobbed

DELTA = Knob("delta", "Δ", "anti-Hebbian", 0.4, 0, 2, "linear", "How hard.", step=0.01)
RATE = Knob("rate", "η", "rate", 0.1, 1e-4, 1, "log", "How fast.")
K = Knob("k", "k", "rank", 2, 2, 100, "integer", "Which.", up_to="units", slider_high=20)
MODE = Knob("mode", "mode", "mode", "max", None, None, "choice", "How.", choices=("max", "mean"))
FLAG = Knob("flag", "flag", "flag", False, None, None, "switch", "Whether.")
KNOBS = [DELTA, RATE, K, MODE, FLAG]


class Thing(Knobbed):
    name: ClassVar[str] = "thing"
    delta: float = knob(0.4, symbol="Δ", title="anti-Hebbian", low=0, high=2, help="How hard.")
    rate: float = knob(0.1, low=1e-4, high=1, scale="log", advanced=True)
    k: int = knob(2, low=2, high=100, slider=(2, 20), up_to="units")
    mode: str = knob("max", choices=("max", "mean"))
    flag: bool = knob(False, live=False)


@pytest.mark.parametrize("one", KNOBS, ids=lambda one: one.scale)
def test_every_invalid_value_is_refused_in_words(one):
    values = list(one.invalid_values())
    assert len(values) > 5
    for value in values:
        with pytest.raises(InvalidValue) as refused:
            one.check(value)
        assert one.label in str(refused.value)
        assert one.bounds in str(refused.value)
        assert len(str(refused.value)) < 250


@pytest.mark.parametrize(
    ("one", "value", "kept"),
    [
        (DELTA, 1, 1.0),
        (DELTA, 0, 0.0),
        (DELTA, 2.0, 2.0),
        (DELTA, np.float32(0.5), 0.5),
        (DELTA, np.int64(1), 1.0),
        (DELTA, Fraction(1, 4), 0.25),
        (DELTA, -0.0, 0.0),
        (K, 7, 7),
        (K, np.int32(7), 7),
        (MODE, "mean", "mean"),
        (MODE, np.str_("mean"), "mean"),
        (FLAG, True, True),
        (FLAG, np.bool_(True), True),
    ],
)
def test_a_valid_value_comes_back_in_the_knobs_own_type(one, value, kept):
    found = one.check(value)
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize("value", [torch.tensor(0.5), np.array(0.5), [0.5], "0.5", True, 0.5j])
def test_only_real_numbers_are_numbers(value):
    with pytest.raises(InvalidValue):
        DELTA.check(value)


@given(st.floats(allow_nan=True, allow_infinity=True) | st.integers())
@settings(derandomize=True, max_examples=300)
def test_a_number_is_taken_exactly_within_the_bounds(value):
    if math.isfinite(value) and 0 <= value <= 2:
        assert DELTA.check(value) == value
    else:
        with pytest.raises(InvalidValue):
            DELTA.check(value)


@given(st.floats(0, 2))
@settings(derandomize=True, max_examples=200)
def test_what_is_printed_is_parsed_again(value):
    assert DELTA.parse(repr(value)) == value
    assert DELTA.parse(f"  {value!r}\n") == value


@given(st.text(max_size=12))
@settings(derandomize=True, max_examples=300)
def test_any_text_is_a_value_or_a_refusal(text):
    for one in KNOBS:
        try:
            value = one.parse(text)
        except InvalidValue:
            continue
        assert one.check(value) == value


def test_text_is_read_as_a_person_writes_it():
    assert K.parse("7") == 7
    assert K.parse("7.0") == 7
    assert K.parse("1e1") == 10
    assert type(K.parse("1e1")) is int
    assert DELTA.parse(".5") == 0.5
    assert DELTA.parse("+1") == 1.0
    assert FLAG.parse("On") is True
    assert FLAG.parse("no") is False
    assert MODE.parse("mean") == "mean"
    seed = Knob("seed", "seed", "seed", 1, 0, 2**63 - 1, "integer", "Seed.")
    assert seed.parse("9007199254740993") == 9007199254740993


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (K, "7.5"),
        (K, "101"),
        (K, "1e400"),
        (K, "٣"),
        (K, "1_0"),
        (K, "0x7"),
        (K, ""),
        (DELTA, "nan"),
        (DELTA, "inf"),
        (DELTA, "1e999"),
        (DELTA, "0,5"),
        (DELTA, "half"),
        (DELTA, "9" * 100_000),
        (FLAG, "1"),
        (FLAG, "maybe"),
        (MODE, "maxx"),
    ],
)
def test_text_that_is_no_value_is_refused_shortly(one, text):
    with pytest.raises(InvalidValue) as refused:
        one.parse(text)
    assert len(str(refused.value)) < 250


def test_a_refusal_says_the_bounds_and_the_nearest_choice():
    with pytest.raises(InvalidValue, match=r"^Δ \(delta\) must be a number from 0 to 2, not 3\.$"):
        DELTA.check(3)
    with pytest.raises(InvalidValue, match=r"^k must be a whole number from 2 to 100, not 1\.$"):
        K.check(1)
    with pytest.raises(InvalidValue, match=r"must be one of max, mean.*Did you mean 'mean'"):
        MODE.check("meen")
    with pytest.raises(InvalidValue, match="must be on or off"):
        FLAG.check(1)


def test_the_units_of_a_layer_bound_a_rank():
    bounded = K.for_units(9)
    assert (bounded.high, bounded.slider_high) == (9, 9)
    with pytest.raises(InvalidValue, match="from 2 to 9"):
        bounded.check(10)
    assert K.for_units(50).slider_high == 20
    assert DELTA.for_units(1) is DELTA


@pytest.mark.parametrize(
    ("one", "value", "text"),
    [
        (DELTA, 0.4, "0.40"),
        (DELTA, 0.4567, "0.4567"),
        (DELTA, 0.0, "0"),
        (DELTA, 0.001, "0.001"),
        (RATE, 0.02, "0.02"),
        (RATE, 1e-4, "0.0001"),
        (K, 7, "7"),
        (FLAG, True, "on"),
        (MODE, "max", "max"),
    ],
)
def test_a_value_is_shown_as_short_as_it_is_true(one, value, text):
    assert one.text(value) == text


def test_a_declaration_is_read_back_whole_and_in_order():
    knobs = Thing().knobs()
    assert list(knobs) == ["delta", "rate", "k", "mode", "flag"]
    assert [one.scale for one in knobs.values()] == [
        "linear",
        "log",
        "integer",
        "choice",
        "switch",
    ]
    delta = knobs["delta"]
    assert (delta.symbol, delta.title, delta.default, delta.low, delta.high) == (
        ("Δ", "anti-Hebbian", 0.4, 0, 2)
    )
    assert (delta.help, delta.live, delta.advanced) == ("How hard.", True, False)
    assert delta.label == "Δ (delta)"
    assert knobs["rate"].symbol == knobs["rate"].title == "rate"
    assert knobs["rate"].advanced
    assert not knobs["flag"].live
    assert (knobs["k"].slider_low, knobs["k"].slider_high, knobs["k"].step) == (2, 20, 1)
    assert (delta.slider_low, delta.slider_high, delta.step) == (0, 2, 0.01)
    assert knobs["rate"].step == pytest.approx(10**0.05)


def test_a_refused_assignment_changes_nothing():
    thing = Thing()
    before = thing.values()
    for name, one in thing.knobs().items():
        for value in one.invalid_values():
            with pytest.raises(InvalidValue, match="must be"):
                setattr(thing, name, value)
            with pytest.raises(InvalidValue, match="must be"):
                Thing(**{name: value})
        assert thing.values() == before
    thing.delta = 1
    assert thing.delta == 1.0
    assert type(thing.delta) is float


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(UnknownName, match=r"'thing'.*Did you mean 'delta'"):
        Thing(dleta=1)
    with pytest.raises(UnknownName, match="Did you mean 'rate'"):
        Thing().ratte = 1
    with pytest.raises(UnknownName):
        Thing().name = "other"


def test_a_copy_with_other_values_leaves_the_first_alone():
    thing = Thing(delta=0.5)
    other = thing.with_(k=9)
    assert (other.delta, other.k, thing.k) == (0.5, 9, 2)
    with pytest.raises(InvalidValue):
        thing.with_(k=1)


def test_defaults_are_of_the_knobs_own_type():
    class Whole(Knobbed):
        x: float = knob(1, low=0, high=2, scale="linear")

    assert type(Whole().x) is float
    assert type(Whole.declared()["x"].default) is float


@pytest.mark.parametrize("value", [0.5, knob(0.5, low=0, high=1)])
def test_a_knob_without_a_type_is_told_of_in_words(value):
    with pytest.raises(
        TypeError, match=r"^'size' of Untyped has no type\. For a knob write size: "
    ):
        type(Knobbed)("Untyped", (Knobbed,), {"__module__": __name__, "size": value})


def test_a_whole_number_may_have_a_slider_in_decades():
    class Sized(Knobbed):
        size: int = knob(100, low=1, high=100_000, slider=(1, 1000), slider_log=True)

    size = Sized.declared()["size"]
    assert (size.scale, size.slider_log, size.step) == ("integer", True, 10**0.05)
    assert size.parse("130") == 130


@pytest.mark.parametrize(
    "declaration",
    [
        {"default": 0.5},
        {"default": 0.5, "low": 0},
        {"default": 3.0, "low": 0, "high": 1},
        {"default": float("nan"), "low": 0, "high": 1},
        {"default": 0.5, "low": 1, "high": 0},
        {"default": 0.0, "low": 0, "high": 0},
        {"default": 0.5, "low": 0, "high": math.inf},
        {"default": 0.5, "low": math.nan, "high": 1},
        {"default": 0.5, "low": 0, "high": 1, "slider": (0.8, 0.2)},
        {"default": 0.5, "low": 0, "high": 1, "slider": (0, 5)},
        {"default": 0.5, "low": 0, "high": 1, "scale": "log"},
        {"default": "x"},
        {"default": "x", "choices": ("y",)},
        {"default": None, "low": 0, "high": 1},
        {"default": 2.5, "low": 0, "high": 9, "scale": "integer"},
        {"default": 5, "low": 0, "high": 9, "slider_log": True},
        {"default": 0.5, "low": 0.1, "high": 9, "slider_log": True},
        {"default": True, "slider_log": True},
    ],
)
def test_a_declaration_that_no_value_could_meet_is_refused(declaration):
    with pytest.raises(TypeError):
        knob(**declaration)
