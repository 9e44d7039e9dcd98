"""What a rule is given: inputs and weights that fit, or a sentence that says what does not."""

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, NotFinite


def check(inputs: Tensor, weights: Tensor) -> None:
    """Refuse inputs and weights that no rule can learn from.

    Values are read on the CPU only, as elsewhere that would wait for the device.

    Args:
        inputs: (samples, fan_in), at least one sample.
        weights: (units, fan_in), of the same floating dtype and device; both dense.

    Raises:
        InvalidValue: They are no such matrices, or do not fit each other.
        NotFinite: One of them holds NaN or infinite values; an `InvalidValue` too.

    >>> check(torch.zeros(5, 3), torch.zeros(2, 3))
    >>> check(torch.zeros(5, 3), torch.zeros(2, 4))
    Traceback (most recent call last):
    hebblab.errors.InvalidValue: Inputs (5, 3) and weights (2, 4) do not fit: inputs are \
(samples, fan_in), weights (units, fan_in), and the fan_in here is 3 and 4.
    """
    fit = (
        isinstance(inputs, Tensor)
        and isinstance(weights, Tensor)
        and inputs.ndim == 2
        and weights.ndim == 2
        and inputs.shape[1] == weights.shape[1] > 0
        and len(inputs) > 0
        and len(weights) > 0
        and inputs.dtype == weights.dtype
        and inputs.is_floating_point()
        and inputs.device == weights.device
        and inputs.layout == weights.layout == torch.strided
    )
    if not fit:
        raise InvalidValue(_misfit(inputs, weights))
    refuse_infinite(inputs=inputs, weights=weights)


def refuse_infinite(**given: Tensor) -> None:
    """Refuse tensors that hold NaN or infinite values, where looking does not wait for a device.

    Raises:
        NotFinite: With the name of the first, and how many of its values.
    """
    for name, values in given.items():
        # A sum sees every NaN in one pass without a copy; it may itself overflow.
        if values.device.type == "cpu" and not math.isfinite(float(values.detach().sum())):
            said = not_finite(values)
            if said:
                raise NotFinite(f"The {name} {tuple(values.shape)} hold {said}.")


def not_finite(values: Tensor) -> str:
    """Return how many values are NaN or infinite, in words; empty where none is.

    >>> not_finite(torch.tensor([[1.0, float("nan")], [2.0, 3.0]]))
    '1 value of 4 that is NaN or infinite'
    """
    count = int((~torch.isfinite(values)).sum())
    if count == 0:
        return ""
    are = "values of {:,} that are" if count > 1 else "value of {:,} that is"
    return f"{count:,} {are.format(values.numel())} NaN or infinite"


def checked(update: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a rule's own `update` behind `check`, so that a misfit is a sentence there too."""

    @wraps(update)
    def checking(self: Any, inputs: Tensor, weights: Tensor, *rest: Any, **named: Any) -> Tensor:
        check(inputs, weights)
        return update(self, inputs, weights, *rest, **named)

    return checking


def _misfit(inputs: object, weights: object) -> str:
    given = {"inputs": inputs, "weights": weights}
    shapes = {"inputs": "(samples, fan_in)", "weights": "(units, fan_in)"}
    tensors: dict[str, Tensor] = {}
    for name, one in given.items():
        if not isinstance(one, Tensor):
            return f"The {name} must be a tensor {shapes[name]}, not {type(one).__name__}."
        if one.ndim != 2:
            return f"The {name} must be {shapes[name]}, not of shape {tuple(one.shape)}."
        if one.numel() == 0:
            return (
                f"The {name} are empty: their shape {shapes[name]} is {tuple(one.shape)}, "
                "and each must be at least 1."
            )
        if one.layout != torch.strided:
            return f"The {name} {tuple(one.shape)} are no dense tensor: use .to_dense() first."
        tensors[name] = one
    x, w = tensors["inputs"], tensors["weights"]
    if x.shape[1] != w.shape[1]:
        return (
            f"Inputs {tuple(x.shape)} and weights {tuple(w.shape)} do not fit: inputs are "
            f"{shapes['inputs']}, weights {shapes['weights']}, and the fan_in here is "
            f"{x.shape[1]} and {w.shape[1]}."
        )
    if x.device != w.device:
        return f"The inputs are on {x.device} and the weights on {w.device}: put both on one."
    kinds = {name: str(one.dtype).removeprefix("torch.") for name, one in tensors.items()}
    return (
        f"Inputs {tuple(x.shape)} are {kinds['inputs']} and weights {tuple(w.shape)} "
        f"{kinds['weights']}: both must be of one floating dtype, for example by .float()."
    )
