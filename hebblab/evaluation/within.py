"""Which penalty few labels choose by themselves: five folds within them, and no other label."""

import torch
from torch import Tensor

from hebblab.evaluation.ridge import PENALTIES, Moments, RidgePath, best, solve_few
from hebblab.evaluation.standard import Standard

FOLDS = 5


def folds(labels: Tensor) -> Tensor:
    """Return the fold of each sample, int64 (samples,): each class dealt out to one after another.

    >>> folds(torch.tensor([0, 1, 0, 1, 0, 0, 0, 1])).tolist()
    [0, 0, 1, 1, 2, 3, 4, 2]
    """
    order = labels.argsort(stable=True)
    dealt = torch.empty_like(order)
    dealt[order] = torch.arange(len(labels), device=labels.device) % FOLDS
    return dealt


def chosen_within(
    features: Tensor,
    labels: Tensor,
    classes: int,
    standard: Standard,
) -> int:
    """Return the place of the penalty that most labels held out are answered rightly under.

    Each fold is answered by readouts of the other four; among equals the strongest penalty.

    Args:
        features: (samples, features).
        labels: int64 (samples,), of two samples a class or more: else a class has no readout while
            its only sample is held out.
        classes: Number of classes.
        standard: What the features are standardised by.

    Raises:
        InvalidValue: A feature is not finite.
    """
    dealt = folds(labels)
    used = range(min(FOLDS, len(labels)))
    parts = [(features[dealt == fold], labels[dealt == fold]) for fold in used]
    paths = _without_each(parts, classes, standard)
    pairs = zip(paths, parts, strict=True)
    return best(torch.cat([path.predict(rows) == own for path, (rows, own) in pairs], dim=1))


def _without_each(
    parts: list[tuple[Tensor, Tensor]], classes: int, standard: Standard
) -> list[RidgePath]:
    """Return the readouts of all parts but one, for each."""
    samples, width = sum(len(rows) for rows, _ in parts), len(standard.mean)
    if samples < width:
        others = [[part for part in parts if part is not out] for out in parts]
        return [
            solve_few(
                torch.cat([rows for rows, _ in left]),
                torch.cat([own for _, own in left]),
                classes,
                standard,
            )
            for left in others
        ]
    each = [Moments(standard.mean, classes) for _ in parts]
    total = Moments(standard.mean, classes)
    for moments, (rows, own) in zip(each, parts, strict=True):
        moments.add(rows, own)
        total += moments
    return [(total - one).solve(PENALTIES, standard) for one in each]
