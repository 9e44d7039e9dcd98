"""What winner-take-all rules share: units have shares of an image, and move towards it by them."""

from typing import ClassVar

from torch import Tensor

from hebblab.rules import declared, thresholds
from hebblab.rules.competition import scores
from hebblab.rules.reductions import count, pulled
from hebblab.rules.rule import Rule, Statistics


class Winning(Rule):
    """Units share an image by r; each moves towards it by its share."""

    teachable: ClassVar[bool] = True

    similarity: str = declared.similarity("cosine")
    reduction: str = declared.reduction("share", ("share", "share2", "mean", "sum", "max"))

    @property
    def abstains(self) -> bool:
        """Units compete for every image."""
        return True

    def shares(self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return r (samples, units), of which a teacher's targets decide."""
        raise NotImplementedError

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

    def finished(self, total: Statistics, weights: Tensor) -> Tensor:
        """Return the change in the place of RᵀX."""
        return pulled(total, weights, self.reduction, in_place=True)
