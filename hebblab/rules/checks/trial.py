"""A rule on trial: what the checks try it on, and how they say what they found."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hebblab.knobs import Knob, Value
from hebblab.rules.checks.report import Verdict
from hebblab.rules.rule import Rule

UNITS, FAN_IN, SAMPLES = 8, 6, 24
CLOSE = 1e-9  # relative, of float64: what another order of adding may cost
ROUGH = 1e-3  # relative, of float32 against float64: a sharp softmax costs some digits

Finding = str | tuple[Verdict, str]


class Fault(Exception):
    """A check's own verdict against the rule, in one sentence."""


@dataclass(frozen=True)
class Trial:
    """A rule on trial: fresh ones as often as wanted, and what they are tried on."""

    kind: type[Rule]
    values: dict[str, Value]

    def rule(self, **knobs: Value) -> Rule:
        """Return a new rule with the given knobs beside those on trial."""
        return self.kind(**{**self.values, **knobs})

    @property
    def units(self) -> int:
        """As many units as the knobs need."""
        rule = self.rule()
        needed = [int(getattr(rule, k.name)) for k in self.knobs.values() if k.up_to == "units"]
        return max([UNITS, *needed])

    @property
    def knobs(self) -> dict[str, Knob]:
        """The declared knobs."""
        return self.kind.declared()

    def scene(
        self, samples: int = SAMPLES, units: int | None = None, seed: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Return inputs (samples, fan_in) and weights (units, fan_in), float64, of both signs."""
        generator = torch.Generator().manual_seed(seed)
        shapes = (samples, FAN_IN), (units or self.units, FAN_IN)
        inputs, weights = (
            torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes
        )
        return inputs, weights


def far(found: Tensor, expected: Tensor) -> float:
    """Return the largest difference by the largest entry expected; infinite where one is NaN."""
    size = expected.double().abs().max().clamp_min(1e-300)
    apart = float((found.double() - expected.double()).abs().max() / size)
    return math.inf if math.isnan(apart) else apart


def finite(found: Tensor, what: str) -> None:
    """Find fault with a change that is not finite."""
    if not bool(torch.isfinite(found).all()):
        kind = "NaN" if bool(torch.isnan(found).any()) else "infinite"
        raise Fault(f"{what} a change that is not finite: some of it is {kind}.")
