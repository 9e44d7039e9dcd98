"""What the features are worth: a linear readout beside raw pixels and random features."""

import math
from bisect import bisect_left
from collections.abc import Sequence

from hebblab.charts import Spec, axis, escape, label, layout, percent

from .base import Header, LiveLine, Panel, ProbePoint, Story, Tool
from .series import marks, span, thinned

LINES = (("off", "off"), ("ncm", "nearest class mean"), ("ridge", "ridge readout"))


class Accuracy(Panel):
    """Probe accuracy over the run, with intervals and the two baselines."""

    name = "accuracy"
    title = "Probe accuracy"
    waiting = "Press Probe to read out what the features are worth."

    def tools(self, story: Story) -> Sequence[Tool]:
        """Return the way to all probes, and the choice of a live line."""
        return (
            Tool(
                "evaluation",
                "all probes ›",
                "What are the features worth? A table of probes beside controls, which images "
                "are mistaken, and more (E).",
                css="hebblab-open-evaluation",
            ),
            Tool(
                "live-line",
                "live line",
                "A cheap probe again and again while the run goes on, on validation images.",
                value=story.live.kind,
                options=LINES,
                css="hebblab-live-line",
                place="foot",
            ),
        )

    def subtitle(self, story: Story) -> str:
        """Return what was scored: kind of readout, how many images, which."""
        if not story.probes:
            return "linear readout of the features"
        newest = story.probes[-1]
        return f"linear readout, {newest.n:,} {newest.split} {story.noun}"

    def header(self, story: Story) -> Header:
        """Return the newest result, and how far a running probe is."""
        text = result(story.probes[-1]) if story.probes else ""
        if story.probe_status is None:
            return Header(text)
        done, status = story.probe_status
        return Header(text, min(max(float(done), 0.0), 1.0), True, status)

    def spec(self, story: Story) -> Spec:
        """Return probes as points with 95 % intervals, baselines as thin horizontals."""
        low, high = span(story)
        shown = newest_per_step([p for p in story.probes if low <= p.step <= high])
        live = story.live
        floor = lowest(story.probes, live.values)
        lines, labels, hover = marks(story, 100)
        data, bases = baselines(story.probes[-1] if story.probes else None, low, high)
        if live.values:
            data.append(live_line(live, story.noun, low))
            labels.append(live_label(live, high))
        if shown:
            data.append(points(shown, story.noun))
            labels.append(newest_label(shown[-1], high))
        gap = 10 if floor >= 70 else 20 if floor >= 20 else 50
        ticks = {v: f"{v} %" for v in range(floor, 101, gap)} | {100: "100 %"}
        pad = 0.02 * (100 - floor)
        said = "No probe yet."
        if story.probes:
            said = f"At step {story.probes[-1].step:,}: {result(story.probes[-1])}."
        if live.values:
            said += f" Live line, {live.title}: {percent(live.values[-1])}."
        words = live.refusal or ("" if story.probes or live.values else self.waiting)
        return self.made(
            story,
            data + hover,
            layout(
                axis("step", low, high, format=",d"),
                axis("accuracy", floor - pad, 100 + pad, ticks=ticks, grid=True),
                shapes=lines,
                annotations=[*bases, *labels],
            ),
            words=words,
            place="centre",
            said=said,
        )


def result(point: ProbePoint) -> str:
    """Return one probe's numbers in a line.

    >>> result(ProbePoint(560, 0.932, 0.915, 0.946, raw=0.894, random=0.831))
    '93.2 % · raw pixels 89.4 % · random features 83.1 %'
    """
    parts = [f"{100 * point.accuracy:.1f} %"]
    if point.raw is not None:
        parts.append(f"raw pixels {100 * point.raw:.1f} %")
    if point.random is not None:
        parts.append(f"random features {100 * point.random:.1f} %")
    return " · ".join(parts)


def newest_per_step(probes: list[ProbePoint]) -> list[ProbePoint]:
    """Return one point a step: the one that was probed last."""
    return sorted({p.step: p for p in probes}.values(), key=lambda p: p.step)


def lowest(probes: Sequence[ProbePoint], live: Sequence[float] = ()) -> int:
    """Return where the axis begins: a round per cent with room under every point."""
    known = (v for p in probes for v in (p.low, p.accuracy, p.raw, p.random))
    values = [v for v in (*known, *live) if v is not None and math.isfinite(v)]
    if not values:
        return 0
    return max(0, min(80, 10 * math.floor(10 * min(values) - 0.2)))


def points(probes: list[ProbePoint], noun: str) -> Spec:
    """Return probes as one trace; those that an edit of n has overtaken are hollow."""
    notes = [
        f"{percent(p.low)} to {percent(p.high)} (95 %), {p.n:,} {escape(f'{p.split} {noun}')}"
        + ("<br>before this edit" if p.stale else "")
        for p in probes
    ]
    return {
        "type": "scatter",
        "name": "probe",
        "mode": "lines+markers",
        "x": [p.step for p in probes],
        "y": [round(100 * p.accuracy, 3) for p in probes],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [round(100 * (p.high - p.accuracy), 3) for p in probes],
            "arrayminus": [round(100 * (p.accuracy - p.low), 3) for p in probes],
            "color": "@accent",
            "thickness": 1,
            "width": 3,
        },
        "text": notes,
        "line": {"color": "@accent", "width": 1.5},
        "marker": {
            "size": 7,
            "color": ["@paper" if p.stale else "@accent" for p in probes],
            "line": {"color": "@accent", "width": 1.5},
            "opacity": 1,
        },
        "cliponaxis": False,
        "hovertemplate": "step %{x:,}: %{y:.1f} %<br>%{text}<extra></extra>",
    }


def live_line(live: LiveLine, noun: str, low: int) -> Spec:
    """Return the live line from a step on, as one thin trace, evenly thinned."""
    first = bisect_left(live.steps, low)
    kept = [first + i for i in thinned(len(live.steps) - first)]
    return {
        "type": "scatter",
        "name": "live line",
        "mode": "lines",
        "x": [live.steps[i] for i in kept],
        "y": [round(100 * live.values[i], 3) for i in kept],
        "text": [f"{percent(live.lows[i])} to {percent(live.highs[i])} (95 %)" for i in kept],
        "line": {"color": "@warm", "width": 1.5},
        "cliponaxis": False,
        "hovertemplate": f"{live.title}, step %{{x:,}}: %{{y:.1f}} %<br>%{{text}}, {live.n:,} "
        f"{escape(f'validation {noun}')}<extra></extra>",
    }


def live_label(live: LiveLine, high: int) -> Spec:
    """Return the live line's name and newest number, beside its end."""
    value = live.values[-1]
    text = f"{live.title} {100 * value:.1f} % (validation)"
    return label("end", high, 100 * value, text, "@warm", xanchor="right", yanchor="top", yshift=-4)


def newest_label(point: ProbePoint, high: int) -> Spec:
    """Return the newest number, beside the end of its line."""
    text = f"{100 * point.accuracy:.1f} %"
    return label(
        "end",
        high,
        100 * point.accuracy,
        f"{text} before this edit" if point.stale else f"<b>{text}</b>",
        "@muted" if point.stale else "@accent",
        xanchor="right",
        yanchor="bottom",
        yshift=4,
    )


def baselines(point: ProbePoint | None, low: int, high: int) -> tuple[list[Spec], list[Spec]]:
    """Return thin horizontals for the two baselines, and their labels."""
    data, labels = [], []
    known = [("raw pixels", point.raw), ("random features", point.random)] if point else []
    for name, value in known:
        if value is None or not math.isfinite(value):
            continue
        level = round(100 * value, 3)
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": [low, high],
                "y": [level, level],
                "line": {"color": "@mark", "width": 1},
                "hovertemplate": f"{name} %{{y:.1f}} %<extra></extra>",
            }
        )
        above = name == "raw pixels"
        labels.append(
            label(
                "base",
                low,
                level,
                f"{name} {level:.1f} %",
                "@muted",
                xanchor="left",
                yanchor="bottom" if above else "top",
                yshift=1 if above else -1,
            )
        )
    return data, labels
