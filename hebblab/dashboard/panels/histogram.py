"""How the weights are spread: a histogram that shows rare and common weights alike."""

import math

from hebblab.charts import Spec, axis, layout, number

from .base import Panel, Story
from .series import Held, numbers


class Histogram(Panel):
    """Weights of one layer; counts stand on a square-root axis, the range is symmetric."""

    name = "histogram"
    title = "Weight histogram"
    waiting = "Here stands how the weights are spread around zero."

    def __init__(self) -> None:
        self._reach = Held((1, 2, 5))
        self._top = Held((1, 2, 4, 8), idle=0.2)

    def subtitle(self, story: Story) -> str:
        """Return how many weights of which layer."""
        of = f" of “{story.layer}”" if story.layer else ""
        if story.reading is None:
            return f"all weights{of}"
        total = int(sum(numbers(story.reading.histogram.counts)))
        return f"all {total:,} weights{of}"

    def spec(self, story: Story) -> Spec:
        """Return counts as bars of the height of their square roots."""
        counts, edges = [], []
        if story.reading is not None:
            counts = [int(c) for c in numbers(story.reading.histogram.counts)]
            edges = [float(e) for e in numbers(story.reading.histogram.edges)]
        filled = [i for i, c in enumerate(counts) if c > 0]
        reach = max((max(abs(edges[i]), abs(edges[i + 1])) for i in filled), default=1.0)
        reach = self._reach(reach if math.isfinite(reach) and reach > 0 else 1.0)
        top = self._top(max([*counts, 4]))
        bar: Spec = {
            "type": "bar",
            "name": "weights",
            "x": [round((edges[i] + edges[i + 1]) / 2, 6) for i in range(len(counts))],
            "y": [round(math.sqrt(c), 3) for c in counts],
            "width": [round(0.88 * (edges[i + 1] - edges[i]), 7) for i in range(len(counts))],
            "customdata": [
                [c, number(round(edges[i], 4)), number(round(edges[i + 1], 4))]
                for i, c in enumerate(counts)
            ],
            "marker": {"color": "@quiet", "line": {"width": 0}},
            "hovertemplate": "weight %{customdata[1]} to %{customdata[2]}: "
            "%{customdata[0]:,} weights<extra></extra>",
        }
        across = {-reach: number(-reach), 0.0: "0", reach: number(reach)}
        up = {0.0: "0", math.sqrt(top / 4): short(top / 4), math.sqrt(top): short(top)}
        below = sum(c for i, c in enumerate(counts) if edges[i + 1] <= 0)
        said = (
            f"Largest weight about {number(reach)}; {below:,} weights below zero." if counts else ""
        )
        return self.made(
            story,
            [bar],
            layout(
                axis("weight", -reach, reach, ticks=across, line=True),
                axis("weights", 0, 1.02 * math.sqrt(top), ticks=up, grid=True),
            ),
            words="" if counts else self.waiting,
            place="centre",
            said=said,
        )


def short(count: float) -> str:
    """Return a count in at most five signs.

    >>> short(250), short(5000), short(2.5e6)
    ('250', '5 k', '2.5 M')
    """
    for unit, sign in ((1e6, " M"), (1e3, " k")):
        if count >= unit:
            return f"{count / unit:g}{sign}"
    return f"{count:g}"
