"""Soft competition at unit norm: SoftHebb, and its cross with the rule of Krotov and Hopfield."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from hebblab.knobs import Value, knob
from hebblab.nn.scratch import Scratch
from hebblab.rules import declared, fast, ranks
from hebblab.rules.competition import alive, compete, ranked
from hebblab.rules.krotov import signed_power
from hebblab.rules.reductions import count, floor_idle, reduce
from hebblab.rules.registry import register
from hebblab.rules.rule import Rule, Statistics

_REDUCTIONS = ("max", "mean", "sum")


class _Soft(Rule):
    """A rule of signed shares s, Δw = s (x - u w), whose responses u are what units compete by."""

    def shares(self, inputs: Tensor, responses: Tensor) -> Tensor:
        """Return s (samples, units) for the responses u; all zero for a sample that is."""
        raise NotImplementedError

    def statistics(
        self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None
    ) -> Statistics:
        """Return SᵀX (units, fan_in), Σ S∘U (units,) and the number of samples."""
        responses = self.ranking(inputs, weights)
        shares = self.shares(inputs, responses)
        pull = (shares * responses).sum(dim=0)
        return shares.T @ inputs, pull, count(inputs)


def _change(
    statistics: Statistics, weights: Tensor, reduction: str, floor: float, in_place: bool = False
) -> Tensor:
    hebbian, pull, samples = statistics
    summed = hebbian if in_place else hebbian.clone()
    summed.addcmul_(pull[:, None], weights, value=-1)
    return reduce(summed, reduction, samples=samples, floor=floor, in_place=True)


@register
class SoftHebb(_Soft):
    r"""Every unit answers softly; the best one learns the image, all others unlearn it a little.

    With y = softmax(u / T) over the units, s is y for the largest response and -y for the rest:

    \[\Delta w_i = \sum_b s_{bi}\,(x_b - u_{bi} w_i)\]

    divided by its largest absolute entry (`reduction="max"`). Units with Σ s u > 0 go to
    \(\|w_i\|_2 = 1\). T is in units of the responses: on raw pixels 0.15 draws digits; from about
    0.5 on a fresh run stays noise, and units of a trained one die, since losers unlearn more than
    winners learn. Cold, it is Krotov and Hopfield's rule with Δ = 0.

    Knobs: `temperature` 0.01 to 10; `anti_hebbian` off lets all units learn, each by its share;
    `reduction` max, mean or sum; `precision_floor` 1e-30 to 1e-3.

    Source: Moraitis et al. 2022; Journé et al., ICLR 2023. Their code multiplies by 1/T.

    >>> import torch
    >>> rule = SoftHebb(reduction="sum")
    >>> rule.update(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8], [0.0, 1.0]]))
    tensor([[ 0.4132, -0.3099],
            [-0.3543, -0.0000]])
    """

    name = "softhebb"
    title = "SoftHebb"
    equation = (
        r"\Delta w_i = s_i \, (x - u_i \, w_i)"
        r" \\ s_i = \pm \mathrm{softmax}(u / T)_i, \; + \text{ if it wins}"
    )
    source = "Moraitis et al., Neuromorphic Comput. Eng. 2 (2022) 044017; Journé et al., ICLR 2023"
    history = (
        "Timoleon Moraitis and others showed in 2022 that soft winners with this forgetting term "
        "learn the causes of their inputs as a Bayesian would. Adrien Journé and others added the "
        "unlearning of losers in 2023 and trained five layers on photographs, without a label, in "
        "one pass."
    )
    converges_to = (
        "A unit that learns more than it unlearns settles at length 1, along the images it wins "
        "less those it answers and loses. Where unlearning prevails, lengths leave every bound."
    )
    limits = (
        "Cold, it is Krotov and Hopfield's rule with Δ = 0. Warm, losers unlearn more than winners "
        "learn: on raw pixels a fresh run stays noise from T = 0.5 on."
    )
    disagreements = (
        "Temperature: the authors' code multiplies by 1/T (12 for digits; 1, 0.65 and 0.25 by "
        "layer for photographs). Here: T divides.",
        "Rate: their code makes each unit's rate the smaller the nearer its length is to 1. Here: "
        "the layer's option norm_adaptive_lr, off; with it a settled network learns nothing new.",
        "Losers: their preset for digits lets all units learn, paper and other presets let losers "
        "unlearn. Here: a switch, on.",
        "Bias: the paper's Bayesian form learns one for each unit. Here: none.",
    )
    advice = (
        "Warm a trained layer up to T = 1 and watch its units die one after another; cooling it "
        "does not bring them back. Or let losers learn, and watch all units grow alike instead."
    )
    starting_knobs: ClassVar[Mapping[str, Value]] = {"temperature": 0.15}

    temperature: float = declared.temperature(
        1.0,
        "How softly units share an image: low means one winner.",
        low=1e-2,
        high=10,
        slider=(1e-2, 2),
    )
    anti_hebbian: bool = knob(
        True,
        symbol="±",
        title="losers unlearn",
        help="Whether all but the best unit move away from an image.",
    )
    reduction: str = declared.reduction("max", _REDUCTIONS)
    precision_floor: float = declared.precision_floor()

    @property
    def norm(self) -> float:
        """The Euclidean norm is held at 1."""
        return 2.0

    def in_words(self) -> str:
        """Return what T means now."""
        told = "all unlearn but the best" if self.anti_hebbian else "all learn"
        return f"{_falling(self.temperature)}; {told}."

    def idle(self) -> dict[str, str]:
        """Return the floor where no largest entry divides, with the reason."""
        return floor_idle(self.reduction)

    def shares(self, inputs: Tensor, responses: Tensor) -> Tensor:
        """Return the softmax of u / T, negative for all but the winner, (samples, units)."""
        shares = compete(
            responses, responses, alive(inputs), "softmax", temperature=self.temperature
        )
        if not self.anti_hebbian:
            return shares
        best = ranked(responses, 1)
        won = shares.gather(1, best)
        return shares.neg_().scatter_(1, best, won)

    def accumulated(
        self, inputs: Tensor, weights: Tensor, total: Statistics | None, scratch: Scratch
    ) -> Statistics:
        """Return the statistics so far, in kept buffers; see `Rule`."""
        responses = fast.responses(inputs, weights, scratch)
        best, top = ranks.top(responses)
        kept = scratch.take("shares", tuple(responses.shape), responses)
        shares = fast.softmax(responses, top, self.temperature, out=kept)
        sign = 1
        if self.anti_hebbian:
            # All but one in a sample are negative: the one is turned, and the sums as a whole.
            sign = -1
            shares.scatter_(1, best, shares.gather(1, best).neg_())
        summed = fast.hebbian(shares, inputs, total, scratch, sign)
        pull = responses.mul_(shares).sum(dim=0).mul_(sign)
        return fast.added(total, summed, pull, count(inputs))

    def change(self, statistics: Statistics, weights: Tensor) -> Tensor:
        """Return (SᵀX - diag(Σ S∘U) W), divided as `reduction` says."""
        return _change(statistics, weights, self.reduction, self.precision_floor)

    def finished(self, total: Statistics, weights: Tensor) -> Tensor:
        """Return the change in the place of SᵀX."""
        return _change(total, weights, self.reduction, self.precision_floor, in_place=True)


@register
class SoftKrotov(_Soft):
    r"""Every unit learns an image by how well it matches; the k-th best is pushed away.

    With the signed power \(\varphi(w) = \mathrm{sgn}(w)|w|^{p-1}\), responses
    \(u = \varphi(W) x\) and y = softmax(u / T), s is y but for the k-th largest response, where it
    is -Δ (`push="absolute"`) or -Δ y (`push="relative"`):

    \[\Delta w_i = \sum_b s_{bi}\,(x_b - u_{bi} w_i)\]

    divided by its largest absolute entry (`reduction="max"`). Units with Σ s u > 0 go to
    \(\|w_i\|_p = 1\). Cold, it is Krotov and Hopfield's rule: with the same Δ where the push is
    absolute, with Δ = 0 where it is relative.

    Knobs: `temperature` 0.01 to 10, in units of the responses; `delta` 0 to 2; `k` 2 to the number
    of units; `p` 1.01 to 8; `push` absolute or relative; `reduction` max, mean or sum;
    `precision_floor` 1e-30 to 1e-3.

    Source: the class SoftKrotov in the code of Journé et al., ICLR 2023, where no setting reaches
    it: their presets of that name run SoftHebb, and no published number belongs to this rule.

    >>> import torch
    >>> rule = SoftKrotov(temperature=1.0, reduction="sum")
    >>> rule.update(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8], [0.0, 1.0]]))
    tensor([[ 0.4132, -0.3099],
            [-0.4000, -0.0000]])
    """

    name = "soft-krotov"
    title = "Soft Krotov-Hopfield"
    equation = (
        r"\Delta w_i = s_i \, (x - \langle w_i, x \rangle_p \, w_i)"
        r" \\ s = \mathrm{softmax}(u / T), \; s = {-\Delta} \text{ for the } k \text{-th}"
    )
    source = (
        "Code of Journé et al., ICLR 2023 (SoftKrotov, modes 1 and 2); Krotov and Hopfield 2019"
    )
    history = (
        "It crosses the soft winners of SoftHebb with the push of Krotov and Hopfield, whose rule "
        "it becomes when it is cold. SoftHebb's authors left it in their code in 2023 without a "
        "published result. On digits it draws what its parents draw."
    )
    converges_to = (
        "A unit that learns more than it unlearns settles at p-norm 1, along the images weighted "
        "by their signed shares s."
    )
    limits = (
        "Cold, it is Krotov and Hopfield's rule: with the same Δ where the push is absolute, with "
        "Δ = 0 where it is relative. Warm (T from 0.5 on raw pixels), few units come to win, and "
        "at T = 1 nothing may be left to see."
    )
    disagreements = (
        "Code: the class SoftKrotov of Journé and others has its mode fixed at 0, which is "
        "SoftHebb; every preset of that name runs SoftHebb, so no published number belongs to "
        "this rule. Here: its modes 1 and 2, as push relative and absolute.",
        "Δ: their default is 0.05 for linear layers and 4 for convolutions. Here: 0.4, and 2 at "
        "most, as a relative push of 4 taught nothing in our runs.",
    )
    advice = (
        "Raise T past 0.3 and watch units grow alike; an absolute push holds them apart longer, "
        "but then some win nothing any more."
    )

    temperature: float = declared.temperature(
        0.15,
        "How softly units share an image: low means one winner.",
        low=1e-2,
        high=10,
        slider=(1e-2, 2),
    )
    delta: float = declared.delta("How hard the k-th is pushed away.")
    k: int = declared.rank()
    p: float = declared.p_norm()
    push: str = knob(
        "absolute",
        symbol="push",
        choices=("absolute", "relative"),
        help="Whether Δ is the push itself or a factor of the k-th unit's own share.",
    )
    reduction: str = declared.reduction("max", _REDUCTIONS)
    precision_floor: float = declared.precision_floor()

    @property
    def norm(self) -> float:
        """The p-norm held at 1."""
        return self.p

    def in_words(self) -> str:
        """Return what T, Δ and k mean now."""
        soft = _falling(self.temperature)
        if self.delta == 0:
            return f"{soft}; nobody unlearns."
        by = f"{self.delta:g}" + (" times its share" if self.push == "relative" else "")
        return f"{soft}; number {self.k} unlearns by {by}."

    def idle(self) -> dict[str, str]:
        """Return the floor where no largest entry divides, with the reason."""
        return floor_idle(self.reduction)

    def ranking(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Return the responses u = φ(W) x, (samples, units)."""
        return inputs @ signed_power(weights, self.p).T

    def shares(self, inputs: Tensor, responses: Tensor) -> Tensor:
        """Return the softmax of u / T, and -Δ or -Δ of it for the k-th, (samples, units)."""
        lively = alive(inputs)
        shares = compete(responses, responses, lively, "softmax", temperature=self.temperature)
        pushed = ranked(responses, self.k)[:, self.k - 1 :]
        own = shares.gather(1, pushed) if self.push == "relative" else lively
        return shares.scatter_(1, pushed, -self.delta * own)

    def change(self, statistics: Statistics, weights: Tensor) -> Tensor:
        """Return (SᵀX - diag(Σ S∘U) W), divided as `reduction` says."""
        return _change(statistics, weights, self.reduction, self.precision_floor)


def _falling(temperature: float) -> str:
    return f"A unit that answers {temperature:g} less than another has 37 % of its share"
