"""How far the units have come: the share that settled, and the share that never wins."""

from typing import Any

from hebblab.charts import Spec, axis, label, layout, number, percent

from .base import Panel, Story
from .series import last, marks, span, subscript, usage, window

TICKS = {0: "0 %", 50: "50 %", 100: "100 %"}


class Convergence(Panel):
    """Share of units that converged and share that never wins, over the run."""

    name = "convergence"
    title = "Unit convergence"
    offers_window = True
    waiting = "Here grows the share of units that have settled."

    def heading(self, story: Story) -> str:
        """Return the title: another one where the rule holds no norm."""
        return "Units that turned under 1°" if holds_no_norm(story) else self.title

    def subtitle(self, story: Story) -> str:
        """Return which share is drawn."""
        if holds_no_norm(story):
            return "share of units, over the last epoch"
        return f"share of units, ‖w‖{subscript(story.norm_p or 2)} within 10 % of 1"

    def spec(self, story: Story) -> Spec:
        """Return both shares in per cent over steps, with the marks of edits."""
        low, high = span(story)
        free = holds_no_norm(story)
        metric, word = ("turned", "settled") if free else ("convergence", "converged")
        steps, (settled, never) = window(story, metric, "never_win")
        lines, labels, hover = marks(story, 100)
        data = [
            curve("never win", steps, never, {"color": "@warm", "width": 1.5, "dash": "4px,3px"}),
            curve(word, steps, settled, {"color": "@accent", "width": 2}),
            *hover,
        ]
        ends = end_labels(
            story, high, {word: (metric, "@accent"), "never win": ("never_win", "@warm")}
        )
        in_use, entropy = usage(story)
        words = ""
        if in_use is not None:
            words = f"in use {percent(in_use)}"
            words += (
                f" · winners’ entropy {number(round(entropy, 2))}" if entropy is not None else ""
            )
        said = ", ".join(str(e["text"]).removeprefix("<b>").removesuffix("</b>") for e in ends)
        return self.made(
            story,
            data,
            layout(
                axis("step", low, high, format=",d"),
                axis(
                    "share of units", -2, 102, ticks={0: "0 %", 50: "50 %", 100: "100 %"}, grid=True
                ),
                shapes=lines,
                annotations=[*labels, *ends],
                hovermode="x unified",
            ),
            words=words or self.waiting,
            place="bottom" if words else "centre",
            said=f"Step {story.step:,}: {said}, {words}." if said else "Nothing learned yet.",
        )


def holds_no_norm(story: Story) -> bool:
    """Return whether convergence to a norm is undefined for the rule at hand."""
    if story.reading is not None:
        return story.reading.convergence is None
    return story.norm_p is None


def curve(name: str, x: list[int], y: list[Any], line: Spec) -> Spec:
    """Return one line over steps, in per cent."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": y,
        "line": line,
        "cliponaxis": False,
        "hovertemplate": f"{name} %{{y:.1~f}} %<extra></extra>",
    }


def end_labels(story: Story, high: int, curves: dict[str, tuple[str, str]]) -> list[Spec]:
    """Return a label for the newest value of each curve, apart from one another."""
    found: list[Spec] = []
    for word, (metric, color) in curves.items():
        value = last(story.history.get(metric))
        if value is None:
            continue
        text = f"{word} {percent(value)}"
        found.append(
            label(
                "end",
                high,
                100 * value,
                f"<b>{text}</b>" if color == "@accent" else text,
                color,
                xanchor="right",
                yanchor="top" if value > 0.5 else "bottom",
                yshift=-2 if value > 0.5 else 2,
            )
        )
    if len(found) == 2 and abs(found[0]["y"] - found[1]["y"]) < 25:
        # On one side of the middle both would take the same place.
        over, under = sorted(found, key=lambda one: -one["y"])
        if over["yanchor"] == "bottom":
            over["yshift"] = 18
        elif under["yanchor"] == "top":
            under["yshift"] = -18
    return found
