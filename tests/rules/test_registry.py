"""Rules by name, and rules of one's own."""

from typing import ClassVar

import pytest
import torch

import hebblab as hl
from hebblab import InvalidValue, UnknownName, metrics, rules
from hebblab.rules.competition import winners

NAMES = (
    *("hard-wta", "hebb", "instar", "krotov-hopfield", "oja", "proportional-wta"),
    *("soft-krotov", "soft-wta", "softhebb", "som"),
)


@pytest.fixture(autouse=True)
def the_same_rules_afterwards():
    before = rules.available()
    yield
    for name in rules.available():
        if name not in before:
            rules.unregister(name)


def define_leaky(most=0.01):
    @hl.rules.register
    class Leaky(hl.Rule):
        """The winner learns; everybody else unlearns a little."""

        name = "leaky"
        equation = r"\Delta w_i = (r_i - \gamma)(x - u_i w_i)"
        gamma: float = hl.knob(
            0.001, symbol="γ", low=0, high=most, help="How strongly losers unlearn."
        )

        def update(self, inputs, weights):
            u = inputs @ weights.T
            r = hl.rules.winners(u) - self.gamma
            change = r.T @ inputs - (r * u).sum(0)[:, None] * weights
            return change / change.abs().max().clamp_min(1e-30)

    return Leaky


def test_the_first_rules_are_there():
    assert set(NAMES) <= set(rules.available())
    assert list(rules.available()) == sorted(rules.available())


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_says_what_it_is(name):
    rule = rules.create(name)
    assert rule.name == name
    assert isinstance(rule, hl.Rule)
    for text in (rule.title, rule.equation, rule.source, rule.history, rule.advice, rule.summary):
        assert len(text) >= 3
    assert rule.equation.count("{") == rule.equation.count("}")
    assert rule.in_halves()
    assert type(rule) is rules.get(name)


def test_unknown_names_come_with_the_nearest():
    with pytest.raises(UnknownName, match="Did you mean 'krotov-hopfield'"):
        rules.create("krotov_hopfeld")
    with pytest.raises(UnknownName, match="Known: hard-wta, hebb"):
        rules.create("x" * 10_000)
    for rubbish in (None, 3, ["oja"], {}):
        with pytest.raises(UnknownName):
            rules.create(rubbish)
    with pytest.raises(UnknownName, match="Did you mean 'temperature'"):
        rules.create("soft-wta", temprature=1.0)


def test_a_rule_of_ones_own_joins_shows_its_knobs_and_leaves():
    leaky = define_leaky()
    assert "leaky" in rules.available()
    rule = rules.create("leaky")
    assert type(rule) is leaky
    assert rule.title == "Leaky"
    assert rule.summary == "The winner learns; everybody else unlearns a little."
    (knob,) = rule.knobs().values()
    assert (knob.name, knob.symbol, knob.low, knob.high) == ("gamma", "γ", 0, 0.01)
    assert (knob.default, knob.scale, knob.live) == (0.001, "linear", True)
    with pytest.raises(InvalidValue, match=r"γ \(gamma\) must be a number from 0 to 0.01"):
        rule.gamma = 0.02
    assert rule.gamma == 0.001
    assert not rule.in_halves()
    assert (rule.initial_weights, rule.learning_rate, rule.norm) == ("uniform(0, 1)", 0.1, None)
    rules.unregister("leaky")
    with pytest.raises(UnknownName):
        rules.create("leaky")


def test_defined_again_it_replaces_itself():
    first = define_leaky()
    second = define_leaky(most=0.5)
    assert first is not second
    assert rules.get("leaky") is second
    assert rules.create("leaky", gamma=0.4).gamma == 0.4


def test_another_class_does_not_take_its_name():
    leaky = define_leaky()

    class Other(hl.Rule):
        name = "leaky"
        update = update

    with pytest.raises(InvalidValue, match=r"'leaky' is taken by .*define_leaky.*Leaky"):
        rules.register(Other)
    assert rules.get("leaky") is leaky


def test_it_draws_digits(digits):
    define_leaky()
    with hl.Session("mnist-krotov", rule="leaky", seed=311) as session:
        assert session.recipe.rules["hidden"]["init"] == "uniform(0, 1)"
        assert session.values()["learning_rate"] == 0.1
        assert next(iter(session.knobs())) == "gamma"
        session.start()
        assert session.wait(60)
        assert session.steps == 420
        weights = session.weights()
    seen = metrics.visible(weights, digits.train.pixels)
    assert float(seen.float().mean()) > 0.9


@pytest.mark.parametrize(
    "name",
    ["hard-wta", "instar", "krotov-hopfield", "soft-krotov", "soft-wta", "softhebb", "som"],
)
def test_the_start_and_the_rate_that_a_rule_brings_draw_digits(digits, name):
    with hl.Session("mnist-krotov", rule=name, seed=312) as session:
        session.start()
        assert session.wait(60)
        seen = metrics.visible(session.weights(), digits.train.pixels)
    assert float(seen.float().mean()) > 0.85


def test_a_rule_may_say_where_it_starts():
    @rules.register
    class Calm(hl.Rule):
        name = "calm"
        initial_weights = "normal(0, 0.5)"
        learning_rate = 0.25
        starting_knobs: ClassVar = {"force": 0.5}
        force: float = hl.knob(1.0, low=0, high=1)

        def update(self, inputs, weights):
            return -self.force * weights

    with hl.Session("mnist-krotov", rule="calm") as session:
        assert session.values()["learning_rate"] == 0.25
        assert session.values()["force"] == 0.5
        assert float(session.weights().std()) == pytest.approx(0.5, abs=0.02)


def test_a_rule_in_halves_is_chunked_as_the_others():
    @rules.register
    class Mean(hl.Rule):
        name = "mean"

        def statistics(self, inputs, weights, targets=None):
            return winners(inputs @ weights.T).T @ inputs, torch.tensor(len(inputs))

        def change(self, statistics, weights):
            return statistics[0] / statistics[1]

    assert rules.create("mean").in_halves()
    inputs, weights = torch.rand(5, 3), torch.rand(2, 3)
    assert rules.create("mean").update(inputs, weights).shape == (2, 3)


def update(self, inputs, weights):
    return weights


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"name": ""}, "needs a name of 1 to 64"),
        ({"name": "x" * 65}, "needs a name of 1 to 64"),
        ({"name": "a\nb"}, "printable"),
        ({"name": 7}, "needs a name"),
        ({}, "needs a name"),
        ({"name": "oja"}, "'oja' is taken by hebblab.rules.hebbian.Oja"),
        ({"name": "nothing", "update": hl.Rule.update}, "gives no change"),
        ({"name": "half", "update": hl.Rule.update, "statistics": update}, "both statistics and"),
        ({"name": "start", "initial_weights": "zeros"}, "is no start for weights"),
        ({"name": "rate", "learning_rate": float("nan")}, "learning_rate must be a number"),
        ({"name": "rate", "learning_rate": "fast"}, "learning_rate must be a number"),
        ({"name": "words", "equation": 3}, "equation must be a text"),
    ],
)
def test_registering_rubbish_is_refused(body, words):
    rubbish = type("Rubbish", (hl.Rule,), {"__module__": __name__, "update": update, **body})
    before = rules.available()
    with pytest.raises(InvalidValue, match=words):
        rules.register(rubbish)
    assert rules.available() == before


@pytest.mark.parametrize("thing", [None, 3, "oja", object, dict, lambda: None])
def test_only_rules_can_be_registered(thing):
    with pytest.raises(InvalidValue, match=r"derived from hl\.Rule"):
        rules.register(thing)


def test_a_knob_needs_bounds_and_a_name_of_its_own():
    class Boundless(hl.Rule):
        name = "boundless"
        gain: float = 0.5
        update = update

    with pytest.raises(InvalidValue, match=r"gain has no bounds.*hl\.knob"):
        rules.register(Boundless)

    class Clash(hl.Rule):
        name = "clash"
        n: float = hl.knob(1.0, low=0, high=1)
        update = update

    with pytest.raises(InvalidValue, match=r"Clash\.n cannot be a knob"):
        rules.register(Clash)

    with pytest.warns(UserWarning, match="shadows"):

        class Annotated(hl.Rule):
            name = "annotated"
            title: str = "Annotated"
            update = update

    with pytest.raises(InvalidValue, match="without an annotation"):
        rules.register(Annotated)
    with pytest.raises(TypeError, match="has no type"):
        type("Loose", (hl.Rule,), {"__module__": __name__, "name": "loose", "gain": 3})


@pytest.mark.parametrize(
    ("knob", "words"),
    [
        ("noise", r"'noise' is a knob of the two-dimensional worlds.*such as own_noise"),
        ("elongation", "a knob of the two-dimensional worlds"),
        ("seed", "'seed' is a setting of a recipe or a session"),
        ("speed", "a setting of a recipe or a session"),
        ("dataset", "a setting of a recipe or a session"),
        ("pruning", "what a recipe says of a layer"),
        ("norm", "the name has a meaning already"),
        ("learning_rate", "set without an annotation"),
    ],
)
@pytest.mark.filterwarnings("ignore:Field name:UserWarning")
def test_a_knob_that_another_would_hide_is_refused(knob, words):
    body = {"__annotations__": {knob: float}, knob: hl.knob(0.5, low=0, high=1), "update": update}
    clash = type("Clash", (hl.Rule,), {"__module__": __name__, "name": "clash", **body})
    with pytest.raises(InvalidValue, match=words):
        rules.register(clash)
    assert "clash" not in rules.available()


def test_a_starting_knob_is_judged_as_any_other():
    class Early(hl.Rule):
        name = "early"
        starting_knobs: ClassVar = {"force": 5}
        force: float = hl.knob(1.0, low=0, high=1)
        update = update

    with pytest.raises(InvalidValue, match="force must be a number from 0 to 1, not 5"):
        rules.register(Early)


def test_rules_of_the_package_stay():
    for name in NAMES:
        with pytest.raises(InvalidValue, match="belongs to hebblab"):
            rules.unregister(name)
    with pytest.raises(UnknownName):
        rules.unregister("leakyy")


@pytest.mark.parametrize("name", NAMES)
def test_every_invalid_value_of_every_knob_is_refused_and_changes_nothing(name):
    rule = rules.create(name)
    before = rule.values()
    tried = 0
    for knob_name, knob in rule.knobs().items():
        for value in knob.invalid_values():
            with pytest.raises(InvalidValue, match="must be"):
                setattr(rule, knob_name, value)
            with pytest.raises(InvalidValue, match="must be"):
                rules.create(name, **{knob_name: value})
            tried += 1
        assert rule.values() == before
    assert tried > 10
    with pytest.raises(UnknownName):
        rule.nonsense = 1
    assert rule.values() == before


@pytest.mark.parametrize("name", NAMES)
def test_every_valid_value_of_every_knob_is_taken(name):
    rule = rules.create(name)
    for knob_name, knob in rule.knobs().items():
        ends = (True, False) if knob.scale == "switch" else (knob.low, knob.high)
        values = knob.choices or ends
        for value in (*values, knob.default):
            setattr(rule, knob_name, value)
            assert getattr(rule, knob_name) == value
            assert type(getattr(rule, knob_name)) is type(knob.default)
            assert rules.create(name, **{knob_name: value}).values()[knob_name] == value
