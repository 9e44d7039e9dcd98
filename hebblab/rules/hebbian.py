"""Hebb's rule and the two that give it a bound: Grossberg's instar and Oja's."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from hebblab.knobs import Value, knob
from hebblab.nn.scratch import Scratch
from hebblab.rules import declared, fast, thresholds
from hebblab.rules.competing import Competing
from hebblab.rules.competition import COMPETITIONS
from hebblab.rules.reductions import count, pulled, reduce
from hebblab.rules.registry import register
from hebblab.rules.rule import Rows, Statistics

_LIVELY = ("hard", "graded", "softmax", "proportional", "relu")


@register
class Hebb(Competing):
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
    source = (
        "Hebb, The Organization of Behavior (1949); Lagani, SEBD 2022; Miconi, arXiv:2107.01729 "
        "(2021)"
    )
    history = (
        "Donald Hebb proposed in 1949 that a connection strengthens when both its ends are active. "
        "Taken alone the rule has no bound: what is strong grows stronger. Every other rule here "
        "is an answer to that."
    )
    converges_to = (
        "To nothing by itself: every row grows along the leading direction of the inputs' second "
        "moment, by a factor of 1 + rate × eigenvalue a step. With unit-norm rows it turns to that "
        "direction, plus or minus; where images are not centred, that is the mean image."
    )
    limits = (
        "With unit-norm rows it is the power method and ends where Oja's rule does. Weight decay "
        "is no bound: below the largest eigenvalue rows still grow, above it they vanish. On raw "
        "digits at rate 0.1 the numbers of float32 are used up after some 56 steps."
    )
    disagreements = (
        "Batch: Lagani's text has one sample, Miconi's code sums over samples and positions. "
        "Here: the mean, with the sum on request.",
        "Code: PyTorch-Hebbian marks its HebbsRule as unfinished, and it cannot run. Here: the "
        "equation, with no code to agree with.",
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

    def fused(self, inputs: Tensor, weights: Tensor, scratch: Scratch) -> Tensor | Rows | None:
        """Return the update of the units that won, where the others do not decay."""
        return None if self.weight_decay else super().fused(inputs, weights, scratch)

    def change(self, statistics: Statistics, weights: Tensor) -> Tensor:
        """Return YᵀX, divided as `reduction` says, less the weight decay."""
        return self.finished((statistics[0].clone(), *statistics[1:]), weights)

    def finished(self, total: Statistics, weights: Tensor) -> Tensor:
        """Return the change in the place of YᵀX."""
        summed, active, samples, *_ = total
        change = reduce(summed, self.reduction, samples=samples, activity=active, in_place=True)
        return change.sub_(weights, alpha=self.weight_decay) if self.weight_decay else change


@register
class Instar(Competing):
    r"""A unit that fires moves its weights towards the input, as strongly as it fires.

    \[\Delta w_i = \sum_b y_{bi}\,(x_b - w_i)\]

    It settles where w is the y-weighted mean of the inputs; with hard winners, the cluster mean.

    Knobs: `competition` hard, graded, softmax, proportional or relu (never none: a negative y
    would push away without end, and graded winners below zero count as zero); `similarity`; `k`;
    `temperature`; `reduction`.

    Source: Grossberg 1976; Lagani 2022, equation 2; Miconi 2021, dw ≈ y(x - w).

    >>> import torch
    >>> Instar().update(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.0]]))
    tensor([[0.5000, 2.0000]])
    """

    name = "instar"
    title = "Instar"
    equation = r"\Delta w_i = y_i \, (x - w_i)"
    source = (
        "Grossberg, Biological Cybernetics 23 (1976) 121; Lagani, SEBD 2022, equation 2; Miconi, "
        "arXiv:2107.01729 (2021)"
    )
    history = (
        "Stephen Grossberg described it in the 1970s as the learning of an instar, a cell at which "
        "many connections meet. It bounds Hebb's rule by letting a unit forget only when it fires. "
        "With one winner it is online k-means."
    )
    converges_to = (
        "Each unit settles at the mean of its inputs, weighted by how strongly it fired: with hard "
        "winners, the mean of the images it wins. The norm is not held."
    )
    limits = (
        "With winners that fire at 1 it is Oja's rule too, as 1² = 1. Very warm softmax makes "
        "every unit the mean image. Rate × mean activity above 1 overshoots, from 2 on it leaves "
        "every bound. A negative activity would push away without end, so there is no competition "
        "none, and a graded winner that answers below zero does not learn."
    )
    disagreements = (
        "Batch: Miconi's code sums over samples and positions, Lagani's divides by each unit's "
        "own activity. Here: the mean, with both on request; a fresh run sets share, as a mean "
        "over all images moves a hundred units too little to see.",
        "Norm: Miconi holds rows at length 1 after each step, which keeps their direction alone. "
        "Here: the layer's option row_norm, off.",
        "Winners: in Miconi's code one of the k best whose response, less its threshold, is not "
        "above zero does not fire. Here: so with thresholds; without them the k best always win.",
    )
    advice = "Set the competition to softmax and turn the temperature until units share images."
    # A mean over all images moves 100 units too little to see.
    starting_knobs: ClassVar[Mapping[str, Value]] = {"reduction": "share"}

    competition: str = declared.competition("hard", _LIVELY)
    reduction: str = declared.reduction("mean")

    powers: ClassVar[tuple[int, ...]] = (1, 1)

    def _won(self, inputs: Tensor, weights: Tensor, scratch: Scratch) -> fast.Winners | None:
        won = super()._won(inputs, weights, scratch)
        if won is not None and self.competition == "graded":
            won.how.clamp_min_(0)
        return won

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

    def finished(self, total: Statistics, weights: Tensor) -> Tensor:
        """Return the change in the place of YᵀX."""
        return pulled(total, weights, self.reduction, in_place=True)


@register
class Oja(Competing):
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
    source = "Oja, J. Math. Biology 15 (1982) 267; Miconi, arXiv:2107.01729 (2021)"
    history = (
        "Erkki Oja showed in 1982 that a single unit with this rule finds the direction in which "
        "its inputs vary most, the first principal component. It was the first proof that a local "
        "rule does statistics. Many units without competition all find the same direction."
    )
    converges_to = (
        "One unit settles at length 1 on the first principal axis of the inputs' second moment, "
        "plus or minus. Without competition all units settle there; where images are not centred, "
        "the axis is close to the mean image."
    )
    limits = (
        "Rate × largest eigenvalue below 1 settles: a rate below 0.026 on raw digits, below 0.19 "
        "on centred ones. From 1 to 2 the length swings, above 2 it leaves every bound. With hard "
        "winners it is the instar."
    )
    disagreements = (
        "Forgetting: Oja writes the response u, Miconi's code what the competition made of it, y. "
        "Here: y, which is u where nobody competes.",
        "Batch: PyTorch-Hebbian takes the mean of single samples times a constant 0.1 of its own. "
        "Here: the mean alone, so a rate there is a tenth as large here.",
    )
    advice = (
        "Watch every unit become the same picture; then open the preset mnist-sanger, where each "
        "unit explains only what those before it left."
    )
    initial_weights = "normal(0, 0.02)"
    learning_rate = 0.01

    competition: str = declared.competition("none", COMPETITIONS)
    reduction: str = declared.reduction("mean")

    powers: ClassVar[tuple[int, ...]] = (2, 1)

    @property
    def norm(self) -> float:
        """The Euclidean norm is held at 1."""
        return 2.0

    @property
    def bounded(self) -> bool:
        """False: unit-norm rows agree with its own norm, and Miconi puts them to it."""
        return False

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

    def finished(self, total: Statistics, weights: Tensor) -> Tensor:
        """Return the change in the place of YᵀX."""
        return pulled(total, weights, self.reduction, in_place=True)
