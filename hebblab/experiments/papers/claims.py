"""How a claim is held against our numbers: always paired, always with an interval."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from hebblab.evaluation import paired_difference, paired_p_value, student_interval, verdict
from hebblab.experiments.papers.intervals import spelt
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
_WIDEST = 1.0  # points on either side beyond which an interval holds nearly any number


def ordered(measure: str, *places: Place) -> Callable[[Results], Verdict]:
    """Return the judge of "each of these is above the next one", in paired differences.

    The words are "ordering reproduced", or "not reproduced" as soon as one difference is not
    clearly above zero; which one, and whether it is worse or cannot be told, is in the reason.
    """

    def judge(results: Results) -> Verdict:
        told, holds, chance = [], True, 0.0
        for above, below in pairwise(places):
            difference, low, high, n = _difference(results, above, below, measure)
            word = verdict(low, high, n)
            holds &= word == "better"
            chance = max(chance, paired_p_value(*results.pairs(above, below, measure)))
            told.append(
                f"{_named(above, places)} less {_named(below, places)}: "
                f"{difference:+.2f} ({low:+.2f} to {high:+.2f}), {word}"
            )
        return Verdict(ORDERING if holds else NOT_REPRODUCED, "; ".join(told), chance)

    return judge


def rises(
    measure: str, condition: str, layers: Sequence[str], against: str | None = None
) -> Callable[[Results], Verdict]:
    """Return the judge of "from layer to layer this rises", and by more than the other condition.

    That the other does not rise is held by the difference of their rises, paired by run: few runs
    of which nothing can be told are no evidence that it does not.
    """

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
            holds &= low <= 0
            told.append(
                f"{against}, {last} less {first}: {difference:+.2f} ({low:+.2f} to {high:+.2f})"
            )
            more, low, high, n = _more(results, condition, against, (first, last), measure)
            word = verdict(low, high, n)
            holds &= word == "better"
            told.append(
                f"{condition} rises by {more:+.2f} more ({low:+.2f} to {high:+.2f}), {word}"
            )
        return Verdict(ORDERING if holds else NOT_REPRODUCED, "; ".join(told))

    return judge


def gap(
    measure: str,
    above: Place,
    below: Place,
    published: float | None,
    at_most: float,
    either: bool = False,
) -> Callable[[Results], Verdict]:
    """Return the judge of "the first is above the second by no more than this".

    "reproduced" where the published difference lies in our interval and that within bounds;
    "ordering reproduced" where the whole interval is within bounds, unless it is on the other side
    of zero than the published difference; else "not reproduced".

    Args:
        measure: What is compared.
        above: The first.
        below: The second.
        published: Their difference; None where none is published.
        at_most: The upper bound.
        either: Whether the first may not be below the second by more, either: they are alike.
    """

    def judge(results: Results) -> Verdict:
        difference, low, high, n = _difference(results, above, below, measure)
        told = f"{difference:+.2f} ({low:+.2f} to {high:+.2f}, n = {n})"
        within = high <= at_most and (not either or low >= -at_most)
        if published is not None:
            told += f"; published {published:+.2f}"
            if within and low <= published <= high:
                return Verdict(REPRODUCED, told)
            if high < 0 < published or published < 0 < low:
                return Verdict(NOT_REPRODUCED, f"{told}; the other way round")
        bounds = f"{'±' if either else ''}{at_most:g}"
        if within:
            return Verdict(ORDERING, f"{told}; at most {bounds}")
        return Verdict(NOT_REPRODUCED, f"{told}; more than {bounds} is not excluded")

    return judge


def number(
    measure: str, place: Place, published: float, half: float = 0.0
) -> Callable[[Results], Verdict]:
    """Return the judge of a published number: inside our interval widened by theirs, or not.

    An interval of more than a point on either side reproduces nothing, as most numbers lie in it.

    Args:
        measure: What is compared.
        place: Ours.
        published: Theirs.
        half: Half of its 95 % interval, for one run that of its test images.
    """

    def judge(results: Results) -> Verdict:
        values = list(results.values(*place, measure).values())
        enough(values, place)
        mean, low, high = student_interval(values)
        shown = spelt(measure, low, high)
        told = f"{mean:.2f} ({shown}, n = {len(values)}); published {published:g}"
        if half:
            told += f" ± {half:g}"
        if high - mean > _WIDEST:
            return Verdict(NOT_REPRODUCED, f"{told}; too wide an interval to tell")
        inside = low - half <= published <= high + half
        return Verdict(REPRODUCED if inside else NOT_REPRODUCED, told)

    return judge


def reached(
    measure: str, cost: str, place: Place, at_least: float, within: float
) -> Callable[[Results], Verdict]:
    """Return the judge of "so much is reached at no more than such a cost", both by intervals."""

    def judge(results: Results) -> Verdict:
        values = list(results.values(*place, measure).values())
        spent = list(results.values(*place, cost).values())
        enough(values, place)
        mean, low, high = student_interval(values)
        usual, least, most = student_interval(spent)
        told = (
            f"{measure}: {mean:.2f} ({spelt(measure, low, high)}, n = {len(values)}); {cost}: "
            f"{usual:.0f} ({least:.0f} to {most:.0f}); asked were {at_least:g} and {within:g}"
        )
        holds = low >= at_least and most <= within
        return Verdict(REPRODUCED if holds else NOT_REPRODUCED, told)

    return judge


def gained(measure: str, place: Place) -> Callable[[Results], Verdict]:
    """Return the judge of "this is above zero", by its interval over runs."""

    def judge(results: Results) -> Verdict:
        values = list(results.values(*place, measure).values())
        enough(values, place)
        mean, low, high = student_interval(values)
        told = f"{place[0]}, {measure}: {mean:+.2f} ({low:+.2f} to {high:+.2f})"
        return Verdict(ORDERING if low > 0 else NOT_REPRODUCED, told)

    return judge


def both(*judges: Callable[[Results], Verdict]) -> Callable[[Results], Verdict]:
    """Return the judge that lets an ordering hold only where each of these does."""

    def judge(results: Results) -> Verdict:
        verdicts = [one(results) for one in judges]
        holds = all(one.word != NOT_REPRODUCED for one in verdicts)
        told = "; ".join(one.reason for one in verdicts)
        return Verdict(ORDERING if holds else NOT_REPRODUCED, told)

    return judge


def _difference(
    results: Results, a: Place, b: Place, measure: str
) -> tuple[float, float, float, int]:
    first, second = results.pairs(a, b, measure)
    enough([one - other for one, other in zip(first, second, strict=True)], a, b)
    return *paired_difference(first, second), len(first)


def _more(
    results: Results, a: str, b: str, layers: tuple[str, str], measure: str
) -> tuple[float, float, float, int]:
    """Return by how much one condition rises more than another, paired by run."""
    values = {
        (name, layer): results.values(name, layer, measure) for name in (a, b) for layer in layers
    }
    seeds = sorted(set.intersection(*(set(one) for one in values.values())))
    first, last = layers
    rises = {
        name: [values[name, last][seed] - values[name, first][seed] for seed in seeds]
        for name in (a, b)
    }
    apart = [one - other for one, other in zip(rises[a], rises[b], strict=True)]
    enough(apart, (a, last), (b, last))
    return *paired_difference(rises[a], rises[b]), len(seeds)


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
