"""The rules by name: those of the package, and those a person defines."""

from typing import Any, TypeVar

from hebblab.errors import InvalidValue, shown, unknown
from hebblab.nn import initial
from hebblab.rules.rule import Rule

RuleClass = TypeVar("RuleClass", bound=type[Rule])

_OF_A_LAYER = (
    *("rule", "init", "layer", "learning_rate", "n", "row_norm", "triangle", "thresholds"),
    *("threshold_rate", "norm_adaptive_lr", "pruning", "teacher", "input_norm", "zca"),
    *("zca_epsilon", "patches_per_batch", "radius_end", "abstention", "patch_norm"),
)
_OF_A_RECIPE = (
    *("schema_version", "data", "network", "rules", "batch_size", "epochs", "steps", "endless"),
    *("decay", "decay_floor", "burn_in", "schedule", "centre", "world", "speed", "seed"),
    *("threads", "name", "source", "expect", "seconds", "preset", "dataset", "gesture"),
)
_OF_A_WORLD = ("samples", "centring", "elongation", "angle", "noise", "number")
# Beside a rule's knobs stand other settings, in recipes, overrides and edits; where a name is both,
# one of the two could not be reached. The tests hold this to what declares them.
_MEANINGS: dict[str, str] = {
    **dict.fromkeys(_OF_A_LAYER, "what a recipe says of a layer beside its rule's knobs"),
    **dict.fromkeys(_OF_A_RECIPE, "a setting of a recipe or a session"),
    **dict.fromkeys(_OF_A_WORLD, "a knob of the two-dimensional worlds"),
}
RESERVED = frozenset(_MEANINGS)

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
        InvalidValue: The class is no rule, has no name or one that is taken, defines no update,
            or declares what no recipe could hold.
    """
    judge(rule)
    rule.title = rule.__dict__.get("title") or rule.name.replace("-", " ").capitalize()
    _rules[rule.name] = rule
    return rule


def judge(rule: type[Rule]) -> None:
    """Refuse what could not be registered; registers nothing.

    Raises:
        InvalidValue: As `register`.
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
    if rule.update is Rule.update and (
        rule.statistics is Rule.statistics or rule.change is Rule.change
    ):
        raise InvalidValue(
            f"The rule {name!r} gives no change: define update(self, inputs, weights), "
            "or both statistics and change."
        )
    _check_declarations(rule)


def _check_declarations(rule: type[Rule]) -> None:
    for field in rule.model_fields:
        if hasattr(Rule, field) or field in Rule.__annotations__:
            raise InvalidValue(
                f"{rule.__name__}.{field} cannot be a knob, as the name has a meaning already. "
                "Choose another name; what describes a rule is set without an annotation."
            )
        if field in RESERVED:
            raise InvalidValue(
                f"{rule.__name__}.{field} cannot be a knob, as {field!r} is {_MEANINGS[field]}. "
                f"Choose another name, such as own_{field}."
            )
        if field not in rule.declared():
            raise InvalidValue(
                f"{rule.__name__}.{field} has no bounds. Declare it as a knob: "
                f"{field}: float = hl.knob(0.1, low=0, high=1)."
            )
    initial.check(rule.initial_weights)
    rate = rule.learning_rate
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 10:
        raise InvalidValue(
            f"{rule.__name__}.learning_rate must be a number from 0 to 10, not {shown(rate)}."
        )
    for text in ("title", "equation", "source", "history", "advice", "converges_to", "limits"):
        if not isinstance(getattr(rule, text), str):
            raise InvalidValue(f"{rule.__name__}.{text} must be a text.")
    texts = rule.disagreements
    if not isinstance(texts, tuple) or not all(isinstance(one, str) for one in texts):
        raise InvalidValue(
            f'{rule.__name__}.disagreements must be a tuple of texts, such as ("Paper: …",).'
        )
    # Judged by the rule itself, as a fresh run will.
    rule(**rule.starting_knobs)


def unregister(name: str) -> None:
    """Forget a rule of one's own; those of the package stay.

    Raises:
        UnknownName: There is no such rule.
        InvalidValue: The rule is the package's.
    """
    if get(name).__module__.split(".")[0] == __name__.split(".")[0]:
        raise InvalidValue(f"The rule {name!r} belongs to hebblab and stays.")
    del _rules[name]


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
