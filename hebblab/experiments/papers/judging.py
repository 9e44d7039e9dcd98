"""Verdicts on all claims of a paper, those against one and the same row corrected together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hebblab.evaluation import holm
from hebblab.experiments.papers.paper import (
    NOT_REPRODUCED,
    NOT_RUN,
    ORDERING,
    Claim,
    NotRun,
    Verdict,
)

if TYPE_CHECKING:
    from hebblab.experiments.papers.results import Results

_LEVEL = 0.05


def judged(claims: Sequence[Claim], results: "Results") -> list[Verdict]:
    """Return what becomes of each claim.

    Those that are held against one and the same row are corrected for their number by Holm's
    method.
    """
    verdicts = [_judged(claim, results) for claim in claims]
    for row in {claim.against for claim in claims} - {""}:
        family = [
            at
            for at, claim in enumerate(claims)
            if claim.against == row and verdicts[at].p is not None
        ]
        if len(family) > 1:
            chances = holm([verdicts[at].p or 0.0 for at in family])
            for at, chance in zip(family, chances, strict=True):
                verdicts[at] = _corrected(verdicts[at], chance, len(family))
    return verdicts


def _judged(claim: Claim, results: "Results") -> Verdict:
    try:
        return claim.judge(results)
    except NotRun as error:
        return Verdict(NOT_RUN, str(error))


def _corrected(verdict: Verdict, chance: float, claims: int) -> Verdict:
    """Return a verdict by the p-value that is left of it among several."""
    told = f"{verdict.reason}; p = {chance:.2g} among {claims}"
    if verdict.word == ORDERING and chance > _LEVEL:
        return Verdict(NOT_REPRODUCED, f"{told}, so that it cannot be told", chance)
    return Verdict(verdict.word, told, chance)
