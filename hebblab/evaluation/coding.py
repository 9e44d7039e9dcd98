"""The statistics of a code in one list, each with an interval by the jackknife."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hebblab.evaluation.cache import Features
from hebblab.evaluation.codes import hoyer, selectivity, treves_rolls, win_information
from hebblab.evaluation.comparison import student_quantile

_SAMPLES = 1000
_PARTS = 10
_SHUFFLES = 5


@dataclass(frozen=True)
class Statistic:
    """One number of a code.

    Attributes:
        measure: What it is.
        numbers: (value, low, high, n).
        interval: Which kind.
        note: Why it is not defined, where it is not.
    """

    measure: str
    numbers: tuple[float, float, float, int]
    interval: str
    note: str = ""


def statistics(features: Features, labels: Tensor, classes: int) -> list[Statistic]:
    """Return what kind of code the features of up to 1,000 images, evenly spread, are.

    Every feature counts as a unit. Lifetime and population sparseness (Treves and Rolls), share
    active, class selectivity (the mean over units) and the winner's information about the class in
    bits need a code that is nowhere negative; Hoyer's sparseness, the winners' entropy (1 is
    even) and the effective rank (exp of the entropy of the singular values, Roy and Vetterli 2007)
    do not. Intervals leave out a tenth of the images at a time. Many units tell something of the
    class by chance: beside the winner's information stands what the same winners tell of shuffled
    labels.

    Args:
        features: At least 20 of them.
        labels: int64 (samples,).
        classes: Number of classes.
    """
    count = min(_SAMPLES, len(features))
    places = torch.arange(count) * len(features) // count
    code, own = features.take(places).cpu().double(), labels[places]
    winners = code.argmax(dim=1)
    kernel = code @ code.T if code.shape[1] > count else None
    answering = {
        "lifetime sparseness": lambda kept: treves_rolls(code[kept])[0],
        "population sparseness": lambda kept: treves_rolls(code[kept])[1],
        "share active": lambda kept: float((code[kept] > 0).double().mean()),
        "class selectivity": lambda kept: float(selectivity(code[kept], own[kept], classes).mean()),
        "winner's information, bits": lambda kept: win_information(
            winners[kept], own[kept], code.shape[1], classes
        ),
    }
    signed = {
        "Hoyer sparseness": lambda kept: hoyer(code[kept]),
        "winner entropy": lambda kept: _evenness(winners[kept], code.shape[1]),
        "effective rank": lambda kept: _rank(
            code[kept].T @ code[kept] if kernel is None else kernel[kept][:, kept]
        ),
    }
    if count < 2 * _PARTS or code.shape[1] < 2:
        why = f"a code needs at least {2 * _PARTS} images and 2 features"
        return [_undefined(measure, why) for measure in (*answering, *signed)]
    negative = bool((code < 0).any())
    found = [
        _undefined(measure, "the code has negative values")
        if negative
        else _jackknife(measure, of, count)
        for measure, of in answering.items()
    ]
    found += [_jackknife(measure, of, count) for measure, of in signed.items()]
    by_chance = f"{_chance(winners, own, code.shape[1], classes):.3g} bits by chance"
    return [
        replace(one, note=by_chance) if "information" in one.measure and not one.note else one
        for one in found
    ]


def _chance(winners: Tensor, labels: Tensor, units: int, classes: int) -> float:
    """Return what winners tell of labels that they have nothing to do with, the mean of some."""
    generator = torch.Generator().manual_seed(0)
    orders = [torch.randperm(len(labels), generator=generator) for _ in range(_SHUFFLES)]
    told = [win_information(winners, labels[order], units, classes) for order in orders]
    return math.fsum(told) / _SHUFFLES


def _jackknife(measure: str, of: Callable[[Tensor], float], count: int) -> Statistic:
    everything = torch.arange(count)
    value = of(everything)
    if math.isnan(value):
        return _undefined(measure, "no unit answers")
    # Every tenth image, so that a set sorted by class leaves out some of each.
    left = [of(everything[everything % _PARTS != part]) for part in range(_PARTS)]
    if any(math.isnan(one) for one in left):
        numbers = (value, math.nan, math.nan, count)
        return Statistic(measure, numbers, "none", "without a tenth of the images no unit answers")
    mean = math.fsum(left) / _PARTS
    spread = math.sqrt((_PARTS - 1) / _PARTS * math.fsum((one - mean) ** 2 for one in left))
    half = student_quantile(0.975, _PARTS - 1) * spread
    return Statistic(measure, (value, value - half, value + half, count), "jackknife over tenths")


def _undefined(measure: str, why: str) -> Statistic:
    return Statistic(measure, (math.nan, math.nan, math.nan, 0), "none", why)


def _evenness(winners: Tensor, units: int) -> float:
    share = torch.bincount(winners, minlength=units).double() / len(winners)
    return float(torch.special.entr(share).sum() / math.log(units))


def _rank(kernel: Tensor) -> float:
    singular = torch.linalg.eigvalsh(kernel).clamp_min(0).sqrt()
    total = float(singular.sum())
    return math.exp(float(torch.special.entr(singular / total).sum())) if total else math.nan
