"""Knobs that several rules declare alike: one wording, one set of bounds."""

from typing import Any

from hebblab.knobs import knob
from hebblab.rules.competition import SIMILARITIES
from hebblab.rules.reductions import REDUCTIONS


def reduction(default: str, choices: tuple[str, ...] = REDUCTIONS) -> Any:
    """Declare what the summed update of a batch is divided by."""
    own = " Share is each unit's own part of the images." if "share" in choices else ""
    return knob(
        default,
        symbol="reduction",
        choices=choices,
        advanced=True,
        help=f"What the summed update is divided by.{own}",
    )


def similarity(default: str, choices: tuple[str, ...] = SIMILARITIES) -> Any:
    """Declare what units are compared by."""
    return knob(
        default,
        symbol="similarity",
        choices=choices,
        advanced=True,
        help="What units are compared by when they compete.",
    )


def competition(default: str, choices: tuple[str, ...]) -> Any:
    """Declare how units compete."""
    return knob(
        default, symbol="competition", choices=choices, help="How units compete for an image."
    )


def winners(help: str) -> Any:
    """Declare how many units win an image."""
    return knob(
        1,
        symbol="k",
        title="winners",
        low=1,
        high=100_000,
        slider=(1, 20),
        up_to="units",
        help=help,
    )


def temperature(
    default: float,
    help: str,
    *,
    low: float = 1e-3,
    high: float = 100,
    slider: tuple[float, float] | None = None,
) -> Any:
    """Declare the temperature of a softmax."""
    return knob(
        default,
        symbol="T",
        title="temperature",
        low=low,
        high=high,
        scale="log",
        slider=slider,
        help=help,
    )


def delta(help: str) -> Any:
    """Declare how strongly a runner-up unlearns."""
    return knob(
        0.4,
        symbol="Δ",
        title="anti-Hebbian",
        low=0,
        high=2,
        slider=(0, 1),
        step=0.01,
        help=help,
    )


def rank() -> Any:
    """Declare which runner-up unlearns."""
    return knob(
        2,
        symbol="k",
        title="rank pushed away",
        low=2,
        high=100_000,
        slider=(2, 20),
        up_to="units",
        help="Which runner-up unlearns.",
    )


def p_norm() -> Any:
    """Declare the p of the p-norm that weights are held at."""
    return knob(
        2.0,
        symbol="p",
        title="norm",
        low=1.01,
        high=8,
        slider=(2, 6),
        step=0.5,
        help="The norm that weights are held at.",
    )


def precision_floor() -> Any:
    """Declare the smallest divisor of the reduction by the largest entry."""
    return knob(
        1e-30,
        symbol="ε₀",
        title="precision floor",
        low=1e-30,
        high=1e-3,
        scale="log",
        advanced=True,
        help="Smallest divisor, so that a zero update stays zero.",
    )
