import pytest

from hebblab import presets, rules
from hebblab.cli.settings import parsed
from hebblab.errors import InvalidValue, UnknownName
from hebblab.recipes import OPTIONS, SETTINGS

RECIPE = presets.get("mnist-krotov")


def test_each_text_is_parsed_by_its_own_knob():
    given = ["delta=0.2", " k = 7 ", "n=1", "row_norm=off", "steps=12", "decay=linear", "seed=5"]
    assert parsed(given, RECIPE) == {
        "delta": 0.2,
        "k": 7,
        "n": 1.0,
        "row_norm": False,
        "steps": 12,
        "decay": "linear",
        "seed": 5,
    }


def test_words_stay_words_and_the_last_of_two_counts():
    given = ["data=a=b", "network=dense-400", "init=uniform(0, 0.2)", "delta=1", "delta=0.5"]
    assert parsed(given, RECIPE) == {
        "data": "a=b",
        "network": "dense-400",
        "init": "uniform(0, 0.2)",
        "delta": 0.5,
    }


def test_a_rule_brings_its_own_knobs():
    assert parsed(["rule=soft-wta", "temperature=0.1"], RECIPE)["temperature"] == 0.1
    with pytest.raises(UnknownName, match="temperature"):
        parsed(["temperature=0.1"], RECIPE)
    with pytest.raises(UnknownName, match="'delta'"):
        parsed(["rule=soft-wta", "delta=0.1"], RECIPE)


def test_a_world_brings_its_own_knobs():
    cloud = presets.get("cloud-oja")
    assert parsed(["elongation=4", "centring=off", "samples=500"], cloud) == {
        "elongation": 4.0,
        "centring": False,
        "samples": 500,
    }
    assert parsed(["data=clusters-2d", "number=3"], RECIPE)["number"] == 3
    with pytest.raises(InvalidValue, match="elongation"):
        parsed(["elongation=0.5"], cloud)
    for given, recipe in ((["elongation=3"], RECIPE), (["data=ring-2d", "angle=3"], cloud)):
        with pytest.raises(UnknownName):
            parsed(given, recipe)


def test_a_large_seed_keeps_every_digit():
    assert parsed(["seed=9007199254740993"], RECIPE) == {"seed": 2**53 + 1}


@pytest.mark.parametrize("text", ["delta", "=1", "", " = ", "x" * 100_000])
def test_what_is_no_assignment_is_refused_with_an_example(text):
    with pytest.raises(InvalidValue, match=r"--set delta=0\.2") as refusal:
        parsed([text], RECIPE)
    assert len(str(refusal.value)) < 300


def test_an_unknown_name_meets_the_nearest():
    with pytest.raises(UnknownName, match="Did you mean 'delta'"):
        parsed(["dleta=0.2"], RECIPE)
    with pytest.raises(UnknownName, match="Did you mean 'oja'"):
        parsed(["rule=oya"], RECIPE)


def _typed(value: object) -> str | None:
    """Return a value as a person could type it, None where typing makes it a right one."""
    if value is None or isinstance(value, str):
        return value
    return str(value)


@pytest.mark.parametrize("rule", rules.available())
def test_every_knob_refuses_its_invalid_values_as_text(rule):
    knobs = {**SETTINGS, **OPTIONS, **rules.get(rule).declared()}
    tried = 0
    for name, knob in knobs.items():
        for value in knob.invalid_values():
            text = _typed(value)
            if text is None:
                continue
            try:
                accepted = parsed([f"rule={rule}", f"{name}={text}"], RECIPE)[name]
            except InvalidValue as refusal:
                assert knob.bounds in str(refusal)
                assert len(str(refusal)) < 1000
                tried += 1
            else:
                # Text knows no types: "0.5", "2.0" and "on" are fine where they are in bounds.
                assert knob.check(accepted) == accepted
    assert tried > 5 * len(knobs) / 2
