"""Winner-take-all rules: the instar with a fixed competition."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from hebblab.knobs import Value, knob
from hebblab.nn.scratch import Scratch
from hebblab.rules import abstention, declared, fast, thresholds
from hebblab.rules.competition import alive, compete
from hebblab.rules.reductions import count
from hebblab.rules.registry import register
from hebblab.rules.rule import Rows, Statistics
from hebblab.rules.winning import Winning


@register
class HardWTA(Winning):
    r"""Only the best unit or units for an image learn from it.

    \[\Delta w_i = \sum_b r_{bi}\,(x_b - w_i) \Big/ \sum_b r_{bi}\]

    with r = 1 for the k best scores, else 0. A unit settles at the mean of the images it wins.

    Knobs: `k` 1 to the number of units; `similarity` dot, cosine, raised-cosine or distance;
    `reduction` share, share2, mean, sum or max. With cosine scores nothing spreads the wins, as
    they are blind to length: adaptive thresholds or random abstention do (options of the layer),
    or dot with a large start.

    Source: Rumelhart and Zipser 1985; Lagani 2022, equation 2.

    >>> import torch
    >>> HardWTA().update(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.1], [0.0, 1.0]]))
    tensor([[ 0.5000, -0.1000],
            [ 0.0000,  0.0000]])
    """

    name = "hard-wta"
    title = "Hard winner-take-all"
    equation = r"\Delta w_i = r_i \, (x - w_i) \\ r = 1 \text{ for the } k \text{ best, else } 0"
    source = "Rumelhart and Zipser, Cognitive Science 9 (1985) 75; Lagani, SEBD 2022, equation 2"
    history = (
        "Competitive learning was described by Rumelhart and Zipser in 1985: units compete for "
        "each input and the winner alone learns. Its limit over a whole data set is k-means. In "
        "2011 one such layer with many units read photographs better than most deep networks."
    )
    converges_to = (
        "Each unit settles at the mean of the images it wins, as in k-means. The norm is not held. "
        "A unit that wins nothing stays where it began."
    )
    limits = (
        "With distance scores and k = 1 it is online k-means; with share it is the instar with "
        "hard winners. Cosine scores are blind to length, so few units come to win; thresholds "
        "spread the wins, and so does dot from a large start."
    )
    disagreements = (
        "Scores: the paper compares w·x, its code the squared raised cosine. Here: the cosine, "
        "with the others on request.",
        "Batch: the paper has one sample; its code weights steps by r once more before it divides "
        "by Σ r, which for winners of 1 changes nothing. Here: share, Σ r (x - w) / Σ r.",
        "Ties: in the older code all tied units win, so that an empty image trains every unit. "
        "Here: the lowest number wins, and an empty image has no winner.",
        "k: the older code reads wta_k and never uses it. Here it acts.",
        "Random abstention: the older code draws once a batch who sits out, and puts their scores "
        "to zero; the newer one can multiply scores by the chance to sit out, which favours who "
        "won. Here: the layer's option abstention, off; drawn for each sample, by the same chance, "
        "and who sits out has no score at all.",
    )
    advice = "Raise k and watch several units settle on the same digit."
    starting_options: ClassVar[Mapping[str, Value]] = {"thresholds": True}

    k: int = declared.winners("How many units learn from each image.")

    def winners_wanted(self) -> int:
        """Return k."""
        return self.k

    def shares(self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return 1 for the k best units of each sample, else 0; targets multiply the scores."""
        compared = self.ranking(inputs, weights)
        if targets is not None:
            compared = compared * targets
        held, absent = thresholds.of(self), abstention.of(self)
        won = compete(
            compared, compared, alive(inputs), "hard", k=self.k, thresholds=held, absent=absent
        )
        # A score that the teacher put to zero beats a negative one, and must not win by that.
        return won if targets is None else won * (targets != 0)

    def accumulated(
        self, inputs: Tensor, weights: Tensor, total: Statistics | None, scratch: Scratch
    ) -> Statistics:
        """Return the statistics so far, winners summed as bags; see `Rule`."""
        won = self._won(inputs, weights, scratch)
        if won is None:
            return super().accumulated(inputs, weights, total, scratch)
        return won.statistics(total, (1, 1), thresholds.counted(self))

    def fused(self, inputs: Tensor, weights: Tensor, scratch: Scratch) -> Tensor | Rows | None:
        """Return the update of the units that won; the others have none."""
        if thresholds.counted(self) or len(inputs) * len(weights) < fast.SMALL:
            return None
        won = self._won(inputs, weights, scratch)
        return None if won is None else won.touched(self, weights, (1, 1))

    def _won(self, inputs: Tensor, weights: Tensor, scratch: Scratch) -> fast.Winners | None:
        if inputs.is_cuda or self.k > len(weights) or abstention.of(self) is not None:
            return None
        held = thresholds.of(self)
        return fast.Winners(inputs, weights, self.k, self.similarity, False, held, scratch)


@register
class SoftWTA(Winning):
    r"""All units learn from an image, by how well they match; T sets how sharply.

    \[\Delta w_i = \sum_b r_{bi}\,(x_b - w_i) \Big/ \sum_b r_{bi}, \qquad
    r = \mathrm{softmax}(s / T)\]

    Knobs: `temperature` 1e-3 to 100; `similarity` dot, cosine, raised-cosine or distance;
    `reduction` share, share2 (that of Lagani's code), mean, sum or max.

    Source: Nowlan 1990; Lagani 2022, equation 3 (its code compares by the squared raised cosine).

    >>> import torch
    >>> rule = SoftWTA(temperature=1.0, reduction="sum")
    >>> rule.update(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.0], [0.0, 1.0]]))
    tensor([[ 0.3655,  0.0000],
            [ 0.2689, -0.2689]])
    """

    name = "soft-wta"
    title = "Soft winner-take-all"
    equation = r"\Delta w_i = r_i \, (x - w_i) \\ r = \mathrm{softmax}(s / T)"
    source = "Nowlan, NIPS 2 (1990) 574; Lagani, SEBD 2022, equation 3"
    history = (
        "Nowlan proposed in 1990 that units share an input by the probability that it is theirs, "
        "instead of leaving it to one. Lagani and others trained deep networks with it in 2022. "
        "The temperature runs from one winner to everybody."
    )
    converges_to = (
        "Each unit settles at the mean of the images, weighted by its share in each. The norm is "
        "not held."
    )
    limits = (
        "Warm, every unit becomes the mean image. Cold, it is the hard winner-take-all, with "
        "reduction mean or sum; with share it is not, as a unit with next to no share of anything "
        "still moves a whole step."
    )
    disagreements = (
        "Scores: the paper compares w·x, its code the squared raised cosine. Here: the cosine, so "
        "that T means the same on any data.",
        "Temperature: the paper's code divides scores by T = 0.02, that of SoftHebb multiplies by "
        "1/T. Here: T divides.",
        "Batch: the code weights steps by r once more, Σ r² (x - w) / Σ r. Here: Σ r (x - w) / Σ "
        "r, and the other as share2, which left most units noise in our runs.",
        "Overflow: the code takes exponentials of s / T as they are. Here: the largest is "
        "subtracted first.",
        "Random abstention: as with hard winners, the codes draw once a batch or weigh by the "
        "chance to sit out. Here: the layer's option abstention, drawn for each sample; a unit's "
        "shares count as its wins, as in the codes.",
    )
    advice = (
        "Turn the temperature up to 0.1: units grow alike; back at 0.02 they part again. From 1 on "
        "all become the mean image itself, and turning back no longer parts them."
    )
    learning_rate = 0.2

    temperature: float = declared.temperature(
        0.02, "How softly units share an image: low means one winner.", slider=(1e-3, 1)
    )

    def shares(self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return the softmax of score / temperature, times the targets."""
        compared = self.ranking(inputs, weights)
        warm, absent = self.temperature, abstention.of(self)
        shares = compete(
            compared, compared, alive(inputs), "softmax", temperature=warm, absent=absent
        )
        return shares if targets is None else shares * targets

    def accumulated(
        self, inputs: Tensor, weights: Tensor, total: Statistics | None, scratch: Scratch
    ) -> Statistics:
        """Return the statistics so far, in kept buffers; see `Rule`."""
        if thresholds.counted(self):
            return super().accumulated(inputs, weights, total, scratch)
        shares = fast.responses(inputs, weights, scratch)
        shares, lengths = fast.scored_(shares, inputs, weights, self.similarity)
        top = shares.amax(dim=1, keepdim=True)
        shares = fast.softmax(shares, top, self.temperature, out=shares)
        alive = fast.lively(inputs, lengths)
        active = torch.mv(shares.T, alive)
        pull = active
        if self.reduction == "share2":
            pull = torch.mv(shares.square_().T, alive)
        summed = fast.hebbian(shares, inputs, total, scratch)
        return fast.added(total, summed, pull, active.clone(), count(inputs))


@register
class ProportionalWTA(Winning):
    r"""All units learn from an image in proportion to how well they match: nearly alike.

    \[\Delta w_i = \sum_b r_{bi}\,(x_b - w_i) \Big/ \sum_b r_{bi}, \qquad
    r_i = s_i^a \Big/ \sum_j s_j^a\]

    with scores s below zero taken as zero, and a sum of at least 1e-12. On images, whose scores
    are all positive and much alike, every unit becomes the mean image; a large exponent a tells
    the units apart.

    Knobs: `exponent` 0.1 to 100; `similarity` dot, cosine, raised-cosine or distance;
    `reduction` share, share2, mean, sum or max.

    Source: Lagani 2022, which finds that it works poorly; its code writes a = 1/κ with κ = 0.05.

    >>> import torch
    >>> rule = ProportionalWTA(reduction="sum")
    >>> rule.update(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.0], [0.2, 1.0]]))
    tensor([[ 0.3000,  0.0000],
            [ 0.2000, -0.2500]])
    """

    name = "proportional-wta"
    title = "Proportional winner-take-all"
    equation = (
        r"\Delta w_i = r_i \, (x - w_i) \\ r_i = \max(s_i, 0)^a \, / \, \sum_j \max(s_j, 0)^a"
    )
    source = "Lagani, SEBD 2022, beside equation 3; its code, psoftwta"
    history = (
        "Lagani tried it in 2022 beside the softmax: units share an image in plain proportion to "
        "their scores. It works poorly, as images match every unit somewhat and the shares come "
        "out nearly equal. It stays here as the lesson that a competition has to be sharp."
    )
    converges_to = (
        "On images, whose scores are all positive and much alike, every unit settles at the mean "
        "image. In general each settles at the mean of the images, weighted by its share in each."
    )
    limits = (
        "A large exponent leaves an image to its best unit, as the hard winner-take-all does. "
        "Scores of zero or less have no share. It is kept as the lesson that a competition has to "
        "be sharp."
    )
    disagreements = (
        "Exponent: the authors' code raises squared raised cosines to 1/κ = 20. Here: a, 1 unless "
        "said, on plain responses.",
        "Negative scores: the formula as written divides by a sum that can be zero or negative. "
        "Here: they count as zero, and the sum is at least 1e-12.",
    )
    advice = (
        "Watch every unit become the mean image; then raise the exponent a to 50 and compare by "
        "cosine: digits come back."
    )

    similarity: str = declared.similarity("dot")
    exponent: float = knob(
        1.0,
        symbol="a",
        title="exponent",
        low=0.1,
        high=100,
        scale="log",
        slider=(0.5, 50),
        help="How sharply units share an image: high means one winner.",
    )

    def shares(self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return the scores to the power of the exponent, by their sum; none for negative ones."""
        compared = self.ranking(inputs, weights)
        power, absent = self.exponent, abstention.of(self)
        shares = compete(
            compared, compared, alive(inputs), "proportional", exponent=power, absent=absent
        )
        return shares if targets is None else shares * targets
