"""The training images that are nearest to one image, by a layer's features and by its pixels."""

from typing import NamedTuple

import torch
from torch import Tensor

from hebblab.data import Images, Vectors
from hebblab.data.images import Inputs
from hebblab.errors import InvalidValue, shown
from hebblab.evaluation.cache import FeatureCache, Features
from hebblab.evaluation.controls import Controls, Representation
from hebblab.evaluation.neighbours import unit
from hebblab.evaluation.subjects import Subject
from hebblab.live.background import Report
from hebblab.live.snapshots import Snapshot

NEAREST = 10
_MEMORY = 128 << 20  # bytes of features held in memory; more lie in a file


class Nearest(NamedTuple):
    """Places of training images, the nearest first, int64 (k,)."""

    learned: Tensor
    pixels: Tensor


class Neighbourhood:
    """Finds the training images most like an image by cosine, as the "knn" probe does.

    Features of the training images are computed once, when they are first needed.

    Args:
        snapshot: Of the run.
        layer: Whose features.
    """

    def __init__(self, snapshot: Snapshot, layer: str) -> None:
        subject = Subject(snapshot, None, None, None)
        seed = snapshot.recipe.seed
        self._dataset = subject.dataset
        with torch.inference_mode(False), torch.no_grad():
            self._controls = Controls(
                subject.network, subject.dataset, seed, subject.centre, subject.starts
            )
            learned = self._controls.learned(layer)
            self._ways = (learned, self._controls.make("pixels", learned, lambda _done, _all: None))
        self._cache = FeatureCache(_MEMORY)

    def of(self, image: int, report: Report, k: int = NEAREST) -> Nearest:
        """Return the neighbours of one validation image.

        Args:
            image: Its place among the validation images.
            report: Called as (done, total, words); what it raises ends the work.
            k: How many, or all there are.

        Raises:
            InvalidValue: There is no such image.
            HebblabError: Features that cannot be had.
        """
        count = len(self._dataset.validation)
        if not 0 <= image < count:
            raise InvalidValue(f"There are {count:,} validation images, so none is {shown(image)}.")
        with torch.inference_mode(False), torch.no_grad():
            return Nearest(*(self._near(way, image, report, k) for way in self._ways))

    def _near(self, way: Representation, image: int, report: Report, k: int) -> Tensor:
        gallery = self._gallery(way, report)
        inlet = self._controls.entering(_only(self._dataset.validation, image))
        query = unit(next(way.extractor.all(inlet, lambda _done, _all: None)))
        cosines = torch.cat([(unit(chunk) @ query[0]).cpu() for chunk, _ in gallery.chunks()])
        return cosines.sort(descending=True, stable=True).indices[:k]

    def _gallery(self, way: Representation, report: Report) -> Features:
        inlet = self._controls.inlet("train")

        def say(done: int, total: int) -> None:
            report(done, total, f"reading {total:,} training images")

        key = (way.extractor.identity, "train")
        return self._cache.get(
            key,
            len(inlet),
            way.extractor.width,
            lambda: way.extractor.all(inlet, say),
            way.extractor.device,
        )


def _only(inputs: Inputs, place: int) -> Inputs:
    """Return one of the inputs as inputs of its own."""
    rows = slice(place, place + 1)
    if isinstance(inputs, Images):
        return Images(inputs.pixels[rows], inputs.labels[rows])
    return Vectors(inputs.values[rows], inputs.labels[rows])
