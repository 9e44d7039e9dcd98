"""Which penalty a readout gets: chosen on validation images, never on those it is scored on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from hebblab.evaluation.cache import Features
from hebblab.evaluation.ridge import PENALTIES, RidgePath, best
from hebblab.evaluation.terms import Terms


@dataclass(frozen=True)
class Verdict:
    """What a readout of a path answered, its penalty chosen.

    Attributes:
        answers: int64 (scored,), the class of each image.
        low: Place of the weakest penalty chosen.
        high: Place of the strongest; another where parts of the images chose for each other.
        strong: bool (scored,), the images answered under the strongest.
    """

    answers: Tensor
    low: int
    high: int
    strong: Tensor


class Chooser:
    """Chooses among the readouts of a path.

    Args:
        features: Gives those of a split.
        terms: Of the evaluation.
    """

    def __init__(self, features: Callable[[str], Features], terms: Terms) -> None:
        self._features, self._terms = features, terms

    def judge(self, path: RidgePath) -> Verdict:
        """Answer for the images scored.

        Where these are the validation images themselves, each half of them is answered under the
        penalty that the other half chose.
        """
        split, labels = self._terms.split, self._terms.dataset.validation.labels.cpu()
        guesses = self._guesses(path, "validation")
        right = guesses == labels
        first = PENALTIES.index(path.penalties[0])
        if split != "validation":
            place = best(right)
            answers = self.answers(path, place)
            strong = torch.ones(len(answers), dtype=torch.bool)
            return Verdict(answers, first + place, first + place, strong)
        half = self._half
        ours, theirs = best(right[:, ~half]), best(right[:, half])
        answers = torch.where(half, guesses[ours], guesses[theirs])
        strong = half if ours >= theirs else ~half
        return Verdict(answers, first + min(ours, theirs), first + max(ours, theirs), strong)

    def answers(self, path: RidgePath, place: int) -> Tensor:
        """Answer for the images scored under one penalty of the path, by its place."""
        return self._guesses(path, self._terms.split)[place]

    @cached_property
    def _half(self) -> Tensor:
        """Every second image of each class."""
        labels = self._terms.dataset.validation.labels.cpu()
        half = torch.zeros(len(labels), dtype=torch.bool)
        half[labels.argsort(stable=True)[::2]] = True
        return half

    def _guesses(self, path: RidgePath, split: str) -> Tensor:
        chunks = self._features(split).chunks()
        return torch.cat([path.predict(chunk).cpu() for chunk, _ in chunks], dim=1)
