"""Winner-take-all rules: the instar with a fixed competition."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from hebblab.knobs import Value, knob
from hebblab.rules import declared, thresholds
from hebblab.rules.competition import alive, compete, scores
from hebblab.rules.reductions import count, pulled
from hebblab.rules.registry import register
from hebblab.rules.rule import Rule, Statistics


class _Winners(Rule):
    """Units share an image by r; each moves towards it by its share."""

    teachable: ClassVar[bool] = True

    similarity: str = declared.similarity("cosine")
    reduction: str = declared.reduction("share", ("share", "share2", "mean", "sum", "max"))

    def shares(self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return r (samples, units); a teacher's targets multiply the scores."""
        raise NotImplementedError

    def compared(self, inputs: Tensor, weights: Tensor, targets: Tensor | None) -> Tensor:
        """Return the scores of a competition among the units that a teacher allows."""
        ranking = self.ranking(inputs, weights)
        return ranking if targets is None else ranking * targets

    def ranking(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Return the scores that units compete by, (samples, units)."""
        return scores(inputs, weights, inputs @ weights.T, self.similarity)

    def statistics(
        self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None
    ) -> Statistics:
        """Return RᵀX (units, fan_in), ΣR, Σ|R| (units,) and the number of samples.

        With `reduction="share2"` the first two are of R².
        """
        shares = self.shares(inputs, weights, targets)
        if targets is not None:
            # A score that the teacher put to zero beats a negative one, and would move a whole
            # step under "share" even with next to nothing.
            shares = shares * (targets != 0)
        active = shares.sum(dim=0)
        samples = count(inputs)
        fired = thresholds.fired(self, shares)
        if self.reduction == "share2":
            shares = shares.square()
            return shares.T @ inputs, shares.sum(dim=0), active, samples, *fired
        return shares.T @ inputs, active, active.clone(), samples, *fired

    def change(self, statistics: Statistics, weights: Tensor) -> Tensor:
        """Return RᵀX - diag(ΣR) W, divided as `reduction` says."""
        return pulled(statistics, weights, self.reduction)


@register
class HardWTA(_Winners):
    r"""Only the best unit or units for an image learn from it.

    \[\Delta w_i = \sum_b r_{bi}\,(x_b - w_i) \Big/ \sum_b r_{bi}\]

    with r = 1 for the k best scores, else 0. A unit settles at the mean of the images it wins.

    Knobs: `k` 1 to the number of units; `similarity` dot, cosine, raised-cosine or distance;
    `reduction` share, share2, mean, sum or max. With cosine scores nothing spreads the wins, as
    they are blind to length; dot with a large start does.

    Source: Rumelhart and Zipser 1985; Lagani 2022, equation 2.

    >>> import torch
    >>> HardWTA().update(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.1], [0.0, 1.0]]))
    tensor([[ 0.5000, -0.1000],
            [ 0.0000,  0.0000]])
    """

    name = "hard-wta"
    title = "Hard winner-take-all"
    equation = r"\Delta w_i = r_i \, (x - w_i) \\ r = 1 \text{ for the } k \text{ best, else } 0"
    source = "Rumelhart and Zipser 1985; Lagani 2022, equation 2"
    history = (
        "Competitive learning was described by Rumelhart and Zipser in 1985: units compete for "
        "each input and the winner alone learns. Its limit over a whole data set is k-means. In "
        "2011 one such layer with many units read photographs better than most deep networks."
    )
    advice = "Raise k and watch several units settle on the same digit."
    starting_options: ClassVar[Mapping[str, Value]] = {"thresholds": True}

    k: int = declared.winners("How many units learn from each image.")

    def winners_wanted(self) -> int:
        """Return k."""
        return self.k

    def shares(self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return 1 for the k best units of each sample, else 0."""
        compared = self.compared(inputs, weights, targets)
        held = thresholds.of(self)
        return compete(compared, compared, alive(inputs), "hard", k=self.k, thresholds=held)


@register
class SoftWTA(_Winners):
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
    source = "Nowlan 1990; Lagani 2022, equation 3"
    history = (
        "Nowlan proposed in 1990 that units share an input by the probability that it is theirs, "
        "instead of leaving it to one. Lagani and others trained deep networks with it in 2022. "
        "The temperature runs from one winner to everybody."
    )
    advice = "Turn the temperature up until all units become the mean image, and back."
    learning_rate = 0.2

    temperature: float = declared.temperature(
        0.02, "How softly units share an image: low means one winner.", slider=(1e-3, 1)
    )

    def shares(self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return the softmax of score / temperature."""
        compared = self.compared(inputs, weights, targets)
        return compete(compared, compared, alive(inputs), "softmax", temperature=self.temperature)


@register
class ProportionalWTA(_Winners):
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
    source = "Lagani 2022, beside equation 3; its code, psoftwta"
    history = (
        "Lagani tried it in 2022 beside the softmax: units share an image in plain proportion to "
        "their scores. It works poorly, as images match every unit somewhat and the shares come "
        "out nearly equal. It stays here as the lesson that a competition has to be sharp."
    )
    advice = "Watch every unit become the mean image; then raise the exponent a to 50 and wait."

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
        compared = self.compared(inputs, weights, targets)
        return compete(compared, compared, alive(inputs), "proportional", exponent=self.exponent)
