"""Which units do the work: wins per unit, sorted, on one fixed sample of images."""

from hebblab.charts import Spec, axis, layout, number, percent

from .base import Panel, Story
from .series import Held, numbers, thinned

BARS = 400


class Activations(Panel):
    """Wins per unit, most first; even bars mean that every unit found something to answer to."""

    name = "activations"
    title = "Activation statistics"
    waiting = "Here stand the units by how many images each wins."

    def __init__(self) -> None:
        self._top = Held((1, 2, 4, 6, 8))

    def subtitle(self, story: Story) -> str:
        """Return the size of the sample."""
        if story.reading is None:
            return f"wins per unit on validation {story.noun}"
        return f"wins per unit on {story.reading.sample:,} validation {story.noun}"

    def spec(self, story: Story) -> Spec:
        """Return sorted wins as bars, with entropy, share active, mean and deviation in words."""
        found = story.reading.activations if story.reading is not None else None
        wins = sorted((int(w) for w in numbers(found.wins)), reverse=True) if found else []
        kept = list(thinned(len(wins), BARS))
        units = max(len(wins), 2)
        top = self._top(max([*wins[:1], 4]))
        words = ""
        if found is not None:
            parts = (
                f"entropy {float(found.win_entropy):.2f} of 1",
                f"active {percent(float(found.share_active))}",
                f"mean {number(float(found.mean))} ± {number(float(found.std))}",
            )
            # Lines break between the parts, never within one.
            words = " · ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts)
        bar: Spec = {
            "type": "bar",
            "name": "wins",
            "x": [i + 1 for i in kept],
            "y": [wins[i] for i in kept],
            "marker": {"color": "@accent", "opacity": 0.75, "line": {"width": 0}},
            "hovertemplate": "rank %{x:,}: wins %{y:,}<extra></extra>",
        }
        middle = units // 2
        ticks = {1: "1", middle: f"{middle:,}", units: f"{units:,}"} if wins else {}
        heights = {v: f"{v:,.0f}" for v in (0, top / 2, top)}
        never = sum(w == 0 for w in wins)
        return self.made(
            story,
            [bar],
            layout(
                axis("unit, by wins", 0.5, units + 0.5, ticks=ticks, line=True),
                axis(
                    "wins",
                    0,
                    1.02 * top,
                    ticks=heights,
                    grid=True,
                ),
            )
            | {"bargap": 0.12},
            words=words or self.waiting,
            place="top" if words else "centre",
            said=f"{never:,} of {len(wins):,} units win no image. {words}." if wins else "",
        )
