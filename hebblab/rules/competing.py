"""What rules share whose activity comes from a declared competition."""

from typing import ClassVar

from torch import Tensor

from hebblab.nn.scratch import Scratch
from hebblab.rules import abstention, declared, fast, thresholds
from hebblab.rules.competition import alive, compete, scores
from hebblab.rules.reductions import count
from hebblab.rules.rule import Rows, Rule, Statistics

_HEEDED = {
    "hard": {"similarity", "k"},
    "graded": {"similarity", "k"},
    "softmax": {"similarity", "temperature"},
    "proportional": {"similarity"},
}


class Competing(Rule):
    """A rule whose activity Y comes from a declared competition."""

    teachable: ClassVar[bool] = True
    powers: ClassVar[tuple[int, ...]] = (1,)  # p of each Σ|Y|ᵖ in the statistics, after YᵀX

    competition: str = "none"
    similarity: str = declared.similarity("dot")
    k: int = declared.winners("How many units win each image, where winners are counted.")
    temperature: float = declared.temperature(
        1.0, "How softly units compete, where they share an image by softmax."
    )

    def ranking(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Return the scores that units compete by, (samples, units)."""
        return scores(inputs, weights, inputs @ weights.T, self.similarity)

    def winners_wanted(self) -> int | None:
        """Return k where winners are counted."""
        return self.k if self.competition in ("hard", "graded") else None

    @property
    def abstains(self) -> bool:
        """Whether units compete for images."""
        return self.competition in _HEEDED

    def idle(self) -> dict[str, str]:
        """Return what the competition does not heed, with the reason."""
        heeded = _HEEDED.get(self.competition, set())
        reason = f"It changes nothing while the competition is {self.competition}."
        return dict.fromkeys(sorted({"similarity", "k", "temperature"} - heeded), reason)

    def activity(self, inputs: Tensor, weights: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return Y (samples, units), times a teacher's targets."""
        responses = inputs @ weights.T
        activity = compete(
            responses,
            scores(inputs, weights, responses, self.similarity),
            alive(inputs),
            self.competition,
            k=self.k,
            temperature=self.temperature,
            thresholds=thresholds.of(self),
            absent=abstention.of(self),
        )
        return activity if targets is None else activity * targets

    def accumulated(
        self, inputs: Tensor, weights: Tensor, total: Statistics | None, scratch: Scratch
    ) -> Statistics:
        """Return the statistics so far, winners summed as bags; see `Rule`."""
        if self.competition == "none":
            activity = fast.responses(inputs, weights, scratch)
            summed = fast.hebbian(activity, inputs, total, scratch)
            powers = fast.powers(activity, self.powers, scratch)
            return fast.added(total, summed, *powers, count(inputs))
        won = self._won(inputs, weights, scratch)
        if won is None:
            return super().accumulated(inputs, weights, total, scratch)
        return won.statistics(total, self.powers, thresholds.counted(self))

    def fused(self, inputs: Tensor, weights: Tensor, scratch: Scratch) -> Tensor | Rows | None:
        """Return the update of the units that won; the others have none."""
        if thresholds.counted(self) or len(inputs) * len(weights) < fast.SMALL:
            return None
        won = self._won(inputs, weights, scratch)
        return None if won is None else won.touched(self, weights, self.powers)

    def _won(self, inputs: Tensor, weights: Tensor, scratch: Scratch) -> fast.Winners | None:
        """Return who won, where winners are counted and bags are quicker than a product."""
        counted = self.competition in ("hard", "graded") and self.k <= len(weights)
        if not counted or inputs.is_cuda or abstention.of(self) is not None:
            return None
        graded, held = self.competition == "graded", thresholds.of(self)
        return fast.Winners(inputs, weights, self.k, self.similarity, graded, held, scratch)
