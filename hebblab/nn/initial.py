"""Where weights start: named distributions, drawn from an owned generator."""

import math
import re
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hebblab.errors import InvalidValue, shown

_NUMBER = r"(-?[\d.]+(?:e-?\d+)?)\s*(/\s*sqrt\(\s*fan[_-]in\s*\))?"
_FORM = re.compile(rf"(uniform|normal)\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)")
_PER_FAN_IN = "/sqrt(fan_in)"
_HELP = (
    "Write uniform(low, high) or normal(mean, deviation), for example uniform(0, 0.2) or "
    "normal(0, 1/sqrt(fan_in)), with numbers from -1000 to 1000."
)


@dataclass(frozen=True)
class _Bound:
    """A number, or a number divided by the square root of how many weights a unit has."""

    number: float
    per_fan_in: bool

    def at(self, fan_in: int) -> float:
        return self.number / math.sqrt(fan_in) if self.per_fan_in else self.number

    def __str__(self) -> str:
        short = f"{self.number:g}"
        exact = short if float(short) == self.number else repr(self.number)
        return exact + _PER_FAN_IN * self.per_fan_in


def check(start: str) -> str:
    """Return the canonical form of a start, or raise `InvalidValue` in words.

    >>> check("uniform( 0,0.20)")
    'uniform(0, 0.2)'
    >>> check("normal(0, 1 / sqrt(fan-in))")
    'normal(0, 1/sqrt(fan_in))'
    """
    kind, first, second = _parse(start)
    return f"{kind}({first}, {second})"


def draw_(weights: Tensor, start: str, generator: torch.Generator) -> Tensor:
    """Fill `weights` in place from `start`, drawing from `generator` only.

    Args:
        weights: (units, ...), any device and floating dtype; fan_in is the size of weights[0].
        start: "uniform(low, high)" or "normal(mean, deviation)"; each number may be written as
            number/sqrt(fan_in).
        generator: Owned by the caller; the global one is never touched.
    """
    kind, *bounds = _parse(start)
    first, second = (bound.at(weights.shape[1:].numel()) for bound in bounds)
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


def _parse(start: object) -> tuple[str, _Bound, _Bound]:
    match = _FORM.fullmatch(start.strip()) if isinstance(start, str) and len(start) < 100 else None
    if match is None:
        raise InvalidValue(f"{shown(start)} is no start for weights. {_HELP}")
    kind, *parts = match.groups()
    try:
        numbers = float(parts[0]), float(parts[2])
    except ValueError:
        numbers = math.nan, math.nan
    if not max(map(abs, numbers)) <= 1000 or not all(map(math.isfinite, numbers)):
        raise InvalidValue(f"{shown(start)} is no start for weights. {_HELP}")
    first, second = numbers
    if (kind == "uniform" and first >= second) or (kind == "normal" and second <= 0):
        raise InvalidValue(
            f"{shown(start)} is empty: uniform needs low < high, normal a deviation above 0."
        )
    # Nothing is nothing, however it is divided.
    scaled = [bool(part) and number != 0 for part, number in zip(parts[1::2], numbers, strict=True)]
    if kind == "uniform" and scaled[0] != scaled[1] and first != 0 and second != 0:
        raise InvalidValue(
            f"{shown(start)} is empty for some layers: divide both ends by sqrt(fan_in), or none."
        )
    return kind, _Bound(first, scaled[0]), _Bound(second, scaled[1])
