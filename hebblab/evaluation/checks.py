"""What is given must be of the right kind before anything is judged: tensors, numbers, calls."""

import numbers
from collections.abc import Iterable

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, shown
from hebblab.evaluation.standard import NOT_FINITE

_THREADS = 1024  # torch takes more, and the machine does not


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


def labelled(
    given: object, count: int | None, classes: int | None = None, what: str = "Labels"
) -> Tensor:
    """Return labels if there is one for each row, counted from 0.

    Args:
        given: Anything.
        count: Rows; None is any number.
        classes: Above every label; None is any number.
        what: Their name in the error.

    Raises:
        InvalidValue: They are no labels, too few or many, or of classes that there are not.
    """
    if not isinstance(given, Tensor) or given.ndim != 1 or given.dtype != torch.int64:
        raise InvalidValue(f"{what} must be an int64 tensor (samples,), not {shown(given, 40)}.")
    if count is not None and len(given) != count:
        raise InvalidValue(f"There are {count:,} rows and {len(given):,} {what.lower()}.")
    if classes is not None:
        classes = whole("classes", classes)
    if len(given) and (
        int(given.min()) < 0 or (classes is not None and int(given.max()) >= classes)
    ):
        last = "" if classes is None else f" to {classes - 1}"
        raise InvalidValue(
            f"{what} count from 0{last}, not from {int(given.min())} to {int(given.max())}."
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


def seed(given: object) -> int:
    """Return what random numbers are drawn by.

    Raises:
        InvalidValue: It is no whole number, or one of more than 64 bits.
    """
    number = whole("seed", given)
    if not -(2**63) <= number < 2**63:
        raise InvalidValue(f"seed must be a whole number of 64 bits, not {shown(number)}.")
    return number


def threads(given: object) -> int | None:
    """Return how many threads torch shall use; None leaves them.

    Raises:
        InvalidValue: It is no number from 1 to 1,024.
    """
    if given is None:
        return None
    number = whole("threads", given)
    if not 1 <= number <= _THREADS:
        raise InvalidValue(
            f"threads is a whole number from 1 to {_THREADS:,}, not {shown(number)}."
        )
    return number


def called(progress: object, cancel: object) -> None:
    """Refuse what cannot be called to say how far a computation is, or to ask whether to stop.

    Raises:
        InvalidValue: One is neither a function nor None.
    """
    if progress is not None and not callable(progress):
        raise InvalidValue(
            f"progress is a function of (done, total, text), or None, not {shown(progress)}."
        )
    if cancel is not None and not callable(cancel):
        raise InvalidValue(
            f"cancel is a function that returns True to stop, or None, not {shown(cancel)}."
        )


def listed(what: str, given: object) -> list[float]:
    """Return numbers as floats.

    Args:
        what: Their name in the error.
        given: Anything.

    Raises:
        InvalidValue: It is no list of numbers.
    """
    try:
        # A text can be gone through as well, digit by digit.
        if isinstance(given, Iterable) and not isinstance(given, str | bytes):
            return [float(one) for one in given]
    except (TypeError, ValueError):
        pass
    raise InvalidValue(f"{what} must be a list of numbers, not {shown(given)}.")
