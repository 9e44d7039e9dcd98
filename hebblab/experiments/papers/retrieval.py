"""Lagani et al. 2022, retrieval: what fine-tuned features find among the training images."""

from collections.abc import Iterator
from dataclasses import dataclass

from hebblab.data import Dataset
from hebblab.evaluation import retrieval
from hebblab.experiments.papers import claims, data, pretraining, tuning
from hebblab.experiments.papers.fixed import Fixed
from hebblab.experiments.papers.measuring import Measuring
from hebblab.experiments.papers.paper import Claim, Measured, Number, Paper, Report
from hebblab.experiments.papers.pretraining import (
    HPCA,
    LAYERS,
    NAMES,
    NONE,
    SOFT_WTA,
    VAE_PUBLISHED,
    Pretraining,
)
from hebblab.experiments.papers.reading import features, percent
from hebblab.experiments.papers.tuning import fine_tuned, named


@dataclass(frozen=True)
class Settings:
    """What decides a result.

    Attributes:
        tuning: How networks come to be; its test images are the queries.
        ranks: How many images are found.
    """

    tuning: tuning.Settings
    ranks: tuple[int, ...]

    def portion(self, whole: Dataset, seed: int) -> Dataset:
        """Return the images of one run."""
        return self.tuning.portion(whole, seed)


def precision_at(rank: int) -> str:
    """Return the name of a measure.

    >>> precision_at(100)
    'precision@100, %'
    """
    return f"precision@{rank}, %"


def mean_at(rank: int) -> str:
    """Return the name of a measure.

    >>> mean_at(100)
    'mAP@100, %'
    """
    return f"mAP@{rank}, %"


def on(
    dataset: Dataset,
    settings: Settings,
    condition: str,
    layers: tuple[str, ...],
    seed: int,
    report: Report,
) -> Iterator[Measured]:
    """Measure one condition on images at hand, cut at one layer after another."""
    for layer, _, tuned in fine_tuned(dataset, settings.tuning, condition, layers, seed, report):
        gallery = features(tuned.network, NAMES[layer], dataset.train)
        queries = features(tuned.network, NAMES[layer], dataset.test)
        numbers: dict[str, Number] = {tuning.VALIDATION: percent(tuned.validation)}
        for rank in settings.ranks:
            precision, mean = retrieval(
                queries, dataset.test.labels, gallery, dataset.train.labels, rank
            )
            numbers[precision_at(rank)], numbers[mean_at(rank)] = 100 * precision, 100 * mean
        about = {"labels": len(tuned.rows), "features": gallery.shape[1]}
        yield Measured(layer, numbers, about)


def full() -> Paper:
    """Return the experiment among 40,000 images."""
    settings = Settings(tuning.Settings(40_000, 1_000, 2_000), (100, 4_000))
    ways = {NONE: 380.0, HPCA: 10_000.0, SOFT_WTA: 1200.0, VAE_PUBLISHED: 9200.0}
    return _paper("lagani-2022-retrieval", settings, 0.01, ways, LAYERS[2:], (1, 2, 3, 4, 5))


def mini() -> Paper:
    """Return the experiment among 10,000 images, at one layer, without autoencoders."""
    settings = Settings(
        tuning.Settings(10_000, 500, 1_000, Pretraining(narrow=2, epochs=3, rate=1e-2)),
        (100, 1_000),
    )
    ways = {NONE: 20.0, HPCA: 70.0, SOFT_WTA: 115.0}
    return _paper("lagani-2022-retrieval-mini", settings, 0.04, ways, ("L3",), (1, 2, 3))


def _paper(
    name: str,
    settings: Settings,
    share: float,
    ways: dict[str, float],
    layers: tuple[str, ...],
    seeds: tuple[int, ...],
) -> Paper:
    plan, first = settings.tuning, settings.ranks[0]
    at = {way: (named(way, share), layers[0]) for way in ways}
    others = [way for way in (HPCA, SOFT_WTA) if VAE_PUBLISHED in at]
    return Paper(
        name=name,
        title="Images found by features that were pre-trained without labels",
        citation="Lagani, Bacciu, Gallicchio, Falchi, Gennaro and Amato, Deep features for CBIR "
        "with scarce data using Hebbian learning, 2022, arXiv 2205.08935, and the code HebbianPCA.",
        data=data.cifar_10,
        conditions={named(way, share): seconds for way, seconds in ways.items()},
        layers=layers,
        seeds=seeds,
        settings=settings,
        fixed=Fixed(pretraining.fixed(), first="92bcb2a5ada5"),
        measure=Measuring(on, settings),
        claims=(
            *(
                Claim(
                    f"Features pre-trained by {way} find more than those of a VAE (here: at "
                    f"{layers[0]}, {100 * share:g} % of the labels).",
                    claims.ordered(mean_at(first), at[way], at[VAE_PUBLISHED]),
                )
                for way in others
            ),
            *(
                Claim(
                    f"Features pre-trained by {way} find more than those of a network without "
                    f"pre-training (at {layers[0]}).",
                    claims.ordered(mean_at(first), at[way], at[NONE]),
                    ours=True,
                )
                for way in (HPCA, SOFT_WTA)
            ),
        ),
        deviations=(
            f"{plan.test:,} queries; published: 10,000.",
            f"Found among {plan.train:,} images by Euclidean distance; the authors' older code "
            "maps features by 1,000 Nyström components first.",
            f"Pre-training and fine-tuning as in lagani-2022, local rules for "
            f"{plan.pretraining.epochs} epochs at {plan.pretraining.rate:g}.",
        ),
        notes=(
            "Features are what the batch norm of a layer gives after fine-tuning. Relevant is what "
            "has the query's class; mAP@k divides by the smaller of k and the number of relevant "
            "images there are. Published numbers were not to be found and are left blank.",
        ),
    )
