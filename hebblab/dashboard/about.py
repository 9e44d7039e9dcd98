"""What the page behind "about this rule" says: the rule's card, ready to be shown."""

from collections.abc import Mapping
from typing import Any

from hebblab.knobs import Knob, Value
from hebblab.rules import Rule, card
from hebblab.rules.cards import Section
from hebblab.rules.equations import mathml
from hebblab.rules.pages import TURNED, accepts, turned


def about(rule: Rule, knobs: Mapping[str, Knob]) -> dict[str, Any]:
    """Return the card of a rule as plain values; its picture is sent when somebody looks.

    Args:
        rule: That of the layer on view.
        knobs: Those that can be turned there, the layer's own options among them.
    """
    made = card(rule)
    picture = made.picture
    return {
        "name": made.name,
        "title": made.title,
        "summary": made.summary,
        "equation": mathml(made.equation),
        "lead": [_section(one) for one in made.lead],
        "knobs": [
            {
                "symbol": knob.symbol,
                "title": knob.title,
                "help": knob.help,
                "accepts": accepts(knob),
                "default": knob.text(_default(knob, rule)),
                "turned": turned(knob),
            }
            for knob in knobs.values()
        ],
        "turned": TURNED,
        "rest": [_section(one) for one in made.rest],
        "picture": None
        if picture is None
        else {"caption": picture.caption, "width": picture.width, "height": picture.height},
    }


def picture(rule: Rule) -> tuple[dict[str, Any], list[bytes]] | None:
    """Return the frame that brings a rule's picture, or None where it has none."""
    found = card(rule).picture
    if found is None:
        return None
    return {"type": "picture", "rule": rule.name}, [found.path.read_bytes()]


def _default(knob: Knob, rule: Rule) -> Value:
    # The declaration of a rate is that of all rules; each has one of its own.
    return rule.learning_rate if knob.name == "learning_rate" else knob.default


def _section(one: Section) -> dict[str, Any]:
    return {"heading": one.heading, "texts": list(one.texts)}
