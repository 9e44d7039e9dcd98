"""Ridge readouts of many labelled subsets and of all labels, from one pass over the features."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, shown, unknown
from hebblab.evaluation.cache import Features
from hebblab.evaluation.choosing import Verdict
from hebblab.evaluation.ridge import PENALTIES, Moments, RidgePath, solve_few
from hebblab.evaluation.standard import Standard
from hebblab.evaluation.subsets import SUBSETS, subset

KINDS = (
    *("linear", "softmax", "knn", "ncm", "retrieval", "noise", "occlusion"),
    *("calibration", "code", "confusion"),
)
_FEW = re.compile(r"linear@(?:(\d+(?:\.\d+)?)%|(\d+)/class)")


@dataclass(frozen=True)
class Asked:
    """A probe by name, and for "linear@…" how many labels."""

    name: str
    kind: str
    share: float | None = None
    per_class: int | None = None


def asked(name: object) -> Asked:
    """Return what a probe's name asks for.

    Raises:
        UnknownName: There is no such probe.
        InvalidValue: A share that is none.

    >>> asked("linear@1%").share, asked("linear@10/class").per_class
    (0.01, 10)
    """
    if isinstance(name, str):
        if name in KINDS:
            return Asked(name, name)
        few = _FEW.fullmatch(name)
        if few is not None:
            share = None if few[1] is None else float(few[1]) / 100
            number = None if few[2] is None else int(few[2])
            if number == 0 or (share is not None and not 0 < share <= 1):
                raise InvalidValue(
                    f"{shown(name)} asks for no subset: write a share above 0 and up to 100 %, or "
                    "a number from 1 of each class."
                )
            return Asked(name, "few", share, number)
    raise unknown("probe", name, (*KINDS, "linear@1%", "linear@10/class"))


def label_grid(
    features: Features,
    labels: Tensor,
    standard: Standard,
    classes: int,
    wanted: Sequence[Asked],
    judge: Callable[[RidgePath], Verdict],
    seed: int,
    sampling: str,
    whole: bool,
    report: Callable[[float, float], None],
) -> tuple[dict[str, list[Tensor]], Moments | None]:
    """Return the answers of each subset's readout, and the sums over all samples.

    Subsets of one number hold each other and those of different numbers have nothing in common
    (see `subsets`), so that their sums are steps on the way to those of all samples. The first
    subset tries every penalty, the others those beside the one it chose.

    Args:
        features: Of the training images.
        labels: int64 (samples,).
        standard: What features are standardised by: of all training images, as that needs no
            label.
        classes: Number of classes.
        wanted: Probes of few labels.
        judge: Chooses the penalty and answers for the images scored.
        seed: Of the subsets.
        sampling: As for `subset`.
        whole: Whether the sums over all samples are wanted.
        report: Called as (samples read, samples in all).

    Raises:
        InvalidValue: Fewer labels than classes.
    """
    plans = {
        one: [
            subset(labels, one.share, one.per_class, number, seed, sampling, classes)
            for number in range(SUBSETS)
        ]
        for one in wanted
    }
    order = sorted(wanted, key=lambda one: len(plans[one][0]))
    answers: dict[str, list[Tensor]] = {one.name: [] for one in wanted}
    tried: dict[Asked, tuple[float, ...]] = dict.fromkeys(wanted, PENALTIES)
    total = Moments(standard, classes) if whole else None
    used = torch.zeros(len(labels), dtype=torch.bool)
    for number in range(SUBSETS if wanted else 0):
        running, inside = Moments(standard, classes), torch.zeros_like(used)
        for one in order:
            rows = plans[one][number]
            if len(rows) < features.width:
                few = features.take(rows)
                path = solve_few(few, labels[rows].to(few.device), classes, standard, tried[one])
            else:
                mask = torch.zeros_like(used).index_fill_(0, rows, True)
                if bool((inside & ~mask).any()):
                    running, inside = Moments(standard, classes), torch.zeros_like(used)
                add(running, features, labels, (mask & ~inside).nonzero().flatten())
                inside = mask
                path = running.solve(tried[one])
            found = judge(path)
            answers[one.name].append(found.answers)
            if number == 0:
                tried[one] = PENALTIES[max(0, found.low - 1) : found.high + 2]
        if total is not None and not bool((inside & used).any()):
            total += running
            used |= inside
        report(int(used.sum()), len(labels))
    if total is not None:
        add(total, features, labels, (~used).nonzero().flatten(), report)
    return answers, total


def add(
    moments: Moments,
    features: Features,
    labels: Tensor,
    rows: Tensor,
    report: Callable[[float, float], None] | None = None,
) -> None:
    """Add some rows of features to the sums."""
    all_of_them = len(rows) == len(features)
    for chunk, place in features.chunks(None if all_of_them else rows):
        if report is not None:
            report(len(features) - len(rows) + place.start, len(features))
        moments.add(chunk, labels[rows[place]].to(chunk.device))
