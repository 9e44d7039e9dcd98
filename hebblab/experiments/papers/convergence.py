"""Lagani 2022: after how many epochs local rules and backpropagation have learnt nearly all."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from hebblab.data import Dataset, Images
from hebblab.evaluation import finetune
from hebblab.evaluation.tuned import first_within
from hebblab.experiments.papers import claims, data, pretraining
from hebblab.experiments.papers.fixed import Fixed
from hebblab.experiments.papers.lagani import CITATION
from hebblab.experiments.papers.learning import network, untrained
from hebblab.experiments.papers.measuring import Measuring
from hebblab.experiments.papers.paper import Claim, Measured, Number, Paper, Report
from hebblab.experiments.papers.pretraining import (
    HPCA,
    LAYERS,
    NAMES,
    NONE,
    SOFT_WTA,
    Pretraining,
    built,
    recipe,
    settle_,
)
from hebblab.experiments.papers.reading import features, quadrants, ridge
from hebblab.experiments.papers.tuning import split
from hebblab.live.run import Run, stream

BACKPROP = "backprop, all labels"
LAYER = "L3"
BEST = "best validation accuracy, %"
GAINED = "points gained from before the first epoch to the last"
UNTIL = {share: f"epochs until {100 * share:g} % of the best" for share in (0.95, 0.98)}

_READ = 5_000  # training images that a readout is fitted on, at the most


@dataclass(frozen=True)
class Settings:
    """What decides a result.

    Attributes:
        train: Images to learn from.
        validation: Images to score after each epoch.
        pretraining: Of the local rules.
        epochs: Of backpropagation.
    """

    train: int
    validation: int
    pretraining: Pretraining
    epochs: int = 20

    def portion(self, whole: Dataset, seed: int) -> Dataset:
        """Return the images of one run."""
        return split(data.merged(whole), seed, self.train, self.validation)


def on(
    dataset: Dataset,
    settings: Settings,
    condition: str,
    _layers: tuple[str, ...],
    seed: int,
    report: Report,
) -> Iterator[Measured]:
    """Measure one condition on images at hand."""
    if condition == BACKPROP:
        scores = _backprop(dataset, settings, seed, report)
    else:
        scores = list(_learning(dataset, settings, condition, seed, report))
    numbers: dict[str, Number] = {
        BEST: 100 * max(scores),
        GAINED: 100 * (scores[-1] - scores[0]),
    }
    numbers |= {told: float(first_within(scores, share) - 1) for share, told in UNTIL.items()}
    curve = [round(score, 4) for score in scores]
    about = {"before the first epoch": curve[0], "validation": curve[1:]}
    yield Measured(LAYER, numbers, about)


def _backprop(dataset: Dataset, settings: Settings, seed: int, report: Report) -> list[float]:
    """Return what a readout gets right before the first epoch, and the network after each."""
    plan = settings.pretraining
    with network("paper-lagani-backprop", built(dataset, plan, NONE)) as name:
        model = untrained(recipe(plan, NONE, name, _layers(), seed), dataset)
    before = _read(copy.deepcopy(model), dataset)
    tuned = finetune(
        model,
        dataset,
        NAMES[LAYER],
        epochs=settings.epochs,
        seed=stream(seed, "fine-tuning"),
        progress=lambda done, total, words: report(done / total, words),
    )
    after = [float(one.validation) for one in tuned.history if one.validation is not None]
    return [before, *after]


def _learning(
    dataset: Dataset, settings: Settings, way: str, seed: int, report: Report
) -> list[float]:
    """Return what a readout gets right before the first epoch and after each."""
    plan = settings.pretraining
    with network("paper-lagani-epochs", built(dataset, plan, way)) as name:
        run = Run(recipe(plan, way, name, _layers(), seed), dataset)
    total = run.total or 1
    scores = [_read(run.copied(), dataset)]

    def edge() -> bool:
        if run.steps % len(run.batches) == 0:
            scores.append(_read(run.copied(), dataset))
        report(run.steps / total, f"learning, step {run.steps:,}")
        return False

    run.edge = edge
    try:
        run.advance()
    finally:
        run.close()
    return scores


def _layers() -> list[str]:
    return [NAMES[layer] for layer in LAYERS[: LAYERS.index(LAYER) + 1]]


def _read(model: nn.Sequential, dataset: Dataset) -> float:
    """Return what ridge regression on quadrant means gets right of the validation images."""
    settle_(model, NAMES[LAYER], dataset)
    images, validation = dataset.train, dataset.validation
    assert isinstance(images, Images)
    part = Images(images.pixels[:_READ], images.labels[:_READ])
    found = [features(model, NAMES[LAYER], one, quadrants) for one in (part, validation)]
    predict = ridge(found[0], part.labels, classes=len(dataset.classes))
    return float((predict(found[1]) == validation.labels).to(torch.float64).mean())


def full() -> Paper:
    """Return the experiment on 40,000 images."""
    settings = Settings(40_000, 2_000, Pretraining(epochs=20, batch=64))
    return _paper("lagani-2022-epochs", settings, (2800.0, 3600.0, 1900.0))


def mini() -> Paper:
    """Return the experiment on 4,000 images at half the width."""
    settings = Settings(4_000, 1_000, Pretraining(narrow=2, epochs=8, rate=1e-2))
    return _paper("lagani-2022-epochs-mini", settings, (65.0, 95.0, 90.0))


def _paper(name: str, settings: Settings, seconds: tuple[float, float, float]) -> Paper:
    plan = settings.pretraining
    late = UNTIL[0.98]
    return Paper(
        name=name,
        title="After how many epochs a layer has learnt nearly all that it will",
        citation=CITATION,
        data=data.cifar_10,
        conditions=dict(zip((HPCA, SOFT_WTA, BACKPROP), seconds, strict=True)),
        layers=(LAYER,),
        seeds=(1, 2, 3),
        settings=settings,
        fixed=Fixed({"read": _READ, **pretraining.fixed()}, first="9758081c1d11"),
        measure=Measuring(on, settings),
        claims=tuple(
            Claim(
                f"{rule} has converged after fewer epochs than backpropagation (published: 1 to 2 "
                "against 10 to 20; here: at 98 % of the best), and has learnt something.",
                claims.both(
                    claims.ordered(late, (BACKPROP, LAYER), (rule, LAYER)),
                    claims.gained(GAINED, (rule, LAYER)),
                ),
            )
            for rule in (HPCA, SOFT_WTA)
        ),
        deviations=(
            "After each epoch a ridge regression reads the third layer's quadrant means (at most "
            f"{_READ:,} labelled images); the authors train a classifier by a Hebbian rule. "
            "Backpropagation is read so before its first epoch, and by its own readout after each.",
            f"Local rules learn for {plan.epochs} epochs in batches of {plan.batch} at "
            f"{plan.rate:g}, backpropagation for "
            f"{settings.epochs} from the same weights by the schedule of the fine-tuning.",
            *(
                ()
                if settings.train == 40_000
                else (
                    f"{settings.train:,} images to learn from, {settings.validation:,} to score, "
                    f"one over {plan.narrow} of the width; published: 40,000 and 10,000.",
                )
            ),
        ),
        notes=(
            "Epoch 0 is before learning, of backpropagation too: a layer of random weights whose "
            "readout is nearly as good as the best has converged in no epoch, and a rule that "
            "learns nothing in none either, so it has to gain something, too. Converged is the "
            "first epoch whose validation accuracy is 95 or 98 % of the best one, as in the "
            "authors' code.",
        ),
    )
