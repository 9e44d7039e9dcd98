"""A recipe with some of its settings replaced, and in words what could not be kept."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hebblab.data import worlds
from hebblab.errors import lacking
from hebblab.recipes.entries import BESIDE
from hebblab.rules import get
from hebblab.training import OF_THE_NETWORK, OPTIONS, LayerOptions, without_effect

if TYPE_CHECKING:
    from hebblab.recipes.recipe import Recipe

EVERY_LAYER = "*"
_FALLING = {"decay": "linear", "decay_floor": 0.1}
_PARTS = frozenset({"threshold_rate", "zca_epsilon"})  # of a switch, which is told of

Entries = dict[str, dict[str, Any]]


def override(recipe: "Recipe", overrides: Mapping[str, Any]) -> tuple["Recipe", tuple[str, ...]]:
    """Return a copy of a recipe with some settings replaced, and what was left out, in words.

    Args:
        recipe: Stays as it is.
        overrides: See `Recipe.overridden`.

    Raises:
        UnknownName: No setting and no knob has that name.
        InvalidValue: A value is refused.
    """
    knobs = dict(overrides)
    fields = {key: knobs.pop(key) for key in overrides if key in type(recipe).model_fields}
    given = fields.pop("rules", None)
    fields |= _of_the_world(recipe, fields, knobs)
    base = recipe if given is None else recipe.changed(rules=given)
    entries: Entries = {layer: dict(entry) for layer, entry in base.rules.items()}
    told: list[str] = []
    network = fields.get("network", recipe.network)
    if given is None and not (isinstance(network, str) and network == recipe.network):
        entries = {EVERY_LAYER: next(iter(entries.values()))}
    rule = knobs.pop("rule", None)
    former = entries
    if rule is not None:
        entries = {layer: _start(rule) for layer in former}
        if fields.setdefault("learning_rate", None) is None and base.decay == "none":
            fields = {**_FALLING, **fields}
    if fields.get("learning_rate") is not None:
        for entry in entries.values():
            entry["learning_rate"] = None
    _spread(recipe, entries, knobs)
    if rule is not None:
        for layer, entry in entries.items():
            told += _keep(former[layer], entry, layer, knobs)
    return recipe.changed(rules=entries, **fields), tuple(told)


def _of_the_world(
    recipe: "Recipe", fields: Mapping[str, Any], knobs: dict[str, Any]
) -> dict[str, Any]:
    """Take the knobs of the data's world out of `knobs`; other data has none."""
    data = fields.get("data", recipe.data)
    if not isinstance(data, str) or data not in worlds.available():
        return {} if "world" in fields else {"world": {}}
    known = worlds.get(data).declared()
    start = fields.get("world", recipe.world if data == recipe.data else {})
    turned = {key: knobs.pop(key) for key in known if key in knobs}
    # What is no dictionary of knobs is refused in the words of the setting.
    return {"world": {**start, **turned} if isinstance(start, Mapping) else start}


def _start(rule: str) -> dict[str, Any]:
    """Return a layer's entry as a fresh run of a rule has it; the rate is the rule's."""
    known = get(rule)
    return {
        "rule": rule,
        "init": known.initial_weights,
        "row_norm": known.row_norm,
        **known.starting_knobs,
        **known.starting_options,
    }


def _spread(recipe: "Recipe", entries: Entries, knobs: Mapping[str, Any]) -> None:
    """Put each knob into every layer whose rule has it."""
    known = {*type(recipe).model_fields, *BESIDE}
    for entry in entries.values():
        known |= set(get(entry["rule"]).declared())
    wrong = [key for key in knobs if key not in known]
    if wrong:
        raise lacking("a run", "setting or knob", wrong, known)
    for key, value in knobs.items():
        for entry in entries.values():
            if key in BESIDE or key in get(entry["rule"]).declared():
                entry[key] = value


def _keep(
    former: Mapping[str, Any], entry: dict[str, Any], layer: str, knobs: Mapping[str, Any]
) -> Iterator[str]:
    """Keep what was set around the former rule beyond its own start; say what cannot be kept."""
    own = _start(former["rule"])
    rule = get(entry["rule"])
    made = rule(**{key: value for key, value in entry.items() if key in rule.declared()})
    for key, option in OPTIONS.items():
        value = former.get(key)
        usual = own.get(key, option.default)
        now = entry.get(key, None if key in OF_THE_NETWORK else option.default)
        if value is None or value == now or key in knobs or key == "learning_rate":
            continue
        if value == usual and key not in OF_THE_NETWORK:
            continue
        around = {one: entry[one] for one in OPTIONS if entry.get(one) is not None}
        reason = without_effect(made, LayerOptions(**around)).get(key)
        if reason is None:
            entry[key] = value
        elif key not in _PARTS:
            where = "" if layer == EVERY_LAYER else f" at layer {layer!r}"
            yield f"{option.title} {option.text(value)} is left out{where}. {reason}"
