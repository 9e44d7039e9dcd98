"""What decides a paper's results beside its settings: recipes, rates, knobs, as a part of names."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hebblab.recipes import Recipe

_TOLD = {"name", "source", "expect", "seconds", "speed", "rules"}


@dataclass(frozen=True)
class Fixed:
    """What is the same at every size of an experiment and changes its results when it changes.

    Its digest enters the names of results as soon as it is another than that of their first ones,
    so that results of other constants are never mixed with those of these, and none is lost where
    nothing has changed. A change of code that changes results, but no constant, is told as one
    more: `"revision": 2`.

    Attributes:
        told: Constants and recipes by name, as JSON can hold them.
        first: The digest of those that the first results were measured with; written anew where
            more is told of what has not changed, such as the recipe of another row.

    >>> Fixed({"rate": 0.1}, first="d1723cd57b88").changed
    False
    >>> Fixed({"rate": 0.2}, first="d1723cd57b88").changed
    True
    """

    told: Mapping[str, Any]
    first: str

    @property
    def digest(self) -> str:
        """Names what is told."""
        text = json.dumps(self.told, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def changed(self) -> bool:
        """Whether another digest is told than at first."""
        return self.digest != self.first


def departures(recipe: Recipe) -> dict[str, Any]:
    """Return what a recipe says that its defaults and those of its rules do not.

    A knob that rules are given later, at a default that changes nothing, is then no change.

    >>> departures(Recipe(steps=5, rules={"*": {"rule": "oja", "learning_rate": 0.5}}))
    {'steps': 5, 'rules': {'*': {'rule': 'oja', 'learning_rate': 0.5}}}
    """
    told = recipe.model_dump(mode="json", exclude=_TOLD, exclude_defaults=True)
    rules = {}
    for layer, entry in recipe.rules.items():
        plain = Recipe(rules={layer: {"rule": entry["rule"]}}).rules[layer]
        rules[layer] = {
            key: value for key, value in entry.items() if key == "rule" or value != plain[key]
        }
    return {**told, "rules": rules}
