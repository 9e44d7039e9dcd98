"""Coates, Ng and Lee 2011: one layer of k-means on whitened patches, with the triangle."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hebblab import rules
from hebblab.data import Dataset, Images
from hebblab.experiments.papers import claims, data
from hebblab.experiments.papers.fixed import Fixed
from hebblab.experiments.papers.learning import generator, part
from hebblab.experiments.papers.measuring import Measuring
from hebblab.experiments.papers.paper import Claim, Measured, Paper, Report
from hebblab.experiments.papers.reading import chosen_ridge, quadrants, scored
from hebblab.nn import zca

LAYER = "features"
TRIANGLE, HARD = "k-means, triangle", "k-means, winners"
HEBBIAN, RANDOM = "hard-WTA rule, triangle", "random patches, triangle"
RAW = "k-means, triangle, no whitening"
TEST, VALIDATION = "test accuracy, %", "validation accuracy, %"

_SIDE = 6
_CONTRAST = 10.0  # added to a patch's variance, pixels counted 0 to 255
_EPSILON = 0.1
_ROUNDS = 10
_ROWS = 5_000
_PASSES, _BATCH, _RATE = 30, 1000, 0.1  # of the rule
_RULE: dict[str, Any] = {"similarity": "distance", "reduction": "share"}
_AT_ONCE = 1 << 20  # answers that stay in a core's cache


@dataclass(frozen=True)
class Settings:
    """What decides a result.

    Attributes:
        units: Centres.
        train: Training images; None is all.
        validation: Images that the readout's penalty is chosen on; None is all.
        test: Images to score; None is all.
        patches: That centres are learnt from.
    """

    units: int
    train: int | None
    validation: int | None
    test: int | None
    patches: int

    def portion(self, whole: Dataset, seed: int) -> Dataset:
        """Return the images of one run."""
        return data.portion(whole, seed, self.train, self.validation, self.test)


def on(
    dataset: Dataset,
    settings: Settings,
    condition: str,
    _layers: tuple[str, ...],
    seed: int,
    report: Report,
) -> Iterator[Measured]:
    """Measure one condition on images at hand."""
    drawn = generator(seed, "patches")
    report(0.0, "drawing patches")
    rows = contrast(_random_patches(_pixels(dataset.train), settings.patches, drawn))
    mean, matrix = torch.zeros(rows.shape[1]), torch.eye(rows.shape[1])
    if condition != RAW:
        mean, matrix = (one.float() for one in zca(rows, _EPSILON))
    rows = (rows - mean) @ matrix
    start = rows[torch.randperm(len(rows), generator=drawn)[: settings.units]].clone()
    report(0.1, "finding centres")
    centres = start
    if condition in (TRIANGLE, HARD, RAW):
        centres = k_means(rows, start)
    elif condition == HEBBIAN:
        centres = _learnt(rows, start)

    def encoded(images: object, report: Report) -> Tensor:
        return _encoded(_pixels(images), centres, mean, matrix, condition != HARD, report)

    train = encoded(dataset.train, part(report, 0.3, 0.7))
    validation = encoded(dataset.validation, part(report, 0.7, 0.8))
    test = encoded(dataset.test, part(report, 0.8, 1.0))
    labels = dataset.validation.labels
    predict, penalty = chosen_ridge(train, dataset.train.labels, validation, labels)
    numbers = {
        VALIDATION: scored(predict, validation, labels),
        TEST: scored(predict, test, dataset.test.labels),
    }
    yield Measured(LAYER, dict(numbers), {"penalty": penalty, "features": train.shape[1]})


def k_means(rows: Tensor, start: Tensor) -> Tensor:
    """Return centres after ten rounds of k-means; a centre that wins nothing stays.

    >>> rows = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
    >>> k_means(rows, torch.tensor([[0.0], [10.0]])).flatten().tolist()
    [0.5, 10.5]
    """
    centres = start
    for _ in range(_ROUNDS):
        sums = torch.zeros_like(centres)
        counts = torch.zeros(len(centres))
        for some in torch.split(rows, _ROWS):
            who = (some @ centres.T - 0.5 * centres.square().sum(1)).argmax(1)
            sums.index_add_(0, who, some)
            counts += torch.bincount(who, minlength=len(centres))
        centres = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], centres)
    return centres


def contrast(rows: Tensor) -> Tensor:
    """Return patches of pixels 0 to 255 with mean 0 and nearly unit deviation."""
    variance, mean = torch.var_mean(rows, dim=1, keepdim=True)
    return (rows - mean) / (variance + _CONTRAST).sqrt()


def _learnt(rows: Tensor, start: Tensor) -> Tensor:
    """Return centres that the hard winner-take-all rule finds, batch by batch."""
    rule = rules.create("hard-wta", **_RULE)
    centres = start.clone()
    batches = max(1, len(rows) // _BATCH)
    for step in range(_PASSES * batches):
        first = step % batches * _BATCH
        rate = _RATE * (1 - step / (_PASSES * batches))
        centres += rate * torch.as_tensor(rule.update(rows[first : first + _BATCH], centres))
    return centres


def _encoded(
    pixels: Tensor,
    centres: Tensor,
    mean: Tensor,
    matrix: Tensor,
    triangle: bool,
    report: Report,
) -> Tensor:
    """Return means over quadrants of what the centres answer, (images, 4 · units)."""
    found = []
    places = (pixels.shape[2] - _SIDE + 1, pixels.shape[3] - _SIDE + 1)
    squares, across = centres.square().sum(1), centres.T.contiguous()
    size = max(1, _AT_ONCE // (places[0] * places[1] * len(centres)))
    for number, images in enumerate(torch.split(pixels, size)):
        if number % 20 == 0:
            report(size * number / len(pixels), "encoding images")
        rows = F.unfold(images.float(), _SIDE).transpose(1, 2).flatten(0, 1)
        rows = (contrast(rows) - mean) @ matrix
        far = torch.addmm(squares, rows, across, alpha=-2).add_(rows.square().sum(1, keepdim=True))
        if triangle:
            far.clamp_min_(0).sqrt_()
            code = far.neg_().sub_(far.mean(1, keepdim=True)).relu_()
        else:
            code = torch.zeros_like(far).scatter_(1, far.argmin(1, keepdim=True), 1.0)
        maps = code.view(len(images), *places, len(centres)).movedim(3, 1)
        found.append(quadrants(maps).flatten(1))
    return torch.cat(found)


def _random_patches(pixels: Tensor, count: int, drawn: torch.Generator) -> Tensor:
    number, channels, height, width = pixels.shape
    which = torch.randint(number, (count,), generator=drawn)
    top = torch.randint(height - _SIDE + 1, (count,), generator=drawn)
    left = torch.randint(width - _SIDE + 1, (count,), generator=drawn)
    span = torch.arange(_SIDE)
    rows, columns = (top[:, None] + span)[:, :, None], (left[:, None] + span)[:, None, :]
    patches = pixels[which[:, None, None], :, rows, columns]
    return patches.movedim(3, 1).reshape(count, channels * _SIDE**2).float()


def _pixels(images: object) -> Tensor:
    assert isinstance(images, Images)
    return images.pixels


def full() -> Paper:
    """Return the experiment at 1,600 centres on all of CIFAR-10."""
    return _paper("coates-2011", Settings(1600, None, None, None, patches=400_000), 1000.0)


def mini() -> Paper:
    """Return the experiment at 200 centres on a tenth of CIFAR-10."""
    return _paper("coates-2011-mini", Settings(200, 5_000, 1_000, 5_000, patches=50_000), 25.0)


def _fixed() -> Fixed:
    whitened = {"side": _SIDE, "contrast": _CONTRAST, "epsilon": _EPSILON}
    rule = {"passes": _PASSES, "batch": _BATCH, "rate": _RATE, **_RULE}
    return Fixed({**whitened, "rounds": _ROUNDS, "rule": rule}, first="51b1894ca64d")


def _paper(name: str, settings: Settings, seconds: float) -> Paper:
    train = 40_000 if settings.train is None else settings.train
    triangle = (TRIANGLE, LAYER)
    return Paper(
        name=name,
        title=f"One layer of {settings.units:,} k-means centres",
        citation="Coates, Ng and Lee, An analysis of single-layer networks in unsupervised feature "
        "learning, AISTATS 2011.",
        data=data.cifar_10,
        conditions=dict.fromkeys((TRIANGLE, HARD, RAW, HEBBIAN, RANDOM), seconds),
        layers=(LAYER,),
        seeds=(1, 2, 3),
        settings=settings,
        fixed=_fixed(),
        measure=Measuring(on, settings),
        claims=(
            Claim(
                "The triangle is above the winners' code of the same centres.",
                claims.ordered(TEST, triangle, (HARD, LAYER)),
                against=TRIANGLE,
            ),
            Claim(
                "Whitening the patches helps (for learning and for encoding).",
                claims.ordered(TEST, triangle, (RAW, LAYER)),
                against=TRIANGLE,
            ),
            Claim(
                "Learnt centres are above random patches.",
                claims.ordered(TEST, triangle, (RANDOM, LAYER)),
                against=TRIANGLE,
                ours=True,
            ),
            Claim(
                "k-means is the batch limit of the hard winner-take-all rule: here, less than a "
                "point apart.",
                claims.gap(TEST, triangle, (HEBBIAN, LAYER), None, 1.0, either=True),
                ours=True,
            ),
        ),
        deviations=(
            f"{settings.units:,} centres and {train:,} training images, where 79.6 % were "
            "published for 4,000 centres and 50,000 images; so that number stands in no column.",
            "Ridge regression on standardised features, the penalty chosen on validation images, "
            "where the paper trains an L2-SVM.",
            f"{_ROUNDS} rounds of k-means on {settings.patches:,} patches; {_PASSES} passes of the "
            f"rule over them, {_BATCH:,} at a time, its rate falling from {_RATE:g}. The schedule "
            "is the one of eight whose centres came nearest to the patches; no label was used.",
        ),
        notes=(
            "6×6 patches at every place, brought to mean 0 and deviation 1, whitened by ZCA; "
            "answers are averaged over the four quadrants. Validation accuracy is of the images "
            "that chose the penalty, and so a little too high.",
        ),
    )
