"""What a learning rule is: sums over samples, and what to add to the weights for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import PrivateAttr
from torch import Tensor

from hebblab.errors import InvalidValue
from hebblab.knobs import Knobbed, Value
from hebblab.nn.scratch import Scratch
from hebblab.rules import abstention, thresholds
from hebblab.rules.inputs import check, checked

Statistics = tuple[Tensor, ...]

_FASTER = frozenset({"fused", "accumulated", "finished"})
_WORDS = frozenset({"in_words", "idle", "check_layer", "check_rate"})


@dataclass(frozen=True)
class Rows:
    """A change that touches some units only: `values` (rows, fan_in) belongs to `indices` (rows,).

    Indices are distinct.
    """

    indices: Tensor
    values: Tensor


class Rule(Knobbed):
    r"""A local learning rule: mathematics, with no state but its declared knobs and buffers.

    A rule sees `inputs` (samples, fan_in) and `weights` (units, fan_in) of one floating dtype and
    device, never a layer. It gives what to ADD to the weights before the learning rate; neither
    argument is changed. What it holds beside its knobs (lateral weights, thresholds) stands in
    `buffers`; only `advance` moves it.

    A rule is written as two halves. `statistics` sums over samples, so that those of two halves
    of a batch add up to those of the whole; `change` does what is not linear in the batch.
    `update` is their composition. A rule of one's own may define `update` alone.

    A lowercase attribute with an annotation is a knob, declared by `hl.knob`.

    Attributes:
        name: What recipes and the command line call it.
        title: What the dashboard calls it.
        equation: LaTeX, lines separated by a double backslash.
        source: Paper and equation.
        history: Where it comes from, in about three sentences.
        advice: What to try with it.
        converges_to: Where units settle.
        limits: Which rule it becomes at the ends of its knobs, and where it fails.
        disagreements: Where paper and authors' code differ, a text each, and what is done here.
        initial_weights: Start, such as "uniform(0, 1)" or "normal(0, 1/sqrt(fan_in))".
        learning_rate: Rate that suits pixels in [0, 1].
        starting_knobs: Knobs that a fresh run sets when it is switched to this rule.
        starting_options: Options of the layer that such a run sets beside them.
        row_norm: Whether a fresh run holds the rows at Euclidean norm 1 after each step.
        teachable: Whether `statistics` heeds a teacher's `targets`.
        ordered: Whether a unit's place among the others has a meaning, so that pruning and
            shuffling would break the rule.
    """

    kind: ClassVar[str] = "knob"
    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    equation: ClassVar[str] = ""
    source: ClassVar[str] = ""
    history: ClassVar[str] = ""
    advice: ClassVar[str] = ""
    converges_to: ClassVar[str] = ""
    limits: ClassVar[str] = ""
    disagreements: ClassVar[tuple[str, ...]] = ()
    initial_weights: ClassVar[str] = "uniform(0, 1)"
    learning_rate: ClassVar[float] = 0.1
    starting_knobs: ClassVar[Mapping[str, Value]] = {}
    starting_options: ClassVar[Mapping[str, Value]] = {}
    row_norm: ClassVar[bool] = False
    teachable: ClassVar[bool] = False
    ordered: ClassVar[bool] = False

    _buffers: dict[str, Tensor] = PrivateAttr(default_factory=dict)
    _threshold_rate: float = PrivateAttr(0.0)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = cls.__dict__.get("update")
        if callable(own) and own is not Rule.update:
            cls.update = checked(own)  # type: ignore[method-assign]
        if cls.__module__.split(".")[0] != __name__.split(".")[0] and _changes_mathematics(cls):
            # A faster way to what a rule of the package computes is none to what this one does.
            for name in _FASTER - set(cls.__dict__):
                setattr(cls, name, getattr(Rule, name))

    @property
    def norm(self) -> float | None:
        """The p of the p-norm that the rule holds at 1, or None where it holds none."""
        return None

    @property
    def bounded(self) -> bool:
        """Whether the rule bounds its weights itself, so that unit-norm rows would fight it."""
        return self.norm is not None

    @property
    def buffers(self) -> dict[str, Tensor]:
        """What the rule holds beside its knobs, by name."""
        return self._buffers

    def hold(self, buffers: dict[str, Tensor]) -> None:
        """Hold other buffers, such as those of another group of a grouped convolution."""
        self._buffers = buffers

    def winners_wanted(self) -> int | None:
        """Return how many units win a sample; None where nobody does."""
        return None

    def homeostasis(self, thresholds: Tensor | None, rate: float = 0.0) -> None:
        """Hold thresholds (units,), which `advance` moves at `rate`; None lets go of them.

        Raises:
            InvalidValue: The rule has no winners whose number could be evened out.
        """
        if thresholds is None:
            self._buffers.pop("thresholds", None)
            return
        if self.winners_wanted() is None:
            raise InvalidValue(
                f"Adaptive thresholds even out who wins, and {self.name!r} as it is set has no "
                "winners. Choose 'hard-wta', or a competition of winners (hard, graded), or leave "
                "thresholds off."
            )
        self._buffers["thresholds"] = thresholds
        self._threshold_rate = rate

    @property
    def abstains(self) -> bool:
        """Whether the rule as it is set has a competition that single units could sit out."""
        return False

    def abstention(self, wins: Tensor | None, absent: Tensor | None = None) -> None:
        """Hold how often each unit won (units,), which `advance` counts on; None lets go of it.

        Args:
            wins: See `hebblab.rules.abstention`.
            absent: Who sits out which of the samples to come, (samples, units) of bool.

        Raises:
            InvalidValue: The rule has no competition.
        """
        abstention.hold(self, wins, absent)

    def in_words(self) -> str:
        """Return what the present values mean, in one sentence; empty where it says nothing new."""
        return ""

    def idle(self) -> dict[str, str]:
        """Return the knobs that change nothing as the others are set, each with the reason."""
        return {}

    def check_layer(self, units: int, layer: str = "layer") -> None:
        """Refuse knobs that a layer of `units` units cannot have.

        Raises:
            InvalidValue: In the words of the layer at hand.
        """
        for name, knob in self.knobs().items():
            value = getattr(self, name)
            if knob.up_to == "units" and value > units:
                raise InvalidValue(
                    f"{knob.label} = {value} is more than the {units} units of layer {layer!r}; "
                    f"it goes from {knob.low:g} to {units}."
                )

    def check_rate(self, learning_rate: float) -> None:
        """Refuse a learning rate at which the rule cannot work.

        Raises:
            InvalidValue: With the rates at which it can.
        """

    def statistics(
        self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None
    ) -> Statistics:
        """Return sums over samples; those of two halves of a batch add up to those of the whole.

        Args:
            inputs: (samples, fan_in).
            weights: (units, fan_in).
            targets: (samples, units) in [0, 1], a teacher's signal for rules that take one.
        """
        raise NotImplementedError(f"The rule {self.name!r} defines neither statistics nor update.")

    def change(self, statistics: Statistics, weights: Tensor) -> Tensor:
        """Return the change (units, fan_in) that the statistics of a whole batch ask for."""
        raise NotImplementedError(f"The rule {self.name!r} defines neither change nor update.")

    @torch.no_grad()
    def update(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Return what to add to the weights, (units, fan_in), before the learning rate.

        Args:
            inputs: (samples, fan_in).
            weights: (units, fan_in), of the same floating dtype and device.

        Raises:
            InvalidValue: They do not fit, are empty, or hold NaN or infinite values.
        """
        check(inputs, weights)
        return self.change(self.statistics(inputs, weights), weights)

    def filters(self, weights: Tensor) -> Tensor:
        """Return what units answer to, (units, fan_in): what is drawn and probed."""
        return weights

    def inhibition(self, weights: Tensor) -> Tensor | None:
        """Return by how much units inhibit each other's answers, (units, units), or None.

        Where there is some, answers are what `hebblab.nn.settling.settled` makes of responses.
        """
        return None

    def ranking(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Return what units are ranked by when they compete, (samples, units)."""
        return inputs @ weights.T

    def advance(self, statistics: Statistics, learning_rate: float) -> None:
        """Move what the rule holds beside its knobs; called once a step, after the weights."""
        if not thresholds.counted(self):
            return
        *_, samples, fired = statistics
        held, k = thresholds.of(self), self.winners_wanted()
        if held is not None and k is not None:
            thresholds.adapt_(held, fired, samples, k, self._threshold_rate)
        wins = self._buffers.get(abstention.WINS)
        if wins is not None:
            abstention.count_(wins, fired)

    def fused(self, inputs: Tensor, weights: Tensor, scratch: Scratch) -> Tensor | Rows | None:
        """Return the update by a faster way that equals `update`, or None where there is none.

        `scratch` keeps the buffers between steps; results live in it until the next call. A rule
        that holds something which `advance` moves has none: that needs the statistics.
        """
        return None

    def accumulated(
        self, inputs: Tensor, weights: Tensor, total: Statistics | None, scratch: Scratch
    ) -> Statistics:
        """Return the statistics of further samples on top of a total of those before.

        A rule may override it by a faster way whose results live in `scratch` until the next call
        without a total. It must then treat all inputs of a unit alike, as patches come in the order
        that is copied fastest.

        Args:
            inputs: (samples, fan_in).
            weights: (units, fan_in).
            total: What the samples before gave; None for the first.
            scratch: Keeps the buffers.
        """
        part = self.statistics(inputs, weights)
        return part if total is None else tuple(map(torch.add, total, part))

    def finished(self, total: Statistics, weights: Tensor) -> Tensor:
        """Return what `change` does for a total of `accumulated`, which it may overwrite."""
        return self.change(total, weights)

    @classmethod
    def any_order(cls) -> bool:
        """Whether the rule may be given the inputs of a unit in any order by `accumulated`."""
        return cls.accumulated is not Rule.accumulated

    @classmethod
    def in_halves(cls) -> bool:
        """Whether the rule is written as statistics and change, so that chunks can be added up."""
        return cls.update is Rule.update

    @property
    def summary(self) -> str:
        """The first line of the rule's docstring."""
        return (type(self).__doc__ or "").strip().split("\n")[0]


def _changes_mathematics(rule: type[Rule]) -> bool:
    """Return whether a class overrides what its bases compute."""
    bases = [base for base in rule.__mro__[1:] if issubclass(base, Rule)]
    return any(
        callable(one)
        and not name.startswith(("__", "model_"))
        and name not in _FASTER | _WORDS
        and any(name in vars(base) for base in bases)
        for name, one in vars(rule).items()
    )
