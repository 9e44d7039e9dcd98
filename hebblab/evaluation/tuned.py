"""What fine-tuning gives: a network at the epoch that was kept, and how it came there."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hebblab.data.images import Inputs
from hebblab.errors import InvalidValue, shown, unknown
from hebblab.evaluation.features import Inlet
from hebblab.evaluation.intervals import Score
from hebblab.evaluation.subjects import Subject

_AT_ONCE = 64  # images
_SPLITS = ("train", "validation", "test")


class Entry(NamedTuple):
    """How inputs enter a network: less the centre, at length one where asked."""

    centre: Tensor | None
    unit_norm: bool

    def of(self, images: Inputs, rows: Tensor | None = None) -> Inlet:
        """Return some rows of the inputs, or all, as they enter."""
        return Inlet(images, rows, self.centre, self.unit_norm)


@dataclass(frozen=True)
class Epoch:
    """One pass over the labelled images.

    Attributes:
        number: Counted from 1.
        learning_rate: Of this pass.
        loss: Mean cross-entropy of the batches trained on, as they were while weights changed.
        accuracy: Likewise.
        validation: Accuracy on the validation images after it; None where the last epoch is kept.
    """

    number: int
    learning_rate: float
    loss: float
    accuracy: float
    validation: Score | None


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A network that was fine-tuned, at the epoch that was kept; see `finetune`.

    Attributes:
        network: Up to the layer, then "flatten-for-readout", "dropout-for-readout" and
            "readout-of-classes"; in evaluation mode.
        layer: Where it was cut.
        rows: int64; which training images had their label used.
        best_epoch: The epoch whose weights these are, counted from 1.
        history: Every epoch.
        validation: Accuracy of these weights on the validation images. Where the best epoch is
            kept, these images chose it, so that it is a little too high: `score("test")` is not.
    """

    network: nn.Sequential
    layer: str
    rows: Tensor
    best_epoch: int
    history: tuple[Epoch, ...]
    validation: Score
    _subject: Subject = field(repr=False)
    _entry: Entry = field(repr=False)

    def epochs_until(self, share: float) -> int:
        """Return the first epoch whose validation accuracy is this share of the best one.

        Source: Lagani et al., HebbianPCA, which tells the epochs until 95 and 98 % of the best.

        Raises:
            InvalidValue: A share outside 0 to 1, or epochs that were not scored (keep="last").
        """
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
            raise InvalidValue(f"A share is above 0 and at most 1, not {shown(share)}.")
        scores = [float(one.validation) for one in self.history if one.validation is not None]
        if not scores:
            raise InvalidValue('Epochs were not scored one by one: fine-tune with keep="best".')
        return first_within(scores, share)

    def score(self, split: str = "validation") -> Score:
        """Return the accuracy on a split; every look at the test images is counted.

        Validation images chose the epoch, unless the last one was kept.

        Raises:
            UnknownName: There is no such split.
        """
        if split not in _SPLITS:
            raise unknown("split to score", split, _SPLITS)
        self._subject.opened(count=split == "test")
        return scored(self.network, self._entry.of(getattr(self._subject.dataset, split)))


def first_within(scores: list[float], share: float) -> int:
    """Return where scores first are this share of their best, counted from 1.

    >>> first_within([0.2, 0.56, 0.6, 0.58], 0.9)
    2
    """
    return 1 + next(at for at, one in enumerate(scores) if one >= share * max(scores))


@torch.no_grad()
def scored(
    model: nn.Sequential, inlet: Inlet, report: Callable[[float], None] | None = None
) -> Score:
    """Return how often a model is right; it is left in evaluation mode."""
    model.eval()
    right, first = 0, 0
    for inputs in inlet.chunks(_AT_ONCE):
        if report is not None:
            report(first / len(inlet))
        labels = inlet.labels[first : first + len(inputs)]
        right += int((model(inputs).argmax(1) == labels).sum())
        first += len(inputs)
    return Score.of(right, len(inlet))


__all__ = ["Entry", "Epoch", "FineTuned", "first_within", "scored"]
