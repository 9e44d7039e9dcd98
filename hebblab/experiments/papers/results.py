"""What came of a paper: our numbers beside the published ones, a word for every claim."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hebblab.errors import InvalidValue, shown
from hebblab.experiments.papers.data import Source
from hebblab.experiments.papers.intervals import summary
from hebblab.experiments.papers.judging import judged
from hebblab.experiments.papers.paper import NOT_RUN, Cell, NotRun, Paper
from hebblab.experiments.sweeps import write_text

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from hebblab.experiments.papers.showing import Text

Key = tuple[str, str, str]

_LEFT_OUT = "it was not chosen"


class Results:
    """Our numbers, by what was done, layer and measure.

    Args:
        outcomes: By cell.
        reasons: Why a cell has none.
    """

    def __init__(self, outcomes: Mapping[Cell, dict[str, Any]], reasons: Mapping[Cell, str]):
        self._runs: dict[Key, dict[int, dict[str, float]]] = {}
        self._reasons: dict[tuple[str, str], str] = {}
        for cell, reason in reasons.items():
            self._reasons.setdefault((cell.condition, cell.layer), reason)
        for cell, outcome in outcomes.items():
            for measure, number in outcome["numbers"].items():
                key = (cell.condition, cell.layer, measure)
                self._runs.setdefault(key, {})[cell.seed] = number

    def known(self) -> tuple[Key, ...]:
        """Return what there are numbers of."""
        return tuple(self._runs)

    def numbers(self, condition: str, layer: str, measure: str) -> dict[int, dict[str, float]]:
        """Return the numbers of a cell by seed, with their own intervals; empty where none is."""
        return self._runs.get((condition, layer, measure), {})

    def reason(self, condition: str, layer: str) -> str:
        """Return why a cell has no number."""
        return self._reasons.get((condition, layer), _LEFT_OUT)

    def values(self, condition: str, layer: str, measure: str) -> dict[int, float]:
        """Return the numbers of a cell by seed.

        Raises:
            NotRun: There is none; with the reason.
        """
        found = self.numbers(condition, layer, measure)
        if not found:
            raise NotRun(f"{condition}, {layer}: {self.reason(condition, layer)}")
        return {seed: number["value"] for seed, number in found.items()}

    def pairs(
        self, a: tuple[str, str], b: tuple[str, str], measure: str
    ) -> tuple[list[float], list[float]]:
        """Return the numbers of two (condition, layer) for the seeds that both have.

        Raises:
            NotRun: One has none, or no seed is shared.
        """
        first, second = self.values(*a, measure), self.values(*b, measure)
        seeds = [seed for seed in first if seed in second]
        if not seeds:
            raise NotRun(f"{a[0]} and {b[0]} share no seed")
        return [first[seed] for seed in seeds], [second[seed] for seed in seeds]


@dataclass(frozen=True, eq=False)
class PaperResult:
    """A paper's numbers as they came out here.

    Attributes:
        paper: What was run.
        source: The data set that was read.
        outcomes: Of each finished cell, as in its file.
        reasons: Why each other chosen cell has no result.
    """

    paper: Paper
    source: Source
    outcomes: Mapping[Cell, dict[str, Any]] = field(repr=False)
    reasons: Mapping[Cell, str] = field(repr=False)

    @cached_property
    def results(self) -> Results:
        """Our numbers."""
        return Results(self.outcomes, self.reasons)

    @property
    def table(self) -> "pd.DataFrame":
        """One row for each condition, layer and measure: ours, and the published one beside it.

        Columns: condition, layer, measure, ours (the mean over runs), low, high, interval (of what
        kind), n (runs), published, published_half, source, note (why there is no number).
        """
        import pandas as pd

        return pd.DataFrame([self._row(key) for key in self._keys()])

    @property
    def claims(self) -> tuple[tuple[str, str, str], ...]:
        """Each claim as (its text, one of the four words, why).

        Those that are held against one and the same row are corrected for their number by Holm's
        method.
        """
        verdicts = judged(self.paper.claims, self.results)
        return tuple(
            (claim.text, one.word, one.reason)
            for claim, one in zip(self.paper.claims, verdicts, strict=True)
        )

    @property
    def heading(self) -> str:
        """The paper's title with the data set that was read."""
        return f"{self.paper.title} · {self.source.title}"

    def to_markdown(self) -> str:
        """Return everything as a page: claims, table, deviations, and how it was made."""
        from hebblab.experiments.papers.pages import page

        return page(self)

    def show(self, part: str) -> "Text":
        """Return a part of the page, for a notebook's cell.

        Args:
            part: "claims", "numbers", "beside", "deviations", "not run" or "made".

        Raises:
            UnknownName: The page has no such part.
        """
        from hebblab.experiments.papers.showing import section

        return section(self, part)

    def claim(self, beginning: str) -> "Text":
        """Return one claim with its word and reason, found by how it begins.

        Raises:
            UnknownName: No claim begins so, or several do.
        """
        from hebblab.experiments.papers.showing import judged

        return judged(self, beginning)

    def figure(
        self, measure: str | None = None, conditions: Sequence[str] | None = None
    ) -> "go.Figure":
        """Draw a measure, ours with intervals beside the published; see `figures.numbers`."""
        from hebblab.experiments.papers.figures import numbers

        return numbers(self, measure, conditions)

    def differences(
        self, pairs: Sequence[tuple[str, str]], measure: str | None = None
    ) -> "go.Figure":
        """Draw what conditions are above others, paired; see `contrasts.differences`."""
        from hebblab.experiments.papers.contrasts import differences

        return differences(self, pairs, measure)

    def curves(self, name: str = "validation", layer: str | None = None) -> "go.Figure":
        """Draw accuracy by epoch, of cells that kept it; see `curves.curves`."""
        from hebblab.experiments.papers.curves import curves

        return curves(self, name, layer)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def to_json(self) -> dict[str, Any]:
        """Return everything as what JSON can hold; a number that is none is null."""
        rows = self.table.to_dict("records")
        return {
            "paper": self.paper.name,
            "title": self.paper.title,
            "data": {"title": self.source.title, "exact": self.source.exact},
            "table": [{str(key): _plain(value) for key, value in row.items()} for row in rows],
            "claims": [
                {"claim": text, "word": word, "reason": reason}
                for text, word, reason in self.claims
            ],
            "deviations": list(self.paper.deviations),
            "not_run": {str(cell): reason for cell, reason in self.reasons.items()},
        }

    def write(self, folder: str | Path) -> Path:
        """Write the page as NAME.md into a folder and return its path.

        Raises:
            InvalidValue: The folder is no path.
            DataUnavailable: It cannot be written; a page that was there is as it was.
        """
        if not isinstance(folder, str | os.PathLike):
            raise InvalidValue(f"folder is the path of a folder, not {shown(folder)}.")
        path = Path(folder) / f"{self.paper.name}.md"
        write_text(path, self.to_markdown(), "page")
        return path

    def _reason(self, condition: str, layer: str) -> str:
        if condition not in self.paper.conditions:
            return "a row of the published table alone"
        return self.results.reason(condition, layer)

    def _keys(self) -> list[Key]:
        """Return what the table has rows of: nothing chosen or published is left out in silence."""
        measures = list(dict.fromkeys(measure for *_, measure in self.results.known()))
        wanted = [(one.condition, one.layer, one.measure) for one in self.paper.published]
        for _, _, measure in wanted:
            if measure not in measures:
                measures.append(measure)
        shown = {*self.results.known(), *wanted}
        keys = []
        for condition in dict.fromkeys([*self.paper.conditions, *(key[0] for key in wanted)]):
            for layer in self.paper.layers:
                here = [one for one in measures if (condition, layer, one) in shown]
                if not here and any(
                    (cell.condition, cell.layer) == (condition, layer) for cell in self.reasons
                ):
                    here = [""]
                keys += [(condition, layer, measure) for measure in here]
        return keys

    def _row(self, key: Key) -> dict[str, Any]:
        condition, layer, measure = key
        numbers = self.results.numbers(*key)
        published = next(
            (one for one in self.paper.published if (one.condition, one.layer, one.measure) == key),
            None,
        )
        row: dict[str, Any] = {"condition": condition, "layer": layer, "measure": measure}
        row |= summary(list(numbers.values()), measure)
        row |= {
            "published": math.nan if published is None else published.value,
            "published_half": math.nan
            if published is None or published.half is None
            else published.half,
            "source": "" if published is None else published.source,
            "note": _note(list(numbers.values()))
            if numbers
            else f"{NOT_RUN}: {self._reason(condition, layer)}",
        }
        return row


def _note(numbers: list[dict[str, float]]) -> str:
    """Return the values where they are too few for an interval, or all the same."""
    values = [one["value"] for one in numbers]
    if len(values) > 2 and len(set(values)) == 1:
        return "all runs alike"
    if len(values) != 2:
        return ""
    return "two runs have no interval: " + ", ".join(f"{value:.4g}" for value in values)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
