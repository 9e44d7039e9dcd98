"""Talloen et al. 2020, supplement, Table 1: how long an epoch takes, ours beside the authors'."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice

import torch
from torch import Tensor, nn

from hebblab.data import Dataset, Images
from hebblab.evaluation import student_interval
from hebblab.experiments.papers import claims, data, peers
from hebblab.experiments.papers.data import Source
from hebblab.experiments.papers.learning import generator
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
WALL, CPU = "seconds an epoch", "CPU seconds an epoch"

_UNITS, _BATCH, _EPOCH = 2000, 1024, 58  # 60,000 images are 58 whole batches
_WARM = 3  # batches before the clock starts
_RATE = 0.02


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


def measure(
    settings: Settings,
    condition: str,
    _layers: tuple[str, ...],
    seed: int,
    source: Source,
    report: Report,
) -> Iterator[Measured]:
    """Time one implementation on a source; see `on`."""
    step = _prepare(condition, settings, seed)
    report(0.1, "reading images")
    dataset = data.merged(data.load(source))
    yield on(dataset, settings, condition, seed, report, step)


Step = Callable[[Tensor], None]


def on(
    dataset: Dataset,
    settings: Settings,
    condition: str,
    seed: int,
    report: Report,
    step: Step | None = None,
) -> Measured:
    """Time one implementation on images at hand.

    Raises:
        NotRun: An implementation of others is not here.
    """
    report(0.2, f"timing {settings.batches} batches")
    threads = (os.cpu_count() or 1) if condition == OURS_ALL else 1
    if condition in (OURS, OURS_ALL):
        with _threads(threads):
            wall, burnt = _time_ours(dataset, settings, seed)
    else:
        step = step or _prepare(condition, settings, seed)
        assert step is not None
        wall, burnt = _time_theirs(dataset, settings, seed, step, whole=condition == NOTEBOOK)
    scale = _EPOCH / settings.batches
    numbers: dict[str, float | dict[str, float]] = {WALL: wall * scale, CPU: burnt * scale}
    return Measured(LAYER, numbers, {"batches": settings.batches, "threads": threads})


def _prepare(condition: str, settings: Settings, seed: int) -> Step | None:
    if condition == FRAMEWORK:
        layer = nn.Linear(784, settings.units, bias=False, device="meta").to_empty(device="cpu")
        draw_(layer.weight, "normal(0, 1)", generator(seed, "timing"))
        return peers.pytorch_hebbian(layer, _RATE)
    if condition == NOTEBOOK:
        return peers.numpy_notebook(settings.units, settings.batch)
    return None


def _time_ours(dataset: Dataset, settings: Settings, seed: int) -> tuple[float, float]:
    total = _WARM + settings.batches
    recipe = Recipe(
        data="mnist",
        network=f"dense-{settings.units}",
        rules={LAYER: {"rule": "krotov-hopfield", "delta": 0.4, "k": 2, "init": "normal(0, 1)"}},
        batch_size=settings.batch,
        steps=total,
        learning_rate=_RATE,
        seed=seed,
    )
    run = Run(recipe, dataset)
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


def faster(times: float, slow: str, quick: str) -> Callable[[Results], Verdict]:
    """Return the judge of "so many times faster", by CPU seconds, the ratio paired by round."""

    def judge(results: Results) -> Verdict:
        first, second = results.pairs((slow, LAYER), (quick, LAYER), CPU)
        ratios = [one / other for one, other in zip(first, second, strict=True)]
        claims.enough(ratios, (slow, LAYER), (quick, LAYER))
        mean, low, high = student_interval(ratios)
        told = f"{mean:.1f} times ({low:.1f} to {high:.1f}); published {times:g}"
        if low >= times:
            return Verdict(REPRODUCED, told)
        return Verdict(ORDERING if low > 1 else NOT_REPRODUCED, told)

    return judge


def _at_most(seconds: float) -> Callable[[Results], Verdict]:
    def judge(results: Results) -> Verdict:
        values = list(results.values(OURS, LAYER, CPU).values())
        claims.enough(values, (OURS, LAYER))
        mean, low, high = student_interval(values)
        told = (
            f"{mean:.2f} CPU seconds ({low:.2f} to {high:.2f}) on one core of this machine; "
            f"published {seconds:g} s on a Tesla P100, which is another machine"
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
        measure=partial(measure, settings),
        published=(
            Published(FRAMEWORK, LAYER, WALL, 3.0, None, f"{source}, on a Tesla P100"),
            Published(NOTEBOOK, LAYER, WALL, 44.0, None, f"{source}, on an i7-4702HQ"),
        ),
        claims=(
            Claim(
                "An epoch takes 3 seconds on a GPU of its day (here: no more on one core).",
                _at_most(3.0),
            ),
            Claim(
                "A framework of tensors is more than 14 times faster than the NumPy original "
                "(here: both on this processor).",
                faster(14.0, NOTEBOOK, OURS),
            ),
            Claim(
                "hebblab is faster than PyTorch-Hebbian on the same processor (a claim of ours).",
                faster(1.0, FRAMEWORK, OURS),
            ),
        ),
        deviations=(
            "The mean is over "
            + (
                f"{settings.batches // _EPOCH} epochs"
                if settings.batches >= _EPOCH
                else f"{settings.batches} batches, scaled to an epoch"
            )
            + ", and repeated for each seed; the first three batches warm up outside of the clock.",
            "An epoch is 58 batches of 1,024: the last 608 of the 60,000 images are left out.",
            "No GPU: published seconds are of other machines.",
            "NumPy uses as many threads as its own settings say.",
        ),
        notes=(
            "MNIST's 60,000 images, 784→2000, batch 1024, Δ = 0.4, k = 2, p = 2. CPU seconds count "
            "work of all threads and hardly depend on what else the machine does; seconds do.",
        ),
    )
