"""What declared knobs promise: finite at their bounds, strict beyond, and never idle."""

from itertools import product

import torch
from torch import Tensor

from hebblab.errors import HebblabError, InvalidValue, shown
from hebblab.knobs import Knob, Value
from hebblab.rules import registry
from hebblab.rules.checks.trial import CLOSE, Fault, Finding, Trial, far, finite
from hebblab.rules.rule import Rule


def declared(trial: Trial) -> Finding:
    """It could be registered, and says what it is."""
    kind = trial.kind
    try:
        registry.judge(kind)
        trial.rule()
    except HebblabError as error:
        raise Fault(str(error)) from None
    missing = [word for word in ("title", "equation", "source") if not getattr(kind, word)]
    if not (kind.__doc__ or "").strip() or kind.__doc__ == Rule.__doc__:
        missing.append("docstring")
    if missing:
        return "advice", f"It can be registered; it would gain from: {', '.join(missing)}."
    return "It can be registered, and says what it is and where it comes from."


def bounds(trial: Trial) -> Finding:
    """Every knob gives a finite change at its bounds, or refuses what these units cannot have."""
    for name, knob in trial.knobs.items():
        for value in _ends(knob, trial.units):
            for dtype in (torch.float64, torch.float32):
                inputs, weights = (one.to(dtype) for one in trial.scene())
                try:
                    found = trial.rule(**{name: value}).update(inputs, weights)
                except InvalidValue:
                    continue
                finite(found, f"{name} = {shown(value)} gives")
    return "Every knob gives a finite change at both its bounds."


def refusals(trial: Trial) -> Finding:
    """Values out of bounds are refused and change nothing."""
    rule = trial.rule()
    before = rule.values()
    for name, knob in trial.knobs.items():
        for value in knob.invalid_values():
            try:
                setattr(rule, name, value)
            except InvalidValue:
                continue
            raise Fault(f"{name} = {shown(value)} is out of its bounds and was taken.")
    if rule.values() != before:
        raise Fault("A refused value changed the rule.")
    return "Values out of bounds are refused and change nothing."


def heeded(trial: Trial) -> Finding:
    """Every knob changes the result in some setting of the others."""
    idle = [name for name in trial.knobs if not _acts(trial, name)]
    if idle:
        change = "change" if len(idle) > 1 else "changes"
        raise Fault(
            f"{', '.join(idle)} {change} nothing at any setting of the other knobs: "
            "use what is declared, or declare less."
        )
    return "Every knob changes the result in some setting." if trial.knobs else "It has no knobs."


def _ends(knob: Knob, units: int) -> tuple[Value, ...]:
    """Return the values at the edge of what a knob accepts: its bounds, or all its words."""
    if knob.scale == "switch":
        return False, True
    if knob.choices:
        return knob.choices
    low, high = knob.low or 0, knob.for_units(units).high or 0
    return (int(low), int(high)) if knob.scale == "integer" else (float(low), float(high))


def _acts(trial: Trial, name: str) -> bool:
    """Whether a knob changes anything as the others stand, or with one of them at an end."""
    knob, units = trial.knobs[name], trial.units
    settings: list[dict[str, Value]] = [{}]
    for other, one in trial.knobs.items():
        if other != name:
            settings += [{other: value} for value in _ends(one, units)]
    plain, small = trial.scene(), tuple(one * 1e-4 for one in trial.scene())
    for setting, (inputs, weights) in product(settings, (plain, small)):
        results = []
        for value in (knob.default, *_ends(knob, units)):
            try:
                rule = trial.rule(**{**setting, name: value})
                results.append(_after(rule, inputs, weights))
            except InvalidValue:
                continue
        if any(far(one, results[0]) > CLOSE for one in results[1:]):
            return True
    return False


def _after(rule: Rule, inputs: Tensor, weights: Tensor) -> Tensor:
    """Return the change, and the one after the rule's own state has moved on."""
    first = rule.update(inputs, weights).clone()
    if not rule.in_halves():
        return first
    rule.advance(rule.statistics(inputs, weights), 0.01)
    return torch.cat((first, rule.update(inputs, weights)))
