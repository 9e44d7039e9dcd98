"""The screen's curves: with few labels, with noise, with a hidden square."""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from hebblab.charts import Spec, axis, escape, label, layout, number, percent
from hebblab.evaluation.robustness import NOISE, OCCLUSION
from hebblab.evaluation.rows import Row

from .measures import LABELS, ROBUSTNESS, ROWS, SHOWN, Words, rows_of
from .plots import Classes, Plot, empty, floor_of, hundred, interval, percents, whiskers
from .tables import Found

COLOURS = {"learned": "@accent", "pixels": "@warm", "random": "@quiet"}
_ROOM = 0.65  # of the axis, where the curves' names stand beside their ends
_DASHES = {"learned": "solid", "pixels": "dash", "random": "dot"}


class Labels(Plot):
    """Accuracy of readouts that got only some of the labels."""

    name = "evaluation-labels"
    title = "With few labels"
    measure = LABELS
    says = "How good a readout gets with 1 % of the labels, 10 %, all."
    waiting = says

    def drawn(self, found: Found | None, noun: str, words: str = "") -> Spec:
        """Return accuracy over the number of labels: of some the mean of five draws, of all one."""
        if found is None:
            return self.framed([], empty("labels", "accuracy"), "", words or self.says)
        words_of = rows_of(found.snapshot.dataset)
        rows, total = found.evaluation.rows, found.evaluation.sizes["train"]
        few = [row for row in rows if row.probe.startswith("linear")]
        curves: dict[str, list[tuple[float, Row]]] = {}
        for name in SHOWN:
            own = [row for row in few if row.representation == name]
            curves[name] = sorted(
                ((_labels(row, total), row) for row in own), key=lambda one: one[0]
            )
        counts = [count for count, _ in curves["learned"]]
        low, high = math.log10(counts[0]), math.log10(counts[-1])
        ticks = {math.log10(count): f"{count:,.0f}" for count in _apart(counts, (high - low) / 5)}
        pad = 0.04 * (high - low)
        subtitle = f"ridge readout, mean of 5 draws, validation {noun}"
        return self.framed(
            *_lines(
                words_of,
                {
                    name: [(math.log10(count), row, f"{count:,.0f} labels") for count, row in own]
                    for name, own in curves.items()
                },
                axis(
                    "labels", low - pad, high + 0.45 * _ROOM * (high - low), ticks=ticks, line=True
                ),
            ),
            subtitle,
            said=_said(curves, "labels"),
        )


class Noise(Plot):
    """Accuracy of the frozen readout while noise grows."""

    name = "evaluation-noise"
    title = "With noise"
    measure = ROBUSTNESS
    says = "How fast accuracy falls when images get noisy; the readout stays as it was."
    waiting = says
    kind: ClassVar[str] = "noise"
    levels: ClassVar[Sequence[float]] = NOISE
    axis_title: ClassVar[str] = "noise σ"
    unit: ClassVar[str] = "σ = {:g}"
    ticks: ClassVar[Mapping[float, str]] = {
        0.0: "0",
        0.1: "0.1",
        0.2: "0.2",
        0.3: "0.3",
        0.5: "0.5",
    }

    def drawn(self, found: Found | None, noun: str, words: str = "") -> Spec:
        """Return accuracy over the strength of the damage, from none on."""
        if found is None:
            return self.framed([], empty(self.axis_title, "accuracy"), "", words or self.says)
        words_of = rows_of(found.snapshot.dataset)
        curves: dict[str, list[tuple[float, Row]]] = {}
        for name in SHOWN:
            own = [row for row in found.evaluation.rows if row.representation == name]
            clean = [row for row in own if row.probe == "linear"]
            worse = [row for row in own if row.probe == self.kind]
            if not worse:
                return self.framed(
                    [],
                    empty(self.axis_title, "accuracy"),
                    "",
                    "These inputs are no images, so nothing of them can be hidden.",
                )
            curves[name] = list(zip((0.0, *self.levels), (*clean, *worse), strict=True))
        reach = self.levels[-1]
        pad = 0.04 * reach
        return self.framed(
            *_lines(
                words_of,
                {
                    name: [
                        (level, row, self.unit.format(level) if level else "clean")
                        for level, row in own
                    ]
                    for name, own in curves.items()
                },
                axis(self.axis_title, -pad, reach * (1 + _ROOM), ticks=self.ticks, line=True),
            ),
            f"frozen ridge readout, validation {noun}",
            said=_said(curves, self.axis_title),
        )


class Occlusion(Noise):
    """Accuracy of the frozen readout while a square hides more."""

    name = "evaluation-occlusion"
    title = "With a hidden square"
    says = "How fast accuracy falls when a square hides part of each image."
    waiting = says
    kind = "occlusion"
    levels = OCCLUSION
    axis_title = "side of the square"
    unit = "a square of side {:.0%}"
    ticks: ClassVar[Mapping[float, str]] = {0.0: "0", 0.25: "25 %", 0.5: "50 %"}


PLOTS: tuple[type[Plot], ...] = (Classes, Labels, Noise, Occlusion)


def _lines(
    words_of: Mapping[str, Words],
    curves: Mapping[str, Sequence[tuple[float, Row, str]]],
    across: Spec,
) -> tuple[list[Spec], Spec]:
    """Return a line for each representation, with intervals, and its name at its end."""
    floor = floor_of([row for own in curves.values() for _, row, _ in own])
    data, labels = [], []
    for name in reversed(SHOWN):
        own = curves[name]
        title = words_of[name].title
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": title,
                "x": [round(x, 5) for x, _, _ in own],
                "y": [hundred(row.value) for _, row, _ in own],
                "error_y": whiskers([row for _, row, _ in own], COLOURS[name]),
                "text": [f"{escape(at)}<br>{interval(row)}" for _, row, at in own],
                "line": {
                    "color": COLOURS[name],
                    "width": 2 if name == "learned" else 1.5,
                    "dash": _DASHES[name],
                },
                "marker": {"size": 6 if name == "learned" else 4, "color": COLOURS[name]},
                "cliponaxis": False,
                "hovertemplate": f"{title} %{{y:.1f}} %, %{{text}}<extra></extra>",
            }
        )
        last = own[-1][1].value
        if math.isfinite(last):
            text = f"{words_of[name].short} {percent(last)}"
            labels.append(
                label(
                    "end",
                    across["range"][1],
                    100 * last,
                    f"<b>{text}</b>" if name == "learned" else text,
                    COLOURS[name],
                    xanchor="right",
                    yanchor="bottom",
                )
            )
    # The page places them in this order: the learned features first.
    labels.reverse()
    ticks = percents(floor)
    return data, layout(
        across, axis("accuracy", floor, 102, ticks=ticks, grid=True), annotations=labels
    )


def _labels(row: Row, total: int) -> float:
    """Return how many labels a row's readout was given."""
    _, _, share = row.probe.partition("@")
    return float(total) if not share else round(float(share.rstrip("%")) / 100 * total)


def _apart(values: Sequence[float], gap: float) -> list[float]:
    """Return those values that stand apart on a logarithmic axis, the last always."""
    kept = [values[-1]]
    for value in reversed(values[:-1]):
        if math.log10(kept[-1]) - math.log10(value) >= gap:
            kept.append(value)
    return kept[::-1]


def _said(curves: Mapping[str, Sequence[tuple[float, Row]]], unit: str) -> str:
    parts = []
    for name, own in curves.items():
        (first, begins), (last, ends) = own[0], own[-1]
        parts.append(
            f"{ROWS[name].title} {percent(begins.value)} at {number(first)} and "
            f"{percent(ends.value)} at {number(last)} {unit}"
        )
    return "; ".join(parts)
