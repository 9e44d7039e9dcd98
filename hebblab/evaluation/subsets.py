"""Small labelled subsets: so much of each class, the same for every representation."""

import math

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, shown, unknown
from hebblab.evaluation import checks

SUBSETS = 5
SAMPLINGS = ("stratified", "random")


def subset(
    labels: Tensor,
    share: float | None = None,
    per_class: int | None = None,
    number: int = 0,
    seed: int = 0,
    sampling: str = "stratified",
    classes: int | None = None,
) -> Tensor:
    """Return the rows of one small labelled subset, sorted.

    Of one seed, five numbers give subsets that start a fifth of a shuffled list apart. So they have
    no sample in common up to a share of 20 % (but for rounding), and a larger share holds a smaller
    one.

    Args:
        labels: int64 (samples,).
        share: Of all samples, above 0 to 1; each class in proportion, rounded to the nearest whole
            that sums up.
        per_class: Or so many of each class.
        number: Which subset, 0 to 4.
        seed: Of the shuffled list.
        sampling: "stratified", or "random": the first of the shuffled list whatever their class,
            as in Lagani et al. 2022.
        classes: Number of classes; by default the highest label and one.

    Returns:
        int64 (chosen,).

    Raises:
        InvalidValue: Fewer labels than classes, a class with too few samples, or both or none of
            `share` and `per_class`.
        UnknownName: There is no such sampling.

    >>> labels = torch.arange(2).repeat(50)
    >>> rows = subset(labels, share=0.1)
    >>> len(rows), torch.bincount(labels[rows]).tolist()
    (10, [5, 5])
    """
    if sampling not in SAMPLINGS:
        raise unknown("sampling", sampling, SAMPLINGS)
    if (share is None) == (per_class is None):
        raise InvalidValue("Say either share= or per_class=.")
    if type(number) is not int or not 0 <= number < SUBSETS:
        raise InvalidValue(f"number goes from 0 to {SUBSETS - 1}, not {shown(number)}.")
    seed = checks.seed(seed)
    if len(checks.labelled(labels, None, classes)) == 0:
        raise InvalidValue("There is no label to choose from.")
    classes = int(labels.max()) + 1 if classes is None else classes
    counts = torch.bincount(labels, minlength=classes)
    wanted = _wanted(counts, share, per_class)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    if sampling == "random":
        return _from(order, number, int(wanted.sum())).sort().values
    ordered = labels.cpu()[order]
    parts = [_from(order[ordered == label], number, int(wanted[label])) for label in range(classes)]
    return torch.cat(parts).sort().values


def words(share: float | None, per_class: int | None, sampling: str) -> str:
    """Return what a subset is, in words.

    >>> words(0.01, None, "stratified")
    '1 % of the labels'
    """
    size = f"{per_class} labels a class" if share is None else f"{100 * share:g} % of the labels"
    return size if sampling == "stratified" else f"{size}, drawn whatever their class"


def _wanted(counts: Tensor, share: float | None, per_class: int | None) -> Tensor:
    """Return how many samples of each class, or refuse."""
    total, classes = int(counts.sum()), len(counts)
    if share is None:
        if type(per_class) is not int or per_class < 1:
            raise InvalidValue(f"per_class is a whole number from 1, not {shown(per_class)}.")
        if int(counts.min()) < per_class:
            rarest = int(counts.argmin())
            raise InvalidValue(
                f"{per_class:,} labels of each class were asked for; class {rarest} has "
                f"{int(counts[rarest]):,} training samples."
            )
        return torch.full_like(counts, per_class)
    number = isinstance(share, int | float) and not isinstance(share, bool)
    if not (number and 0 < share <= 1):
        raise InvalidValue(f"A share of labels is above 0 and at most 1, not {shown(share)}.")
    labels = round(share * total)
    if labels < classes:
        least = math.ceil(1000 * classes / total) / 10
        raise InvalidValue(
            f"{100 * share:g} % of {total:,} training samples are {labels:,} labels, fewer than "
            f"the {classes:,} classes. Ask for at least {least:g} %."
        )
    exact = share * counts.double()
    wanted = exact.floor().long()
    left = (exact - wanted).argsort(descending=True, stable=True)[: labels - int(wanted.sum())]
    wanted[left] += 1
    if bool((wanted == 0).any()):
        rarest = int(wanted.argmin())
        raise InvalidValue(
            f"{100 * share:g} % of the labels leave none of class {rarest}, which has "
            f"{int(counts[rarest]):,} of {total:,} training samples. Ask for a larger share, or "
            "for a number of each class."
        )
    return wanted


def _from(order: Tensor, number: int, count: int) -> Tensor:
    start = number * len(order) // SUBSETS
    return order.roll(-start)[:count]
