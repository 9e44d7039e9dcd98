"""A run brings a network to what its recipe says, and leaves weights alone where it says so."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from hebblab import InvalidValue, Recipe, Session, UnknownName, networks
from hebblab.data import Dataset, Images
from hebblab.live.run import Run
from hebblab.nn import RePU


def images(count, seed):
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, 1, 4, 4), dtype=torch.uint8, generator=generator)
    return Images(pixels, torch.arange(count) % 3)


@pytest.fixture(scope="module")
def pictures():
    return Dataset("pictures", images(60, 1), images(30, 2), images(30, 3), ("a", "b", "c"))


def built(activation):
    def build(image_shape, classes):
        return nn.Sequential(
            OrderedDict(
                flatten=nn.Flatten(),
                one=nn.Linear(16, 6, bias=False),
                act1=activation(),
                two=nn.Linear(6, 4, bias=False),
                act2=activation(),
                readout=nn.Linear(4, classes),
            )
        )

    return build


@pytest.fixture(autouse=True)
def _networks():
    networks.register("rectified", built(nn.ReLU))
    networks.register("powered", built(lambda: RePU(3.0)))
    yield
    networks.unregister("rectified")
    networks.unregister("powered")


HARD = {"rule": "hard-wta", "similarity": "dot", "thresholds": True, "threshold_rate": 0.5}


def recipe(network="powered", rule=HARD, **settings):
    settings = {"steps": 12, **settings}
    return Recipe(network=network, rules={"*": rule}, batch_size=10, **settings)


def states(run, steps):
    """Weights and thresholds of each layer after each step."""
    seen = []

    def edge():
        seen.append(
            {name: (run.weights(name), run.thresholds(name).clone()) for name in run.layers}
        )
        return len(seen) == steps

    run.edge = edge
    run.advance()
    run.close()
    return seen


@pytest.mark.parametrize("schedule", ["in-order", "simultaneous"])
def test_while_it_burns_in_thresholds_settle_and_weights_stand(pictures, schedule):
    run = Run(recipe(burn_in=5, schedule=schedule, decay="linear"), pictures)
    start = {name: run.weights(name) for name in run.layers}
    seen = states(run, 6)
    for name in run.layers:
        assert all(torch.equal(one[name][0], start[name]) for one in seen[:5])
        assert not torch.equal(seen[0][name][1], seen[4][name][1]), "thresholds move"
        assert not torch.equal(seen[5][name][0], start[name])


def test_each_layer_burns_in_when_its_turn_has_come(pictures):
    run = Run(recipe(burn_in=2, schedule="greedy"), pictures)
    seen = states(run, 9)
    one, two = ([step[name][0] for step in seen] for name in ("one", "two"))
    assert torch.equal(one[0], one[1]) and not torch.equal(one[1], one[2])
    assert all(torch.equal(two[0], weights) for weights in two[:8])
    assert not torch.equal(two[7], two[8])


def test_a_burn_in_that_leaves_no_step_is_refused(pictures):
    with pytest.raises(InvalidValue, match=r"burn_in = 12 leaves no step.*each layer has 12"):
        Run(recipe(burn_in=12), pictures)
    with pytest.raises(InvalidValue, match=r"burn_in = 6 leaves no step.*each layer has 6"):
        Run(recipe(burn_in=6, schedule="greedy"), pictures)
    assert Run(recipe(burn_in=100, endless=True), pictures).total is None


def test_an_exponent_needs_an_activation_that_has_one(pictures):
    words = "n needs a hebblab.nn.RePU after it, and layer 'one'"
    for network, rule in (("rectified", {**HARD, "n": 2.0}), ("rectified", {**HARD, "n": 1.0})):
        with pytest.raises(InvalidValue, match=words):
            Run(recipe(network, rule), pictures)
    with pytest.raises(InvalidValue, match=words):
        Session(recipe("rectified"), dataset=pictures, n=2.0)
    with Session(recipe("rectified"), dataset=pictures) as session:
        assert "n" not in session.knobs("one")
        with pytest.raises(UnknownName, match=r"No hebblab\.nn\.RePU comes after layer 'one'"):
            session.edit(n=2.0, layer="one")
        session.edit(threshold_rate=0.2, layer="one")


def test_a_preset_brings_its_exponent_to_another_network_where_it_has_a_place(pictures):
    def session(**overrides):
        return Session("mnist-krotov", dataset=pictures, batch_size=10, k=3, **overrides)

    with session(network="rectified") as made:
        assert made.notes == (
            "RePU power 4.5 is left out. No hebblab.nn.RePU comes after layer 'one'.",
            "RePU power 4.5 is left out. No hebblab.nn.RePU comes after layer 'two'.",
        )
        assert made.recipe.rules["one"]["n"] is None
        made.step(2)
        made.restart()
        made.step()
    with session(network="powered") as made:
        assert made.values("one")["n"] == 4.5 and made.notes == ()
    for said in ({"n": 2.0}, {"triangle": True}):
        with pytest.raises(InvalidValue, match=r"needs a hebblab\.nn\.RePU.*=None\), or choose"):
            session(network="rectified", **said)
    with pytest.raises(InvalidValue, match=r"Leave it out \(n=None\)"):
        Session(recipe("rectified", {**HARD, "n": 4.5}), dataset=pictures)
    with Session(recipe("rectified", {**HARD, "n": 4.5}), dataset=pictures, n=None) as made:
        made.step()


def test_a_session_says_what_another_rule_could_not_keep(pictures):
    with Session("mnist-instar", dataset=pictures, batch_size=10, rule="oja") as session:
        now = session.values()
        assert (now["input_norm"], now["row_norm"]) == ("unit", True)
        assert "thresholds" not in now
        assert session.notes == (
            "adaptive thresholds on is left out at layer 'hidden'. "
            "'oja' as it is set has no winners.",
        )
        session.step(2)


def test_what_is_asked_for_and_changes_nothing_is_told(pictures):
    def session(**overrides):
        return Session("mnist-krotov", dataset=pictures, batch_size=10, **overrides)

    with session(rule="hebb", k=3, temperature=2.0) as made:
        assert made.notes == (
            "k has no effect as things are. It changes nothing while the competition is none.",
            "temperature has no effect as things are. It changes nothing while the competition "
            "is none.",
        )
        edit = made.edit(k=5)
        assert edit.wait(5) and edit.note == "It changes nothing while the competition is none."
        edit = made.edit(k=4, competition="hard")
        assert edit.wait(5) and edit.note.endswith("so they settle anew")
    with session(rule="hebb", k=3, competition="hard", thresholds=False, zca="none") as made:
        assert made.notes == ()
    with session(decay_floor=0.5, schedule="greedy", network="dense-5") as made:
        assert made.notes == (
            "decay_floor has no effect as things are. The learning rate does not fall while "
            "decay is none.",
            "schedule has no effect as things are. Only one layer learns.",
        )
    with session(decay="linear", decay_floor=0.5, schedule="greedy", network="powered") as made:
        assert made.notes == ()
    with session(threshold_rate=2.0) as made:
        assert made.notes == ("threshold_rate has no effect as things are. Adaptive thresholds "
                              "are off.",)  # fmt: skip
