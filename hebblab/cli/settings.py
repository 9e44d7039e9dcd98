"""`--set name=value`: each text parsed by the knob that it belongs to."""

from collections.abc import Sequence
from typing import Any

from hebblab import rules
from hebblab.data import worlds
from hebblab.errors import InvalidValue, shown, unknown
from hebblab.knobs import Knob
from hebblab.recipes import OPTIONS, SETTINGS, Recipe

_WORDS = ("rule", "data", "network", "init")


def parsed(assignments: Sequence[str], recipe: Recipe) -> dict[str, Any]:
    """Return `name=value` texts as overrides of a recipe; of a name given twice the last counts.

    Args:
        assignments: What followed each `--set`.
        recipe: Whose rules' and whose world's knobs may be set, unless `rule=` or `data=` is
            among the texts.

    Raises:
        UnknownName: No setting and no knob has that name.
        InvalidValue: A text is no assignment, or its knob refuses the value.

    >>> from hebblab import presets
    >>> parsed(["delta=0.2", "k=7"], presets.get("mnist-krotov"))
    {'delta': 0.2, 'k': 7}
    """
    texts = dict(_split(text) for text in assignments)
    knobs = _knobs(texts.get("rule"), texts.get("data", recipe.data), recipe)
    overrides: dict[str, Any] = {}
    for name, text in texts.items():
        if name in _WORDS:
            overrides[name] = text
        elif name in knobs:
            overrides[name] = knobs[name].parse(text)
        else:
            raise unknown("setting or knob", name, {*knobs, *_WORDS})
    return overrides


def _split(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise InvalidValue(f"--set takes name=value, as in --set delta=0.2, not {shown(text)}.")
    return name.strip(), value.strip()


def _knobs(rule: str | None, data: str, recipe: Recipe) -> dict[str, Knob]:
    names = [entry["rule"] for entry in recipe.rules.values()] if rule is None else [rule]
    known = {**SETTINGS, **OPTIONS}
    if data in worlds.available():
        known.update(worlds.get(data).declared())
    for name in names:
        known.update(rules.get(name).declared())
    return known
