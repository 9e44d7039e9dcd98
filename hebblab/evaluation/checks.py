"""What numbers must be before they are judged: tensors of the right form, all of them finite."""

import numbers

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, shown
from hebblab.evaluation.standard import NOT_FINITE


def rows(what: str, given: object, width: int | None = None) -> Tensor:
    """Return rows (samples, features) if they are a floating tensor.

    Args:
        what: Their name in the error.
        given: Anything.
        width: Features that are expected.

    Raises:
        InvalidValue: It is something else, or as wide as nothing expects.
    """
    if not isinstance(given, Tensor) or given.ndim != 2 or not given.is_floating_point():
        form = (
            f"{given.dtype} {tuple(given.shape)}" if isinstance(given, Tensor) else shown(given, 40)
        )
        raise InvalidValue(f"{what} must be a floating tensor (samples, features), not {form}.")
    if width is not None and given.shape[1] != width:
        raise InvalidValue(
            f"{what} must have {width:,} features a row, as what they go into was fitted on, not "
            f"{given.shape[1]:,}."
        )
    return given


def finite(given: Tensor) -> Tensor:
    """Return a tensor if all of it is finite.

    Raises:
        InvalidValue: It holds NaN or infinite values.
    """
    # A sum is one quick pass; it may leave the floats where no entry does.
    if not bool(torch.isfinite(given.sum())) and not bool(torch.isfinite(given).all()):
        raise InvalidValue(NOT_FINITE)
    return given


def labelled(given: object, count: int | None, classes: int | None = None) -> Tensor:
    """Return labels if there is one for each row, counted from 0.

    Args:
        given: Anything.
        count: Rows; None is any number.
        classes: Above every label; None is any number.

    Raises:
        InvalidValue: They are no labels, too few or many, or of classes that there are not.
    """
    if not isinstance(given, Tensor) or given.ndim != 1 or given.dtype != torch.int64:
        raise InvalidValue(f"Labels must be an int64 tensor (samples,), not {shown(given, 40)}.")
    if count is not None and len(given) != count:
        raise InvalidValue(f"There are {count:,} rows and {len(given):,} labels.")
    if len(given) and (
        int(given.min()) < 0 or (classes is not None and int(given.max()) >= classes)
    ):
        last = "" if classes is None else f" to {classes - 1}"
        raise InvalidValue(
            f"Labels count from 0{last}, not from {int(given.min())} to {int(given.max())}."
        )
    return given


def whole(what: str, given: object) -> int:
    """Return a whole number.

    Raises:
        InvalidValue: It is none.
    """
    if isinstance(given, bool) or not isinstance(given, numbers.Integral):
        raise InvalidValue(f"{what} must be a whole number, not {shown(given)}.")
    return int(given)
