"""What can be chosen suits what runs."""

import pytest

from hebblab import Session, data, networks, presets, rules
from hebblab.dashboard.choices import carried, choices, preset_options, suited
from hebblab.dashboard.runs import Runs


def labels(options):
    return [one if isinstance(one, str) else one["label"] for one in options]


def test_every_preset_stands_in_one_group_that_its_recipe_names():
    groups = {group["label"]: group["options"] for group in preset_options()}
    fails = "Goes wrong on purpose"
    assert list(groups) == ["Digits", "Fashion and colour", "Two dimensions", fails]
    listed = [one["value"] for options in groups.values() for one in options]
    assert sorted(listed) == list(presets.available())
    assert all(one["title"] for options in groups.values() for one in options)
    for label, options in groups.items():
        for one in options:
            recipe = presets.get(one["value"])
            assert recipe.expect.startswith(fails) == (label == fails)
            if label == "Two dimensions":
                assert recipe.data.endswith("-2d")
            if label == "Digits":
                assert recipe.data.startswith("mnist")


def test_every_rule_has_a_title_and_each_value_stands_among_its_options():
    with Session("mnist-krotov") as session:
        made = choices(session, "")
    assert len(made["rule"]["options"]) == len(rules.available())
    assert all(one["label"] != one["value"] and one["title"] for one in made["rule"]["options"])
    assert made["data"]["options"] == list(data.available())
    assert made["network"]["options"] == list(networks.available())
    assert labels(made["preset"]["options"])[0] == "your own"


def test_a_world_offers_networks_of_few_units_and_its_own():
    with Session("clusters-som", network="dense-7") as session:
        options = choices(session, "")["network"]["options"]
    assert options[0] == "dense-7"
    assert {"dense-1", "dense-6"} <= set(options)
    assert all(name.startswith("dense-") for name in options)


@pytest.mark.parametrize("rule", rules.available())
def test_a_world_can_be_chosen_whatever_the_rule(rule):
    with Session("mnist-krotov", rule=rule) as session:
        recipe = session.recipe
    changes = carried("data", "cloud-2d", recipe, (1, 28, 28), (2,))
    with Session(recipe, **changes) as session:
        before = session.weights()
        session.step(3)
        assert session.weights().shape == (6, 2)
        assert 0.05 < before.norm(dim=1).mean() < 1.01
        assert session.values()["learning_rate"] >= 0.1
        assert "noise" in session.knobs()


def test_another_rule_in_a_world_begins_around_the_middle():
    recipe = presets.get("clusters-krotov")
    changes = carried("rule", "oja", recipe, (2,), (2,))
    assert changes == {"rule": "oja", "init": "normal(0, 0.3)", "learning_rate": 0.1}


def test_back_among_images_a_rule_has_its_own_start_again():
    recipe = presets.get("cloud-oja")
    changes = carried("data", "mnist-5k", recipe, (2,), (1, 28, 28))
    assert changes == {"data": "mnist-5k", "network": "dense-100", "rule": "oja"}


def test_convolutions_learn_from_small_batches_and_dense_layers_do_not():
    images = (1, 28, 28)
    recipe = presets.get("mnist-hard-wta")
    conv = carried("network", "softhebb-cnn-quarter", recipe, images, images)
    assert conv["batch_size"] == 10
    there = recipe.overridden(**conv)
    assert "batch_size" not in carried("network", "conv-400", there, images, images)
    assert carried("network", "dense-400", there, images, images)["batch_size"] == 100
    assert "batch_size" not in carried("network", "dense-400", recipe, images, images)
    assert "batch_size" not in carried("network", "my-own", recipe, images, images)


def test_a_person_s_own_network_stays():
    assert suited("my-own", (1, 28, 28)) == "my-own"
    assert suited("my-own", (2,)) == "dense-6"
    assert suited("conv-400", (784,)) == "dense-100"


def test_worlds_have_their_knobs_however_they_were_chosen():
    runs = Runs(Session("mnist-krotov", speed=60.0), owned=True)
    try:
        runs.choose("data", "clusters-2d")
        assert (runs.session.recipe.network, runs.session.speed) == ("dense-6", 10.0)
        assert "number" in runs.session.knobs()
        runs.choose("rule", "softhebb")
        assert "number" in runs.session.knobs()
        runs.choose("preset", "ring-som")
        assert runs.preset == "ring-som"
        assert "elongation" in runs.session.knobs()
        runs.choose("data", "mnist-5k")
        assert runs.session.recipe.network == "dense-100"
        assert "elongation" not in runs.session.knobs()
    finally:
        runs.close()
