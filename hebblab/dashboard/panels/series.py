"""From a run's story to what a chart draws: thinned series, axes that move in steps, marks."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

from hebblab.charts import Spec, escape, label

from .base import Story

POINTS = 1000
WINDOW = 1000
MARKS = 40


def numbers(values: Any) -> list[float]:
    """Return any row of numbers (tensor, array, list) as a plain list."""
    return values.tolist() if hasattr(values, "tolist") else list(values)


def finite(values: Iterable[Any], scale: float = 1.0, digits: int = 4) -> list[float | None]:
    """Return rounded numbers with `None` where nothing is defined: JSON knows no NaN.

    >>> finite([0.5, None, float("nan")], scale=100)
    [50.0, None, None]
    """
    return [
        round(scale * float(v), digits) if v is not None and math.isfinite(v) else None
        for v in values
    ]


def last(values: Sequence[Any] | None) -> float | None:
    """Return the newest defined value of a metric.

    >>> last([0.1, 0.2, None])
    0.2
    """
    for value in reversed(values or ()):
        if value is not None and math.isfinite(value):
            return float(value)
    return None


def thinned(count: int, limit: int = POINTS) -> range | list[int]:
    """Return at most `limit` evenly spaced indices that hold the first and the last.

    They are multiples of one stride, so points stay where they are while a run grows.

    >>> list(thinned(5)), thinned(10, limit=4)
    ([0, 1, 2, 3, 4], [0, 5, 9])
    """
    if count <= limit:
        return range(count)
    stride = math.ceil((count - 1) / (limit - 2))
    kept = list(range(0, count, stride))
    return kept if kept[-1] == count - 1 else [*kept, count - 1]


def bound(value: float, ladder: Sequence[float] = (1, 1.5, 2, 3, 4, 6, 8)) -> float:
    """Return the first round number from `value` on: axes move in such steps.

    >>> bound(560), bound(1001), bound(0.13), bound(0.19, (1, 2, 5))
    (600.0, 1500.0, 0.15, 0.2)
    """
    if not value > 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    for rung in (*ladder, 10 * ladder[0]):
        if rung * power >= value * (1 - 1e-9):
            return float(f"{rung * power:.6g}")
    return 10 * power


class Held:
    """An upper bound that grows at once and shrinks only when most of the axis stands empty."""

    def __init__(self, ladder: Sequence[float] = (1, 1.5, 2, 3, 4, 6, 8), idle: float = 0.4):
        self.ladder, self.idle, self.value = ladder, idle, 0.0

    def __call__(self, value: float) -> float:
        """Return the bound for this value."""
        if value > self.value or value < self.idle * self.value:
            self.value = bound(value, self.ladder)
        return self.value


def span(story: Story) -> tuple[int, int]:
    """Return the first and last step on the axis: the whole run, or its last 1,000 steps.

    >>> span(Story(step=560)), span(Story(step=2345, window="last"))
    ((0, 600), (1200, 2400))
    """
    steps = story.history.get("step") or (0,)
    now = max(story.step, int(steps[-1]))
    if story.window == "last" and now >= 2 * WINDOW:
        low = (now - WINDOW) // 200 * 200
        return low, low + WINDOW + 200
    return 0, int(bound(max(now, 100)))


def window(story: Story, *names: str) -> tuple[list[int], list[list[float | None]]]:
    """Return the steps on view and the metrics at them, evenly thinned."""
    steps = story.history.get("step") or []
    low, _ = span(story)
    first = bisect_left(steps, low)
    kept = [first + i for i in thinned(len(steps) - first)]
    columns = [story.history.get(name) or [None] * len(steps) for name in names]
    return [int(steps[i]) for i in kept], [finite((c[i] for i in kept), 100, 2) for c in columns]


def marks(story: Story, top: float) -> tuple[list[Spec], list[Spec], list[Spec]]:
    """Return the marks of edits: lines, labels, and a trace that says more on hover.

    Args:
        story: The run.
        top: Where the upper edge of the plot lies, on the axis of values.
    """
    low, high = span(story)
    seen = [(step, text) for step, text in story.marks if low <= step <= high][-MARKS:]
    lines: list[Spec] = [
        {
            "name": "edit",
            "type": "line",
            "layer": "below",
            "x0": step,
            "x1": step,
            "xref": "x",
            "y0": 0,
            "y1": 1,
            "yref": "paper",
            "line": {"color": "@mark", "width": 1, "dash": "dot"},
        }
        for step, _ in seen
    ]
    labels, row, right = [], 0, -math.inf
    for step, text in seen:
        # About 12 labels fit side by side; the page, which knows its width, places them again.
        at = (step - low) / (high - low)
        row = row + 1 if at < right else 0
        right = at + 0.1
        labels.append(
            label(
                "mark",
                step,
                1,
                escape(text, 24),
                "@muted",
                yref="paper",
                xanchor="left",
                yanchor="top",
                yshift=-13 * row,
                visible=row < 3,
            )
        )
    hover: list[Spec] = []
    if seen:
        hover.append(
            {
                "type": "scatter",
                "name": "edit",
                "mode": "markers",
                "x": [step for step, _ in seen],
                "y": [top] * len(seen),
                "text": [escape(text) for _, text in seen],
                "marker": {"opacity": 0, "size": 8, "color": "@mark"},
                "hovertemplate": "%{text} (edit)<extra></extra>",
            }
        )
    return lines, labels, hover


def subscript(p: float) -> str:
    """Return a number as subscript digits.

    >>> subscript(2.5), subscript(3.0)
    ('₂.₅', '₃')
    """
    return f"{p:g}".translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def usage(story: Story) -> tuple[float | None, float | None]:
    """Return the share of units that win an image of the sample, and the winners' entropy."""
    if story.reading is not None:
        wins = numbers(story.reading.activations.wins)
        share = sum(w > 0 for w in wins) / len(wins) if wins else None
        return share, float(story.reading.activations.win_entropy)
    never = last(story.history.get("never_win"))
    return None if never is None else 1 - never, last(story.history.get("win_entropy"))
