"""What a recipe says of one layer: its rule, its start and its options, checked and written out."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from hebblab.errors import InvalidValue, lacking, shown
from hebblab.knobs import Value
from hebblab.nn import initial
from hebblab.rules import get
from hebblab.training import (
    OF_THE_NETWORK,
    OPTIONS,
    LayerOptions,
    refuse_contradictions,
    refuse_idle,
)

BESIDE = frozenset({"rule", "init", *OPTIONS})


def layer_name(name: object) -> str:
    """Return a layer's name, or "*".

    Raises:
        InvalidValue: It is no word.
    """
    if not isinstance(name, str) or not re.fullmatch(r"\*|[\w.\-]{1,128}", name):
        raise InvalidValue(f"A layer's name is a word such as 'hidden', not {shown(name)}.")
    return name


def layer_names(names: object) -> list[str]:
    """Return the names of layers as a list.

    Raises:
        InvalidValue: They are none.
    """
    if not isinstance(names, Iterable) or isinstance(names, str | bytes):
        raise InvalidValue(f"Names of layers are a list such as ['hidden'], not {shown(names)}.")
    return [layer_name(one) for one in names]


def built(values: object) -> dict[str, Any]:
    """Return what a network's builder set, by option; nothing for None.

    Raises:
        InvalidValue: That is no dictionary.
    """
    if values is not None and not isinstance(values, Mapping):
        raise InvalidValue(f"What a network sets is a dictionary of options, not {shown(values)}.")
    return dict(values or {})


def complete(entry: Any) -> dict[str, Any]:
    """Return a layer's entry with every knob written out, checked.

    What only the network's builder knows stays None where nothing is said.

    Raises:
        InvalidValue: It has no rule, or a value is refused.
        UnknownName: There is no such rule or knob.
    """
    if not isinstance(entry, Mapping) or "rule" not in entry:
        raise InvalidValue(
            f'A layer needs its rule: {{"rule": "krotov-hopfield", ...}}, not {shown(entry)}.'
        )
    rule = get(entry["rule"])
    declared = rule.declared()
    wrong = [key for key in entry if key not in declared and key not in BESIDE]
    if wrong:
        raise lacking(repr(rule.name), "knob", wrong, {*declared, *BESIDE})
    given = {key: value for key, value in entry.items() if key in declared}
    options: dict[str, Value | None] = {}
    for key, option in OPTIONS.items():
        value = entry.get(key)
        if value is None and key == "row_norm":
            value = rule.row_norm
        if value is None and key not in OF_THE_NETWORK and key != "learning_rate":
            value = option.default
        options[key] = None if value is None else option.check(value)
    made = rule(**given)
    around = LayerOptions(**{key: one for key, one in options.items() if one is not None})
    refuse_contradictions(made, around)
    refuse_idle(made, around)
    if options["learning_rate"] is not None:
        made.check_rate(float(options["learning_rate"]))
    return {
        "rule": rule.name,
        "init": initial.check(entry.get("init", rule.initial_weights)),
        **options,
        **made.values(),
    }
