"""Several runs beside each other: means with intervals, and differences that are paired."""

import math
from collections.abc import Sequence

from hebblab.errors import InvalidValue, shown
from hebblab.evaluation.checks import listed, whole

_CERTAIN = 0.05  # the level of every interval and every word here


def student_interval(values: Sequence[float]) -> tuple[float, float, float]:
    r"""Return the mean of several runs and its 95 % interval.

    It is \(\bar x \pm t_{.975,n-1}\,s/\sqrt n\). Under three runs an interval would be wider than
    anybody would use (with two, t is 12.7): its ends are NaN then.

    Args:
        values: One number a run, at least one, all finite.

    Raises:
        InvalidValue: There is no value, or one is not finite.

    >>> mean, low, high = student_interval([0.90, 0.91, 0.92])
    >>> round(mean, 3), round(low, 4), round(high, 4)
    (0.91, 0.8852, 0.9348)
    """
    numbers = listed("Values", values)
    if not numbers or not all(math.isfinite(number) for number in numbers):
        raise InvalidValue(
            f"An interval needs at least one run, each with a finite number, not {shown(values)}."
        )
    n = len(numbers)
    mean = math.fsum(numbers) / n
    if n < 3:
        return mean, math.nan, math.nan
    spread = math.sqrt(math.fsum((one - mean) ** 2 for one in numbers) / (n - 1))
    half = student_quantile(1 - _CERTAIN / 2, n - 1) * spread / math.sqrt(n)
    return mean, mean - half, mean + half


def paired_difference(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of a - b over pairs of runs, and its 95 % interval.

    Pairs share seed, split and subset, so that what they have in common cancels.

    Raises:
        InvalidValue: The two differ in number, or a value is not finite.

    >>> difference, low, high = paired_difference([0.90, 0.92, 0.94], [0.88, 0.91, 0.92])
    >>> round(difference, 4), low > 0
    (0.0167, True)
    """
    ours, theirs = listed("Values", a), listed("Values", b)
    if len(ours) != len(theirs):
        raise InvalidValue(
            f"A paired comparison needs as many runs of the one as of the other, not {len(ours)} "
            f"and {len(theirs)}. Give both the same seeds."
        )
    return student_interval([one - other for one, other in zip(ours, theirs, strict=True)])


def paired_p_value(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the two-sided p-value that runs differ by chance alone: the paired t test.

    NaN under three runs; 1 where no pair differs, 0 where all differ by the same.

    Raises:
        InvalidValue: As for `paired_difference`.

    >>> round(paired_p_value([0.90, 0.92, 0.94], [0.88, 0.91, 0.92]), 4)
    0.0377
    """
    mean, low, _ = paired_difference(a, b)
    half = mean - low
    if math.isnan(half):
        return math.nan
    if half == 0:
        return 1.0 if mean == 0 else 0.0
    freedom = len(a) - 1
    t = abs(mean) / half * student_quantile(1 - _CERTAIN / 2, freedom)
    return max(0.0, 2 * (1 - _student_share(t, freedom)))


def verdict(low: float, high: float, n: int) -> str:
    """Return "better", "worse" or "cannot tell at n = …" for the interval of a difference.

    Raises:
        InvalidValue: Ends that are no numbers, or no whole number of runs.

    >>> verdict(0.01, 0.03, 5), verdict(-0.01, 0.03, 5)
    ('better', 'cannot tell at n = 5')
    """
    low, high = listed("The ends of an interval", (low, high))
    n = whole("n", n)
    if low > 0:
        return "better"
    return "worse" if high < 0 else f"cannot tell at n = {n}"


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p-value that two models on the same images are equally good.

    Source: McNemar 1947, the exact binomial form.

    Args:
        only_a: Images that only the first gets right.
        only_b: Images that only the second gets right.

    Raises:
        InvalidValue: A count is negative, or no whole number.

    >>> round(mcnemar(5, 15), 4)
    0.0414
    """
    only_a, only_b = whole("A count", only_a), whole("A count", only_b)
    if only_a < 0 or only_b < 0:
        raise InvalidValue(f"Counts are at least 0, not {shown(only_a)} and {shown(only_b)}.")
    n, fewer = only_a + only_b, min(only_a, only_b)
    # In logarithms, as 2 to the number of images leaves the floats.
    tail = math.fsum(
        math.exp(math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2))
        for i in range(fewer + 1)
    )
    return min(1.0, 2 * tail)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values of several comparisons with one baseline, adjusted for their number.

    A value that is NaN, as of too few runs, stays so and counts for none.

    Source: Holm 1979.

    Raises:
        InvalidValue: One is no probability.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    given = listed("p-values", p_values)
    known = [place for place, one in enumerate(given) if not math.isnan(one)]
    wrong = [given[place] for place in known if not 0 <= given[place] <= 1]
    if wrong:
        raise InvalidValue(f"A p-value is from 0 to 1, not {shown(wrong[0])}.")
    adjusted = [math.nan] * len(given)
    running = 0.0
    for rank, place in enumerate(sorted(known, key=lambda place: given[place])):
        running = max(running, min(1.0, (len(known) - rank) * given[place]))
        adjusted[place] = running
    return adjusted


def student_quantile(probability: float, freedom: int) -> float:
    """Return the quantile of Student's t distribution with `freedom` degrees of freedom.

    Raises:
        InvalidValue: A probability that is not between 0 and 1, or no whole freedom from 1.

    >>> [round(student_quantile(0.975, freedom), 3) for freedom in (2, 4, 9)]
    [4.303, 2.776, 2.262]
    """
    freedom = whole("freedom", freedom)
    number = isinstance(probability, int | float)
    if not number or not 0 < probability < 1 or freedom < 1:
        raise InvalidValue(
            f"A quantile needs a probability between 0 and 1 and at least 1 degree of freedom, "
            f"not {shown(probability)} and {shown(freedom)}."
        )
    if probability < 0.5:
        return -student_quantile(1 - probability, freedom)
    low, high = 0.0, 1.0
    while _student_share(high, freedom) < probability:
        low, high = high, 2 * high
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (
            (middle, high) if _student_share(middle, freedom) < probability else (low, middle)
        )
    return (low + high) / 2


def _student_share(t: float, freedom: int) -> float:
    """Return P(T ≤ t) for t ≥ 0, by the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    angle = math.atan2(t, math.sqrt(freedom))
    cosine = math.cos(angle)
    odd = freedom % 2
    term = total = 0.0
    for place in range(1 if odd else 0, freedom - 1, 2):
        term = (cosine if odd else 1.0) if total == 0 else term * (place - 1) / place * cosine**2
        total += term
    both = math.sin(angle) * total
    return 0.5 + (2 / math.pi * (angle + both) if odd else both) / 2
