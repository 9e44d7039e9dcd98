"""Hebb's rule and the two that give it a bound: Grossberg's instar and Oja's."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from hebblab.knobs import Value, knob
from hebblab.nn.scratch import Scratch
from hebblab.rules import declared, fast, thresholds
from hebblab.rules.competition import COMPETITIONS, alive, compete, scores
from hebblab.rules.reductions import count, pulled, reduce
from hebblab.rules.registry import register
from hebblab.rules.rule import Rows, Rule, Statistics

_LIVELY = ("hard", "graded", "softmax", "proportional", "relu")


class _Competing(Rule):
    """A rule whose activity Y comes from a declared competition."""

    teachable: ClassVar[bool] = True
    powers: ClassVar[tuple[int, ...]] = (1,)  # p of each Σ|Y|ᵖ in the statistics, after YᵀX

    competition: str = "none"
    similarity: str = declared.similarity("dot")
    k: int = declared.winners("How many units win each image, where winners are counted.")
    temperature: float = declared.temperature(
        1.0, "How softly units compete, where they share an image by softmax."
    )

    def ranking(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Return the scores that units compete by, (samples, units)."""
        return scores(inputs, weights, inputs @ weights.T, self.similarity)

    def winners_wanted(self) -> int | None:
        """Return k where winners are counted."""
        return self.k if self.competition in ("hard", "graded") else None

    def activity(self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return Y (samples, units), times a teacher's targets."""
        responses = inputs @ weights.T
        activity = compete(
            responses,
            scores(inputs, weights, responses, self.similarity),
            alive(inputs),
            self.competition,
            k=self.k,
            temperature=self.temperature,
            thresholds=thresholds.of(self),
        )
        return activity if targets is None else activity * targets

    def accumulated(
        self, inputs: Tensor, weights: Tensor, total: Statistics | None, scratch: Scratch
    ) -> Statistics:
        """Return the statistics so far, winners summed as bags; see `Rule`."""
        if self.competition == "none":
            activity = fast.responses(inputs, weights, scratch)
            summed = fast.hebbian(activity, inputs, total, scratch)
            powers = fast.powers(activity, self.powers)
            return fast.added(total, summed, *powers, count(inputs))
        won = self._won(inputs, weights, scratch)
        if won is None:
            return super().accumulated(inputs, weights, total, scratch)
        summed = won.hebbian(total)
        powers = (won.power(p) for p in self.powers)
        fired = () if thresholds.of(self) is None else (won.fired(),)
        return fast.added(total, summed, *powers, count(inputs), *fired)

    def fused(self, inputs: Tensor, weights: Tensor, scratch: Scratch) -> Tensor | Rows | None:
        """Return the update of the units that won; the others have none."""
        if thresholds.of(self) is not None or len(inputs) * len(weights) < fast.SMALL:
            return None
        won = self._won(inputs, weights, scratch)
        return None if won is None else fast.touched(self, won, weights, self.powers)

    def _won(self, inputs: Tensor, weights: Tensor, scratch: Scratch) -> fast.Winners | None:
        """Return who won, where winners are counted and bags are quicker than a product."""
        counted = self.competition in ("hard", "graded") and self.k <= len(weights)
        if not counted or inputs.is_cuda:
            return None
        graded, held = self.competition == "graded", thresholds.of(self)
        return fast.Winners(inputs, weights, self.k, self.similarity, graded, held, scratch)


@register
class Hebb(_Competing):
    r"""Weights grow where input and output are active together; nothing stops them.

    \[\Delta w_i = \sum_b y_{bi}\,x_b - \lambda w_i\]

    Without a bound rows blow up along the leading direction of the inputs' second moment; with
    unit-norm rows (the layer's option `row_norm`) it is the power method.

    Knobs: `competition` none, hard, graded, softmax, proportional or relu; `similarity`; `k` 1 to
    the number of units; `temperature` 1e-3 to 100; `weight_decay` 0 to 1; `reduction`.

    Source: Hebb 1949; Lagani 2022, before equation 2; Miconi 2021, dw ≈ xy.

    >>> import torch
    >>> Hebb().update(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.0]]))
    tensor([[0.5000, 1.0000]])
    """

    name = "hebb"
    title = "Hebb"
    equation = r"\Delta w_i = y_i \, x - \lambda \, w_i"
    source = "Hebb, The Organization of Behavior (1949); Lagani 2022; Miconi 2021"
    history = (
        "Donald Hebb proposed in 1949 that a connection strengthens when both its ends are active. "
        "Taken alone the rule has no bound: what is strong grows stronger. Every other rule here "
        "is an answer to that."
    )
    advice = "Switch row norm off and watch the weights leave every scale within a minute."
    initial_weights = "normal(0, 0.02)"
    learning_rate = 0.01
    row_norm = True

    competition: str = declared.competition("none", COMPETITIONS)
    weight_decay: float = knob(
        0.0,
        symbol="λ",
        title="weight decay",
        low=0,
        high=1,
        help="How much of every weight is forgotten in a step.",
    )
    reduction: str = declared.reduction("mean")

    def statistics(
        self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None
    ) -> Statistics:
        """Return YᵀX (units, fan_in), Σ|Y| (units,) and the number of samples."""
        activity = self.activity(inputs, weights, targets)
        fired = thresholds.fired(self, activity)
        return activity.T @ inputs, activity.abs().sum(dim=0), count(inputs), *fired

    def change(self, statistics: Statistics, weights: Tensor) -> Tensor:
        """Return YᵀX, divided as `reduction` says, less the weight decay."""
        summed, active, samples, *_ = statistics
        change = reduce(summed, self.reduction, samples=samples, activity=active)
        return change - self.weight_decay * weights if self.weight_decay else change


@register
class Instar(_Competing):
    r"""A unit that fires moves its weights towards the input, as strongly as it fires.

    \[\Delta w_i = \sum_b y_{bi}\,(x_b - w_i)\]

    It settles where w is the y-weighted mean of the inputs; with hard winners, the cluster mean.

    Knobs: `competition` hard, graded, softmax, proportional or relu (never none: a negative y
    would push away without end); `similarity`; `k`; `temperature`; `reduction`.

    Source: Grossberg 1976; Lagani 2022, equation 2; Miconi 2021, dw ≈ y(x - w).

    >>> import torch
    >>> Instar().update(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.0]]))
    tensor([[0.5000, 2.0000]])
    """

    name = "instar"
    title = "Instar"
    equation = r"\Delta w_i = y_i \, (x - w_i)"
    source = "Grossberg 1976; Lagani 2022, equation 2; Miconi 2021"
    history = (
        "Stephen Grossberg described it in the 1970s as the learning of an instar, a cell at which "
        "many connections meet. It bounds Hebb's rule by letting a unit forget only when it fires. "
        "With one winner it is online k-means."
    )
    advice = "Set the competition to softmax and turn the temperature until units share images."
    # A mean over all images moves 100 units too little to see.
    starting_knobs: ClassVar[Mapping[str, Value]] = {"reduction": "share"}

    competition: str = declared.competition("hard", _LIVELY)
    reduction: str = declared.reduction("mean")

    def statistics(
        self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None
    ) -> Statistics:
        """Return YᵀX (units, fan_in), ΣY, Σ|Y| (units,) and the number of samples."""
        activity = self.activity(inputs, weights, targets)
        if self.competition == "graded":
            activity = activity.clamp_min(0)
        fired = thresholds.fired(self, activity)
        total = activity.sum(dim=0)
        return activity.T @ inputs, total, total.clone(), count(inputs), *fired

    def change(self, statistics: Statistics, weights: Tensor) -> Tensor:
        """Return YᵀX - diag(ΣY) W, divided as `reduction` says."""
        return pulled(statistics, weights, self.reduction)


@register
class Oja(_Competing):
    r"""Hebb's rule with just enough forgetting that the weight vector keeps length one.

    \[\Delta w_i = \sum_b y_{bi}\,(x_b - y_{bi} w_i)\]

    One unit turns to the leading principal component of the inputs. Without competition every
    unit does: the lesson that units need a reason to differ.

    Knobs: `competition` none, hard, graded, softmax, proportional or relu; `similarity`; `k`;
    `temperature`; `reduction`. It settles where rate × largest eigenvalue is below 1.

    Source: Oja 1982; Miconi 2021, dw ≈ y(x - yw).

    >>> import torch
    >>> Oja().update(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.0]]))
    tensor([[0.3750, 1.0000]])
    """

    name = "oja"
    title = "Oja"
    equation = r"\Delta w_i = y_i \, (x - y_i \, w_i)"
    source = "Oja, J. Math. Biology 15 (1982) 267; Miconi 2021"
    history = (
        "Erkki Oja showed in 1982 that a single unit with this rule finds the direction in which "
        "its inputs vary most, the first principal component. It was the first proof that a local "
        "rule does statistics. Many units without competition all find the same direction."
    )
    advice = "Watch every unit become the same picture; then set the competition to hard."
    initial_weights = "normal(0, 0.02)"
    learning_rate = 0.01

    competition: str = declared.competition("none", COMPETITIONS)
    reduction: str = declared.reduction("mean")

    @property
    def norm(self) -> float:
        """The Euclidean norm is held at 1."""
        return 2.0

    def statistics(
        self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None
    ) -> Statistics:
        """Return YᵀX (units, fan_in), ΣY², Σ|Y| (units,) and the number of samples."""
        activity = self.activity(inputs, weights, targets)
        fired = thresholds.fired(self, activity)
        squares = torch.linalg.vector_norm(activity, dim=0).square_()
        active = activity.abs().sum(dim=0)
        return activity.T @ inputs, squares, active, count(inputs), *fired

    def change(self, statistics: Statistics, weights: Tensor) -> Tensor:
        """Return YᵀX - diag(ΣY²) W, divided as `reduction` says."""
        return pulled(statistics, weights, self.reduction)
