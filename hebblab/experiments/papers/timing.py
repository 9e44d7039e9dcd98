"""Talloen et al. 2020, supplement, Table 1: how long an epoch takes, ours beside the authors'."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from hebblab.data import Dataset, Images
from hebblab.evaluation import student_interval
from hebblab.experiments.papers import claims, data, peers
from hebblab.experiments.papers.fixed import Fixed, departures
from hebblab.experiments.papers.learning import generator
from hebblab.experiments.papers.measuring import Measuring
from hebblab.experiments.papers.paper import (
    NOT_REPRODUCED,
    ORDERING,
    REPRODUCED,
    Claim,
    Measured,
    Paper,
    Published,
    Report,
    Verdict,
)
from hebblab.experiments.papers.results import Results
from hebblab.live.run import Run
from hebblab.nn.initial import draw_
from hebblab.recipes import Recipe

LAYER = "hidden"
OURS, OURS_ALL = "hebblab, one thread", "hebblab, all cores"
FRAMEWORK, NOTEBOOK = "PyTorch-Hebbian, one thread", "the authors' NumPy notebook"
FRAMEWORK_GPU = "PyTorch-Hebbian, Tesla P100"
WALL, CPU = "seconds an epoch", "CPU seconds an epoch"

_UNITS, _BATCH, _EPOCH = 2000, 1024, 58  # 60,000 images are 58 whole batches
_WARM = 3  # batches before the clock starts
_RATE = 0.02
_START = "normal(0, 1)"


@dataclass(frozen=True)
class Settings:
    """What decides a result.

    Attributes:
        batches: Batches on the clock, scaled to the 58 of an epoch.
        units: Of the hidden layer.
        batch: Images a batch.
    """

    batches: int
    units: int = _UNITS
    batch: int = _BATCH

    def portion(self, whole: Dataset, _seed: int) -> Dataset:
        """Return all images but the test images as training images."""
        return data.merged(whole)


Step = Callable[[Tensor], None]


def on(
    dataset: Dataset,
    settings: Settings,
    condition: str,
    _layers: tuple[str, ...],
    seed: int,
    report: Report,
) -> Iterator[Measured]:
    """Time one implementation on images at hand.

    Raises:
        NotRun: An implementation of others is not here.
    """
    step = _prepare(condition, settings, seed)
    report(0.2, f"timing {settings.batches} batches")
    threads = (os.cpu_count() or 1) if condition == OURS_ALL else 1
    if step is None:
        with _threads(threads):
            wall, burnt = _time_ours(dataset, settings, seed)
    else:
        wall, burnt = _time_theirs(dataset, settings, seed, step, whole=condition == NOTEBOOK)
    scale = _EPOCH / settings.batches
    numbers: dict[str, float | dict[str, float]] = {WALL: wall * scale, CPU: burnt * scale}
    about = {"batches": settings.batches}
    # NumPy's threads are its library's own affair.
    yield Measured(LAYER, numbers, about if condition == NOTEBOOK else about | {"threads": threads})


def _prepare(condition: str, settings: Settings, seed: int) -> Step | None:
    if condition == FRAMEWORK:
        layer = nn.Linear(784, settings.units, bias=False, device="meta").to_empty(device="cpu")
        draw_(layer.weight, _START, generator(seed, "timing"))
        return peers.pytorch_hebbian(layer, _RATE)
    if condition == NOTEBOOK:
        return peers.numpy_notebook(settings.units, settings.batch)
    return None


def recipe(settings: Settings, seed: int) -> Recipe:
    """Return what is timed of ours."""
    return Recipe(
        data="mnist",
        network=f"dense-{settings.units}",
        rules={LAYER: {"rule": "krotov-hopfield", "delta": 0.4, "k": 2, "init": _START}},
        batch_size=settings.batch,
        steps=_WARM + settings.batches,
        learning_rate=_RATE,
        seed=seed,
    )


def _time_ours(dataset: Dataset, settings: Settings, seed: int) -> tuple[float, float]:
    run = Run(recipe(settings, seed), dataset)
    try:
        run.edge = lambda: run.steps == _WARM
        run.advance()
        return _clocked(lambda: run.advance())
    finally:
        run.close()


def _time_theirs(
    dataset: Dataset, settings: Settings, seed: int, step: Step, whole: bool
) -> tuple[float, float]:
    images = dataset.train
    assert isinstance(images, Images)
    order = torch.randperm(len(images), generator=generator(seed, "timing"))
    wanted = order[: settings.batch * settings.batches]
    rows = images.pixels[wanted].flatten(1).float() / 255
    if whole:
        return _clocked(lambda: step(rows))
    parts = torch.split(rows, settings.batch)
    for part in islice(parts, _WARM):
        step(part)

    def epoch() -> None:
        for part in parts:
            step(part)

    return _clocked(epoch)


def _clocked(work: Callable[[], object]) -> tuple[float, float]:
    wall, burnt = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - burnt


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def faster(slow: str, quick: str, published: float | None = None) -> Callable[[Results], Verdict]:
    """Return the judge of "so many times faster", by CPU seconds, the ratio paired by round."""

    def judge(results: Results) -> Verdict:
        first, second = results.pairs((slow, LAYER), (quick, LAYER), CPU)
        ratios = [one / other for one, other in zip(first, second, strict=True)]
        claims.enough(ratios, (slow, LAYER), (quick, LAYER))
        mean, low, high = student_interval(ratios)
        told = f"{mean:.1f} times ({low:.1f} to {high:.1f})"
        if published is not None:
            told += f"; published {published:g}"
            if low >= published:
                return Verdict(REPRODUCED, told)
        return Verdict(ORDERING if low > 1 else NOT_REPRODUCED, told)

    return judge


def _at_most(seconds: float) -> Callable[[Results], Verdict]:
    def judge(results: Results) -> Verdict:
        values = list(results.values(OURS, LAYER, CPU).values())
        claims.enough(values, (OURS, LAYER))
        mean, low, high = student_interval(values)
        wall = ", ".join(f"{one:.2f}" for one in results.values(OURS, LAYER, WALL).values())
        told = (
            f"{mean:.2f} CPU seconds ({low:.2f} to {high:.2f}) on one core of this machine "
            f"(by the clock: {wall}); published {seconds:g} s on a Tesla P100, by the clock"
        )
        return Verdict(ORDERING if high <= seconds else NOT_REPRODUCED, told)

    return judge


def full() -> Paper:
    """Return the comparison over ten epochs, as published."""
    seconds = {OURS: 60.0, OURS_ALL: 60.0, FRAMEWORK: 170.0, NOTEBOOK: 700.0}
    return _paper("talloen-2020-timing", Settings(10 * _EPOCH), seconds)


def mini() -> Paper:
    """Return the comparison over a few batches, scaled to an epoch."""
    seconds = {OURS: 2.0, OURS_ALL: 2.0, FRAMEWORK: 4.0, NOTEBOOK: 12.0}
    return _paper("talloen-2020-timing-mini", Settings(10), seconds)


def _fixed() -> Fixed:
    told = {"epoch": _EPOCH, "warm": _WARM, "rate": _RATE, "start": _START}
    return Fixed({**told, "recipe": departures(recipe(Settings(1, 1, 1), 1))}, first="a5c382e6c6da")


def _paper(name: str, settings: Settings, seconds: dict[str, float]) -> Paper:
    source = "the paper, supplement, Table 1"
    return Paper(
        name=name,
        title="The time of an epoch of the Krotov-Hopfield rule",
        citation="Talloen, Dambre and Vandesompele, PyTorch-Hebbian: facilitating local learning "
        "in a deep learning framework, 2020, supplement.",
        data=data.exact("mnist", "MNIST"),
        conditions=seconds,
        layers=(LAYER,),
        seeds=(1, 2, 3),
        settings=settings,
        fixed=_fixed(),
        measure=Measuring(on, settings),
        published=(
            Published(FRAMEWORK_GPU, LAYER, WALL, 3.0, None, source),
            Published(NOTEBOOK, LAYER, WALL, 44.0, None, f"{source}, on an i7-4702HQ"),
        ),
        claims=(
            Claim(
                "PyTorch-Hebbian is more than 14 times faster than the authors' NumPy notebook "
                "(published: a GPU against a laptop's processor; here: both on this processor).",
                faster(NOTEBOOK, FRAMEWORK, 14.0),
            ),
            Claim(
                "An epoch takes no more CPU seconds on one core than the 3 seconds published for a "
                "GPU.",
                _at_most(3.0),
                ours=True,
            ),
            Claim(
                "hebblab is faster than PyTorch-Hebbian on the same processor.",
                faster(FRAMEWORK, OURS),
                ours=True,
            ),
            Claim(
                "hebblab is faster than the NumPy notebook on the same processor.",
                faster(NOTEBOOK, OURS),
                ours=True,
            ),
        ),
        deviations=(
            "The mean is over "
            + (
                f"{settings.batches // _EPOCH} epochs"
                if settings.batches >= _EPOCH
                else f"{settings.batches} batches, scaled to an epoch"
            )
            + ", and repeated for each seed; three batches warm up outside of the clock, but for "
            "the notebook, whose loop draws its start and shuffles within it, in float64.",
            "A step of hebblab's fetches its images from memory as a run does; the others are "
            "given batches that are ready.",
            "Δ, k and p of the published run are not told in the supplement.",
            "An epoch is 58 batches of 1,024: the last 608 of the 60,000 images are left out.",
            "No GPU: published seconds are of other machines.",
            "NumPy uses as many threads as its library is set to.",
        ),
        notes=(
            "MNIST's 60,000 images, 784→2000, batch 1024, Δ = 0.4, k = 2, p = 2. CPU seconds count "
            "the work of all threads, also of those that wait for one another: on a busy machine "
            "the row of all cores means little, and of the others CPU seconds mean more than those "
            "by the clock.",
        ),
    )
