"""What can be turned in a run, and what turning it does at a batch edge."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

from hebblab import data
from hebblab.data.batches import check_batch_size
from hebblab.errors import InvalidValue, lacking, shown
from hebblab.knobs import Knob, Value
from hebblab.live.batching import BATCH_SIZE, batch_knob, refuse_too_large
from hebblab.live.edits import Changes, Edit
from hebblab.live.run import Run
from hebblab.metrics import norms
from hebblab.rules import Rows, Rule
from hebblab.rules.reductions import largest
from hebblab.training import OPTIONS, LayerOptions, without_effect

_AIMS = frozenset(
    ("similarity", "competition", "activation", "input_norm", "patch_norm", "zca", "nonnegative")
)
_AIMS_ONCE_ON = frozenset({"row_norm", "thresholds"})


def knobs(run: Run, layer: str) -> dict[str, Knob]:
    """Return what can be turned at a layer: the rule's own knobs, the options, the whole run's."""
    offered = run.around[layer].offered(run.rules[layer], run.options[layer])
    known = declared(run, layer) | {"batch_size": batch_knob(len(run.dataset.train))}
    return {name: one for name, one in known.items() if name not in OPTIONS or name in offered}


def declared(run: Run, layer: str) -> dict[str, Knob]:
    """Return `knobs`, and the options that cannot be turned as things stand."""
    units = run.views[layer].units // run.views[layer].groups
    found = {name: knob.for_units(units) for name, knob in run.rules[layer].knobs().items()}
    return found | OPTIONS | shared(run)


def shared(run: Run) -> dict[str, Knob]:
    """Return what is turned for the whole run, whichever layer is named: batch and world."""
    return {"batch_size": BATCH_SIZE} | ({} if run.world is None else run.world.knobs())


def asked(changes: Mapping[str, Value] | None, knobs: Mapping[str, Value]) -> dict[str, Value]:
    """Return what an edit asks for, by knob, given in either way."""
    if changes is not None and not isinstance(changes, Mapping):
        raise InvalidValue(
            f'edit() takes knobs by name, such as {{"delta": 0.2}}, not {shown(changes)}.'
        )
    return {**(changes or {}), **knobs}


def everyones(run: Run, layer: str | None, wanted: Iterable[str]) -> bool:
    """Whether an edit is of what several layers share; a rate is, where no layer is named."""
    common = {*shared(run), *(("learning_rate",) if layer is None else ())}
    return len(run.layers) > 1 and common.issuperset(wanted)


def values(run: Run, layer: str) -> dict[str, Value]:
    """Return the present value of everything that can be turned at a layer."""
    now = everything(run, layer)
    return {name: now[name] for name in knobs(run, layer)}


def everything(run: Run, layer: str) -> dict[str, Value]:
    """Return `values`, and those of the options that cannot be turned as things stand."""
    now = {**run.rules[layer].values(), **run.options[layer].values()}
    now["batch_size"] = run.batches.batch_size
    return now if run.world is None else now | run.world.values()


def idle(run: Run, layer: str, asked: Mapping[str, Any]) -> dict[str, str]:
    """Return which values that a person asked for change nothing as things are, with the reason.

    To ask for an option as it is by default is to ask for nothing.
    """
    rule, options = run.rules[layer], run.options[layer]
    reasons = rule.idle() | without_effect(rule, options)
    return {
        name: reasons[name]
        for name, value in asked.items()
        if name in reasons and (name not in OPTIONS or value != OPTIONS[name].default)
    }


def idle_everywhere(run: Run, asked: Mapping[str, Any]) -> tuple[str, ...]:
    """Return, in sentences, what a person asked for that changes nothing at any layer."""
    found = {layer: idle(run, layer, asked) for layer in run.layers}
    told = [f"{name} has no effect as things are. {why}" for name, why in _unheeded(run, asked)]
    for name in asked:
        reasons = [found[layer].get(name) for layer in run.layers if name in everything(run, layer)]
        if reasons and all(reasons):
            told.append(f"{name} has no effect as things are. {reasons[0]}")
    return tuple(told)


def _unheeded(run: Run, asked: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the settings of a recipe that were asked for and are not heeded, with the reason."""
    if asked.get("decay_floor") and run.recipe.decay == "none":
        yield "decay_floor", "The learning rate does not fall while decay is none."
    if asked.get("schedule", "in-order") != "in-order" and len(run.layers) == 1:
        yield "schedule", "Only one layer learns."


def accepted(
    run: Run, layer: str, present: Mapping[str, Value], wanted: Mapping[str, Value]
) -> Changes:
    """Return wanted values as changes, (old, new) by knob, each judged and all together.

    Args:
        run: The run.
        layer: Its layer.
        present: Everything as it will be when the changes come into force.
        wanted: Values by knob.

    Raises:
        InvalidValue: A value is refused, or its knob cannot change while a run is under way.
        UnknownName: There is no such knob.
    """
    known = declared(run, layer)
    changes: Changes = {}
    wrong = [key for key in wanted if key not in known]
    if wrong:
        raise lacking(f"layer {layer!r}", "knob", wrong, knobs(run, layer))
    for key, value in wanted.items():
        if not known[key].live:
            raise InvalidValue(
                f"{known[key].label} cannot change while a run is under way: it needs a fresh "
                f"start. Make hl.Session(..., {key}={shown(value)})."
            )
        changes[key] = (present[key], known[key].check(value))
    judge(run, layer, present, {key: new for key, (_, new) in changes.items()})
    return changes


def judge(run: Run, layer: str, present: Mapping[str, Value], changes: Mapping[str, Value]) -> None:
    """Refuse values that are fine one by one but not together.

    Args:
        run: The run.
        layer: Its layer.
        present: Everything as it will be when the changes come into force.
        changes: Checked by their knobs.

    Raises:
        InvalidValue: In the words of the rule, the network or the world.
        UnknownName: An option can be turned neither before nor after the changes.
    """
    wanted = {**present, **changes}
    rule, options = _as_wanted(run, layer, wanted)
    run.trainer.learners[layer].judge(rule, options)
    run.around[layer].judge(options)
    run.around[layer].judge_rule(rule)
    rule.check_rate(options.learning_rate)
    if run.world is not None:
        known = run.world.declared()
        run.world.with_(**{key: one for key, one in wanted.items() if key in known})
    if "batch_size" in changes:
        _judge_batch(run, int(changes["batch_size"]))
    idle = run.around[layer].missing(*_as_wanted(run, layer, present))
    still = run.around[layer].missing(rule, options)
    for name in changes:
        if name in idle and name in still:
            known = knobs(run, layer)
            raise lacking(f"layer {layer!r}", "knob", [name], known, advice=idle[name])


def _judge_batch(run: Run, batch_size: int) -> None:
    """Refuse a batch that cannot be had, or after which no step would be left to learn in."""
    images = len(run.dataset.train)
    check_batch_size(batch_size, images)
    refuse_too_large(batch_size, run.views)
    run.schedule.judge(run.clock.turned(run.steps, images // batch_size).planned)


def apply(run: Run, edit: Edit) -> None:
    """Bring an accepted edit into force, at this batch edge, and stamp it."""
    new = {name: value for name, (_, value) in edit.changes.items()}
    before = {layer: everything(run, layer) for layer in run.layers}
    changes: Changes = {}
    for layer in run.layers if edit.layer is None else (edit.layer,):
        changes = {name: (before[layer][name], value) for name, value in new.items()}
        changes |= _turn(run, layer, new, edit)
        if not edit.note and any(_moves_the_aim(name, *pair) for name, pair in changes.items()):
            edit.note = "what units settle at has moved, so they settle anew"
    if "batch_size" in new:
        run.resize(int(new["batch_size"]))
    edit.changes = changes
    edit.applied_at = run.steps


def _moves_the_aim(name: str, old: Value, new: Value) -> bool:
    """Whether units go on from where they are to somewhere else; `reduction` tells of itself."""
    return old != new and (name in _AIMS or (name in _AIMS_ONCE_ON and new is True))


def _as_wanted(run: Run, layer: str, wanted: Mapping[str, Value]) -> tuple[Rule, LayerOptions]:
    """Return a layer's rule and options as they would be with some values changed."""
    rule, options = run.rules[layer], run.options[layer]
    own = {key: one for key, one in wanted.items() if key in rule.declared()}
    around = {key: one for key, one in wanted.items() if key in OPTIONS}
    return rule.with_(**own), options.with_(**around)


def _turn(run: Run, layer: str, new: dict[str, Value], edit: Edit) -> Changes:
    """Set knobs of a layer; return what else had to change with them, (old, new) by knob."""
    rule, options = run.rules[layer], run.options[layer]
    _as_wanted(run, layer, new)
    own = {name: value for name, value in new.items() if name in rule.declared()}
    around = {name: value for name, value in new.items() if name in OPTIONS}
    resized = "reduction" in own and "learning_rate" not in new
    size = change_size(run, layer) if resized else 0.0
    old_norm = rule.norm
    if around:
        _surround(run, layer, around)
    # Judged as a whole above; one by one they might contradict each other on the way.
    rule.__dict__.update(own)
    if old_norm is not None and rule.norm is not None and rule.norm != old_norm:
        _rescale(run, layer, old_norm, rule.norm)
        edit.note = "rows rescaled, so that each keeps its norm"
    if "radius" in own:
        run.schedule.hold_radius(layer)
    if around.get("row_norm"):
        run.trainer.learners[layer].finish()
    for reason in idle(run, layer, new).values():
        edit.note = edit.note or reason
    run.show_thresholds(layer)
    if run.world is not None:
        known = run.world.declared()
        drawn = {name: value for name, value in new.items() if name in known}
        if drawn:
            run.draw(run.world.with_(**drawn))
    if not resized:
        return {}
    old_rate = options.learning_rate
    _keep_step_size(run, layer, size)
    edit.note = "learning rate rescaled, so that steps stay as large"
    return {"learning_rate": (old_rate, options.learning_rate)}


def _surround(run: Run, layer: str, changes: Mapping[str, Value]) -> None:
    """Bring a layer's options, and the network with them, to new values.

    Raises:
        InvalidValue: The inputs cannot be whitened; nothing is changed.
    """
    options, around = run.options[layer], run.around[layer]
    before = options.values()
    options.__dict__.update(changes)
    around.form(options)
    try:
        fitted = {"zca", "zca_epsilon"}
        if options.zca == "patches":
            fitted |= {"input_norm", "patch_norm"}
        if not fitted.isdisjoint(changes):
            run.whiten(layer)
    except InvalidValue:
        options.__dict__.update(before)
        around.form(options)
        raise


@torch.no_grad()
def _rescale(run: Run, layer: str, old: float, new: float) -> None:
    """Keep each row's norm when the norm itself changes: a row below 1 would take every win."""
    view = run.views[layer]
    rows = view.weights()
    view.scale_(norms(rows, old) / norms(rows, new).clamp_min(1e-30))


def change_size(run: Run, layer: str) -> float:
    """Return the largest change that a few images ask for, with the present knobs."""
    train, count = run.dataset.train, run.batches.batch_size
    inputs = data.as_floats(train, limit=count, centre=run.centre)
    labels = train.labels[torch.arange(len(inputs)) * len(train) // len(inputs)]
    change = run.trainer.change(layer, run.around[layer].before(inputs), labels)
    size = float(largest(change.values if isinstance(change, Rows) else change))
    run.trainer.forget()
    return size


def _keep_step_size(run: Run, layer: str, before: float) -> None:
    after = change_size(run, layer)
    if not (before > 0 and after > 0):
        return
    knob = OPTIONS["learning_rate"]
    wanted = run.options[layer].learning_rate * before / after
    low, high = float(knob.low or 0), float(knob.high or 10)
    run.options[layer].learning_rate = min(max(wanted, low), high)
