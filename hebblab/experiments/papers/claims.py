"""How a claim is held against our numbers: always paired, always with an interval."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from hebblab.evaluation import paired_difference, student_interval, verdict
from hebblab.experiments.papers.paper import (
    NOT_REPRODUCED,
    ORDERING,
    REPRODUCED,
    NotRun,
    Verdict,
)
from hebblab.experiments.papers.results import Results

Place = tuple[str, str]  # a condition and a layer

_FEWEST = 3  # runs under which no interval is worth its name


def ordered(measure: str, *places: Place) -> Callable[[Results], Verdict]:
    """Return the judge of "each of these is above the next one", in paired differences.

    The words are "ordering reproduced", or "not reproduced" as soon as one difference is not
    clearly above zero; which one, and whether it is worse or cannot be told, is in the reason.
    """

    def judge(results: Results) -> Verdict:
        told, holds = [], True
        for above, below in pairwise(places):
            difference, low, high, n = _difference(results, above, below, measure)
            word = verdict(low, high, n)
            holds &= word == "better"
            told.append(
                f"{_named(above, places)} less {_named(below, places)}: "
                f"{difference:+.2f} ({low:+.2f} to {high:+.2f}), {word}"
            )
        return Verdict(ORDERING if holds else NOT_REPRODUCED, "; ".join(told))

    return judge


def rises(
    measure: str, condition: str, layers: Sequence[str], against: str | None = None
) -> Callable[[Results], Verdict]:
    """Return the judge of "from layer to layer this rises", and the other condition does not."""

    def judge(results: Results) -> Verdict:
        told, holds = [], True
        for below, above in pairwise(layers):
            difference, low, high, n = _difference(
                results, (condition, above), (condition, below), measure
            )
            word = verdict(low, high, n)
            holds &= word == "better"
            told.append(
                f"{condition}, {above} less {below}: {difference:+.2f} "
                f"({low:+.2f} to {high:+.2f}), {word}"
            )
        if against is not None:
            first, last = layers[0], layers[-1]
            difference, low, high, n = _difference(
                results, (against, last), (against, first), measure
            )
            holds &= high < 0 or verdict(low, high, n).startswith("cannot")
            told.append(
                f"{against}, {last} less {first}: {difference:+.2f} ({low:+.2f} to {high:+.2f})"
            )
        return Verdict(ORDERING if holds else NOT_REPRODUCED, "; ".join(told))

    return judge


def gap(
    measure: str, above: Place, below: Place, published: float | None, at_most: float
) -> Callable[[Results], Verdict]:
    """Return the judge of "the first is above the second by no more than this".

    "reproduced" where the published difference lies in our interval; "ordering reproduced" where
    the whole interval is under `at_most`; else "not reproduced".
    """

    def judge(results: Results) -> Verdict:
        difference, low, high, n = _difference(results, above, below, measure)
        told = f"{difference:+.2f} ({low:+.2f} to {high:+.2f}, n = {n})"
        if published is not None:
            told += f"; published {published:+.2f}"
            if low <= published <= high and high <= at_most:
                return Verdict(REPRODUCED, told)
        if high <= at_most:
            return Verdict(ORDERING, f"{told}; at most {at_most:g}")
        return Verdict(NOT_REPRODUCED, f"{told}; more than {at_most:g} is not excluded")

    return judge


def number(
    measure: str, place: Place, published: float, half: float = 0.0
) -> Callable[[Results], Verdict]:
    """Return the judge of a published number: inside our interval widened by theirs, or not."""

    def judge(results: Results) -> Verdict:
        values = list(results.values(*place, measure).values())
        enough(values, place)
        mean, low, high = student_interval(values)
        told = f"{mean:.2f} ({low:.2f} to {high:.2f}, n = {len(values)}); published {published:g}"
        inside = low - half <= published <= high + half
        return Verdict(REPRODUCED if inside else NOT_REPRODUCED, told)

    return judge


def _difference(
    results: Results, a: Place, b: Place, measure: str
) -> tuple[float, float, float, int]:
    first, second = results.pairs(a, b, measure)
    enough([one - other for one, other in zip(first, second, strict=True)], a, b)
    return *paired_difference(first, second), len(first)


def enough(values: list[float], *places: Place) -> None:
    """Refuse to judge by fewer runs than an interval needs.

    Raises:
        NotRun: With the numbers there are.
    """
    if len(values) < _FEWEST:
        told = ", ".join(f"{value:.2f}" for value in values)
        which = " less ".join(place[0] for place in places)
        raise NotRun(
            f"{len(values)} of at least {_FEWEST} runs, so no interval ({which}: {told}). "
            f"Run with --seeds {_FEWEST} or more"
        )


def _named(place: Place, places: Sequence[Place]) -> str:
    alike = len({layer for _, layer in places}) == 1
    return place[0] if alike else f"{place[0]} at {place[1]}"
