"""The teacher: which units may learn from an image, by its label."""

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, shown


def judged(labels: object, images: int, classes: int, layer: str) -> Tensor:
    """Return the labels of a batch, one an image.

    Raises:
        InvalidValue: They are missing, do not fit, or are outside the classes.
    """
    who = f"The teacher of layer {layer!r}"
    if labels is None:
        raise InvalidValue(
            f"{who} needs a label for every image, and the batch has none. Train on batches of "
            "(images, labels), or leave teacher off."
        )
    if not isinstance(labels, Tensor) or tuple(labels.shape) != (images,):
        found = f"shape {tuple(labels.shape)}" if isinstance(labels, Tensor) else shown(labels)
        raise InvalidValue(f"{who} needs a tensor of {images} labels, one an image, not {found}.")
    # On a device the answer would be waited for.
    if not labels.is_cuda and not bool(((labels >= 0) & (labels < classes)).all()):
        low, high = labels.min().item(), labels.max().item()
        raise InvalidValue(
            f"{who} knows {classes} classes, 0 to {classes - 1}; the batch has labels from "
            f"{low:g} to {high:g}."
        )
    if labels.is_floating_point() and not labels.is_cuda and bool((labels != labels.floor()).any()):
        raise InvalidValue(f"{who} needs whole numbers as labels; the batch has fractions.")
    return labels


def of_rows(labels: Tensor, rows: int, places: Tensor | None) -> Tensor:
    """Return the label of every row: that of the image which the row is a patch of.

    Args:
        labels: (images,).
        rows: Of the whole batch, image by image.
        places: Only these rows, by number.

    >>> of_rows(torch.tensor([7, 8]), 6, None)
    tensor([7, 7, 7, 8, 8, 8])
    >>> of_rows(torch.tensor([7, 8]), 6, torch.tensor([5, 0]))
    tensor([8, 7])
    """
    each = rows // len(labels)
    if places is None:
        return labels.repeat_interleave(each)
    return labels[places.to(labels.device) // each]


def targets(labels: Tensor, weights: Tensor, classes: int) -> Tensor:
    """Return 1 where a unit belongs to the class of a row, (rows, units).

    Each class has units of its own, side by side, as many as another or one more.

    Args:
        labels: (rows,).
        weights: (units, fan_in), whose dtype and device the answer has.
        classes: How many there are, at most as many as units.

    >>> targets(torch.tensor([1, 0]), torch.zeros(5, 3), classes=2)
    tensor([[0., 0., 0., 1., 1.],
            [1., 1., 1., 0., 0.]])
    """
    units = len(weights)
    own = torch.arange(units, device=weights.device) * classes // units
    return (labels.to(weights.device)[:, None] == own).to(weights.dtype)
