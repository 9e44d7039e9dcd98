"""Everything that determines a run: strict on the way in, whole on the way out."""

import inspect
import json
from pathlib import Path

import pytest
from pydantic import BaseModel

import hebblab as hl
from hebblab import InvalidValue, Recipe, UnknownName
from hebblab.data import worlds
from hebblab.recipes import BESIDE, LayerOptions
from hebblab.rules.registry import RESERVED

KROTOV = {"hidden": {"rule": "krotov-hopfield", "delta": 0.2}}


def test_it_comes_back_from_json_as_it_was():
    recipe = Recipe(
        data="/somewhere/ünï",
        network="dense-400",
        rules={
            "hidden": {
                "rule": "krotov-hopfield",
                "k": 7,
                "p": 3,
                "init": "uniform(0, 0.123456789)",
                "learning_rate": 0.02,
                "n": 4.5,
            },
            "other": {"rule": "hebb", "weight_decay": 0.1, "row_norm": True},
        },
        steps=10**9 - 1,
        batch_size=7,
        decay="linear",
        decay_floor=0.1,
        centre=True,
        speed=0.5,
        seed=2**63 - 1,
        threads=2,
        name="mine",
        source="me",
        expect="much",
        seconds=3,
    )
    text = recipe.model_dump_json()
    assert Recipe.model_validate_json(text) == recipe
    assert Recipe.model_validate_json(text).model_dump_json() == text
    assert json.loads(text)["schema_version"] == 1
    assert json.loads(text)["rules"]["hidden"]["delta"] == 0.4, "defaults are written out"
    assert recipe.rules["hidden"]["init"] == "uniform(0, 0.123456789)"
    assert isinstance(recipe, BaseModel)


@pytest.mark.parametrize("name", hl.presets.available())
def test_every_preset_comes_back_from_json(name):
    recipe = hl.presets.get(name)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert Recipe.model_validate(recipe.model_dump()) == recipe


@pytest.mark.parametrize("version", [0, 2, 99, "1", True, None, 1.5])
def test_another_schema_version_is_refused(version):
    text = json.dumps({**json.loads(Recipe().model_dump_json()), "schema_version": version})
    with pytest.raises(InvalidValue, match="this hebblab reads version 1"):
        Recipe.model_validate_json(text)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "3", '"recipe"', b"\xff\xfe", '{"steps": NaN}', "[" * 100_000]
)
def test_what_is_no_recipe_is_refused(text):
    with pytest.raises(InvalidValue, match="That is no recipe"):
        Recipe.model_validate_json(text)


def test_a_dictionary_that_is_no_recipe_is_refused_as_the_text_is():
    with pytest.raises(InvalidValue, match=r"That is no recipe.*batch size|batch_size"):
        Recipe.model_validate({"batch_size": 0})
    with pytest.raises(InvalidValue):
        Recipe.model_validate([])


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *((name, bad) for name in ("epochs", "steps") for bad in (0, -1, 1.5, "10", True, 10**10)),
        *(("batch_size", bad) for bad in (0, "100", 1.5, True, None, 10**6)),
        *(("learning_rate", bad) for bad in (-0.1, 11, "0.1", True, float("nan"), float("inf"))),
        *(("speed", bad) for bad in (0, -1, "60", True, float("inf"))),
        *(("seed", bad) for bad in (-1, 2**63, 1.0, "1", None)),
        *(("threads", bad) for bad in (0, 1000, None)),
        *(("decay", bad) for bad in ("cosine", None, 0)),
        *(("decay_floor", bad) for bad in (-0.1, 1.1)),
        *(("endless", bad) for bad in (0, 1, "yes", None)),
        *(("centre", bad) for bad in (0, "no")),
        *(("data", bad) for bad in ("", None, 3, "x" * 5000)),
        *(("network", bad) for bad in ("", None, 3, "x" * 65)),
        *(("rules", bad) for bad in ({}, [], "oja", None, {"hidden": {}}, {"hidden": "oja"})),
        ("rules", {"hid den": {"rule": "oja"}}),
        ("rules", {"<b>": {"rule": "oja"}}),
        ("rules", {3: {"rule": "oja"}}),
        ("rules", {"hidden": {"rule": "oja", "init": "zeros"}}),
        ("rules", {"hidden": {"rule": "oja", "init": "normal(0, -1)"}}),
        ("rules", {"hidden": {"rule": "oja", "n": 0}}),
        ("rules", {"hidden": {"rule": "oja", "learning_rate": "fast"}}),
        ("rules", {"hidden": {"rule": "oja", "row_norm": 1}}),
        ("rules", {"hidden": {"rule": "krotov-hopfield", "k": 1}}),
        ("rules", {"hidden": {"rule": "krotov-hopfield", "row_norm": True}}),
        ("seconds", "5"),
        ("seconds", -1),
        ("name", 5),
    ],
)
def test_an_impossible_setting_is_refused_in_words(setting, value):
    with pytest.raises(InvalidValue) as refused:
        Recipe(**{setting: value})
    assert 10 < len(str(refused.value)) < 300
    if not (isinstance(value, dict) and set(value) == {3}):
        with pytest.raises(InvalidValue):
            Recipe.model_validate({setting: value})


def test_unknown_names_come_with_the_nearest():
    for call, near in (
        (lambda: Recipe(bach_size=3), "batch_size"),
        (lambda: Recipe(rules={"hidden": {"rule": "krotov"}}), "krotov-hopfield"),
        (lambda: Recipe(rules={"hidden": {"rule": "oja", "temprature": 1.0}}), "temperature"),
        (lambda: Recipe.model_validate_json('{"networks": "dense-100"}'), "network"),
        (lambda: Recipe().overridden(detla=0.1), "delta"),
        (lambda: Recipe().overridden(rule="ojaa"), "oja"),
    ):
        with pytest.raises(UnknownName, match=f"Did you mean {near!r}"):
            call()


def test_large_bounds_are_written_out():
    with pytest.raises(InvalidValue, match="from 1 to 1,000,000,000, not 1000000001"):
        Recipe(steps=10**9 + 1)


def test_epochs_or_steps():
    assert Recipe().epochs == 10
    assert Recipe(steps=5).epochs is None
    with pytest.raises(InvalidValue, match="not both"):
        Recipe(steps=5, epochs=5)
    assert Recipe(steps=5).overridden(epochs=2).steps is None
    assert Recipe(epochs=5).overridden(steps=2).epochs is None
    with pytest.raises(InvalidValue, match="not both"):
        Recipe().overridden(steps=5, epochs=5)


def test_how_long_it_runs():
    assert Recipe(steps=42).total_steps(30) == 42
    assert Recipe(epochs=3).total_steps(30) == 90
    endless = Recipe(epochs=3, endless=True, decay="linear")
    assert endless.total_steps(30) is None
    assert endless.planned_steps(30) == 90


def test_a_recipe_does_not_change():
    recipe = Recipe()
    with pytest.raises(InvalidValue, match=r"recipe\.changed\(seed=5\)"):
        recipe.seed = 5
    assert recipe.seed == 1
    other = recipe.changed(seed=5)
    assert (other.seed, recipe.seed) == (5, 1)
    with pytest.raises(UnknownName):
        recipe.sead = 5


def test_a_path_is_a_data_set():
    assert Recipe(data=Path("folder") / "images").data == str(Path("folder") / "images")


def test_rates_come_from_the_layer_then_the_recipe_then_the_rule():
    entry = {"rule": "soft-wta"}
    assert Recipe(rules={"hidden": entry}).rate("hidden") == 0.2
    assert Recipe(rules={"hidden": entry}, learning_rate=0.5).rate("hidden") == 0.5
    own = {**entry, "learning_rate": 0.3}
    assert Recipe(rules={"hidden": own}, learning_rate=0.5).rate("hidden") == 0.3
    assert Recipe(rules={"hidden": own}).overridden(learning_rate=0.7).rate("hidden") == 0.7


def test_star_becomes_the_names_of_the_layers():
    recipe = Recipe(rules={"*": {"rule": "oja"}, "second": {"rule": "hebb"}})
    rules = recipe.resolved(["first", "second"]).rules
    assert [(name, entry["rule"]) for name, entry in rules.items()] == [
        ("first", "oja"),
        ("second", "hebb"),
    ]
    with pytest.raises(UnknownName, match=r"Hebbian layer of 'dense-100'.*Did you mean 'hidden'"):
        Recipe(rules={"hiden": {"rule": "oja"}}).resolved(["hidden"])


def test_a_knob_goes_where_a_rule_has_it():
    recipe = Recipe(rules={"a": {"rule": "krotov-hopfield"}, "b": {"rule": "oja"}})
    other = recipe.overridden(delta=0.1, k=3, n=2.0)
    assert (other.rules["a"]["delta"], other.rules["a"]["k"], other.rules["a"]["n"]) == (
        0.1,
        3,
        2.0,
    )
    assert "delta" not in other.rules["b"]
    assert (other.rules["b"]["k"], other.rules["b"]["n"]) == (3, 2.0)
    assert recipe.rules["a"]["delta"] == 0.4
    with pytest.raises(InvalidValue, match="from 0 to 2"):
        recipe.overridden(delta=5)


def test_another_rule_brings_its_start_and_its_falling_rate():
    krotov = hl.presets.get("mnist-krotov")
    oja = krotov.overridden(rule="oja")
    assert oja.rules["hidden"]["init"] == "normal(0, 0.02)"
    assert oja.rate("hidden") == 0.01
    assert oja.rules["hidden"]["n"] == 4.5, "the activation is the network's"
    assert (oja.decay, oja.decay_floor) == ("linear", 0.1)
    hard = krotov.overridden(rule="hard-wta")
    assert hard.rules["hidden"]["similarity"] == "cosine"
    assert hard.rules["hidden"]["thresholds"] is True, "nothing else would spread the wins"
    assert hard.rate("hidden") == 0.1
    assert krotov.overridden(rule="hebb").rules["hidden"]["row_norm"] is True
    assert krotov.overridden(rule="instar").rules["hidden"]["reduction"] == "share"
    assert krotov.decay == "none"


def test_what_is_given_beside_another_rule_stands():
    krotov = hl.presets.get("mnist-krotov")
    given = krotov.overridden(
        rule="hard-wta", init="uniform(0, 2)", learning_rate=0.3, similarity="cosine", k=4, n=2.0
    )
    entry = given.rules["hidden"]
    assert (entry["init"], entry["similarity"], entry["k"], entry["n"]) == (
        ("uniform(0, 2)", "cosine", 4, 2.0)
    )
    assert given.rate("hidden") == 0.3
    assert given.decay == "none"
    assert krotov.overridden(rule="oja", decay="none").decay == "none"
    assert krotov.overridden(rule="oja", decay_floor=0.5).decay_floor == 0.5
    decaying = hl.presets.get("mnist-krotov-decay").overridden(rule="oja")
    assert (decaying.decay, decaying.decay_floor) == ("linear", 0.0)


def test_another_network_carries_the_rules_over():
    conv = Recipe(rules=KROTOV, steps=5).overridden(network="conv-400")
    assert conv.resolved(["conv"]).rules["conv"]["delta"] == 0.2
    same = Recipe(rules=KROTOV, steps=5).overridden(network="dense-100")
    assert list(same.rules) == ["hidden"]


def test_rules_given_with_a_network_stand():
    mine = {"one": {"rule": "oja"}, "two": {"rule": "hebb"}}
    other = Recipe(rules=KROTOV).overridden(network="mine", rules=mine, learning_rate=0.5)
    assert list(other.rules) == ["one", "two"]
    assert other.rate("one") == 0.5
    assert mine == {"one": {"rule": "oja"}, "two": {"rule": "hebb"}}, "the caller's own stays"
    for rubbish in ("oja", 3, {"hidden": 3}, {"hidden": {}}):
        with pytest.raises(InvalidValue):
            Recipe().overridden(rules=rubbish, learning_rate=0.5, delta=0.1)


def test_options_of_a_layer():
    recipe = Recipe(rules={"hidden": {"rule": "hebb", "n": 3.0}}, learning_rate=0.5)
    options = recipe.options("hidden")
    said = {"learning_rate": 0.5, "row_norm": True, "n": 3.0}
    assert options == LayerOptions(**said)
    built = {"n": 2.0, "triangle": True, "input_norm": "unit"}
    assert recipe.options("hidden", built) == LayerOptions(**{**built, **said})


def test_no_rule_can_have_a_knob_that_a_recipe_would_read_otherwise():
    assert BESIDE <= RESERVED
    assert set(Recipe.model_fields) <= RESERVED
    for world in worlds.available():
        assert set(worlds.get(world).declared()) <= RESERVED
    for call in (hl.Session.__init__, hl.Session.edit):
        named = inspect.signature(call).parameters.values()
        kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)
        assert {one.name for one in named if one.kind not in kinds} - {"self"} <= RESERVED
    for name in hl.rules.available():
        assert not RESERVED & set(hl.rules.get(name).declared())


def test_equal_recipes_give_equal_weights_and_other_seeds_others():
    recipe = hl.presets.get("mnist-krotov").changed(steps=5)
    weights = []
    for one in (
        recipe,
        Recipe.model_validate_json(recipe.model_dump_json()),
        recipe.changed(seed=2),
    ):
        with hl.Session(one) as session:
            session.start()
            assert session.wait(60)
            weights.append(session.weights())
    assert weights[0].equal(weights[1])
    assert not weights[0].equal(weights[2])


OPTIONS = {
    "learning_rate": 0.25,
    "row_norm": True,
    "n": 1.4,
    "triangle": True,
    "thresholds": True,
    "threshold_rate": 3.0,
    "pruning": 0.99,
    "teacher": True,
    "input_norm": "standardise",
    "zca": "patches",
    "zca_epsilon": 0.01,
    "patches_per_batch": 1000,
    "abstention": True,
    "patch_norm": True,
}


def test_every_option_comes_back_from_json():
    rules = {
        "one": {"rule": "instar", **OPTIONS},
        "two": {"rule": "softhebb", "norm_adaptive_lr": 0.5},
        "three": {"rule": "som", "radius_end": 1.5},
    }
    said = {**OPTIONS, "norm_adaptive_lr": 0.5, "radius_end": 1.5}
    assert set(said) == set(LayerOptions.declared()), "none is left out here"
    recipe = Recipe(rules=rules, schedule="greedy")
    again = Recipe.model_validate_json(recipe.model_dump_json())
    assert again == recipe and again.schedule == "greedy"
    for layer, entry in rules.items():
        for key, value in entry.items():
            assert again.rules[layer][key] == value
            if key != "rule":
                assert getattr(again.options(layer), key) == value
    assert again.rules["two"]["n"] is None, "what only the network knows stays open"
    assert again.rules["two"]["triangle"] is None and again.rules["two"]["input_norm"] is None
    assert again.rules["two"]["threshold_rate"] == 0.5, "the rest is written out"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"rule": "softhebb", "row_norm": True}, "holds its own norm"),
        ({"rule": "soft-wta", "thresholds": True}, "no winners"),
        ({"rule": "oja", "competition": "softmax", "thresholds": True}, "no winners"),
        ({"rule": "hebb", "norm_adaptive_lr": 0.5}, "holds no norm"),
        ({"rule": "softhebb", "abstention": True}, "has none. Leave abstention off"),
        ({"rule": "krotov-hopfield", "teacher": True}, "no competition that a teacher"),
        ({"rule": "sanger", "pruning": 0.1}, "its place among the others"),
        ({"rule": "hebb", "pruning": 1}, r"from 0 to 0\.999, not 1"),
        ({"rule": "hebb", "zca": "image"}, "Did you mean 'images'"),
        ({"rule": "hebb", "thresholds": "on"}, "on or off"),
        ({"rule": "hebb", "zca_epsilon": 0}, "whitening|zca_epsilon"),
        ({"rule": "hebb", "patches_per_batch": 2.5}, "whole number"),
        ({"rule": "hebbian-anti-hebbian", "learning_rate": 0.6}, "below τ"),
    ],
)
def test_options_that_clash_are_refused_before_anything_is_made(rule, words):
    with pytest.raises(InvalidValue, match=words):
        Recipe(rules={"*": rule})
    with pytest.raises(InvalidValue, match=words):
        Recipe.model_validate_json(json.dumps({"rules": {"*": rule}}))


def test_options_are_overrides_of_every_layer():
    recipe = Recipe(rules={"a": {"rule": "hard-wta"}, "b": {"rule": "instar"}})
    other = recipe.overridden(thresholds=True, threshold_rate=2.0, zca="patches", pruning=0.5)
    for layer in ("a", "b"):
        options = other.options(layer)
        assert (options.thresholds, options.threshold_rate) == (True, 2.0)
        assert (options.zca, options.pruning) == ("patches", 0.5)
    mixed = Recipe(rules={"a": {"rule": "hard-wta"}, "b": {"rule": "softhebb"}})
    with pytest.raises(InvalidValue, match="'softhebb' as it is set has no winners"):
        mixed.overridden(thresholds=True)


def test_another_rule_keeps_what_was_set_around_the_old_one_where_it_can_have_it():
    recipe = Recipe(rules={"hidden": {"rule": "instar", **OPTIONS}})
    entry = recipe.overridden(rule="krotov-hopfield").rules["hidden"]
    kept = ("n", "triangle", "input_norm", "zca", "zca_epsilon", "patches_per_batch", "pruning")
    kept = (*kept, "patch_norm")
    assert {key: entry[key] for key in kept} == {key: OPTIONS[key] for key in kept}
    assert (entry["thresholds"], entry["teacher"], entry["row_norm"]) == (False, False, False)
    assert entry["threshold_rate"] == 0.5 and entry["learning_rate"] is None
    assert recipe.left_out(rule="krotov-hopfield") == (
        "unit-norm rows on is left out at layer 'hidden'. 'krotov-hopfield' holds its own norm.",
        "adaptive thresholds on is left out at layer 'hidden'. "
        "'krotov-hopfield' as it is set has no winners.",
        "random abstention on is left out at layer 'hidden'. "
        "'krotov-hopfield' as it is set has no competition to abstain from.",
        "teacher signal on is left out at layer 'hidden'. "
        "'krotov-hopfield' has no competition that a teacher could decide.",
    )
    hard = recipe.overridden(rule="hard-wta")
    assert recipe.left_out(rule="hard-wta") == ()
    assert (hard.options("hidden").threshold_rate, hard.options("hidden").row_norm) == (3.0, True)
    off = dict.fromkeys(("teacher", "row_norm", "thresholds", "abstention"), False)
    (told,) = recipe.left_out(rule="sanger", **off)
    assert told.startswith("pruned share 0.99 is left out at layer 'hidden'. Each unit of 'sanger'")


def test_what_is_the_old_rules_own_start_is_neither_kept_nor_told():
    for name, rule in (("mnist-hard-wta", "instar"), ("mnist-hebb-explodes", "oja")):
        recipe = hl.presets.get(name)
        entry = recipe.overridden(rule=rule).rules["hidden"]
        fresh = Recipe(rules={"hidden": {"rule": rule}}).rules["hidden"]
        assert entry["thresholds"] is fresh["thresholds"] is False
        assert entry["row_norm"] is fresh["row_norm"] is False
        assert recipe.left_out(rule=rule) == ()
    assert hl.presets.get("mnist-som").overridden(rule="oja").rules["hidden"]["radius_end"] == 0.5
    narrow = hl.presets.get("mnist-som").overridden(radius_end=0.3)
    assert narrow.left_out(rule="oja") == (
        "radius at the end 0.3 is left out at layer 'hidden'. 'oja' has no radius.",
    )


def test_a_given_knob_decides_what_the_new_rule_can_have():
    recipe = Recipe(rules={"*": {"rule": "hebb", "competition": "hard", "thresholds": True}})
    assert recipe.overridden(rule="instar").rules["*"]["thresholds"] is True
    assert recipe.overridden(rule="instar", competition="softmax").rules["*"]["thresholds"] is False
    assert recipe.left_out(rule="instar", competition="softmax") == (
        "adaptive thresholds on is left out. 'instar' as it is set has no winners.",
    )
    assert recipe.overridden(rule="instar", thresholds=False).rules["*"]["thresholds"] is False
    assert recipe.left_out(rule="instar", thresholds=False) == ()


def test_an_end_of_the_radius_needs_a_rule_with_one():
    for rule in ("oja", "hard-wta"):
        with pytest.raises(InvalidValue, match=f"{rule!r} has no radius.*choose 'som'"):
            Recipe(rules={"*": {"rule": rule, "radius_end": 1.0}})
        assert Recipe(rules={"*": {"rule": rule, "radius_end": 0.5}}), "written out by default"


def test_the_first_steps_may_leave_the_weights_alone():
    assert Recipe().burn_in == 0
    recipe = Recipe(burn_in=200)
    assert Recipe.model_validate_json(recipe.model_dump_json()).burn_in == 200
    assert Recipe().overridden(burn_in=3).burn_in == 3
    for bad in (-1, 2.5, True, None, "200", 10**7):
        with pytest.raises(InvalidValue, match="burn_in"):
            Recipe(burn_in=bad)


@pytest.mark.parametrize("schedule", ["in-order", "simultaneous", "greedy"])
def test_layers_learn_in_one_of_three_orders(schedule):
    recipe = Recipe(schedule=schedule)
    assert Recipe.model_validate_json(recipe.model_dump_json()).schedule == schedule
    assert Recipe().overridden(schedule=schedule).schedule == schedule
    for bad in ("together", None, 1):
        with pytest.raises(InvalidValue, match="in-order, simultaneous, greedy"):
            Recipe(schedule=bad)


def cloud(**world):
    return Recipe(data="cloud-2d", network="dense-1", rules={"*": {"rule": "oja"}}, world=world)


def test_a_world_is_part_of_the_recipe():
    recipe = cloud(elongation=5, angle=10)
    assert recipe.world["elongation"] == 5.0
    assert recipe.world["noise"] == 0.0, "the rest is written out"
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert cloud().world == {}, "nothing said is nothing kept"


def test_knobs_of_the_world_are_overrides():
    assert cloud().overridden(elongation=5).world["elongation"] == 5.0
    both = cloud(angle=10).overridden(world={"angle": 20}, elongation=5, learning_rate=0.5)
    assert (both.world["angle"], both.world["elongation"]) == (20.0, 5.0)
    assert both.rate("*") == 0.5
    kept = cloud(angle=10).overridden(elongation=5)
    assert (kept.world["angle"], kept.world["elongation"]) == (10.0, 5.0)
    with hl.Session("cloud-oja", elongation=5, steps=1) as session:
        assert session.recipe.world["elongation"] == 5.0
        assert session.values()["elongation"] == 5.0


def test_other_data_leave_the_world_behind():
    recipe = cloud(elongation=5, angle=10)
    ring = recipe.overridden(data="ring-2d")
    assert ring.world.get("elongation", 1.0) == 1.0 and "angle" not in ring.world
    assert recipe.overridden(data="ring-2d", elongation=2).world["elongation"] == 2.0
    assert recipe.overridden(data="mnist-5k").world == {}
    assert recipe.overridden(data="cloud-2d").world["angle"] == 10.0


@pytest.mark.parametrize(
    ("world", "error", "words"),
    [
        ({"elongatoin": 3}, UnknownName, "Did you mean 'elongation'"),
        ({"number": 3}, UnknownName, "'cloud-2d' has no knob 'number'"),
        ({"elongation": 11}, InvalidValue, "from 1 to 10"),
        ({"elongation": "3"}, InvalidValue, "from 1 to 10"),
        ({"centring": 1}, InvalidValue, "on or off"),
        (3, InvalidValue, "world must be a dictionary"),
        (None, InvalidValue, "world must be a dictionary"),
        ([1], InvalidValue, "world must be a dictionary"),
    ],
)
def test_an_impossible_world_is_refused(world, error, words):
    with pytest.raises(error, match=words):
        Recipe(data="cloud-2d", world=world)
    with pytest.raises(error, match=words):
        Recipe.model_validate_json(json.dumps({"data": "cloud-2d", "world": world}))
    with pytest.raises(error, match=words):
        cloud().overridden(world=world)
    with pytest.raises(error, match=words):
        cloud().overridden(world=world, noise=0.5)


def test_what_is_no_world_has_no_knobs_of_one():
    with pytest.raises(InvalidValue, match=r"Only two-dimensional worlds.*'mnist-5k' is none"):
        Recipe(world={"noise": 0.1})
    with pytest.raises(UnknownName, match="setting or knob"):
        Recipe().overridden(elongation=3)
    with pytest.raises(InvalidValue, match="Only two-dimensional worlds"):
        cloud(noise=0.5).overridden(data="mnist-5k", world={"noise": 0.5})


def test_no_world_shares_a_knob_with_what_a_recipe_says_otherwise():
    from hebblab.data import worlds

    for name in worlds.available():
        knobs = set(worlds.get(name).declared())
        assert not knobs & ({*Recipe.model_fields} | BESIDE)
        for rule in hl.rules.available():
            assert not knobs & set(hl.rules.get(rule).declared())


def test_a_layer_that_a_recipe_says_nothing_of_is_refused_with_the_nearest():
    recipe = Recipe(rules={"hidden": {"rule": "oja"}})
    for read in (recipe.rate, recipe.rule, recipe.options):
        with pytest.raises(UnknownName, match=r"no layer in this recipe 'hiden'.*Did you mean"):
            read("hiden")
    with pytest.raises(UnknownName, match=r"Known: \*\. See recipe\.resolved"):
        Recipe().rule("hidden")


@pytest.mark.parametrize("names", [None, 3, b"hidden", "hidden", (1,), [None], 1.5])
def test_names_of_layers_that_are_none_are_refused(names):
    with pytest.raises(InvalidValue, match=r"list such as|A layer's name is a word"):
        Recipe().resolved(names)


@pytest.mark.parametrize("values", [3, "n", [("n", 2.0)], float("nan")])
def test_what_a_network_sets_is_a_dictionary(values):
    with pytest.raises(InvalidValue, match="What a network sets is a dictionary"):
        Recipe().resolved(["hidden"]).options("hidden", values)


def test_knobs_that_are_not_there_are_named_each_with_its_nearest():
    with pytest.raises(UnknownName) as error:
        Recipe(rules={"*": {"rule": "krotov-hopfield", "delat": 1, "qqqq": 2}})
    assert str(error.value).startswith(
        "'krotov-hopfield' has no knob 'delat' and no knob 'qqqq'. Did you mean 'delta'? Known:"
    )
    with pytest.raises(UnknownName, match=r"A recipe has no setting 'bach_size'\. Did you mean"):
        Recipe(bach_size=3)
