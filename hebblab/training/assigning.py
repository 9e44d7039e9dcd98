"""Which rule, and which options around it, each layer of a model has."""

from collections.abc import Mapping

from hebblab.errors import InvalidValue, unknown
from hebblab.nn import LayerView
from hebblab.rules import Rule
from hebblab.training.options import LayerOptions


def rules_by_layer(
    given: Rule | Mapping[str, Rule], views: Mapping[str, LayerView]
) -> dict[str, Rule]:
    """Return a rule by layer name, in forward order: one rule is that of every layer.

    Raises:
        InvalidValue: There is no rule, or what is given is none.
        UnknownName: A layer's name is none of `views`.
    """
    if isinstance(given, Rule):
        return dict.fromkeys(views, given)
    if not isinstance(given, Mapping):
        raise InvalidValue(
            f"learning_rule must be a rule or a dictionary of rules by layer name, not "
            f"{_named(given)}."
        )
    for name, rule in given.items():
        if name not in views:
            raise unknown("Hebbian layer", name, views)
        if not isinstance(rule, Rule):
            raise InvalidValue(f"The rule of layer {name!r} must be a rule, not {_named(rule)}.")
    if not given:
        raise InvalidValue("The dictionary of rules is empty: nothing would learn.")
    return {name: given[name] for name in views if name in given}


def _named(given: object) -> str:
    """Return what is given in the place of a rule, and how to make one of it."""
    if isinstance(given, type):
        ready = issubclass(given, Rule)
        how = f"make one: {given.__name__}()" if ready else "it is none of hl.Rule"
        return f"the class {given.__name__}; {how}"
    return f"{type(given).__name__}. A rule is made by hl.rules.create(name)"


def options_by_layer(
    given: LayerOptions | Mapping[str, LayerOptions] | None, rules: Mapping[str, Rule]
) -> dict[str, LayerOptions]:
    """Return options by layer name for every layer of `rules`; what is not given is unsaid.

    Raises:
        InvalidValue: Something else than options is given.
        UnknownName: A layer's name is none of `rules`.
    """
    if given is None or isinstance(given, LayerOptions):
        return dict.fromkeys(rules, given or LayerOptions())
    if not isinstance(given, Mapping):
        raise InvalidValue(
            "options must be hl.LayerOptions or a dictionary of them by layer name, not "
            f"{type(given).__name__}."
        )
    for name, one in given.items():
        if name not in rules:
            raise unknown("Hebbian layer", name, rules)
        if not isinstance(one, LayerOptions):
            raise InvalidValue(
                f"The options of layer {name!r} are a {type(one).__name__}, no hl.LayerOptions."
            )
    return {name: given.get(name, LayerOptions()) for name in rules}
