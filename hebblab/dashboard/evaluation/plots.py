"""What the screen's charts share, and the first of them: accuracy class by class."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from hebblab.charts import Spec, axis, escape, layout, percent, plain
from hebblab.evaluation.rows import Row

from ..panels.base import Header, Panel, Story
from ..theme import CONFIG
from .measures import TABLE
from .tables import Found

_SHORT, _WIDE = 3, 9  # characters of a name that stands under its bar, and beside it


class Plot(Panel):
    """A chart of one measurement; it is drawn from what was found and not from a story."""

    measure: ClassVar[str]
    says: ClassVar[str]

    def header(self, story: Story) -> Header | None:
        """Return nothing: its measurement is started by a button of its own."""
        return None

    def spec(self, story: Story) -> Spec:
        """Return the chart before its measurement: a story holds none."""
        return self.drawn(None, story.noun)

    @abstractmethod
    def drawn(self, found: Found | None, noun: str, words: str = "") -> Spec:
        """Return the specification.

        Args:
            found: What was measured; None before.
            noun: What the data set holds.
            words: What is said where nothing is drawn.
        """

    def framed(
        self, data: Sequence[Spec], arranged: Spec, subtitle: str, words: str = "", said: str = ""
    ) -> Spec:
        """Return traces and layout with the plot's texts around them."""
        return {
            "title": plain(self.title),
            "subtitle": plain(subtitle, 120),
            "words": plain(words, 200),
            "place": "centre",
            "description": plain(f"{self.title}, {subtitle}. {said or words}", 400),
            "data": list(data),
            "layout": arranged,
            "config": CONFIG,
        }


class Classes(Plot):
    """Accuracy class by class."""

    name = "evaluation-classes"
    title = "Class by class"
    measure = TABLE
    says = "Which classes are named rightly, and which are not."
    waiting = says

    def drawn(self, found: Found | None, noun: str, words: str = "") -> Spec:
        """Return the share of each class that is named rightly, raw pixels as marks beside."""
        if found is None:
            return self.framed([], empty("class", "accuracy"), "", words or self.says)
        names = found.evaluation.classes
        own, raw = (
            [row for row in found.evaluation.rows if (row.representation, row.probe) == wanted]
            for wanted in (("learned", "confusion"), ("pixels", "confusion"))
        )
        floor = floor_of([*own, *raw])
        # Long names are read beside their bars, which then lie.
        lying = any(len(name) > _SHORT for name in names)
        across, up = ("y", "x") if lying else ("x", "y")
        places = list(range(len(names)))
        bars: Spec = {
            "type": "bar",
            "name": "learned features",
            "orientation": "h" if lying else "v",
            across: places,
            up: [hundred(row.value) for row in own],
            "width": 0.62,
            f"error_{up}": whiskers(own, "@ink"),
            "customdata": [
                [escape(name), interval(row)] for name, row in zip(names, own, strict=True)
            ],
            "marker": {"color": "@accent", "opacity": 0.8, "line": {"width": 0}},
            "hovertemplate": f"%{{customdata[0]}}: %{{{up}:.1f}} %<br>%{{customdata[1]}}"
            "<extra></extra>",
        }
        marks: Spec = {
            "type": "scatter",
            "mode": "markers",
            "name": "raw pixels",
            across: places,
            up: [hundred(row.value) for row in raw],
            "marker": {
                "symbol": "line-ns" if lying else "line-ew",
                "size": 10 if lying else 14,
                "color": "@warm",
                "line": {"color": "@warm", "width": 2},
            },
            "customdata": [escape(name) for name in names],
            "hovertemplate": f"%{{customdata}}, raw pixels: %{{{up}:.1f}} %<extra></extra>",
        }
        stride = math.ceil(len(names) / (10 if lying else 16))
        ticks = {place: plain(names[place], _WIDE) for place in places if place % stride == 0}
        ends = (-0.6, len(names) - 0.4)
        accuracy = axis("accuracy", floor, 102, ticks=percents(floor), grid=True, line=lying)
        classes = (
            axis("", ends[1], ends[0], ticks=ticks)
            if lying
            else axis("class", *ends, ticks=ticks, line=True)
        )
        said = ", ".join(
            f"{name} {percent(row.value)}" for name, row in zip(names, own, strict=True)
        )
        return self.framed(
            [bars, marks],
            layout(accuracy, classes) if lying else layout(classes, accuracy),
            f"ridge readout, validation {noun}; dashes are raw pixels",
            said=said,
        )


def whiskers(rows: Sequence[Row], colour: str) -> Spec:
    """Return error bars from the intervals of rows."""
    known = [math.isfinite(row.low) and math.isfinite(row.value) for row in rows]
    return {
        "type": "data",
        "symmetric": False,
        "array": [
            hundred(min(row.high, 1.0) - row.value) if there else 0
            for row, there in zip(rows, known, strict=True)
        ],
        "arrayminus": [
            hundred(row.value - max(row.low, 0.0)) if there else 0
            for row, there in zip(rows, known, strict=True)
        ],
        "color": colour,
        "thickness": 1,
        "width": 2,
    }


def hundred(share: float) -> float | None:
    """Return a share in per cent as a chart takes it."""
    return round(100 * share, 3) if math.isfinite(share) else None


def interval(row: Row) -> str:
    """Return a row's interval in words."""
    if not math.isfinite(row.low):
        return ""
    over = f"{row.n:,} images" if row.interval == "Wilson" else f"{row.n} draws"
    return f"{percent(max(row.low, 0.0))} to {percent(min(row.high, 1.0))} (95 %), {over}"


def floor_of(rows: Sequence[Row]) -> int:
    """Return where the axis begins: a round per cent under every interval."""
    ends = [max(row.low, 0.0) for row in rows if math.isfinite(row.low)]
    return max(0, min(80, 10 * math.floor(10 * min(ends, default=0.0) - 0.1)))


def percents(floor: int) -> dict[int, str]:
    """Return the ticks of an axis of accuracies."""
    gap = 10 if floor >= 60 else 20 if floor >= 20 else 25
    first = -(-floor // gap) * gap
    return {value: f"{value} %" for value in range(first, 101, gap)} | {100: "100 %"}


def empty(x: str, y: str) -> Spec:
    """Return the layout of a chart that has nothing to draw yet."""
    return layout(axis(x, 0, 1, ticks={}), axis(y, 0, 102, ticks=percents(0), grid=True))
