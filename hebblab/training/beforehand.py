"""A step of several layers is taken whole or not at all: what is judged first, and taken back."""

from collections.abc import Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from hebblab.errors import NotFinite
from hebblab.rules.inputs import not_finite
from hebblab.training import teacher
from hebblab.training.learner import Learner


def judge(learners: Sequence[Learner], batch: Tensor, labels: object, classes: int) -> None:
    """Refuse what any layer would refuse of a step, while none of them has learnt.

    Args:
        learners: Of the layers that learn in the step, in forward order.
        batch: Inputs of the network.
        labels: Of the batch, or None.
        classes: How many classes a teacher's labels have.

    Raises:
        InvalidValue: A knob or rate that a layer cannot have, or labels that a teacher cannot use.
        NotFinite: The batch holds NaN or infinite values that the patches drawn may miss.
    """
    chosen = any(learner.options.patches_per_batch for learner in learners)
    # A device's answer would be waited for; there the first layer that meets them refuses.
    if chosen and not batch.is_cuda and batch.layout == torch.strided:
        said = not_finite(batch)
        if said:
            raise NotFinite(f"The inputs {tuple(batch.shape)} hold {said}.")
    for learner in learners:
        learner.rule.check_layer(learner.units, learner.view.name)
        learner.rule.check_rate(learner.rate)
        if learner.options.teacher:
            # Whether there is one for each image shows where the layer is met.
            images = labels.numel() if isinstance(labels, Tensor) else 0
            teacher.judged(labels, images, classes, learner.view.name)


def form(batch: Tensor, labels: object) -> Hashable:
    """Return what decides whether a batch fits a network: all but its numbers and its length.

    >>> form(torch.zeros(5, 3), None) == form(torch.ones(9, 3), None)
    True
    """
    told = isinstance(labels, Tensor) and tuple(labels.shape) == tuple(batch.shape[:1])
    return batch.shape[1:], batch.dtype, batch.layout, len(batch) > 0, told


@contextmanager
def taken_back(learners: Collection[Learner]) -> Iterator[None]:
    """Put weights, and what rules hold beside them, back as they were if anything is raised."""
    kept = [
        (
            learner,
            learner.view.module.weight.detach().clone(),
            [{name: one.clone() for name, one in held.items()} for held in learner.held],
        )
        for learner in learners
    ]
    try:
        yield
    except Exception:
        with torch.no_grad():
            for learner, weight, buffers in kept:
                learner.view.module.weight.copy_(weight)
                learner.scratch.notes.clear()
                for held, before in zip(learner.held, buffers, strict=True):
                    _restore(held, before)
        raise


def _restore(held: dict[str, Tensor], before: dict[str, Tensor]) -> None:
    """Give a rule back what it held; in place, as thresholds are views that others see, too."""
    for name in held.keys() - before.keys():
        held.pop(name).zero_()  # thresholds and wins begin at zero
    for name, one in before.items():
        now = held.get(name)
        if now is not None and now.shape == one.shape:
            now.copy_(one)
        else:
            held[name] = one
