"""Where weights start: named distributions, drawn from an owned generator."""

import math
import re

import torch
from torch import Tensor, nn

from hebblab.errors import InvalidValue, shown

_FORM = re.compile(r"(uniform|normal)\(\s*(-?[\d.]+(?:e-?\d+)?)\s*,\s*(-?[\d.]+(?:e-?\d+)?)\s*\)")
_HELP = (
    "Write uniform(low, high) or normal(mean, deviation), for example uniform(0, 0.2), "
    "with numbers from -1000 to 1000."
)


def check(start: str) -> str:
    """Return the canonical form of a start, or raise `InvalidValue` in words.

    >>> check("uniform( 0,0.20)")
    'uniform(0, 0.2)'
    """
    kind, first, second = _parse(start)
    return f"{kind}({_short(first)}, {_short(second)})"


def draw_(weights: Tensor, start: str, generator: torch.Generator) -> Tensor:
    """Fill `weights` in place from `start`, drawing from `generator` only.

    Args:
        weights: Any shape, device and floating dtype.
        start: "uniform(low, high)" or "normal(mean, deviation)".
        generator: Owned by the caller; the global one is never touched.
    """
    kind, first, second = _parse(start)
    with torch.no_grad():
        # Drawn where the generator is and row by row, whatever the device and memory format.
        drawn = torch.empty(weights.shape, dtype=weights.dtype, device=generator.device)
        if kind == "uniform":
            drawn.uniform_(first, second, generator=generator)
        else:
            drawn.normal_(first, second, generator=generator)
        return weights.copy_(drawn)


def redraw_(network: nn.Module, generator: torch.Generator) -> None:
    """Draw every Linear and Conv2d layer of `network` as torch would, from `generator`."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            bound = 1 / math.sqrt(module.weight[0].numel())
            with torch.no_grad():
                module.weight.uniform_(-bound, bound, generator=generator)
                if module.bias is not None:
                    module.bias.uniform_(-bound, bound, generator=generator)


def _short(number: float) -> str:
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


def _parse(start: object) -> tuple[str, float, float]:
    match = _FORM.fullmatch(start.strip()) if isinstance(start, str) and len(start) < 100 else None
    try:
        first, second = (float(match[2]), float(match[3])) if match else (math.nan, math.nan)
    except ValueError:
        match = None
        first = second = math.nan
    if match is None or not (abs(first) <= 1000 and abs(second) <= 1000):
        raise InvalidValue(f"{shown(start)} is no start for weights. {_HELP}")
    kind = match[1]
    if (kind == "uniform" and first >= second) or (kind == "normal" and second <= 0):
        raise InvalidValue(
            f"{shown(start)} is empty: uniform needs low < high, normal a deviation above 0."
        )
    return kind, first, second
