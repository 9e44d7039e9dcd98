"""Rules whose units share what they explain: principal components, and the space they span."""

from typing import ClassVar

import torch
from torch import Tensor

from hebblab.knobs import knob
from hebblab.nn.scratch import Scratch
from hebblab.rules import declared, fast, products
from hebblab.rules.reductions import count, reduce
from hebblab.rules.registry import register
from hebblab.rules.rule import Rows, Rule, Statistics

_WORTH = 2 / 3  # of the multiplications: many small products run slower than few large ones


class _Explaining(Rule):
    """Every unit learns from what is left of an input once units have explained their part of it.

    Statistics have one of two forms that say the same. FᵀX (units, fan_in), FᵀF (units, units) and
    the number of samples; or, where units are many, the finished Σ (FᵀX - FᵀF W) (units, fan_in)
    and the number of samples, which forms no matrix of units by units. The second is less work
    where units > 2·samples·fan_in / (samples + fan_in). As statistics of pieces of any size must
    add up, the form follows from the layer alone: the second where units > 2·fan_in. A batch that
    comes as a whole needs no statistics, and `fused` takes the second wherever it is cheaper.
    """

    initial_weights = "normal(0, 0.02)"
    learning_rate = 0.01
    block: ClassVar[int] = 0  # units whose own FᵀF is formed on the way to what is left over

    reduction: str = declared.reduction("mean", ("mean", "sum"))

    @property
    def norm(self) -> float | None:
        """The Euclidean norm is held at 1."""
        return 2.0

    @property
    def bounded(self) -> bool:
        """What units explain bounds them, at whatever norm."""
        return True

    def outputs(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Return F (samples, units), by which units explain an input."""
        return self.activated_(inputs @ weights.T)

    def forgetting(self, gram: Tensor) -> Tensor:
        """Return what of FᵀF (units, units) makes a unit forget the weights of another."""
        return gram

    def statistics(
        self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None
    ) -> Statistics:
        """Return what `gram` does; where units > 2 fan_in, the finished sum in its place.

        That is Σ (FᵀX - FᵀF W) (units, fan_in), of FᵀF what `forgetting` keeps, and the samples.
        """
        units, fan_in = weights.shape
        if units <= 2 * fan_in:
            return self.gram(inputs, weights)
        return self._left_over(inputs, self.outputs(inputs, weights), weights), count(inputs)

    def gram(self, inputs: Tensor, weights: Tensor) -> Statistics:
        """Return FᵀX (units, fan_in), FᵀF (units, units) and the number of samples."""
        outputs = self.outputs(inputs, weights)
        return outputs.T @ inputs, outputs.T @ outputs, count(inputs)

    def change(self, statistics: Statistics, weights: Tensor) -> Tensor:
        """Return FᵀX less what is forgotten, divided as `reduction` says."""
        return self.finished((statistics[0].clone(), *statistics[1:]), weights)

    def finished(self, total: Statistics, weights: Tensor) -> Tensor:
        """Return the change in the place of FᵀX."""
        summed, *gram, samples = total
        for one in gram:
            summed.addmm_(self.forgetting(one), weights, alpha=-1)
        return reduce(summed, self.reduction, samples=samples, in_place=True)

    def activated_(self, responses: Tensor) -> Tensor:
        """Return the outputs of the responses (samples, units), which may be changed for it."""
        return responses

    def accumulated(
        self, inputs: Tensor, weights: Tensor, total: Statistics | None, scratch: Scratch
    ) -> Statistics:
        """Return the statistics so far, in kept buffers; see `Rule`."""
        outputs = self.activated_(fast.responses(inputs, weights, scratch))
        units, fan_in = weights.shape
        if units > 2 * fan_in:
            left = self._left_over(inputs, outputs, weights)
            return fast.added(total, left if total is None else total[0].add_(left), count(inputs))
        summed = fast.hebbian(outputs, inputs, total, scratch)
        kept = scratch.take("gram", (units, units), inputs)
        before = None if total is None else total[1]
        gram = products.over_samples(outputs, outputs, before, kept)
        return summed, gram, count(inputs) if total is None else total[2].add_(len(inputs))

    def fused(self, inputs: Tensor, weights: Tensor, scratch: Scratch) -> Tensor | Rows | None:
        """Return the update by way of what is left over, where that is clearly less work."""
        (units, fan_in), samples = weights.shape, len(inputs)
        gram = samples * (fan_in + units) + units * fan_in
        left_over = 2 * samples * fan_in + self.block * (samples + fan_in)
        if left_over > _WORTH * gram:
            return None
        outputs = self.activated_(fast.responses(inputs, weights, scratch))
        left = self._left_over(inputs, outputs, weights)
        return reduce(left, self.reduction, samples=count(inputs), in_place=True)

    def _left_over(self, inputs: Tensor, outputs: Tensor, weights: Tensor) -> Tensor:
        """Return Σ (FᵀX - FᵀF W) by way of what all units together leave over."""
        return outputs.T @ torch.addmm(inputs, outputs, weights, alpha=-1)


class _InOrder(_Explaining):
    """Unit i sees what the units before it have left over."""

    ordered: ClassVar[bool] = True
    block: ClassVar[int] = 128

    def forgetting(self, gram: Tensor) -> Tensor:
        """Return the lower triangle, the diagonal included."""
        return gram.tril()

    def _left_over(self, inputs: Tensor, outputs: Tensor, weights: Tensor) -> Tensor:
        """Return Σ (FᵀX - tril(FᵀF) W), carrying what is left over from block to block."""
        rest = inputs.clone()
        summed = torch.empty_like(weights)
        for first in range(0, len(weights), self.block):
            block = slice(first, first + self.block)
            own, rows = outputs[:, block], weights[block]
            torch.addmm(own.T @ rest, (own.T @ own).tril_(), rows, alpha=-1, out=summed[block])
            rest.addmm_(own, rows, alpha=-1)
        return summed


@register
class OjaSubspace(_Explaining):
    r"""All units together span the directions of largest variance, each an arbitrary mixture.

    \[\Delta w_i = \sum_b u_{bi}\,\Big(x_b - \sum_j u_{bj} w_j\Big)\]

    Every unit learns from what all units together leave unexplained. It settles where the rows are
    orthonormal and span the leading principal components of the inputs' second moment, turned
    among themselves in any way. More units than inputs leave a projector on all inputs.

    Knobs: `reduction` mean or sum. It settles where rate × largest eigenvalue is below 1.

    Source: Oja, Int. J. Neural Systems 1 (1989) 61; Karhunen and Joutsensalo 1995.

    >>> rule = OjaSubspace()
    >>> rule.update(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.0], [0.0, 0.5]]))
    tensor([[0.3750, 0.7500],
            [0.7500, 1.5000]])
    """

    name = "oja-subspace"
    title = "Oja's subspace"
    equation = r"\Delta w_i = u_i \, \big( x - \sum\nolimits_j u_j \, w_j \big)"
    source = "Oja, Int. J. Neural Systems 1 (1989) 61; Karhunen and Joutsensalo 1995"
    history = (
        "Erkki Oja widened his rule for one unit to a whole layer in 1989. Each unit subtracts "
        "what all of them explain, so they come to share the leading principal components. It is "
        "the same as the gradient of a linear autoencoder whose two halves are tied."
    )
    converges_to = (
        "Rows settle orthonormal and together span the leading principal axes of the inputs' "
        "second moment, each row an arbitrary mixture of them. More units than inputs span them "
        "all, and cannot be orthonormal."
    )
    limits = (
        "With one unit it is Oja's rule; with each unit blind to those after it, Sanger's. Rate × "
        "largest eigenvalue must stay below 1."
    )
    disagreements = (
        "Batch: both sources write the rule for one sample. Here: the mean of a batch, all of it "
        "at the same weights.",
    )
    advice = "Compare with Sanger: the same space, but here no picture is a component by itself."


@register
class Sanger(_InOrder):
    r"""Units become the principal components in order: each explains what those before it left.

    \[\Delta w_i = \sum_b u_{bi}\,\Big(x_b - \sum_{j \le i} u_{bj} w_j\Big)\]

    It settles at \(w_i = \pm\) the i-th principal axis of the inputs' second moment. A unit waits
    for all before it and for the gap between its eigenvalue and the next, so late units are slow.
    The order is that of the units: shuffling or pruning them breaks it.

    Knobs: `reduction` mean or sum. It settles where rate × largest eigenvalue is below 1.

    Source: Sanger, Neural Networks 2 (1989) 459, the generalised Hebbian algorithm.

    >>> rule = Sanger()
    >>> rule.update(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.0], [0.0, 0.5]]))
    tensor([[0.3750, 1.0000],
            [0.7500, 1.5000]])
    """

    name = "sanger"
    title = "Sanger"
    equation = r"\Delta w_i = u_i \, \big( x - \sum\nolimits_{j \le i} u_j \, w_j \big)"
    source = "Sanger, Neural Networks 2 (1989) 459"
    history = (
        "Terence Sanger published it in 1989 as the generalised Hebbian algorithm. It is Oja's "
        "rule with the inputs deflated: unit by unit, what earlier ones explain is taken away. "
        "So a local rule finds the components that statistics finds by eigenvectors."
    )
    converges_to = (
        "Unit i settles at length 1 on the i-th principal axis of the inputs' second moment, plus "
        "or minus. Units settle one after another, each the slower the nearer its variance is to "
        "the next."
    )
    limits = (
        "With one unit it is Oja's rule; with every unit seeing all others, the subspace rule. "
        "Rate × largest eigenvalue must stay below 1. After 800 steps on centred digits the first "
        "ten units are near their components (mean |cos| 0.92), the first thirty half-way."
    )
    disagreements = (
        "Batch: Sanger writes the rule for one sample, Lagani's code averages over samples and "
        "positions. Here: the mean, with the sum on request.",
        "What is left over: older code holds it for every sample and unit at once. Here: products "
        "of units by units come first, the same numbers to rounding at a fraction of the memory.",
    )
    advice = "Open the preset mnist-sanger, and watch the components settle one after the other."


@register
class HPCA(_InOrder):
    r"""Sanger's rule with a non-linear activation inside: units explain by rectified outputs.

    \[\Delta w_i = \sum_b f(u_{bi})\,\Big(x_b - \sum_{j \le i} f(u_{bj})\,w_j\Big)\]

    With `relu` on centred inputs units come in pairs, plus and minus each principal axis, at norm
    1; a unit that answers nothing never moves. With `tanh` the directions are the axes, but the
    norms grow with the variance. With `identity` it is Sanger's rule exactly.

    Knobs: `activation` relu, tanh or identity; `reduction` mean or sum.

    Source: Lagani 2022, equations 4 and 5; averaged over samples and positions, as in its code.
    Equation 5 follows from a gradient but has no derivative of f, and neither has this.

    >>> rule = HPCA()
    >>> rule.update(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.0], [0.0, -0.5]]))
    tensor([[0.3750, 1.0000],
            [0.0000, 0.0000]])
    """

    name = "hpca"
    title = "Hebbian PCA"
    equation = (
        r"\Delta w_i = f(u_i) \, \big( x - \sum\nolimits_{j \le i} f(u_j) \, w_j \big)"
        r" \\ f = \mathrm{relu}, \tanh \text{ or the identity}"
    )
    source = "Lagani, SEBD 2022, equations 4 and 5"
    history = (
        "Non-linear forms of Sanger's rule were studied through the 1990s, as a bridge from "
        "principal to independent components. Gabriele Lagani and others trained deep "
        "convolutional networks with this one from 2021 on. It did well where labels are few."
    )
    converges_to = (
        "With relu on inputs that lie alike on both sides of their mean, such as a cloud, pairs of "
        "plus and minus each principal axis at length 1, so half as many components as units; on "
        "digits, which do not, mixtures of components. With tanh the axes too, at lengths above 1 "
        "that grow with the variance. With identity, Sanger's components."
    )
    limits = (
        "With identity it is Sanger's rule exactly. Under relu a unit that answers no input never "
        "moves. Rate × largest eigenvalue × number of units on that axis must stay below 1."
    )
    disagreements = (
        "Derivative: the paper's equation 5 follows from a gradient, yet has no derivative of f; "
        "the authors' code offers one elsewhere only. Here: none.",
        "Batch: the paper has one sample, its code averages over samples and positions. Here: the "
        "mean, with the sum on request.",
        "Activation: the paper leaves f open, its code has relu by default and tanh as a variant. "
        "Here: relu, tanh or identity.",
    )
    advice = (
        "Set the activation to identity early in a run: mixtures give way to Sanger's components. "
        "For pairs, choose this rule in the preset cloud-sanger and raise the rate to 0.1."
    )

    activation: str = knob(
        "relu",
        symbol="f",
        choices=("relu", "tanh", "identity"),
        help="What a unit's response goes through before it explains the input.",
    )

    @property
    def norm(self) -> float | None:
        """The Euclidean norm is held at 1, unless responses are squashed."""
        return None if self.activation == "tanh" else 2.0

    def activated_(self, responses: Tensor) -> Tensor:
        """Return f(u) (samples, units) in the place of the responses."""
        if self.activation == "relu":
            return responses.clamp_min_(0)
        return responses.tanh_() if self.activation == "tanh" else responses
