"""The left column: the rule, its equation, its knobs, and what edits did."""

from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from hebblab.knobs import Knob

from .esm import esm
from .parts import Check, Part, flag, knob_value, whole, words

IN_SIGHT = 7
_FOR_PROBE = ("n",)


class Controls(Part):
    """Knobs that ask and never decide; `knob_view` makes the entry of one.

    View (a key that is missing is empty)::

        {"title": "Krotov-Hopfield",
         "about": about.about(rule, knobs) or None, # the card of the rule
         "equation": [MathML, ...],                 # equations.mathml(rule.equation, symbols)
         "words": "the winner learns; ...",         # the present values in words
         "knobs": [knob, ...],                      # in the order of declaration
         "seq": int,                                # the largest "seq" judged so far
         "refusal": {"name": knob's name, "text": str} or None,
         "layers": [str, ...], "layer": str,        # the drop-down shows from two layers on
         "try": "try a temperature", "try_help": str,    # or ""
         "edits": [{"step": "step 420", "text": "Δ 0.20 → 0.40", "note": str}, ...],  # newest first
         "effect": "since Δ 0.80: ..."}             # or ""

    and one knob::

        {"name", "symbol", "title", "help": str, "low", "high", "slider_low", "slider_high",
         "slider_log": bool, "step": number or None,
         "scale": "linear" | "log" | "integer" | "choice" | "switch",
         "choices": [str, ...], "value": number | str | bool, "text": str,
         "group": "rule" | "world" | "probe", "advanced": bool, "disabled": bool, "reason": str}

    Events::

        {"do": "hello", "hidden": bool}
        {"do": "edit", "name": str, "value": number | str | bool, "gesture": int, "final": bool,
         "seq": int}                                # a str where it was typed: Knob.parse
        {"do": "default", "name": str, "gesture": int, "seq": int}
        {"do": "layer", "name": str}                {"do": "try"}
        {"do": "picture"}                           the card is open, and has one

    Frames: `frame({"type": "picture", "rule": name}, [PNG])` answers it.

    All edits of one hand on one slider have one `gesture`; the last has `final`. `seq` grows,
    also over reloads. Until the view acknowledges it (or five seconds have gone by), the knob
    shows what the person did and not what the view says.
    """

    _esm = esm(
        "numbers.js",
        "gesture.js",
        "dom.js",
        "part.js",
        "keys.js",
        "dialog.js",
        "knob.js",
        "controls.js",
    )
    name = "controls"
    events: ClassVar[Mapping[str, Mapping[str, Check]]] = {
        "edit": {
            "name": words,
            "value": knob_value,
            "gesture": whole,
            "final": flag,
            "seq": whole,
        },
        "default": {"name": words, "gesture": whole, "seq": whole},
        "layer": {"name": words},
        "try": {},
        "picture": {},
    }


def grouped(
    knobs: Mapping[str, Knob], world: Container[str], idle: Container[str] = ()
) -> dict[str, tuple[Knob, str]]:
    """Return each knob with its group, at most seven of them in sight.

    Where there are more, those that matter least go under "more": what cannot be turned now, what
    changes activations and no weights, switches of the world, and then the last of the rule's.

    Args:
        knobs: By name, the rule's before the others.
        world: Names of those that change the inputs.
        idle: Names of those that change nothing now.
    """
    group = {
        name: "world" if name in world else "probe" if name in _FOR_PROBE else "rule"
        for name in knobs
    }

    def weight(name: str) -> tuple[bool, bool, bool, bool]:
        knob, of = knobs[name], group[name]
        switched = of == "world" and knob.scale == "switch"
        needed = of == "world" or name == "learning_rate"
        fixed = name in idle or not knob.live
        return fixed, of == "probe", switched, not needed

    plain = sorted((name for name, knob in knobs.items() if not knob.advanced), key=weight)
    seen = set(plain[:IN_SIGHT])
    return {
        name: (knob if name in seen else replace(knob, advanced=True), group[name])
        for name, knob in knobs.items()
    }


def knob_view(
    knob: Knob,
    value: float | int | str | bool,
    *,
    group: str = "rule",
    disabled: bool = False,
    reason: str = "",
) -> dict[str, Any]:
    """Return a knob with its present value as the page shows it.

    Args:
        knob: The declaration.
        value: What it is now.
        group: "rule"; "probe" for what changes activations and no weights; or "world" for what
            changes the inputs.
        disabled: Whether it cannot be turned now.
        reason: Why not, in place of its sentence.
    """
    low = knob.low if knob.slider_low is None else knob.slider_low
    high = knob.high if knob.slider_high is None else knob.slider_high
    return {
        "name": knob.name,
        "symbol": knob.symbol,
        "title": knob.title,
        "help": knob.help,
        "low": knob.low,
        "high": knob.high,
        "slider_low": low,
        "slider_high": high,
        "slider_log": knob.slider_log,
        "step": knob.step,
        "scale": knob.scale,
        "choices": list(knob.choices),
        "value": value,
        "text": knob.text(value),
        "group": group,
        "advanced": knob.advanced,
        "disabled": disabled,
        "reason": reason,
    }
