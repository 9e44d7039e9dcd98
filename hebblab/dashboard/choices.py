"""What can be chosen in the top row, in which order, and what suits what."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from hebblab import data, presets, rules
from hebblab.data import worlds
from hebblab.live import Session
from hebblab.nn import networks
from hebblab.recipes import Recipe

FEW = "dense-6"  # as many arrows as can be told apart
_ARROWS = ("dense-1", "dense-2", "dense-5", FEW, "dense-12", "dense-25", "dense-100")
_MANY = "dense-100"
_MOST_ARROWS = 25
_PLANE = (2,)
_START = "normal(0, 0.3)"
_RATE = 0.1
_CONV_BATCH, _BATCH = 10, 100
_DENSE = re.compile(r"dense-(\d+)")
_OWN = {"value": "", "label": "your own", "title": "a preset that was changed"}
FAILS = "Goes wrong on purpose"
_GROUPS = ("Digits", "Fashion and colour", "Two dimensions", "Other images", FAILS)


def choices(session: Session, preset: str) -> dict[str, Any]:
    """Return the drop-downs of the bar.

    Args:
        session: The run.
        preset: What it still is; empty where it was changed.
    """
    recipe = session.recipe
    rule = next(iter(recipe.rules.values()))["rule"]
    known: dict[str, tuple[str, list[Any]]] = {
        "preset": (preset, preset_options() if preset else [_OWN, *preset_options()]),
        "rule": (rule, [_rule_option(name) for name in rules.available()]),
        "data": (recipe.data, _with(recipe.data, data.available())),
        "network": (recipe.network, _with(recipe.network, _networks(session))),
    }
    return {
        what: {"value": value, "options": options, "disabled": False}
        for what, (value, options) in known.items()
    }


@cache
def preset_options() -> list[dict[str, Any]]:
    """Return the presets in groups, each with what one should see.

    >>> [group["label"] for group in preset_options()][:2]
    ['Digits', 'Fashion and colour']
    """
    groups: dict[str, list[dict[str, str]]] = {name: [] for name in _GROUPS}
    for name in presets.available():
        recipe = presets.get(name)
        groups[_group(recipe)].append({"value": name, "label": name, "title": recipe.expect})
    return [{"label": label, "options": group} for label, group in groups.items() if group]


def carried(
    what: str, name: str, recipe: Recipe, before: tuple[int, ...], after: tuple[int, ...]
) -> dict[str, Any]:
    """Return what to change in a recipe for a choice, so that one sees what comes of it.

    Two numbers want few units, a start around the middle and larger steps than images do;
    convolutions want smaller batches.

    Args:
        what: "rule", "data" or "network".
        name: What was chosen.
        recipe: Of the run before.
        before: Shape of its inputs.
        after: Shape of the inputs to come.
    """
    rule = name if what == "rule" else next(iter(recipe.rules.values()))["rule"]
    changes: dict[str, Any] = {what: name}
    if what == "data":
        changes["network"] = suited(recipe.network, after)
    if after == _PLANE and (what == "rule" or before != _PLANE):
        rate = max(_RATE, rules.get(rule).learning_rate) if rule in rules.available() else _RATE
        changes |= {"init": _START, "learning_rate": rate}
    elif before == _PLANE != after:
        changes["rule"] = rule  # with a start and steps of its own
    network = changes.get("network", recipe.network)
    if network != recipe.network:
        small, conv = recipe.batch_size <= _CONV_BATCH, _convolves(network)
        if conv != small and conv != _convolves(recipe.network):
            changes["batch_size"] = _CONV_BATCH if conv else _BATCH
    return changes


def suited(network: str, shape: tuple[int, ...]) -> str:
    """Return a network that suits inputs of a shape: this one, where it does.

    >>> suited("dense-100", (2,)), suited("conv-400", (2,)), suited("dense-5", (2,))
    ('dense-6', 'dense-6', 'dense-5')
    >>> suited("dense-6", (1, 28, 28)), suited("conv-400", (1, 28, 28))
    ('dense-100', 'conv-400')
    """
    dense = _DENSE.fullmatch(network)
    few = dense is not None and int(dense[1]) <= _MOST_ARROWS
    if shape == _PLANE:
        return network if few else FEW
    return _MANY if few or (_convolves(network) and len(shape) != 3) else network


def _convolves(network: str) -> bool:
    """Return whether one of our networks is convolutional; of a person's own nothing is known."""
    return network in networks.available() and _DENSE.fullmatch(network) is None


def _group(recipe: Recipe) -> str:
    if recipe.expect.startswith(FAILS):
        return FAILS
    if recipe.data in worlds.available():
        return "Two dimensions"
    if recipe.data.startswith("mnist"):
        return "Digits"
    return "Fashion and colour" if recipe.data in data.available() else "Other images"


def _networks(session: Session) -> Sequence[str]:
    """Return the networks that take what the data hold."""
    shape = session.dataset.image_shape
    if shape == _PLANE:
        return _ARROWS
    known = networks.available()
    return known if len(shape) == 3 else [name for name in known if name.startswith("dense-")]


def _rule_option(name: str) -> dict[str, str]:
    rule = rules.get(name)
    return {
        "value": name,
        "label": rule.title or name,
        "title": (rule.__doc__ or "").strip().split("\n")[0],
    }


def _with(name: str, known: Sequence[str]) -> list[str]:
    return list(known) if name in known else [name, *known]


__all__ = ["FEW", "carried", "choices", "preset_options", "suited"]
