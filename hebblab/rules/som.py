"""Kohonen's map: units on a sheet, where the best one takes its neighbours along."""

import math
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from hebblab.errors import InvalidValue
from hebblab.knobs import knob
from hebblab.rules import declared
from hebblab.rules.competition import alive, ranked, scores
from hebblab.rules.reductions import count, pulled
from hebblab.rules.registry import register
from hebblab.rules.rule import Rule, Statistics


class Sheet(NamedTuple):
    """How units lie, row by row.

    Attributes:
        rows: From top to bottom; 1 makes a chain.
        columns: From left to right.
        closed: Whether opposite edges are neighbours.
    """

    rows: int
    columns: int
    closed: bool


@register
class SOM(Rule):
    r"""The best unit moves towards an image and takes its neighbours on the sheet along.

    Units sit on a sheet of rows × columns, at whole-numbered places. With c the best unit of an
    image and d a unit's distance to it on the sheet:

    \[\Delta w_i = \sum_b h_{bi}\,(x_b - w_i) \Big/ \sum_b h_{bi}, \qquad
    h_i = \exp(-d_{ic}^2 / 2\sigma^2)\]

    or, with the bubble, h = 1 where d ≤ σ and else 0. At rate 1 on a whole set it is Kohonen's
    batch map. Units settle at h-weighted means of the images, so their norm is not held: unit-norm
    rows (the layer's option `row_norm`) go with similarity cosine. Begin with a wide σ, at least 2,
    and let it fall: a sheet that begins narrow is folded, and only a wide σ unfolds it.

    Knobs: `radius` 0.1 to 50; `rows` a divisor of the number of units, 0 for the nearest to its
    root; `sheet` plane, or torus, which with one row is a closed chain; `neighbourhood` gaussian
    or bubble; `similarity` distance, cosine or dot; `reduction` share, mean or sum.

    Source: Kohonen, Biol. Cybernetics 43 (1982) 59; Proc. IEEE 78 (1990) 1464.

    >>> import torch
    >>> rule = SOM(radius=1.0, rows=1, reduction="sum")
    >>> rule.update(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.9, 0.0], [0.5, 0.0], [0.0, 1.0]]))
    tensor([[ 0.1000,  0.0000],
            [ 0.3033,  0.0000],
            [ 0.1353, -0.1353]])
    """

    name = "som"
    title = "Self-organising map"
    equation = (
        r"\Delta w_i = h_i \, (x - w_i)"
        r" \\ h_i = \exp(-d_i^2 / 2\sigma^2), \; d_i \text{ to the winner}"
    )
    source = "Kohonen, Biological Cybernetics 43 (1982) 59"
    history = (
        "Teuvo Kohonen proposed it in 1982 as a model of the maps in the cortex, where neighbours "
        "like similar things. It became one of the most used neural methods to lay out data of "
        "many dimensions on a sheet. No function is known whose descent it would be."
    )
    converges_to = (
        "Each unit settles at the mean of the images, weighted by how near their winners lie on "
        "the sheet, so that neighbours come to like similar things. Over continuous data it "
        "descends no energy function, so there is no loss to watch."
    )
    limits = (
        "Very wide, every unit is the mean image; very narrow, it is the hard winner-take-all by "
        "distance, and the order is lost: with share only below about σ = 0.14, as there even a "
        "unit that never wins moves a whole step. At rate 1 on the whole set it is Kohonen's batch "
        "map. A sheet that begins with σ below 2 may fold, and only a wide σ unfolds it."
    )
    disagreements = (
        "Batch: Kohonen moves units after each sample (1982), or to the weighted means of a whole "
        "set (1993). Here: the rate's part of the way to the weighted means of a batch.",
        "Neighbourhood: at first all units within a radius alike, later a Gaussian. Here: the "
        "Gaussian, with the bubble on request.",
        "Radius: Kohonen lets it shrink with time, by no fixed law. Here: by the same factor each "
        "step, as a setting of the run; the rule itself knows no time.",
    )
    advice = "Widen σ until all units agree, then narrow it slowly and watch the map gain detail."
    learning_rate = 0.3
    ordered: ClassVar[bool] = True

    radius: float = knob(
        5.0,
        symbol="σ",
        title="radius",
        low=0.1,
        high=50,
        scale="log",
        slider=(0.1, 10),
        help="How far on the sheet a winner takes its neighbours along.",
    )
    rows: int = knob(
        0,
        symbol="rows",
        low=0,
        high=100_000,
        slider=(0, 50),
        live=False,
        up_to="units",
        help="Height of the sheet; it divides the number of units. 0 is as near square as it goes.",
    )
    sheet: str = knob(
        "plane",
        symbol="sheet",
        choices=("plane", "torus"),
        help="Whether opposite edges meet; a torus of one row is a closed chain.",
    )
    neighbourhood: str = knob(
        "gaussian",
        symbol="neighbourhood",
        choices=("gaussian", "bubble"),
        help="Whether neighbours learn less with distance, or all alike within σ.",
    )
    similarity: str = declared.similarity("distance", ("distance", "cosine", "dot"))
    reduction: str = declared.reduction("share", ("share", "mean", "sum"))

    def in_words(self) -> str:
        """Return what σ means now."""
        if self.neighbourhood == "bubble":
            return f"Units up to {self.radius:.3g} places from the winner learn as it does."
        return f"A unit {self.radius:.3g} places from the winner learns at 61 % of its strength."

    def sheet_of(self, units: int) -> Sheet:
        """Return how so many units lie: rows, columns, and whether the sheet is closed.

        Raises:
            InvalidValue: The rows do not divide the units.

        >>> SOM().sheet_of(12)
        Sheet(rows=3, columns=4, closed=False)
        """
        rows = self.rows or _squarest(units)
        if units % rows:
            raise InvalidValue(_uneven(rows, units, ""))
        return Sheet(rows, units // rows, self.sheet == "torus")

    def check_layer(self, units: int, layer: str = "layer") -> None:
        """Refuse rows that do not divide the units of a layer.

        Raises:
            InvalidValue: In the words of the layer at hand.
        """
        super().check_layer(units, layer)
        if self.rows and units % self.rows:
            raise InvalidValue(_uneven(self.rows, units, f" of layer {layer!r}"))

    def ranking(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Return the scores by which the best unit is found, (samples, units)."""
        return scores(inputs, weights, inputs @ weights.T, self.similarity)

    def statistics(
        self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None
    ) -> Statistics:
        """Return HᵀX (units, fan_in), ΣH, Σ|H| (units,) and the number of samples.

        Samples of one winner have one neighbourhood, so they are summed before it is applied.
        """
        best = ranked(self.ranking(inputs, weights), 1)[:, 0]
        won = torch.zeros_like(weights).index_add_(0, best, inputs)
        wins = torch.zeros_like(weights[:, :1]).index_add_(0, best, alive(inputs))
        strength = self._carried(wins)[:, 0]
        return self._carried(won), strength, strength.clone(), count(inputs)

    def change(self, statistics: Statistics, weights: Tensor) -> Tensor:
        """Return HᵀX - diag(ΣH) W, divided as `reduction` says."""
        return pulled(statistics, weights, self.reduction)

    def _carried(self, won: Tensor) -> Tensor:
        """Return what reaches each unit of what every unit won, (units, anything)."""
        rows, columns, closed = self.sheet_of(len(won))
        down, across = _squares(rows, closed, won), _squares(columns, closed, won)
        if self.neighbourhood == "bubble":
            near = down[:, None, :, None] + across[None, :, None, :] <= self.radius**2
            return near.reshape(len(won), len(won)).to(won.dtype) @ won
        # A Gaussian of the sum of two squares is a product: along the columns, then the rows.
        down, across = (torch.exp(-0.5 / self.radius**2 * far) for far in (down, across))
        spread = down @ won.reshape(rows, -1)
        return (across @ spread.view(rows, columns, -1)).reshape(won.shape)


def _squares(length: int, closed: bool, like: Tensor) -> Tensor:
    """Return the squared distances of so many places in a line or a ring, (length, length)."""
    places = torch.arange(length, dtype=like.dtype, device=like.device)
    apart = (places[:, None] - places).abs()
    return (apart.minimum(length - apart) if closed else apart).square()


def _squarest(units: int) -> int:
    return next(rows for rows in range(math.isqrt(units), 0, -1) if units % rows == 0)


def _uneven(rows: int, units: int, where: str) -> str:
    fits = [each for each in range(1, units + 1) if units % each == 0]
    near = min(fits, key=lambda each: abs(each - rows))
    return (
        f"rows = {rows} does not divide the {units:,} units{where}, and a sheet has no holes; "
        f"the nearest that does is {near}, and 0 lets the sheet be as square as it can."
    )
