"""A paper as data: its cells, its published numbers, its claims, and how a cell is measured."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hebblab.errors import HebblabError
from hebblab.experiments.papers import choosing, costs
from hebblab.experiments.papers.data import Source
from hebblab.experiments.papers.fixed import Fixed

if TYPE_CHECKING:
    from hebblab.experiments.papers.results import PaperResult, Results

Progress = Callable[[float, float, str], None]
Report = Callable[[float, str], None]
Number = float | dict[str, float]

REPRODUCED = "reproduced"
ORDERING = "ordering reproduced"
NOT_REPRODUCED = "not reproduced"
NOT_RUN = "not run"


class NotRun(HebblabError):
    """Why a cell cannot be measured here; the table says so in its place."""


@dataclass(frozen=True, order=True)
class Cell:
    """One entry of a paper's table: what was done, at which layer, with which seed."""

    condition: str
    layer: str
    seed: int

    def __str__(self) -> str:
        return f"{self.condition}, {self.layer}, seed {self.seed}"


@dataclass(frozen=True)
class Measured:
    """What one cell gave.

    Attributes:
        layer: The cell's layer.
        numbers: By measure: a number, or {"value", "low", "high", "n"} with a Wilson interval.
        about: What else a reader may ask: steps, epochs, convergence.
    """

    layer: str
    numbers: dict[str, Number]
    about: dict[str, Any] = field(default_factory=dict)


Measure = Callable[[str, tuple[str, ...], int, Source, Report], Iterator[Measured]]


@dataclass(frozen=True)
class Published:
    """A number of the paper.

    Attributes:
        condition: As in the cells.
        layer: As in the cells.
        measure: As in the cells.
        value: In the measure's unit.
        half: Half of the published 95 % interval; None where there is none.
        source: Where it stands.
    """

    condition: str
    layer: str
    measure: str
    value: float
    half: float | None = None
    source: str = ""


@dataclass(frozen=True)
class Verdict:
    """What became of a claim: one of four words, and why.

    Attributes:
        word: Of the four.
        reason: The numbers behind it.
        p: The largest p-value of the paired tests that it rests on; None where it rests on others.
    """

    word: str
    reason: str
    p: float | None = None


@dataclass(frozen=True)
class Claim:
    """A sentence of a paper, and how our numbers are held against it.

    Attributes:
        text: The sentence.
        judge: Holds it against our numbers.
        against: The row that it and other claims are held against: they are corrected together.
        ours: Whether it is a control of ours, and no sentence of the paper.
    """

    text: str
    judge: "Callable[[Results], Verdict]"
    against: str = ""
    ours: bool = False


@dataclass(frozen=True)
class Paper:
    """An experiment of a paper, to be run here and laid beside what was published.

    Attributes:
        name: For `hl.papers.get` and the command line.
        title: One line.
        citation: Authors, title, where and when.
        data: Finds the data set, or says in words that it is not here.
        conditions: What is compared, each with its CPU seconds for one seed, all layers together.
        layers: Names, in forward order.
        seeds: Each cell is run with each.
        settings: Whatever decides a result; other settings make other cells.
        measure: Called with (condition, layers, seed, source, report); yields `Measured` as the
            layers are done. A function of a module, so that another process can call it.
        published: The paper's numbers.
        fixed: What decides a result at every size: constants that settings leave as they are.
        claims: Its sentences.
        deviations: Where this differs from what was published.
        by_layer: CPU seconds of a condition for some layers; None where only those of all of them
            together are known.
        minutes: CPU time of everything, as measured.

    >>> from hebblab import papers
    >>> paper = papers.get("krotov-2019-mini")
    >>> paper.cells[0]
    Cell(condition='krotov-hopfield', layer='hidden', seed=1)
    """

    name: str
    title: str
    citation: str
    data: Callable[[], Source]
    conditions: dict[str, float]
    layers: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: object
    measure: Measure
    published: tuple[Published, ...] = ()
    fixed: Fixed | None = None
    claims: tuple[Claim, ...] = ()
    deviations: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    by_layer: Callable[[str, tuple[str, ...]], float] | None = None

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell, seed by seed."""
        return tuple(
            Cell(condition, layer, seed)
            for seed in self.seeds
            for condition in self.conditions
            for layer in self.layers
        )

    @property
    def minutes(self) -> float:
        """CPU time of everything, as it was measured with one thread a cell."""
        return sum(self.conditions.values()) * len(self.seeds) / 60

    @property
    def digest(self) -> str:
        """Names what decides: results of other settings or constants are none of this paper."""
        told: tuple[object, ...] = (self.name, self.settings)
        if self.fixed is not None and self.fixed.changed:
            told = (*told, self.fixed.digest)
        return hashlib.sha256(repr(told).encode()).hexdigest()[:12]

    def chosen(
        self,
        cells: Iterable[str] | None = None,
        layers: Iterable[str | int] | None = None,
        seeds: int | Iterable[int] | None = None,
    ) -> tuple[Cell, ...]:
        """Return the cells of some conditions, layers and seeds.

        Args:
            cells: Names of conditions; None is all.
            layers: Names, or places counted from 1; None is all.
            seeds: Seeds, or how many (1 to n); None is the paper's own.

        Raises:
            UnknownName: The paper has no such condition or layer.
            InvalidValue: No seed, or one that is no whole number from 0.
        """
        named = cells if cells is not None else self.conditions
        conditions = choosing.conditions(self.name, named, self.conditions)
        places = choosing.layers(
            self.name, layers if layers is not None else self.layers, self.layers
        )
        return tuple(
            Cell(condition, layer, seed)
            for seed in (self.seeds if seeds is None else choosing.seeds(seeds))
            for condition in self.conditions
            if condition in conditions
            for layer in self.layers
            if layer in places
        )

    def seconds(self, condition: str, layers: Sequence[str]) -> float:
        """Return the CPU seconds of one condition with one seed for some layers, at the most."""
        if self.by_layer is None:
            return self.conditions[condition]
        return self.by_layer(condition, tuple(layers))

    def cost(
        self,
        cells: Iterable[str] | None = None,
        layers: Iterable[str | int] | None = None,
        seeds: int | Iterable[int] | None = None,
        jobs: int = 1,
        folder: str | Path | None = None,
        *,
        rate: float | None = None,
    ) -> costs.Cost:
        """Return what running these cells will take here, after a calibration of two seconds.

        Args:
            cells: As `run` has them, and so the others.
            layers: A selection.
            seeds: A selection.
            jobs: Processes side by side.
            folder: Cells whose files are in it cost nothing.
            rate: Of an earlier calibration, `costs.rate()`.

        Raises:
            UnknownName: There is no such condition or layer.
            InvalidValue: A selection that is none, or another argument of the wrong kind.
        """
        from hebblab.experiments.papers import keeping

        choosing.refuse(jobs, folder)
        left = keeping.missing(self, self.chosen(cells, layers, seeds), folder)
        groups = choosing.grouped(left)
        speed = (costs.rate() if rate is None else rate) / costs.REFERENCE
        seconds = sum(self.seconds(one, asked) for (one, _), asked in groups.items()) / speed
        fewer = any(len(asked) < len(self.layers) for asked in groups.values())
        return costs.Cost(
            seconds / max(1, min(jobs, len(groups))),
            len(left),
            jobs,
            at_most=fewer and self.by_layer is None,
        )

    def run(
        self,
        cells: Iterable[str] | None = None,
        layers: Iterable[str | int] | None = None,
        seeds: int | Iterable[int] | None = None,
        jobs: int = 1,
        folder: str | Path | None = None,
        progress: Progress | None = None,
    ) -> "PaperResult":
        """Run what is not in `folder` yet, and return our numbers beside the published ones.

        Each finished cell is a file, written whole or not at all; the same call goes on where it
        was cut off. A cell that cannot be run here stands in the table with its reason.

        Args:
            cells: Names of conditions; None is all.
            layers: Names of layers, or places counted from 1; None is all.
            seeds: Seeds, or how many; None is the paper's own.
            jobs: Processes side by side, each with one thread of torch. At 1, this process.
            folder: Of the results; made if it is missing. None keeps none.
            progress: Called as (done, total, words) in seconds of work.

        Raises:
            UnknownName: There is no such condition or layer.
            InvalidValue: A selection that is none, or another argument of the wrong kind.
            DataUnavailable: The data are missing or damaged, or a result cannot be written;
                finished cells stay.
        """
        from hebblab.experiments.papers import running

        choosing.refuse(jobs, folder, progress)
        return running.run(self, self.chosen(cells, layers, seeds), jobs, folder, progress)

    def _repr_markdown_(self) -> str:
        from hebblab.experiments.papers.showing import announced

        return announced(self)
