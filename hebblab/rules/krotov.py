"""The rule of Krotov and Hopfield: the best unit learns, the k-th best unlearns."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from hebblab.nn.scratch import Scratch
from hebblab.rules import declared
from hebblab.rules.competition import ranked, stable_order
from hebblab.rules.reductions import count, largest, reduce
from hebblab.rules.registry import register
from hebblab.rules.rule import Rows, Rule, Statistics

_SMALL = 200_000  # responses a batch below which plain products beat gathering the touched rows


@register
class KrotovHopfield(Rule):
    r"""The strongest unit moves towards an image, the k-th strongest away, at p-norm 1.

    With the signed power \(\varphi(w) = \mathrm{sgn}(w)|w|^{p-1}\) and responses
    \(u = \varphi(W) x\), g is 1 for the largest response, -Δ for the k-th largest, else 0:

    \[\Delta w_i = \sum_b g_{bi}\,(x_b - u_{bi} w_i)\]

    divided by its largest absolute entry (`reduction="max"`), so that the learning rate is the
    largest change of any weight in a step. Units with Σ g u > 0 go to \(\|w_i\|_p = 1\).

    Knobs: `delta` 0 to 2, `k` 2 to the number of units, `p` 1.01 to 8, `reduction` max, mean or
    sum, `precision_floor` 1e-30 to 1e-3.

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
    advice = (
        "Drag Δ up and watch strokes break into edges; drag it to 0 and watch the units grow "
        "alike. Then raise k: the push goes to units that matched less."
    )

    delta: float = declared.delta("How hard the k-th is pushed away.")
    k: int = declared.rank()
    p: float = declared.p_norm()
    reduction: str = declared.reduction("max", ("max", "mean", "sum"))
    precision_floor: float = declared.precision_floor()

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

    def ranking(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Return the responses u = φ(W) x, (samples, units)."""
        return inputs @ signed_power(weights, self.p).T

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
        return reduce(summed, self.reduction, samples=samples, floor=self.precision_floor)

    def fused(self, inputs: Tensor, weights: Tensor, scratch: Scratch) -> Tensor | Rows | None:
        """Return the update of the touched units only; untouched ones have exactly none.

        The Hebbian term has two non-zeros a sample, so it is gathered as bags of samples, one a
        touched unit, instead of multiplied as a matrix.
        """
        batch, units = len(inputs), len(weights)
        plain = batch * units < _SMALL or self.k > units
        if plain or inputs.is_cuda or inputs.dtype != torch.float32:
            return None
        powered = _powered(weights, self.p, scratch)
        responses = torch.mm(
            inputs, powered.T, out=scratch.take("responses", (batch, units), inputs)
        )
        best, values = _best_two_stage(responses, self.k, scratch)
        who = torch.cat((best[:, 0], best[:, self.k - 1]))
        how = inputs.new_ones(2 * batch)
        how[batch:] = -self.delta
        order = who.argsort(stable=True)
        rows, counts = torch.unique_consecutive(who[order], return_counts=True)
        offsets = counts.cumsum(0) - counts
        weighted = how[order]
        change = F.embedding_bag(
            order % batch, inputs, offsets, mode="sum", per_sample_weights=weighted
        )
        told = torch.cat((values[:, 0], values[:, self.k - 1])) * how
        pull = torch.bincount(who, told, minlength=units)[rows].to(inputs.dtype)
        present = torch.index_select(
            weights, 0, rows, out=scratch.take("touched", (len(rows), weights.shape[1]), weights)
        )
        change.addcmul_(present, pull[:, None], value=-1)
        if self.reduction == "max":
            change.div_(largest(change).clamp_min(self.precision_floor))
        elif self.reduction == "mean":
            change.div_(batch)
        _remember(weights, self.p, rows, scratch)
        return Rows(rows, change)


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


def _best_two_stage(responses: Tensor, k: int, scratch: Scratch) -> tuple[Tensor, Tensor]:
    """Return the units and values of the k best responses of each sample, (samples, k) each.

    The k + 1 best units lie in the k + 1 blocks with the best maxima. One more than k is taken to
    see ties, whose rows are ranked again by lowest index.
    """
    batch, units = responses.shape
    wanted = min(k + 1, units)
    block = _block(units, wanted)
    if block == 1:
        values, best = responses.topk(wanted, dim=1)
    else:
        columns = units // block
        blocks = responses.view(batch, block, columns)
        maxima = torch.amax(blocks, dim=1, out=scratch.take("maxima", (batch, columns), responses))
        column = maxima.topk(wanted, dim=1).indices
        shift = torch.arange(0, units, columns, device=responses.device)
        candidates = (column[:, :, None] + shift).view(batch, -1)
        values, place = responses.gather(1, candidates).topk(wanted, dim=1)
        best = candidates.gather(1, place)
    equal = (values[:, 1:] == values[:, :-1]).any(dim=1)
    if bool(equal.any()):
        rows = equal.nonzero().squeeze(1)
        order = stable_order(responses[rows])[:, :wanted]
        best[rows] = order
        values[rows] = responses[rows].gather(1, order)
    return best[:, :k], values[:, :k]


def _block(units: int, wanted: int) -> int:
    """Return how many units share a maximum: about 10 for two ranks, 4 for many, 1 if it loses."""
    goal = 10 if wanted <= 4 else 4
    for block in sorted(range(2, 2 * goal), key=lambda size: abs(size - goal)):
        if units % block == 0 and units // block > 2 * wanted:
            return block
    return 1


KrotovsRule = KrotovHopfield
