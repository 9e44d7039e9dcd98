"""The page behind "about this rule": the rule's card as plain values, and its picture."""

import json

import pytest

from hebblab import knob, rules
from hebblab.dashboard.about import about, picture
from hebblab.live import Session
from hebblab.rules.rule import Rule


class Bare(Rule):
    """Does nothing."""

    name = "bare"
    gamma: float = knob(0.5, symbol="γ", low=0, high=1, help="How much.", live=False)

    def update(self, inputs, weights):
        return weights * 0


@pytest.mark.parametrize("name", ["krotov-hopfield", "som", "hebbian-anti-hebbian"])
def test_it_says_what_the_card_says(name):
    rule = rules.create(name)
    told = json.loads(json.dumps(about(rule, rule.knobs())))
    card = rules.card(name)
    assert (told["name"], told["title"], told["summary"]) == (name, card.title, card.summary)
    for part in ("lead", "rest"):
        assert [(one["heading"], tuple(one["texts"])) for one in told[part]] == list(
            getattr(card, part)
        )
    assert all(line.startswith("<math") for line in told["equation"])
    assert [one["symbol"] for one in told["knobs"]] == [one.symbol for one in card.knobs]
    assert told["picture"] == {"caption": card.picture.caption, "width": 178, "height": 118}
    meta, (content,) = picture(rule)
    assert meta == {"type": "picture", "rule": name}
    assert content == card.picture.path.read_bytes()


def test_the_options_of_the_layer_are_among_the_knobs():
    with Session("mnist-krotov", rule="som") as session:
        told = about(session.rule(), session.knobs())["knobs"]
    rows = {one["title"]: one for one in told}
    assert {"radius", "learning rate", "rows"} <= set(rows)
    assert rows["rows"]["turned"] == "restart"
    assert rows["radius"] == {
        "symbol": "σ",
        "title": "radius",
        "help": "How far on the sheet a winner takes its neighbours along.",
        "accepts": "a number from 0.1 to 50",
        "default": "5",
        "turned": "live",
    }


def test_the_rate_of_a_rule_is_its_own():
    with Session("mnist-krotov", rule="hpca") as session:
        told = about(session.rule(), session.knobs())["knobs"]
    assert {one["title"]: one["default"] for one in told}["learning rate"] == "0.01"


def test_a_rule_of_ones_own_has_neither_picture_nor_empty_sections():
    told = about(Bare(), Bare().knobs())
    assert told["picture"] is picture(Bare()) is None
    assert told["summary"] == "Does nothing."
    assert (told["equation"], told["lead"]) == ([], [])
    assert all(one["texts"] for one in told["rest"])
    assert told["knobs"][0]["turned"] == "restart"
