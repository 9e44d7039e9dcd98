"""At most seven knobs are in sight, whatever rule and world; the others are not far."""

import pytest

from hebblab import Session, rules
from hebblab.dashboard import views
from hebblab.dashboard.controls import IN_SIGHT
from hebblab.data import worlds

MORE = {"seq": 0, "refusal": None, "effect": ""}


def shown(session, layer=None):
    view = views.controls(session, layer or session.layers[0], MORE)
    return {knob["name"]: knob for knob in view["knobs"]}


def sight(knobs):
    return [name for name, knob in knobs.items() if not knob["advanced"]]


@pytest.mark.parametrize("world", [None, *worlds.available()])
@pytest.mark.parametrize("rule", rules.available())
def test_seven_knobs_at_most_are_in_sight_and_none_is_lost(rule, world):
    more = {"data": world, "network": "dense-6"} if world else {}
    with Session("mnist-krotov", rule=rule, **more) as session:
        knobs = shown(session)
        assert set(knobs) == set(session.knobs())
        seen = sight(knobs)
        assert len(seen) <= IN_SIGHT == 7
        assert "learning_rate" in seen
        if world is None:
            declared = {name for name, knob in session.knobs().items() if not knob.advanced}
            assert set(seen) == declared
        else:
            own = worlds.get(world).declared()
            assert {n for n, knob in knobs.items() if knob["group"] == "world"} == set(own)
            assert {"elongation", "noise"} <= set(seen)
            assert set(seen) - set(own) - {"learning_rate"} or not rules.get(rule).declared()


def test_what_changes_nothing_now_makes_room_for_what_does():
    with Session("cloud-oja") as session:
        assert {"k", "temperature"}.isdisjoint(sight(shown(session)))
        session.edit(competition="softmax")
        assert "temperature" in sight(shown(session))


def test_knobs_stand_in_the_order_of_their_declaration():
    with Session("cloud-oja") as session:
        assert list(shown(session)) == list(session.knobs())


def test_what_is_fixed_is_shown_with_its_value_and_the_way_to_another():
    with Session("mnist-krotov", pruning=0.5) as session:
        knob = shown(session)["pruning"]
        assert (knob["disabled"], knob["advanced"], knob["value"]) == (True, True, 0.5)
        assert knob["reason"] == "Fixed in a run: hl.Session(…, pruning=0.5) begins with it."
    with Session("mnist-krotov", rule="hebbian-anti-hebbian") as session:
        words = "Fixed in a run: hl.Session(…, variant='2018') begins with it."
        assert shown(session)["variant"]["reason"] == words
    with Session("ring-som") as session:
        knobs = shown(session)
        assert knobs["samples"]["disabled"]
        assert knobs["samples"]["group"] == "world"
        assert not knobs["radius"]["disabled"]


def test_options_come_and_go_with_what_calls_for_them():
    with Session("mnist-krotov", rule="instar") as session:
        assert "threshold_rate" not in shown(session)
        session.edit(thresholds=True)
        assert shown(session)["threshold_rate"]["scale"] == "linear"
        session.edit(thresholds=False)
        assert "threshold_rate" not in shown(session)


def test_a_knob_that_changes_nothing_now_is_disabled_with_the_reason():
    with Session("mnist-krotov", rule="oja") as session:
        knob = shown(session)["temperature"]
        assert knob["disabled"]
        assert knob["reason"] == "It changes nothing while the competition is none."
        session.edit(competition="softmax")
        knobs = shown(session)
        assert not knobs["temperature"]["disabled"] and not knobs["temperature"]["reason"]
        assert knobs["k"]["disabled"]
        assert [name for name, one in knobs.items() if one["disabled"]] == ["k", "pruning"]


def test_a_shrinking_radius_moves_its_knob_until_a_hand_takes_it():
    with Session("mnist-som") as session:
        before = shown(session)["radius"]["value"]
        session.step(40)
        later = shown(session)["radius"]
        assert later["value"] < before
        assert later["text"] == f"{later['value']:.3g}"
        session.edit(radius=3.0)
        session.step(40)
        assert shown(session)["radius"]["value"] == 3.0


def test_edits_of_several_layers_say_which(deep):
    with Session("mnist-krotov", network=deep, rule="hard-wta", batch_size=4) as session:
        session.step(1)
        session.edit(learning_rate=0.2, layer="conv2")
        (entry,) = views.controls(session, "conv2", MORE)["edits"]
        assert entry["step"] == "step 1 · conv2"
    with Session("mnist-krotov") as session:
        session.step(1)
        session.edit(delta=0.2)
        (entry,) = views.controls(session, "hidden", MORE)["edits"]
        assert entry["step"] == "step 1"
