"""The rule of Krotov and Hopfield: the best unit learns, the k-th best unlearns."""

from typing import ClassVar

import torch
from torch import Tensor

from hebblab.knobs import knob
from hebblab.nn.scratch import Scratch
from hebblab.rules import declared, fast, ranks
from hebblab.rules.competition import ranked
from hebblab.rules.precision import PRECISIONS, check, product, rounded
from hebblab.rules.reductions import count, floor_idle, reduce
from hebblab.rules.registry import register
from hebblab.rules.rule import Rows, Rule, Statistics


@register
class KrotovHopfield(Rule):
    r"""The strongest unit moves towards an image, the k-th strongest away, at p-norm 1.

    With the signed power \(\varphi(w) = \mathrm{sgn}(w)|w|^{p-1}\) and responses
    \(u = \varphi(W) x\), g is 1 for the largest response, -Δ for the k-th largest, else 0:

    \[\Delta w_i = \sum_b g_{bi}\,(x_b - u_{bi} w_i)\]

    divided by its largest absolute entry (`reduction="max"`), so that the learning rate is the
    largest change of any weight in a step. Units with Σ g u > 0 go to \(\|w_i\|_p = 1\).

    Knobs: `delta` 0 to 2, `k` 2 to the number of units, `p` 1.01 to 8, `reduction` max, mean or
    sum, `precision_floor` 1e-30 to 1e-3, `precision` float32 or bfloat16.

    Source: Krotov and Hopfield, PNAS 2019, equations 3, 9 and 10. Ranks are taken on raw
    responses, as in the authors' code; the paper divides them by the units' norms.

    >>> import torch
    >>> rule = KrotovHopfield(delta=0.5)
    >>> rule.update(torch.tensor([[1.0, 0.1]]), torch.tensor([[0.6, 0.8], [0.0, 1.0]]))
    tensor([[ 1.0000, -0.7500],
            [-0.8446,  0.0000]])
    """

    name = "krotov-hopfield"
    title = "Krotov-Hopfield"
    equation = (
        r"\Delta w_i = g_i \, (x - \langle w_i, x \rangle_p \, w_i)"
        r" \\ g = 1 \text{ for the winner, } {-\Delta} \text{ for the } k \text{-th}"
    )
    source = "Krotov and Hopfield, PNAS 116 (2019) 7723, equations 3, 9, 10"
    history = (
        "Dmitry Krotov and John Hopfield published it in 2019: hidden units compete for each "
        "image, and no label or error signal is used. Its features read handwritten digits about "
        "as well as those of backpropagation. Talloen and others took it to convolutions in 2020."
    )
    converges_to = (
        "A unit that learns more than it unlearns settles at p-norm 1; with Δ = 0 it points to the "
        "mean of the images it wins. Norm 1 is no proof of learning: a unit that shows the mean "
        "image has it too."
    )
    limits = (
        "With Δ = 0 nobody unlearns. Rows that begin small leave most units without a win for "
        "good, as it is the shrinking of large rows that passes the wins on. k = 1 would be "
        "unlearning alone and is refused."
    )
    disagreements = (
        "Ranking: the paper divides a unit's response by a power of its norm, the authors' code "
        "ranks raw responses. Here: raw, as in the code.",
        "Size of a step: only the authors' code divides an update by its largest entry. Here: "
        "divided, so that the rate is the largest change of a weight in a step.",
        "Decay: the authors' code lowers the rate once an epoch. Here: with every step, or not at "
        "all.",
        "Convolution: PyTorch-Hebbian (Talloen and others) cuts runs of consecutive values, which "
        "are no patches, and leaves out padding and dilation. Here: true patches.",
    )
    advice = (
        "Drag Δ up and watch strokes break into edges; drag it to 0 and watch the units grow "
        "alike. Then raise k: the push goes to units that matched less."
    )

    delta: float = declared.delta("How hard the k-th is pushed away.")
    k: int = declared.rank()
    p: float = declared.p_norm()
    reduction: str = declared.reduction("max", ("max", "mean", "sum"))
    precision_floor: float = declared.precision_floor()
    precision: str = knob(
        "float32",
        symbol="precision",
        choices=PRECISIONS,
        advanced=True,
        help="What responses are computed from: bfloat16 is quicker and confuses units that "
        "answer within 0.4 % of each other.",
    )

    _ordinals: ClassVar[dict[int, str]] = {1: "st", 2: "nd", 3: "rd"}

    @property
    def norm(self) -> float:
        """The p-norm held at 1."""
        return self.p

    def in_words(self) -> str:
        """Return what Δ and k mean now."""
        if self.delta == 0:
            return "The winner learns; nobody unlearns."
        end = "th" if 10 <= self.k % 100 <= 20 else self._ordinals.get(self.k % 10, "th")
        return f"The winner learns; the {self.k}{end} unlearns at {self.delta:g} of its strength."

    def idle(self) -> dict[str, str]:
        """Return k where nobody is pushed away, and the floor where no largest entry divides."""
        found = floor_idle(self.reduction)
        return found if self.delta else found | {"k": "It changes nothing while Δ is 0."}

    def check_layer(self, units: int, layer: str = "layer") -> None:
        """Refuse knobs that a layer of `units` units, or this machine, cannot have.

        Raises:
            InvalidValue: In the words of the layer at hand.
        """
        super().check_layer(units, layer)
        check(self.precision, layer)

    def ranking(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Return the responses u = φ(W) x, (samples, units)."""
        powered = rounded(signed_power(weights, self.p), self.precision)
        return rounded(inputs, self.precision) @ powered.T

    def statistics(
        self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None
    ) -> Statistics:
        """Return GᵀX (units, fan_in), Σ G∘U (units,) and the number of samples."""
        responses = self.ranking(inputs, weights)
        best = ranked(responses, self.k)
        signs = torch.zeros_like(responses)
        signs.scatter_(1, best[:, self.k - 1 :], -self.delta)
        signs.scatter_(1, best[:, :1], 1.0)
        pull = (signs * responses).sum(dim=0)
        return signs.T @ inputs, pull, count(inputs)

    def change(self, statistics: Statistics, weights: Tensor) -> Tensor:
        """Return (GᵀX - diag(Σ G∘U) W), divided as `reduction` says."""
        hebbian, pull, samples = statistics
        summed = torch.addcmul(hebbian, pull[:, None], weights, value=-1)
        return reduce(
            summed, self.reduction, samples=samples, floor=self.precision_floor, in_place=True
        )

    def accumulated(
        self, inputs: Tensor, weights: Tensor, total: Statistics | None, scratch: Scratch
    ) -> Statistics:
        """Return the statistics so far, winners and k-ths summed as bags; see `Rule`."""
        units = len(weights)
        if inputs.is_cuda or self.k > units:
            return super().accumulated(inputs, weights, total, scratch)
        powered = weights
        if self.p != 2:
            powered = scratch.take("powered", tuple(weights.shape), weights)
            if total is None:
                powered.copy_(signed_power(weights, self.p))
        samples = count(inputs)
        inputs = fast.without_zeros(inputs, scratch)
        who, how, told = self._chosen(inputs, powered, scratch)
        summed = fast.all_bags(who, how, inputs, units)
        if total is not None:
            summed = total[0].add_(summed)
        return fast.added(total, summed, fast.totals(who, told, units), samples)

    def fused(self, inputs: Tensor, weights: Tensor, scratch: Scratch) -> Tensor | Rows | None:
        """Return the update of the touched units only; untouched ones have exactly none."""
        units = len(weights)
        if inputs.is_cuda or self.k > units or len(inputs) * units < fast.SMALL:
            return None
        who, how, told = self._chosen(inputs, _powered(weights, self.p, scratch), scratch)
        rows, summed = fast.bags(who, how, inputs)
        pull = fast.totals(who, told, units)[rows]
        own = scratch.take("touched", (len(rows), weights.shape[1]), weights)
        torch.index_select(weights, 0, rows, out=own)
        change = self.change((summed, pull, count(inputs)), own)
        _remember(weights, self.p, rows, scratch)
        return Rows(rows, change)

    def _chosen(
        self, inputs: Tensor, powered: Tensor, scratch: Scratch
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return winners and k-ths (2 · samples,), what each counts, and that times its response.

        GᵀX has two non-zeros a sample, so it is gathered as bags instead of multiplied.
        """
        responses = product(inputs, powered, self.precision, scratch)
        best, values = ranks.best(responses, self.k, scratch, inputs)
        who = torch.cat((best[:, 0], best[:, self.k - 1]))
        how = inputs.new_ones(len(who))
        how[len(inputs) :] = -self.delta
        return who, how, torch.cat((values[:, 0], values[:, self.k - 1])).mul_(how)


def signed_power(weights: Tensor, p: float) -> Tensor:
    """Return sgn(w)|w|^(p-1); the weights themselves for p = 2.

    >>> signed_power(torch.tensor([-2.0, 3.0]), 3.0)
    tensor([-4.,  9.])
    """
    if p == 2:
        return weights
    if p == 3:
        return weights.abs() * weights
    return weights.abs().pow_(p - 1).copysign_(weights)


def _powered(weights: Tensor, p: float, scratch: Scratch) -> Tensor:
    """Return the signed power from a buffer of which only rows changed since are made anew."""
    if p == 2:
        return weights
    buffer = scratch.take("powered", tuple(weights.shape), weights)
    rows = scratch.notes.pop("touched", None)
    if isinstance(rows, Tensor) and scratch.notes.get("powered") == _mark(weights, p):
        buffer.index_copy_(0, rows, signed_power(weights.index_select(0, rows), p))
        if _looks_fresh(buffer, weights, p):
            return buffer
    torch.abs(weights, out=buffer)
    if p == 3:
        return buffer.mul_(weights)
    return buffer.pow_(p - 1).copysign_(weights)


def _remember(weights: Tensor, p: float, rows: Tensor, scratch: Scratch) -> None:
    """Note which rows the coming step will change: one in-place write of the weights."""
    scratch.notes["touched"] = rows
    scratch.notes["powered"] = _mark(weights, p, writes=1)


def _mark(weights: Tensor, p: float, writes: int = 0) -> tuple[int, float, int]:
    return weights.data_ptr(), p, weights._version + writes


def _looks_fresh(buffer: Tensor, weights: Tensor, p: float) -> bool:
    """Compare some columns: torch's count misses writes through `.data`, or sees one too few."""
    every = max(1, weights.shape[1] // 8)
    return torch.equal(buffer[:, ::every], signed_power(weights[:, ::every], p))


KrotovsRule = KrotovHopfield
