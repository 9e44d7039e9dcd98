"""How an experiment on images at hand becomes one on a paper's source, in any process."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from hebblab.data import Dataset
from hebblab.experiments.papers import data
from hebblab.experiments.papers.data import Source
from hebblab.experiments.papers.paper import Measured, Report


class Portioned(Protocol):
    """Settings that know their part of a data set."""

    def portion(self, whole: Dataset, seed: int) -> Dataset:
        """Return what one run of the experiment is given of a data set."""
        ...


S = TypeVar("S", bound=Portioned)

On = Callable[[Dataset, S, str, tuple[str, ...], int, Report], Iterator[Measured]]


@dataclass(frozen=True)
class Measuring(Generic[S]):
    """Measures conditions of a paper on the settings' portion of a source.

    It can be pickled where `on` is a function of a module, and so be sent to another process.

    Attributes:
        on: Called with (dataset, settings, condition, layers, seed, report); yields `Measured` as
            the layers are done.
        settings: Of the experiment.

    >>> from hebblab import papers
    >>> papers.get("krotov-2019-mini").measure.settings.units
    400
    """

    on: On[S]
    settings: S

    def __call__(
        self, condition: str, layers: tuple[str, ...], seed: int, source: Source, report: Report
    ) -> Iterator[Measured]:
        """Yield what one condition gives with one seed.

        Raises:
            DataUnavailable: The source is missing, or not the published set.
            InvalidValue: It holds fewer images than the settings take.
            NotRun: The condition cannot be measured here.
        """
        portion = self.settings.portion(data.load(source), seed)
        yield from self.on(portion, self.settings, condition, layers, seed, report)
