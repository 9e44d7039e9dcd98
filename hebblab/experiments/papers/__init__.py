"""The experiments of papers as commands: run here, and laid beside what was published."""

from collections.abc import Callable

from hebblab.errors import unknown
from hebblab.experiments.papers import (
    coates,
    convergence,
    krotov,
    lagani,
    miconi,
    retrieval,
    softhebb,
    talloen,
    timing,
)
from hebblab.experiments.papers.costs import Cost
from hebblab.experiments.papers.paper import (
    Cell,
    Claim,
    Measured,
    NotRun,
    Paper,
    Published,
    Verdict,
)
from hebblab.experiments.papers.pictures import weights
from hebblab.experiments.papers.results import PaperResult, Results
from hebblab.experiments.papers.showing import Bar

_PAPERS: dict[str, Callable[[], Paper]] = {
    "krotov-2019": krotov.full,
    "krotov-2019-mini": krotov.mini,
    "talloen-2020": talloen.full,
    "talloen-2020-mini": talloen.mini,
    "talloen-2020-timing": timing.full,
    "talloen-2020-timing-mini": timing.mini,
    "miconi-2021": miconi.full,
    "miconi-2021-mini": miconi.mini,
    "lagani-2022": lagani.full,
    "lagani-2022-low": lagani.low,
    "lagani-2022-mini": lagani.mini,
    "lagani-2022-epochs": convergence.full,
    "lagani-2022-epochs-mini": convergence.mini,
    "lagani-2022-retrieval": retrieval.full,
    "lagani-2022-retrieval-mini": retrieval.mini,
    "softhebb-2023": softhebb.full,
    "softhebb-2023-quarter": softhebb.quarter,
    "softhebb-2023-quarter-mini": softhebb.mini,
    "coates-2011": coates.full,
    "coates-2011-mini": coates.mini,
}
# A mini of two papers.
_ALSO = {"softhebb-2023-mini": "softhebb-2023-quarter-mini"}


def available() -> tuple[str, ...]:
    """Return the names of the papers, sorted.

    >>> available()[:2]
    ('coates-2011', 'coates-2011-mini')
    """
    return tuple(sorted(_PAPERS))


def get(name: str) -> Paper:
    """Return a paper by name.

    Raises:
        UnknownName: There is none; the nearest name is said.

    >>> get("talloen-2020-timing").title
    'The time of an epoch of the Krotov-Hopfield rule'
    """
    name = _ALSO.get(name, name) if isinstance(name, str) else name
    if not isinstance(name, str) or name not in _PAPERS:
        raise unknown("paper", name, _PAPERS)
    return _PAPERS[name]()


__all__ = [
    "Bar",
    "Cell",
    "Claim",
    "Cost",
    "Measured",
    "NotRun",
    "Paper",
    "PaperResult",
    "Published",
    "Results",
    "Verdict",
    "available",
    "get",
    "weights",
]
