"""What every representation of one evaluation is judged by."""

from dataclasses import dataclass, field

from torch import Tensor

from hebblab.data import Dataset
from hebblab.data.images import Inputs
from hebblab.evaluation.cache import FeatureCache
from hebblab.evaluation.controls import Controls
from hebblab.evaluation.robustness import noisy, occluded
from hebblab.evaluation.working import Report


@dataclass
class Terms:
    """What every representation of one evaluation is judged by.

    Attributes:
        dataset: Fitted on its training images.
        split: The images scored.
        seed: Of subsets, noise and occlusion: the same for every representation.
        sampling: Of the subsets.
        controls: Gives inputs as they enter the network.
        cache: Keeps features.
        report: Progress, and where work is cancelled.
        within: Whether few labels choose their penalty by themselves.
    """

    dataset: Dataset
    split: str
    seed: int
    sampling: str
    controls: Controls
    cache: FeatureCache
    report: Report
    within: bool = False
    worse: dict[tuple[str, float], Inputs] = field(default_factory=dict)

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.dataset.classes)

    @property
    def labels(self) -> Tensor:
        """Labels of the images scored."""
        labels: Tensor = getattr(self.dataset, self.split).labels
        return labels.cpu()

    def worsened(self, kind: str, level: float) -> Inputs:
        """Return the images scored with noise or an occlusion, made once for all."""
        if (kind, level) not in self.worse:
            clean = getattr(self.dataset, self.split)
            self.worse[kind, level] = (
                noisy(clean, level, self.seed)
                if kind == "noise"
                else occluded(clean, level, self.dataset.train, self.seed)
            )
        return self.worse[kind, level]
