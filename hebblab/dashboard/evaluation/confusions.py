"""Which class was taken for which, and the images behind each cell."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from .measures import SHOWN, Words
from .tables import Found

MOST = 20  # classes side by side; more are too small to press


@dataclass(frozen=True, eq=False)
class Confusion:
    """How one representation's ridge readout answered for each validation image.

    Attributes:
        labels: The true class of each, int64 (images,).
        answers: The class that it was taken for, int64 (images,).
        names: Of all classes.
        seen: Which classes stand in the matrix.
    """

    labels: Tensor
    answers: Tensor
    names: tuple[str, ...]
    seen: tuple[int, ...]

    @classmethod
    def of(cls, found: Found, representation: str) -> "Confusion":
        """Return that of a representation; of many classes, those with the most mistakes."""
        dataset = found.snapshot.dataset
        labels = dataset.validation.labels.cpu()
        answers = found.evaluation.answers(representation).cpu()
        count = len(dataset.classes)
        seen = torch.arange(count)
        if count > MOST:
            wrong = labels != answers
            mistakes = torch.bincount(labels[wrong], minlength=count)
            mistakes += torch.bincount(answers[wrong], minlength=count)
            seen = mistakes.argsort(descending=True, stable=True)[:MOST].sort().values
        return cls(labels, answers, dataset.classes, tuple(seen.tolist()))

    @cached_property
    def counts(self) -> list[list[int]]:
        """The matrix: rows are true classes, columns what they were taken for."""
        size = len(self.names)
        whole = torch.bincount(self.labels * size + self.answers, minlength=size * size)
        seen = torch.tensor(self.seen)
        part: list[list[int]] = whole.view(size, size)[seen][:, seen].tolist()
        return part

    def images(self, row: int, column: int) -> list[int]:
        """Return the places of a cell's images among the validation images."""
        true, taken = self.seen[row], self.seen[column]
        found: list[int] = (
            ((self.labels == true) & (self.answers == taken)).nonzero().flatten().tolist()
        )
        return found

    def wrong(self) -> list[int]:
        """Return the places of all images that were taken for another class."""
        found: list[int] = (self.labels != self.answers).nonzero().flatten().tolist()
        return found

    def worst(self) -> tuple[int, int] | None:
        """Return the cell off the diagonal with most images; None if there is no mistake."""
        counts = torch.tensor(self.counts)
        counts.fill_diagonal_(0)
        if not int(counts.sum()):
            return None
        row, column = divmod(int(counts.argmax()), len(self.seen))
        return row, column

    def view(
        self, of: str, chosen: tuple[int, int] | None, words: Mapping[str, Words]
    ) -> dict[str, Any]:
        """Return the matrix's part of the view.

        Args:
            of: Which representation it is of.
            chosen: The cell whose images are open.
            words: What each representation is.
        """
        note = ""
        if len(self.seen) < len(self.names):
            note = (
                f"The {len(self.seen)} of {len(self.names):,} classes that are most often mistaken."
            )
        return {
            "classes": [self.names[place] for place in self.seen],
            "of": of,
            "choices": [{"value": name, "label": words[name].title} for name in SHOWN],
            "counts": self.counts,
            "chosen": None if chosen is None else list(chosen),
            "note": note,
        }
