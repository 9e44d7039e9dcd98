"""Putting any rule through what can be checked without knowing what it should compute."""

from collections.abc import Callable

from hebblab.errors import InvalidValue, shown
from hebblab.rules import registry
from hebblab.rules.checks import knobs, update, values
from hebblab.rules.checks.report import Line, Report
from hebblab.rules.checks.trial import Fault, Finding, Trial
from hebblab.rules.rule import Rule

__all__ = ["Line", "Report", "check"]

_CHECKS: dict[str, Callable[[Trial], Finding]] = {
    "dtype": update.dtype,
    "arguments": update.arguments,
    "repeatable": update.repeatable,
    "halves": update.halves,
    "precision": update.precision,
    "convolution": update.convolution,
    "copies": update.copies,
    "fast path": update.fast,
    "zeros": values.zeros,
    "silence": values.silence,
    "one sample": values.single,
    "sizes": values.sizes,
    "order": values.order,
    "ties": values.ties,
    "bounds": knobs.bounds,
    "refusals": knobs.refusals,
    "knobs": knobs.heeded,
}


def check(rule: type[Rule] | Rule | str) -> Report:
    """Put a rule through everything that can be checked without a reference.

    Whether a rule computes what its equation says only a second reading can tell. But each rule
    should give a change of the right shape, leave its arguments alone, stay finite, have no
    winner for an empty image, heed every knob it declares, and so on: that is checked here, on
    8 units with 6 inputs, in less than a second.

    Args:
        rule: A class derived from `hebblab.Rule`, one made from it, or the name of one. It need
            not be registered. Nothing that is given is changed.

    Returns:
        A report: print it, show it in a notebook, ask `passed`, or `raise_for_failures()`.

    Raises:
        InvalidValue: That is no rule.
        UnknownName: No rule has that name.

    >>> from hebblab.rules import Rule
    >>> class Forgetful(Rule):
    ...     '''Units go to the mean image, and never mind the batch.'''
    ...     name = "forgetful"
    ...     def update(self, inputs, weights):
    ...         return inputs.sum(0) / (inputs.sum(0) != 0).sum() - weights
    >>> report = check(Forgetful)
    >>> report.passed
    False
    >>> print(report["zeros"].text)
    All-zero inputs give a change that is not finite: some of it is NaN.
    >>> check("krotov-hopfield").passed
    True
    """
    if isinstance(rule, str):
        rule = registry.get(rule)
    kind = rule if isinstance(rule, type) else type(rule)
    if not issubclass(kind, Rule):
        raise InvalidValue(
            f"check() takes a class derived from hl.Rule, a rule, or its name, not {shown(rule)}."
        )
    trial = Trial(kind, rule.values() if isinstance(rule, Rule) else {})
    lines = [_line("declared", knobs.declared, trial)]
    made = _line("made", lambda one: str(one.rule()), trial)
    if made.verdict == "failed":
        lines.append(made)
    else:
        lines += _tried(trial)
    return Report(str(kind.name) or kind.__name__, tuple(lines))


def _tried(trial: Trial) -> list[Line]:
    """Return what all checks found; one line where no change of the right shape comes at all."""
    shape = _line("shape", update.shape, trial)
    if shape.verdict == "failed":
        waiting = f"{len(_CHECKS)} more checks wait for a change of the weights' shape."
        return [shape, Line("the rest", "advice", waiting)]
    return [shape, *(_line(name, one, trial) for name, one in _CHECKS.items())]


def _line(name: str, one: Callable[[Trial], Finding], trial: Trial) -> Line:
    try:
        found = one(trial)
    except Fault as fault:
        return Line(name, "failed", str(fault))
    except Exception as error:  # whatever a person's rule raises is a finding
        first = (str(error).strip().splitlines() or ["without words"])[0]
        return Line(name, "failed", f"It raised {type(error).__name__}: {first}")
    if isinstance(found, tuple):
        return Line(name, *found)
    return Line(name, "passed", found)
