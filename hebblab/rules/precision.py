"""Products of numbers rounded to bfloat16, on processors that multiply these faster."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor

from hebblab.errors import InvalidValue
from hebblab.nn.scratch import Scratch
from hebblab.rules import products

PRECISIONS = ("float32", "bfloat16")

_products = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]


def missing() -> str:
    """Return why bfloat16 gains nothing on this machine; empty where it does gain."""
    if torch.cuda.is_available():
        return ""
    able = torch.cpu.get_capabilities()
    if able.get("amx_bf16") or able.get("avx512_bf16"):
        return ""
    return "this processor has no bfloat16 instructions (AMX or AVX-512 BF16)"


def check(precision: str, layer: str) -> None:
    """Refuse a precision by which this machine would only lose.

    Raises:
        InvalidValue: With the reason.
    """
    if precision != "float32" and (reason := missing()):
        raise InvalidValue(
            f"precision {precision!r} is no gain for layer {layer!r}: {reason}. Use 'float32'."
        )


def rounded(values: Tensor, precision: str) -> Tensor:
    """Return values as a precision knows them, in their own dtype.

    >>> rounded(torch.tensor([1.001, 1.01]), "bfloat16")
    tensor([1.0000, 1.0078])
    """
    return values if precision == "float32" else values.to(torch.bfloat16).to(values.dtype)


def product(inputs: Tensor, weights: Tensor, precision: str, scratch: Scratch) -> Tensor:
    """Return X Wᵀ (samples, units) of rounded numbers, summed in float32, in a buffer."""
    buffer = scratch.take("responses", (len(inputs), len(weights)), inputs)
    if precision == "float32":
        return products.times(inputs, weights, buffer)
    inputs, weights = _kept(inputs, "x", scratch), _kept(weights, "w", scratch)
    if products.quicker():
        return products.times(inputs, weights, buffer)
    with _faster():
        return torch.mm(inputs, weights.T, out=buffer)


def _kept(values: Tensor, name: str, scratch: Scratch) -> Tensor:
    shape = tuple(values.shape)
    short = scratch.take(f"{name} bfloat16", shape, values, torch.bfloat16)
    return scratch.take(f"{name} rounded", shape, values).copy_(short.copy_(values))


@contextmanager
def _faster() -> Iterator[None]:
    """Let products of float32 take bfloat16's instructions, for numbers that are rounded already.

    Torch has this switch for a whole process: products of other threads meanwhile are rounded too.
    """
    before = _found()
    _products.fp32_precision = "bf16"
    try:
        yield
    finally:
        _products.fp32_precision = before


@cache
def _found() -> str:
    """Return what the switch stood at first: what another thread left there may be half a step."""
    return str(_products.fp32_precision)
