"""The rule of Pehlevan and Chklovskii: Hebbian forward weights, anti-Hebbian lateral ones."""

from typing import ClassVar

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, shown
from hebblab.knobs import knob
from hebblab.rules.reductions import averaged, count
from hebblab.rules.registry import register
from hebblab.rules.rule import Rule, Statistics

LATERAL = "lateral"

_JITTER = 1e-6  # added to the diagonal of lateral weights that are about to become singular


@register
class HebbianAntiHebbian(Rule):
    r"""Units learn the inputs, unlearn each other, and so span the leading principal components.

    The output is at rest where \(M y = W x\). Then
    \[\Delta W = 2\,\langle y x^\top - W \rangle, \qquad
    \Delta M = \tfrac{1}{\tau}\,\langle y y^\top - M \rangle\]

    both times the learning rate, which must stay below τ. No unit reads another's forward weights.
    What units answer to is the filter \(F = M^{-1} W\) (`filters`), not W. F settles orthonormal,
    on the leading principal components of the inputs' second moment; the eigenvalues of M are
    theirs.

    M stands in `buffers["lateral"]` (units, units); a fresh rule, or one given another number of
    units, has the identity. `update` reads it, `advance` alone moves it. Where units are more than
    the directions that inputs take, M fades towards singular, and 1e-6 is added to its diagonal.

    Knobs: `tau` 0.05 to 1; above 1 the rule does not settle.

    Source: Pehlevan, Sengupta and Chklovskii, Neural Computation 30 (2018) 84; the averages of a
    batch stand for its single samples.

    >>> rule = HebbianAntiHebbian()
    >>> rule.update(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.0]]))
    tensor([[0., 2.]])
    """

    name = "hebbian-anti-hebbian"
    title = "Hebbian and anti-Hebbian"
    equation = (
        r"\Delta W = 2 \, (y x^\top - W) \qquad M y = W x"
        r" \\ \Delta M = (y y^\top - M) / \tau"
    )
    source = "Pehlevan, Sengupta and Chklovskii, Neural Computation 30 (2018) 84"
    history = (
        "Peter Földiák proposed in 1989 that units learn forward and unlearn sideways. Cengiz "
        "Pehlevan and Dmitri Chklovskii derived such a network from one objective in 2015, that "
        "outputs be as alike as their inputs. Every synapse needs only what its two ends know."
    )
    converges_to = (
        "The filters F = M⁻¹W settle orthonormal and span the leading principal axes of the "
        "inputs' second moment; the eigenvalues of M are the variances along them. W itself is M "
        "F."
    )
    limits = (
        "Above τ = 1 it does not settle, and a rate of τ or more would make M lose its positive "
        "eigenvalues; both are refused. Units beyond the directions that inputs take make M "
        "singular, and 1e-6 is added to its diagonal."
    )
    disagreements = (
        "Network: that of 2015 has a rate for each unit and no connection of a unit to itself, "
        "that of 2018 one rate and a full M. Here: that of 2018.",
        "Rate: the authors' code lowers it as 1 / (t + 5) by default. Here: the run's own rate "
        "and decay.",
        "Batch: the papers update after each sample. Here: by the mean of a batch, during which M "
        "stands still.",
    )
    advice = "Lower τ: lateral weights follow faster, and the pictures settle sooner."
    initial_weights = "normal(0, 1/sqrt(fan_in))"
    learning_rate = 0.01
    reduction: ClassVar[str] = "mean"  # M moves by means, so W does too

    tau: float = knob(
        0.5,
        symbol="τ",
        title="lateral slowness",
        low=0.05,
        high=1,
        help="How slowly lateral weights follow: they learn at rate / τ.",
    )

    @property
    def bounded(self) -> bool:
        """The rule forgets as much as it learns; it is the filters that have norm 1."""
        return True

    def lateral(self, weights: Tensor) -> Tensor:
        """Return M (units, units); the identity where none fits the weights."""
        held = self.buffers.get(LATERAL)
        if held is None or len(held) != len(weights):
            return torch.eye(len(weights), dtype=weights.dtype, device=weights.device)
        return held.to(weights)

    def filters(self, weights: Tensor) -> Tensor:
        """Return M⁻¹ W (units, fan_in)."""
        return self._at_rest(weights, weights)

    def ranking(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Return the outputs y (samples, units)."""
        if len(inputs) < weights.shape[1]:
            return self._at_rest(weights @ inputs.T, weights).T
        return inputs @ self.filters(weights).T

    def statistics(
        self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None
    ) -> Statistics:
        """Return YᵀX (units, fan_in), YᵀY (units, units) and the number of samples."""
        outputs = self.ranking(inputs, weights)
        return outputs.T @ inputs, outputs.T @ outputs, count(inputs)

    def change(self, statistics: Statistics, weights: Tensor) -> Tensor:
        """Return 2 (YᵀX / samples - W)."""
        hebbian, _, samples = statistics
        return averaged(hebbian, samples).sub_(weights).mul_(2)

    def check_rate(self, learning_rate: float) -> None:
        """Refuse a rate of τ or more, at which M would lose its positive eigenvalues.

        Raises:
            InvalidValue: Says both.
        """
        if not learning_rate < self.tau:
            raise InvalidValue(
                f"The learning rate must be below τ (tau) for {self.name!r}, and "
                f"{shown(learning_rate)} is not below {self.tau:g}: the lateral weights would "
                "overshoot. Lower the rate, best to half of τ, or raise τ."
            )

    def advance(self, statistics: Statistics, learning_rate: float) -> None:
        """Move M by rate/τ of the way to YᵀY / samples.

        Raises:
            InvalidValue: The rate is τ or more; M is as it was.
        """
        self.check_rate(learning_rate)
        _, outer, samples = statistics
        aim = averaged(outer, samples)
        self.buffers[LATERAL] = self.lateral(outer).lerp_(aim, learning_rate / self.tau)

    def _at_rest(self, driven: Tensor, weights: Tensor) -> Tensor:
        """Return M⁻¹ of a drive (units, anything)."""
        held = self.buffers.get(LATERAL)
        if held is None or len(held) != len(weights):
            return driven
        # Half precision has no factors.
        lateral = held.to(torch.promote_types(weights.dtype, torch.float32))
        factor, failed = torch.linalg.cholesky_ex(lateral)
        weak = (failed != 0) | ~(factor.diagonal().square().amin() > _JITTER)
        # On a device the branch would wait for its answer; there both factors are made.
        if weak.is_cuda or bool(weak):
            lifted = lateral + torch.diag((weak * _JITTER).to(lateral).expand(len(lateral)))
            factor, _ = torch.linalg.cholesky_ex(lifted)
        return torch.cholesky_solve(driven.to(lateral.dtype), factor).to(driven.dtype)
