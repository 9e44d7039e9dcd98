"""Whether a step stays among the finite numbers, asked of a GPU without waiting for its answer."""

import math

import torch
from torch import Tensor

from hebblab.errors import Diverged, NotFinite
from hebblab.rules import Rows
from hebblab.rules.inputs import not_finite
from hebblab.rules.reductions import largest

_HUGE = 1e30  # a step this large is lost already; refusing it keeps the last finite weights exactly
_EVERY = 50  # steps between two questions to a GPU, each of which waits until it has caught up


class Watch:
    """Looks at each step before it is taken.

    On a CPU the answer is there at once. On a GPU a step that is not finite is made zero where it
    lies, and so are all after it; the host asks only every 50 steps, so that it learns of it at
    most 50 steps late, with the weights as they were before the first such step.

    >>> watch = Watch()
    >>> watch.size(torch.tensor([1.0, -3.0]), 0.5)
    1.5
    >>> watch.lost(watch.size(torch.tensor([float("nan")]), 0.5))
    True
    """

    def __init__(self) -> None:
        self._bad: Tensor | None = None
        self._worst: Tensor | None = None
        self._steps = 0

    def size(self, values: Tensor, rate: float) -> float:
        """Return the largest entry of a step, or of the first that was made zero.

        Args:
            values: A change before the rate; it may be made zero on a GPU.
            rate: The learning rate.
        """
        if values.numel() == 0:
            return 0.0
        return self.deferred(values, rate) if values.is_cuda else float(largest(values)) * rate

    def deferred(self, values: Tensor, rate: float) -> float:
        """Return the size as a GPU is asked for it: zero between the steps at which it is."""
        size = largest(values) * rate
        if self._bad is None or self._worst is None or self._bad.device != values.device:
            self._bad = torch.zeros((), dtype=torch.bool, device=values.device)
            self._worst = torch.zeros_like(size)
        self._worst = torch.where(self._bad, self._worst, size)
        self._bad = self._bad | ~(size <= _HUGE)
        values.masked_fill_(self._bad, 0.0)
        self._steps += 1
        if self._steps % _EVERY:
            return 0.0
        found, self._bad = float(self._worst), None
        return found

    def refuse(
        self, change: Tensor | Rows, rate: float, weights: Tensor, inputs: Tensor | None, layer: str
    ) -> None:
        """Refuse a step after which weights would be lost; inputs tell bad data from a bad rate.

        Raises:
            NotFinite: The inputs or the weights are not finite.
            Diverged: The change is not finite, or too large.
        """
        size = self.size(change.values if isinstance(change, Rows) else change, rate)
        if not self.lost(size):
            return
        if inputs is not None and (said := not_finite(inputs)):
            raise NotFinite(f"The inputs of layer {layer!r} hold {said}.")
        if said := not_finite(weights):
            raise NotFinite(f"The weights of layer {layer!r} hold {said}.")
        raise Diverged(
            f"The weights of layer {layer!r} were about to leave the finite numbers (a change of "
            f"{size:.3g}). Lower the learning rate, or choose a rule that bounds them."
        )

    @staticmethod
    def lost(size: float) -> bool:
        """Return whether weights that took such a step would be lost."""
        return not math.isfinite(size) or size > _HUGE
