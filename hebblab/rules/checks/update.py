"""What `update` promises: shape, dtype, its arguments left alone, sums that add up."""

import copy
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hebblab.nn import LayerView, Scratch
from hebblab.rules.checks.trial import CLOSE, ROUGH, SAMPLES, Fault, Finding, Trial, far, finite
from hebblab.rules.rule import Rows, Rule, Statistics


def shape(trial: Trial) -> Finding:
    """The change has the shape of the weights, whatever the number of samples."""
    for samples, units in ((SAMPLES, trial.units), (1, trial.units), (3, trial.units + 5)):
        inputs, weights = trial.scene(samples, units)
        found = trial.rule().update(inputs, weights)
        if not isinstance(found, Tensor):
            raise Fault(f"update returned {type(found).__name__}, not a tensor.")
        if found.shape != weights.shape:
            raise Fault(
                f"The change must have the shape of the weights, {tuple(weights.shape)}, "
                f"not {tuple(found.shape)}."
            )
    return "The change has the shape of the weights."


def dtype(trial: Trial) -> Finding:
    """The change has the dtype and device of the weights."""
    inputs, weights = trial.scene()
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    for device, dtype in product(devices, (torch.float32, torch.float64)):
        found = trial.rule().update(inputs.to(device, dtype), weights.to(device, dtype))
        if found.dtype is not dtype or found.device.type != device:
            raise Fault(
                f"Weights of {dtype} on {device} got a change of {found.dtype} on {found.device}."
            )
    return f"The change has the dtype and device of the weights ({' and '.join(devices)})."


def arguments(trial: Trial) -> Finding:
    """Neither argument is changed, nor returned."""
    inputs, weights = trial.scene()
    before = inputs.clone(), weights.clone()
    found = trial.rule().update(inputs, weights)
    for name, one, old in (("inputs", inputs, before[0]), ("weights", weights, before[1])):
        if not torch.equal(one, old):
            raise Fault(f"update changed its {name} in place.")
    if found.data_ptr() in (inputs.data_ptr(), weights.data_ptr()):
        raise Fault("update returned one of its arguments; return a tensor of its own.")
    return "update leaves inputs and weights as they were."


def repeatable(trial: Trial) -> Finding:
    """The same arguments give the same change."""
    inputs, weights = trial.scene()
    rule, state = trial.rule(), torch.random.get_rng_state()
    values = rule.values()
    first, second = (rule.update(inputs, weights).clone() for _ in range(2))
    if not torch.equal(first, second):
        raise Fault("Called twice with the same arguments, it gave two changes.")
    if rule.values() != values:
        raise Fault("update changed the rule's own knobs.")
    if not torch.equal(state, torch.random.get_rng_state()):
        raise Fault("update draws from torch's global generator, so no run can be repeated.")
    return "The same arguments give the same change, bit by bit."


def halves(trial: Trial) -> Finding:
    """Statistics of pieces add up to those of the whole."""
    inputs, weights = trial.scene()
    rule = trial.rule()
    if not rule.in_halves():
        return "advice", _of_update(rule, inputs, weights)
    whole = rule.statistics(inputs, weights)
    total: tuple[Tensor, ...] | None = None
    for piece in torch.split(inputs, [1, 3, 7, 1, 5, 2, len(inputs) - 19]):
        part = rule.statistics(piece, weights)
        total = part if total is None else tuple(map(torch.add, total, part))
    assert total is not None
    for place, (found, expected) in enumerate(zip(total, whole, strict=True)):
        if found.shape != expected.shape or far(found, expected) > CLOSE:
            raise Fault(
                f"Statistic {place} of seven pieces of a batch does not add up to that of the "
                "whole: it must be a sum over samples; divide in change."
            )
    if far(rule.change(total, weights), rule.update(inputs, weights)) > CLOSE:
        raise Fault("change of the summed statistics is not update of the whole batch.")
    return "Statistics of seven uneven pieces add up to those of the whole batch."


def _of_update(rule: Rule, inputs: Tensor, weights: Tensor) -> str:
    """Return what is to be said of a rule with an update of its own."""
    its = next(kind for kind in type(rule).__mro__ if "update" in vars(kind))
    if not {"statistics", "change"} <= vars(its).keys():
        return (
            "It defines update alone: large batches of a convolution cannot be taken in pieces. "
            "Writing it as statistics and change would allow that."
        )
    if far(rule.change(rule.statistics(inputs, weights), weights), rule.update(inputs, weights)) > (
        CLOSE
    ):
        raise Fault(
            "Its statistics and change give another change than its update, and every run takes "
            "update. One of them lacks a term: put it right, and leave update out."
        )
    return (
        "It defines update beside statistics and change, and every run takes update: large batches "
        "of a convolution cannot be taken in pieces. Leaving update out would allow that."
    )


def precision(trial: Trial) -> Finding:
    """float32 and float64 agree."""
    inputs, weights = (one.float() for one in trial.scene())
    rule = trial.rule()
    apart = far(rule.update(inputs, weights), rule.update(inputs.double(), weights.double()))
    if not apart < ROUGH:
        raise Fault(f"float32 and float64 differ by {apart:.1g} of the largest change.")
    return f"float32 and float64 agree (to {apart:.0g} of the largest change)."


def convolution(trial: Trial) -> Finding:
    """A convolution learns by the rule on its patches, in pieces or at once."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 2, 7, 6, generator=generator)
    # On no device, as its own start would draw from the global generator.
    layer = nn.Conv2d(2, trial.units, 3, stride=2, padding=1, bias=False, device="meta")
    view, rule = LayerView(layer), trial.rule()
    weights = torch.randn(view.units, view.fan_in, generator=generator)
    patches = F.unfold(images, 3, padding=1, stride=2).transpose(1, 2).reshape(-1, view.fan_in)
    expected = rule.update(patches, weights)
    finite(expected, "The patches of a convolution give")
    if rule.in_halves():
        one, two = (
            rule.statistics(view.inputs(piece), weights) for piece in (images[:1], images[1:])
        )
        found = rule.change(tuple(map(torch.add, one, two)), weights)
    else:
        found = rule.update(view.inputs(images), weights)
    if far(found, expected) > ROUGH:
        raise Fault("A convolution learns otherwise than the rule on its patches.")
    return "A convolution learns by the rule on its patches."


def copies(trial: Trial) -> Finding:
    """A copy of the rule gives the same change."""
    inputs, weights = trial.scene()
    rule = trial.rule()
    expected = rule.update(inputs, weights)
    for one in (copy.deepcopy(rule), copy.copy(rule), rule.with_()):
        if one.values() != rule.values() or not torch.equal(one.update(inputs, weights), expected):
            raise Fault("A copy of the rule gives another change.")
    return "Copies give the same change."


def fast(trial: Trial) -> Finding:
    """The fast paths, of a whole batch and of pieces, give what `update` gives."""
    if trial.kind.fused is Rule.fused and not trial.kind.any_order():
        return "It has no fast path, so none can differ."
    generator = torch.Generator().manual_seed(2)
    weights = torch.rand(max(400, trial.units), 20, generator=generator)
    inputs = torch.rand(600, 20, generator=generator)
    rule, scratch = trial.rule(), Scratch()
    expected = rule.update(inputs, weights)
    found = rule.fused(inputs, weights, scratch)
    if isinstance(found, Rows):
        found = torch.zeros_like(weights).index_copy(0, found.indices, found.values)
    if found is not None and far(found, expected) > ROUGH:
        raise Fault("The fast path gives another change than update.")
    if trial.kind.any_order():
        total: Statistics | None = None
        for piece in torch.split(inputs, [200, 100, 300]):
            total = rule.accumulated(piece, weights, total, scratch)
        assert total is not None
        if far(rule.change(total, weights), expected) > ROUGH:
            raise Fault("Pieces that accumulated adds up give another change than update.")
    return "The fast paths give what update gives."
