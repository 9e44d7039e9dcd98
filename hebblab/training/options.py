"""What can be set around any rule at one layer: options, their bounds, and what excludes what."""

from collections.abc import Collection
from typing import Any, ClassVar, Self

from torch import nn

from hebblab.errors import InvalidValue
from hebblab.knobs import Knob, Knobbed, knob
from hebblab.nn import InputNorm, LayerView, RePU, Whitening
from hebblab.rules import Rule

WHITENINGS = ("none", "images", "patches")


def _of_the_network(declared: Knob, **more: Any) -> Any:
    """Return the knob of a network's module as an option: declared once, there."""
    told = ("symbol", "title", "low", "high", "scale", "choices", "step", "help")
    return knob(declared.default, **{key: getattr(declared, key) for key in told}, **more)


class LayerOptions(Knobbed):
    """What a run says of one layer beside its rule's knobs.

    Order of application, each step: thresholds inside the competition, rule, `norm_adaptive_lr`,
    learning rate, `pruning`, `row_norm`, and last the thresholds' own move.
    """

    kind: ClassVar[str] = "knob"

    learning_rate: float = knob(
        0.1,
        symbol="η",
        title="learning rate",
        low=0,
        high=10,
        scale="log",
        slider=(1e-4, 1),
        help="How large a step is.",
    )
    row_norm: bool = knob(
        False,
        symbol="‖w‖",
        title="unit-norm rows",
        advanced=True,
        help="Put every unit's weights back to length one after each step.",
    )
    n: float = _of_the_network(RePU.knob("n"), slider=(0.5, 8.0))
    triangle: bool = _of_the_network(RePU.knob("triangle"), advanced=True)
    thresholds: bool = knob(
        False,
        symbol="θ",
        title="adaptive thresholds",
        advanced=True,
        help="Raise the bar for units that win too often, until all win alike.",
    )
    threshold_rate: float = knob(
        0.5,
        symbol="μ",
        title="threshold rate",
        low=0,
        high=100,
        slider=(0, 2),
        advanced=True,
        help="How fast the thresholds follow the wins.",
    )
    norm_adaptive_lr: float = knob(
        0.0,
        symbol="ρ",
        title="norm-adaptive rate",
        low=0,
        high=1,
        advanced=True,
        help="Slow a unit down as its norm nears one; 0 is off.",
    )
    pruning: float = knob(
        0.0,
        symbol="p₀",
        title="pruned share",
        low=0,
        high=0.999,
        live=False,
        advanced=True,
        help="Share of the connections that do not exist, drawn once.",
    )
    abstention: bool = knob(
        False,
        symbol="abstain",
        title="random abstention",
        advanced=True,
        help="Let a unit that won much sit out at random, so that others win.",
    )
    teacher: bool = knob(
        False,
        symbol="teacher",
        title="teacher signal",
        advanced=True,
        help="Let only the units of an image's own class learn from it.",
    )
    input_norm: str = _of_the_network(InputNorm.knob(), advanced=True)
    patch_norm: bool = knob(
        False,
        symbol="‖patch‖",
        title="norm per patch",
        advanced=True,
        help="Let the input norm act on each patch by itself instead of on the whole input.",
    )
    zca: str = knob(
        "none",
        symbol="ZCA",
        title="whitening",
        choices=WHITENINGS,
        advanced=True,
        help="Take the correlations out of the images, or of the layer's patches.",
    )
    zca_epsilon: float = _of_the_network(Whitening.knob(), advanced=True)
    patches_per_batch: int = knob(
        0,
        symbol="patches",
        title="patches a batch",
        low=0,
        high=10_000_000,
        slider=(0, 10_000),
        advanced=True,
        help="How many patches of a batch the layer learns from; 0 is all.",
    )
    radius_end: float = knob(
        0.5,
        symbol="σ₁",
        title="radius at the end",
        low=0.1,
        high=50,
        scale="log",
        advanced=True,
        help="Where the radius arrives when the run is over.",
    )

    @property
    def said(self) -> Collection[str]:
        """Names of the options that were given; the others are at their defaults."""
        return self.model_fields_set

    def with_(self, **values: Any) -> Self:
        """Return a copy with some options changed, validated; the rest is as unsaid as before."""
        now = {
            name: value
            for name, value in self.values().items()
            if name in self.said or value != OPTIONS[name].default
        }
        return type(self)(**{**now, **values})


OPTIONS: dict[str, Knob] = LayerOptions.declared()


def refuse_contradictions(rule: Rule, options: LayerOptions, layer: str = "") -> None:
    """Refuse options that a rule as it is set cannot have.

    Raises:
        InvalidValue: In words, with what to do.
    """
    at = f" of layer {layer!r}" if layer else ""
    if options.row_norm and rule.bounded:
        raise InvalidValue(
            f"{rule.name!r} holds its own norm, so unit-norm rows{at} would fight it. "
            "Leave row_norm off, or choose a rule without a norm, such as 'hebb'."
        )
    if options.thresholds and rule.winners_wanted() is None:
        raise InvalidValue(
            f"Adaptive thresholds{at} even out who wins, and {rule.name!r} as it is set has no "
            "winners. Choose 'hard-wta', or a competition of winners (hard, graded), or leave "
            "thresholds off."
        )
    if options.abstention and not rule.abstains:
        raise InvalidValue(
            f"Random abstention{at} keeps units that won much out of a competition, and "
            f"{rule.name!r} as it is set has none. Leave abstention off, or choose a winner rule "
            "such as 'hard-wta'."
        )
    if options.norm_adaptive_lr and rule.norm is None:
        raise InvalidValue(
            f"A norm-adaptive rate{at} slows down as the norm nears one, and {rule.name!r} as it "
            "is set holds no norm. Set norm_adaptive_lr to 0, or choose a rule that holds one, "
            "such as 'softhebb'."
        )
    if options.teacher and not (rule.teachable and rule.in_halves()):
        raise InvalidValue(
            f"{rule.name!r}{at} has no competition that a teacher could decide. "
            "Leave teacher off, or choose a winner rule such as 'hard-wta'."
        )
    if options.pruning and rule.ordered:
        raise InvalidValue(
            f"Under {rule.name!r} each unit{at} has its place among the others, which holds only "
            "while all have the same connections. Leave pruning at 0, or choose another rule."
        )


def without_effect(rule: Rule, options: LayerOptions) -> dict[str, str]:
    """Return the options that change nothing around a rule as both are set, with the reason."""
    winning = rule.winners_wanted() is not None
    name = repr(rule.name)
    reasons = {
        "row_norm": (rule.bounded, f"{name} holds its own norm."),
        "thresholds": (
            not (winning or options.thresholds),
            f"{name} as it is set has no winners.",
        ),
        "threshold_rate": (not (winning and options.thresholds), "Adaptive thresholds are off."),
        "abstention": (
            not (rule.abstains or options.abstention),
            f"{name} as it is set has no competition to abstain from.",
        ),
        "norm_adaptive_lr": (rule.norm is None, f"{name} as it is set holds no norm."),
        "pruning": (rule.ordered, f"Each unit of {name} has its place among the others."),
        "teacher": (
            not (rule.teachable and rule.in_halves()),
            f"{name} has no competition that a teacher could decide.",
        ),
        "zca_epsilon": (options.zca == "none", "Whitening is off."),
        "radius_end": ("radius" not in rule.declared(), f"{name} has no radius."),
    }
    return {option: why for option, (idle, why) in reasons.items() if idle}


def refuse_idle(rule: Rule, options: LayerOptions, layer: str = "") -> None:
    """Refuse options that were set and could change nothing, whatever else is turned.

    Raises:
        InvalidValue: In words, with what to do.
    """
    at = f" of layer {layer!r}" if layer else ""
    if options.radius_end != OPTIONS["radius_end"].default and "radius" not in rule.declared():
        raise InvalidValue(
            f"radius_end{at} is where the radius of a map arrives, and {rule.name!r} has no "
            "radius. Leave it out, or choose 'som'."
        )


def refuse_unfit(view: LayerView, rule: Rule, options: LayerOptions, classes: int) -> None:
    """Refuse a rule and options that do not suit a layer or each other.

    Args:
        view: The layer.
        rule: Its rule.
        options: What is set around the rule.
        classes: How many classes a teacher's labels have.

    Raises:
        InvalidValue: In the words of the layer at hand.
    """
    units = view.units // view.groups
    rule.check_layer(units, view.name)
    refuse_contradictions(rule, options, view.name)
    if options.patches_per_batch and not isinstance(view.module, nn.Conv2d):
        raise InvalidValue(
            f"Layer {view.name!r} is a {type(view.module).__name__}, which has no "
            "patches to choose from. Set patches_per_batch to 0."
        )
    if options.teacher and units < classes:
        raise InvalidValue(
            f"A teacher gives each of the {classes} classes units of its own; layer "
            f"{view.name!r} has only {units}. Leave teacher off, or take more units."
        )
