"""The rules by name: those of the package, and those a person defines."""

from typing import Any, TypeVar

from hebblab.errors import InvalidValue, shown, unknown
from hebblab.rules.rule import Rule

RuleClass = TypeVar("RuleClass", bound=type[Rule])

_rules: dict[str, type[Rule]] = {}


def available() -> tuple[str, ...]:
    """Return the names of all rules, sorted.

    >>> "krotov-hopfield" in available()
    True
    """
    return tuple(sorted(_rules))


def register(rule: RuleClass) -> RuleClass:
    """Class decorator: the rule joins the registry under its `name`.

    Defined again in the same notebook, it replaces itself; a name of the package is kept.

    Raises:
        InvalidValue: The class is no rule, has no name, or its name is taken by another's rule.
    """
    if not (isinstance(rule, type) and issubclass(rule, Rule)):
        raise InvalidValue(f"A rule is a class derived from hl.Rule, not {shown(rule)}.")
    name = rule.name
    if not isinstance(name, str) or not 0 < len(name) <= 64 or not name.isprintable():
        raise InvalidValue(
            f"{rule.__name__} needs a name of 1 to 64 printable characters: "
            f'name = "{rule.__name__.lower()}".'
        )
    present = _rules.get(name)
    if present is not None and (present.__module__, present.__qualname__) != (
        rule.__module__,
        rule.__qualname__,
    ):
        raise InvalidValue(
            f"The rule name {name!r} is taken by {present.__module__}.{present.__qualname__}. "
            "Choose another name."
        )
    if rule.update is Rule.update and rule.statistics is Rule.statistics:
        raise InvalidValue(
            f"The rule {name!r} says nothing: define update(self, inputs, weights), "
            "or statistics and change."
        )
    rule.title = rule.__dict__.get("title") or name.replace("-", " ").capitalize()
    _rules[name] = rule
    return rule


def unregister(name: str) -> None:
    """Forget a rule."""
    _rules.pop(name, None)


def get(name: str) -> type[Rule]:
    """Return the class of a rule by name.

    Raises:
        UnknownName: There is none; the nearest name is said.
    """
    if not isinstance(name, str) or name not in _rules:
        raise unknown("rule", name, _rules)
    return _rules[name]


def create(name: str, **knobs: Any) -> Rule:
    """Return a rule by name, its knobs set.

    Args:
        name: One of `available()`.
        **knobs: Values of its knobs; the others keep their defaults.

    Raises:
        UnknownName: There is no such rule, or it has no such knob.
        InvalidValue: A value is out of bounds or of the wrong type.

    >>> create("krotov-hopfield", delta=0.2).delta
    0.2
    """
    return get(name)(**knobs)
