"""Lagani's semi-supervised protocol: pre-trained without labels, cut, fine-tuned with a few."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor, nn

from hebblab.data import Dataset, Images
from hebblab.errors import InvalidValue
from hebblab.evaluation import FineTuned, finetune
from hebblab.experiments.papers import data
from hebblab.experiments.papers.learning import part
from hebblab.experiments.papers.paper import Measured, Number, Report
from hebblab.experiments.papers.pretraining import LAYERS, NAMES, Pretraining, pretrained
from hebblab.experiments.papers.reading import percent
from hebblab.live.run import stream

TEST, VALIDATION = "test accuracy, %", "validation accuracy, %"
SOON = {
    share: f"epochs of fine-tuning until {100 * share:g} % of the best" for share in (0.95, 0.98)
}
SHARES = (0.01, 0.05, 0.1, 1.0)


@dataclass(frozen=True)
class Settings:
    """What decides a result.

    Attributes:
        train: Images to learn from without labels; labels are a share of these.
        validation: Images that choose the epoch of the fine-tuning.
        test: Images to score; None is all.
        pretraining: See there.
        epochs: Of the fine-tuning.
    """

    train: int
    validation: int
    test: int | None
    pretraining: Pretraining = field(default_factory=Pretraining)
    epochs: int = 20

    def portion(self, whole: Dataset, seed: int) -> Dataset:
        """Return the images of one run."""
        return split(data.merged(whole), seed, self.train, self.validation, self.test)


def named(way: str, share: float) -> str:
    """Return the name of a condition.

    >>> named("HPCA", 0.01)
    'HPCA, 1 %'
    """
    return f"{way}, {100 * share:g} %"


def parted(condition: str) -> tuple[str, float]:
    """Return what a name says: the way and the share.

    >>> parted("VAE, β = 1, 5 %")
    ('VAE, β = 1', 0.05)
    """
    way, _, share = condition.rpartition(", ")
    return way, float(share.removesuffix(" %")) / 100


def on(
    dataset: Dataset,
    settings: Settings,
    condition: str,
    layers: tuple[str, ...],
    seed: int,
    report: Report,
) -> Iterator[Measured]:
    """Measure one condition on images at hand, cut at one layer after another."""
    for layer, start, tuned in fine_tuned(dataset, settings, condition, layers, seed, report):
        curve = [round(float(one.validation or 0), 4) for one in tuned.history]
        about = {
            "labels": len(tuned.rows),
            "best_epoch": tuned.best_epoch,
            "validation": curve,
            "longest unit before": round(start, 3),
        }
        numbers: dict[str, Number] = {
            TEST: percent(tuned.score("test")),
            VALIDATION: percent(tuned.validation),
        }
        numbers |= {told: float(tuned.epochs_until(share)) for share, told in SOON.items()}
        yield Measured(layer, numbers, about)


def fine_tuned(
    dataset: Dataset,
    settings: Settings,
    condition: str,
    layers: tuple[str, ...],
    seed: int,
    report: Report,
) -> Iterator[tuple[str, float, FineTuned]]:
    """Yield each layer, how long its longest unit's weights were, and what was fine-tuned of it.

    A length far above 1 under HPCA tells of a rate at which it does not settle.
    """
    way, share = parted(condition)
    deepest = max(layers, key=LAYERS.index)
    model = _start(dataset, settings.pretraining, way, deepest, seed, part(report, 0, 0.5))
    for place, layer in enumerate(layers):
        first = 0.5 + 0.5 * place / len(layers)
        telling = part(report, first, first + 0.5 / len(layers))

        def told(done: int, total: int, words: str, telling: Report = telling) -> None:
            telling(done / total, words)

        weight = model.get_submodule(NAMES[layer]).weight
        assert isinstance(weight, Tensor)
        yield (
            layer,
            float(torch.linalg.vector_norm(weight.detach().flatten(1), dim=1).max()),
            finetune(
                model,
                dataset,
                NAMES[layer],
                share,
                sampling="random",
                epochs=settings.epochs,
                seed=stream(seed, "fine-tuning"),
                progress=told,
            ),
        )


_kept: dict[tuple[object, ...], nn.Sequential] = {}


def _start(
    dataset: Dataset, settings: Pretraining, way: str, deepest: str, seed: int, report: Report
) -> nn.Sequential:
    """Return a pre-trained network; the last one is kept for the next share of labels."""
    key = (dataset, settings, way, deepest, seed)
    if key not in _kept:
        made = pretrained(dataset, settings, way, deepest, seed, report)
        _kept.clear()
        _kept[key] = made
    return _kept[key]


@lru_cache(maxsize=1)
def split(
    whole: Dataset, seed: int, train: int, validation: int, test: int | None = None
) -> Dataset:
    """Return a set that is split anew by a seed, as every run of the paper is.

    Args:
        whole: All but its test images are in its training images.
        seed: Of what is drawn; the test images do not depend on it.
        train: Images to learn from.
        validation: Images to choose by.
        test: Images to score at the end; None is all.

    Raises:
        InvalidValue: There are not so many.
    """
    images, scored = whole.train, whole.test
    assert isinstance(images, Images)
    assert isinstance(scored, Images)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    if train + validation > len(images) or (test or 0) > len(scored):
        raise InvalidValue(
            f"The experiment takes {train:,} + {validation:,} images and {test or 0:,} test "
            f"images, and the data set has {len(images):,} and {len(scored):,}."
        )
    fixed = torch.randperm(len(scored), generator=torch.Generator().manual_seed(0))
    return Dataset(
        whole.name,
        _rows(images, order[:train]),
        _rows(images, order[train : train + validation]),
        scored if test is None else _rows(scored, fixed[:test]),
        whole.classes,
        whole.notes,
    )


def _rows(images: Images, rows: Tensor) -> Images:
    return Images(images.pixels[rows], images.labels[rows])
