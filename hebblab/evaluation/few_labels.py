"""Ridge readouts of many labelled subsets and of all labels, from one pass over the features."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, shown, unknown
from hebblab.evaluation.cache import Features
from hebblab.evaluation.choosing import Verdict
from hebblab.evaluation.coding import Statistic
from hebblab.evaluation.comparison import paired_difference, student_interval
from hebblab.evaluation.intervals import Score
from hebblab.evaluation.ridge import PENALTIES, Moments, RidgePath, solve_few
from hebblab.evaluation.standard import Standard
from hebblab.evaluation.subsets import SUBSETS, subset, words
from hebblab.evaluation.within import FOLDS, chosen_within

KINDS = (
    *("linear", "softmax", "knn", "ncm", "retrieval", "noise", "occlusion"),
    *("calibration", "code", "confusion"),
)
_SMALL = 1000  # labels, or features, up to which each subset tries every penalty
_FEW = re.compile(r"linear@(?:(\d+(?:\.\d+)?)%|(\d+)/class)")


@dataclass(frozen=True)
class Asked:
    """A probe by name, and for "linear@…" how many labels."""

    name: str
    kind: str
    share: float | None = None
    per_class: int | None = None

    @property
    def draws(self) -> int:
        """How many subsets there are: one of all labels."""
        return 1 if self.share == 1 else SUBSETS


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


class Chooses(Protocol):
    """What chooses a penalty by images of its own, and answers for those that are scored."""

    def judge(self, path: RidgePath) -> Verdict:
        """Answer under the penalty chosen."""
        ...

    def answers(self, path: RidgePath, place: int) -> Tensor:
        """Answer under one penalty of the path, by its place."""
        ...


@dataclass
class Grid:
    """What the readouts of all subsets answered, int64 (scored,) each, by probe.

    Attributes:
        chosen: The penalty chosen by validation images.
        within: The penalty chosen within the subset's own labels; empty where that was not asked.
        penalties: Places of the penalties of the answers that count, by probe.
        overlapping: Probes whose subsets share samples.
        moments: The sums over all samples, where they were wanted.
    """

    chosen: dict[str, list[Tensor]]
    within: dict[str, list[Tensor]] = field(default_factory=dict)
    penalties: dict[str, set[int]] = field(default_factory=dict)
    overlapping: set[str] = field(default_factory=set)
    moments: Moments | None = None

    def answers(self, name: str) -> list[Tensor]:
        """Return what the readout of each subset answered, by its own penalty if asked."""
        return (self.within or self.chosen)[name]

    def shares(self, name: str, labels: Tensor) -> tuple[float, ...]:
        """Return the share of right answers of each subset, those within its labels if asked."""
        return _shares(self.answers(name), labels)

    def statistics(
        self, one: Asked, labels: Tensor, sampling: str, choosing: int
    ) -> list[Statistic]:
        """Return the numbers of one probe.

        Args:
            one: The probe.
            labels: Of the images scored.
            sampling: As for `subset`.
            choosing: Labelled validation images.
        """
        count = len(self.chosen[one.name])
        over = f"Student's t over {count} subsets"
        places = sorted(self.penalties[one.name])
        ends = dict.fromkeys(f"{PENALTIES[place]:g}" for place in (places[0], places[-1]))
        size = words(one.share, one.per_class, sampling)
        draws = f"{count} subsets, " if count > 1 else ""
        by = f" by {FOLDS} folds within them" if self.within else ""
        note = f"{size}, {draws}λ = {' to '.join(ends)}{by}"
        if one.name in self.overlapping:
            note += "; the subsets overlap, so the interval is too narrow"
        own, others = self.shares(one.name, labels), _shares(self.chosen[one.name], labels)
        if count > 1:
            numbers = (*student_interval(own), count)
            gained = (*paired_difference(others, own), count)
        else:
            # One subset has no spread; its images have.
            over = "Student's t over images"
            right, also = (
                (found[one.name][0] == labels).double()
                for found in (self.chosen, self.within or self.chosen)
            )
            score = Score.of(int(also.sum()), len(labels))
            numbers = (float(score), score.low, score.high, score.n)
            gained = (*student_interval((right - also).tolist()), len(labels))
        kind = over if count > 1 else "Wilson"
        accuracy = Statistic("accuracy", numbers, kind, note)
        if not self.within:
            return [accuracy]
        more = f"accuracy gained by {choosing:,} more labels to choose λ by"
        return [
            accuracy,
            Statistic(more, gained, f"{over}, paired", "validation images choose λ"),
        ]


def _shares(answers: list[Tensor], labels: Tensor) -> tuple[float, ...]:
    return tuple(float((answer == labels).double().mean()) for answer in answers)


def label_grid(
    features: Features,
    labels: Tensor,
    standard: Standard,
    classes: int,
    wanted: Sequence[Asked],
    chooser: Chooses,
    seed: int,
    sampling: str,
    whole: bool,
    report: Callable[[float, float], None],
    within: bool = False,
) -> Grid:
    """Return the answers of each subset's readout, and the sums over all samples.

    Subsets of one number hold each other and those of different numbers have nothing in common
    (see `subsets`), so that their sums are steps on the way to those of all samples. Each
    subset tries every penalty. Only where both labels and features are more than 1,000, so that
    their number matters little and the time much, do later subsets try those beside the one that
    the first chose; and not where labels choose by themselves, as no other subset's may help.

    Args:
        features: Of the training images.
        labels: int64 (samples,).
        standard: What features are standardised by: of all training images, as that needs no
            label.
        classes: Number of classes.
        wanted: Probes of few labels.
        chooser: Chooses the penalty and answers for the images scored.
        seed: Of the subsets.
        sampling: As for `subset`.
        whole: Whether the sums over all samples are wanted.
        report: Called as (samples read, samples in all).
        within: Let each subset choose its penalty by itself, too.

    Raises:
        InvalidValue: Fewer labels than classes.
    """
    plans = {
        one: [
            subset(labels, one.share, one.per_class, number, seed, sampling, classes)
            for number in range(one.draws)
        ]
        for one in wanted
    }
    order = sorted(wanted, key=lambda one: len(plans[one][0]))
    grid = Grid({one.name: [] for one in wanted})
    for one, drawn in plans.items():
        together = torch.cat(drawn)
        # Rounding lets neighbours share a sample of some classes.
        if len(together) - len(set(together.tolist())) > SUBSETS * classes:
            grid.overlapping.add(one.name)
    tried: dict[Asked, tuple[float, ...]] = dict.fromkeys(wanted, PENALTIES)
    total = Moments(standard.mean, classes) if whole else None
    used = torch.zeros(len(labels), dtype=torch.bool)
    for number in range(SUBSETS if wanted else 0):
        running, inside = Moments(standard.mean, classes), torch.zeros_like(used)
        for one in order:
            if number >= one.draws:
                continue
            rows = plans[one][number]
            if len(rows) < features.width:
                few = features.take(rows)
                path = solve_few(few, labels[rows].to(few.device), classes, standard, tried[one])
            else:
                mask = torch.zeros_like(used).index_fill_(0, rows, True)
                if bool((inside & ~mask).any()):
                    running, inside = Moments(standard.mean, classes), torch.zeros_like(used)
                add(running, features, labels, (mask & ~inside).nonzero().flatten())
                inside = mask
                path = running.solve(tried[one], standard)
            found = chooser.judge(path)
            grid.chosen[one.name].append(found.answers)
            places = {found.low, found.high}
            if within:
                few = features.take(rows)
                place = chosen_within(few, labels[rows].to(few.device), classes, standard)
                grid.within.setdefault(one.name, []).append(chooser.answers(path, place))
                places = {place}
            elif number == 0 and min(len(rows), features.width) > _SMALL:
                tried[one] = PENALTIES[max(0, found.low - 1) : found.high + 2]
            grid.penalties.setdefault(one.name, set()).update(places)
        if total is not None and not bool((inside & used).any()):
            total += running
            used |= inside
        report(int(used.sum()), len(labels))
    if total is not None:
        add(total, features, labels, (~used).nonzero().flatten(), report)
    grid.moments = total
    return grid


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
