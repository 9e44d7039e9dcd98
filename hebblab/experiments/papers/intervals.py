"""Intervals over runs in tables and sentences: a percentage's ends where percentages end."""

import math
from typing import Any

from hebblab.evaluation import student_interval


def is_share(measure: str) -> bool:
    """Return whether a measure is a share in per cent, and so never below 0 or above 100.

    >>> is_share("test accuracy, %"), is_share("training less test accuracy, %")
    (True, False)
    """
    return measure.endswith(", %") and " less " not in measure


def cut(measure: str, low: float, high: float) -> tuple[float, float, str]:
    """Return the ends of an interval as they can be, and in words where it was cut, if it was.

    Student's interval of a share does not know that there is an end. What is judged by an interval
    is judged by it as it is; only what is shown is cut.

    >>> cut("test accuracy, %", 97.2, 101.3)
    (97.2, 100.0, 'cut at 100')
    >>> cut("seconds", -1.0, 3.0)
    (-1.0, 3.0, '')
    """
    if not is_share(measure):
        return low, high, ""
    ends = [text for text, past in (("0", low < 0), ("100", high > 100)) if past]
    words = f"cut at {' and '.join(ends)}" if ends else ""
    return (0.0 if low < 0 else low), (100.0 if high > 100 else high), words


def spelt(measure: str, low: float, high: float) -> str:
    """Return an interval as sentences have it.

    >>> spelt("test accuracy, %", 97.2, 101.3)
    '97.20 to 100.00, cut at 100'
    """
    low, high, words = cut(measure, low, high)
    return f"{low:.2f} to {high:.2f}" + (f", {words}" if words else "")


def summary(numbers: list[dict[str, float]], measure: str) -> dict[str, Any]:
    """Return mean, interval, the interval's kind and the number of runs.

    Three runs or more have Student's interval; one run has that of its images; two have none. Runs
    that are all alike, as of what draws nothing, are one run: they have its interval, if any.

    >>> summary([{"value": 90.0}, {"value": 91.0}], "test accuracy, %")["interval"]
    ''
    >>> summary([{"value": value} for value in (97, 99, 100)], "test accuracy, %")["interval"]
    'Student t, 3 runs, cut at 100'
    """
    values = [number["value"] for number in numbers]
    if not values:
        return {"ours": math.nan, "low": math.nan, "high": math.nan, "interval": "", "n": 0}
    mean, low, high = student_interval(values)
    kind = ""
    alike = len(values) > 2 and len(set(values)) == 1
    if alike:
        low = high = math.nan
    if len(values) > 2 and not alike:
        low, high, words = cut(measure, low, high)
        kind = ", ".join(one for one in ("Student t", f"{len(values)} runs", words) if one)
    elif (len(values) == 1 or alike) and "low" in numbers[0]:
        low, high = numbers[0]["low"], numbers[0]["high"]
        kind = f"Wilson, {int(numbers[0]['n']):,} images" + ", all runs alike" * alike
    return {"ours": mean, "low": low, "high": high, "interval": kind, "n": len(values)}
