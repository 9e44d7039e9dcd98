"""The rule of Pehlevan and Chklovskii: Hebbian forward weights, anti-Hebbian lateral ones."""

import math
from typing import ClassVar

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, shown
from hebblab.knobs import knob
from hebblab.nn.settling import settled
from hebblab.rules.reductions import averaged, count
from hebblab.rules.registry import register
from hebblab.rules.resting import at_rest, at_rest_of_any
from hebblab.rules.rule import Rule, Statistics

LATERAL = "lateral"
ACTIVITY = "activity"
VARIANTS = ("2018", "2015")

_START = 2 * math.pi  # times the inputs' mean square: the activity that the authors' code begins at


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

    With `variant="2015"` no unit inhibits itself, and each has a rate of its own, one over the
    activity \(D_i\) that it remembers. Where I + M takes the place of M, for n samples at once
    \[D_i' = \gamma^n D_i + \textstyle\sum_b y_{bi}^2, \qquad
    \Delta w_i = \sum_b y_{bi}\,(x_b - y_{bi} w_i) / D_i', \qquad
    \Delta M_{ij} = \sum_b y_{bi}\,(y_{bj} - y_{bi} M_{ij}) / D_i'\]

    both times the learning rate, 1 at the most. Of one sample at rate 1 that is the paper's step.
    D begins at 2π times the mean square of the first inputs.

    With `nonnegative` units answer nothing below zero: y ≥ 0 minimises ½ yᵀM y - yᵀW x, in 10
    sweeps of coordinate descent (`hebblab.nn.settling.settled`, where its cost is told). Then no
    filter says what a unit answers, and W stands for itself.

    M stands in `buffers["lateral"]` (units, units), D in `buffers["activity"]` (units,); a fresh
    rule, or one given another number of units, has M the identity, in 2015 zero. `update` reads
    them, `advance` alone moves them. Where units are more than the directions that inputs take, M
    fades towards singular, and 1e-6 is added to its diagonal.

    Knobs: `tau` 0.05 to 1, above 1 the rule does not settle; `variant` 2018 or 2015; `gamma` 0.5 to
    1, in 2015; `nonnegative`.

    Source: Pehlevan, Sengupta and Chklovskii, Neural Computation 30 (2018) 84; the averages of a
    batch stand for its single samples. Pehlevan, Hu and Chklovskii, Neural Computation 27 (2015)
    1461. Bahroun and Soltoggio, ICANN 2017 (`nonnegative`).

    >>> rule = HebbianAntiHebbian()
    >>> rule.update(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.0]]))
    tensor([[0., 2.]])
    >>> rule = HebbianAntiHebbian(variant="2015")
    >>> rule.update(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.0]]))
    tensor([[0.0237, 0.0633]])
    """

    name = "hebbian-anti-hebbian"
    title = "Hebbian and anti-Hebbian"
    equation = (
        r"\Delta W = 2 \, (y x^\top - W) \qquad M y = W x"
        r" \\ \Delta M = (y y^\top - M) / \tau"
    )
    source = (
        "Pehlevan, Sengupta and Chklovskii, Neural Computation 30 (2018) 84; Pehlevan, Hu and "
        "Chklovskii, Neural Computation 27 (2015) 1461; Bahroun and Soltoggio, ICANN 2017"
    )
    history = (
        "Peter Földiák proposed in 1989 that units learn forward and unlearn sideways. Cengiz "
        "Pehlevan and Dmitri Chklovskii derived such a network from one objective in 2015, that "
        "outputs be as alike as their inputs. Every synapse needs only what its two ends know."
    )
    converges_to = (
        "The filters F = M⁻¹W settle orthonormal and span the leading principal axes of the "
        "inputs' second moment; the eigenvalues of M are the variances along them. W itself is M "
        "F. In the network of 2015 the filters are (I + M)⁻¹W and settle alike. Without answers "
        "below zero there are no such filters: units come to stand for parts or clusters."
    )
    limits = (
        "Above τ = 1 it does not settle, and a rate of τ or more would make M lose its positive "
        "eigenvalues; both are refused. Units beyond the directions that inputs take make M "
        "singular, and 1e-6 is added to its diagonal. In 2015 a rate above 1 is refused, as a "
        "step would go past what it aims at; a rate of 1 over batches longer than the memory "
        "alternates without end. Answers that stay above zero cost ten rounds over all units a "
        "step, one unit after another, which takes several times as long as the step itself."
    )
    disagreements = (
        "Network: that of 2015 has a rate for each unit and no connection of a unit to itself, "
        "that of 2018 one rate and a full M. Here: that of 2018, the other as variant 2015.",
        "Rate: the authors' code of 2018 lowers it as 1 / (t + 5) by default. Here: the run's own "
        "rate and decay. That of 2015 has none beside 1 / D and forgets nothing; so it is here at "
        "rate 1 and γ = 1; below 1 the activity fades, for inputs that change.",
        "Batch: the papers update after each sample. Here: by the mean of a batch, in 2015 by its "
        "sum over D, during which M stands still. Of one sample they are the papers' steps.",
        "Start in 2015: an older version of the authors' code begins with D = 10, the last one "
        "with 2π times the mean square of the first sample. Here: so, of the first batch.",
        "Sweeps: where answers stay above zero, the authors' code sweeps until little changes, "
        "from where the last sample ended. Here: 10 sweeps from zero, so that samples do not hang "
        "together.",
    )
    advice = (
        "Move τ away from 0.5 early in a run: near 1 lateral weights lag behind, below 0.2 they "
        "follow every batch, and either way lengths stay below one and the pictures keep turning."
    )
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

    variant: str = knob(
        "2018",
        symbol="variant",
        choices=VARIANTS,
        live=False,
        advanced=True,
        help="Whose network: with one rate, or with a rate for each unit and no self-inhibition.",
    )
    gamma: float = knob(
        0.99,
        symbol="γ",
        title="memory",
        low=0.5,
        high=1,
        slider=(0.9, 1),
        advanced=True,
        help="How much of its past activity a unit keeps from one sample to the next.",
    )
    nonnegative: bool = knob(
        False,
        symbol="y ≥ 0",
        title="nothing below zero",
        advanced=True,
        help="Let units inhibit each other until no answer is below zero.",
    )

    @property
    def bounded(self) -> bool:
        """The rule forgets as much as it learns; it is the filters that have norm 1."""
        return True

    def idle(self) -> dict[str, str]:
        """Return the knob that only the other variant has."""
        if self.variant == "2015":
            return {"tau": "In the network of 2015 lateral weights have each unit's own rate."}
        return {"gamma": "The network of 2018 remembers no activity."}

    def lateral(self, weights: Tensor) -> Tensor:
        """Return M (units, units); where none fits the weights the identity, in 2015 zero."""
        held = self._held(LATERAL, len(weights))
        if held is not None:
            return held.to(weights)
        if self.variant == "2015":
            return weights.new_zeros(len(weights), len(weights))
        return torch.eye(len(weights), dtype=weights.dtype, device=weights.device)

    def circuit(self, weights: Tensor) -> Tensor:
        """Return what units come to rest by, (units, units): M, in 2015 I + M."""
        lateral = self.lateral(weights)
        if self.variant == "2018":
            return lateral
        return lateral + torch.eye(len(weights), dtype=weights.dtype, device=weights.device)

    def inhibition(self, weights: Tensor) -> Tensor | None:
        """Return the circuit where units answer nothing below zero by it; None where filters do."""
        return self.circuit(weights) if self.nonnegative else None

    def filters(self, weights: Tensor) -> Tensor:
        """Return M⁻¹ W (units, fan_in), in 2015 (I + M)⁻¹ W; W where units are `nonnegative`."""
        return weights if self.nonnegative else self._at_rest(weights, weights)

    def ranking(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Return the outputs y (samples, units)."""
        if self.nonnegative:
            return settled(weights @ inputs.T, self.circuit(weights)).T
        if len(inputs) < weights.shape[1]:
            return self._at_rest(weights @ inputs.T, weights).T
        return inputs @ self.filters(weights).T

    def statistics(
        self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None
    ) -> Statistics:
        """Return YᵀX (units, fan_in), YᵀY (units, units) and the number of samples.

        In 2015 Σx² of all inputs stands before the last.
        """
        outputs = self.ranking(inputs, weights)
        sums = outputs.T @ inputs, outputs.T @ outputs
        if self.variant == "2018":
            return *sums, count(inputs)
        wide = torch.promote_types(inputs.dtype, torch.float32)
        return *sums, torch.linalg.vector_norm(inputs, dtype=wide).square(), count(inputs)

    def change(self, statistics: Statistics, weights: Tensor) -> Tensor:
        """Return 2 (YᵀX / samples - W), in 2015 (YᵀX - diag(YᵀY) W) / D."""
        hebbian, outer, *_, samples = statistics
        if self.variant == "2018":
            return averaged(hebbian, samples).sub_(weights).mul_(2)
        activity = self.activity(statistics)[:, None]
        summed = torch.addcmul(hebbian, outer.diagonal()[:, None], weights, value=-1)
        return (summed / activity).to(weights.dtype)

    def activity(self, statistics: Statistics) -> Tensor:
        """Return D (units,) with the samples of a batch, at least in float32; of 2015 alone."""
        hebbian, outer, power, samples = statistics
        start = _START * power / (samples * hebbian.shape[1])
        held = self._held(ACTIVITY, len(outer))
        least = torch.finfo(start.dtype).tiny  # what inputs of zeros alone leave
        before = start if held is None else torch.where(held > least, held.to(start), start)
        kept = torch.exp(samples.double() * math.log(self.gamma)).to(start)
        return (kept * before + outer.diagonal().to(start)).clamp_min(least)

    def check_rate(self, learning_rate: float) -> None:
        """Refuse a rate at which lateral weights would go past what they aim at.

        In 2018 that is one of τ or more, at which M would lose its positive eigenvalues.

        Raises:
            InvalidValue: Says the bound.
        """
        if self.variant == "2015" and not learning_rate <= 1:
            raise InvalidValue(
                f"The learning rate of {self.name!r} in its variant of 2015 must be at most 1, and "
                f"{shown(learning_rate)} is more: each step would go past what it aims at. Lower "
                "the rate."
            )
        if self.variant == "2018" and not learning_rate < self.tau:
            raise InvalidValue(
                f"The learning rate must be below τ (tau) for {self.name!r}, and "
                f"{shown(learning_rate)} is not below {self.tau:g}: the lateral weights would "
                "overshoot. Lower the rate, best to half of τ, or raise τ."
            )

    def advance(self, statistics: Statistics, learning_rate: float) -> None:
        """Move M by rate/τ of the way to YᵀY / samples; in 2015 M and D as the equations say.

        Raises:
            InvalidValue: The rate is τ or more, in 2015 more than 1; M is as it was.
        """
        self.check_rate(learning_rate)
        _, outer, *_, samples = statistics
        if self.variant == "2018":
            aim = averaged(outer, samples)
            self.buffers[LATERAL] = self.lateral(outer).lerp_(aim, learning_rate / self.tau)
            self.buffers.pop(ACTIVITY, None)
            return
        activity = self.activity(statistics)
        lateral = self.lateral(outer)
        summed = torch.addcmul(outer, outer.diagonal()[:, None], lateral, value=-1)
        moved = lateral + (learning_rate * summed / activity[:, None]).to(lateral.dtype)
        self.buffers[LATERAL] = moved.fill_diagonal_(0)
        self.buffers[ACTIVITY] = activity

    def _held(self, name: str, units: int) -> Tensor | None:
        """Return a buffer that fits the units and belongs to the variant."""
        held = self.buffers.get(name)
        own = (ACTIVITY in self.buffers) is (self.variant == "2015")
        return held if held is not None and len(held) == units and own else None

    def _at_rest(self, driven: Tensor, weights: Tensor) -> Tensor:
        """Return the circuit's inverse of a drive (units, anything)."""
        if self._held(LATERAL, len(weights)) is None:
            return driven
        if self.variant == "2018":
            return at_rest(self.buffers[LATERAL], driven)
        return at_rest_of_any(self.circuit(weights), driven)
