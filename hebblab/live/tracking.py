"""A cheap probe again and again while a run goes on: one point every second or so."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hebblab.data import Vectors
from hebblab.data.images import Inputs
from hebblab.errors import HebblabError, InvalidValue, unknown
from hebblab.evaluation import Score, class_means, linear_readout, ncm_predict, subset
from hebblab.evaluation.controls import Controls
from hebblab.evaluation.features import Extractor, Inlet, collect
from hebblab.evaluation.subjects import Subject
from hebblab.live.background import Background, Line, Report, Stopped
from hebblab.live.session import Session
from hebblab.live.snapshots import Snapshot, snapshot

KINDS = {"ncm": "nearest class mean", "ridge": "ridge readout"}
_DUTY = 0.03  # share of a core that the points may take
_PACE = 0.5  # seconds between points at the least
_FITTED, _SCORED = 2000, 1000  # images at the most; of a convolution, which costs more, half
_PENALTY = 0.1  # of the ridge readout, on standardised features
_LONGEST = 4000  # points; then every other one goes


@dataclass(frozen=True)
class Point:
    """What the cheap probe found at a step: an accuracy on validation images."""

    step: int
    score: Score


class Track:
    """The points of one layer of one run, found on a thread that never takes a core for long.

    Args:
        kind: "ncm" or "ridge".
        layer: Whose features.
        clock: Monotonic seconds.

    Attributes:
        points: By step.
        refusal: Why there is none, in words.

    Raises:
        UnknownName: There is no such probe.
    """

    def __init__(self, kind: str, layer: str, clock: Callable[[], float] = time.monotonic) -> None:
        if kind not in KINDS:
            raise unknown("cheap probe", kind, KINDS)
        self.kind, self.layer = kind, layer
        self.points: tuple[Point, ...] = ()
        self.refusal = ""
        self._clock = clock
        self._line = Line("hebblab-track", linger=2.0)
        self._task: Background[tuple[Point, float]] | None = None
        self._due = clock()

    def follow(self, session: Session) -> bool:
        """Take up a point that is found, and have the next one found when it is due.

        Returns:
            Whether there is news.
        """
        task = self._task
        if task is not None:
            if not task.done():
                return False
            self._task = None
            return self._take(task)
        last = self.points[-1].step if self.points else -1
        if self.refusal or self._clock() < self._due or session.steps == last:
            return False
        if session.steps < last:
            self.points = ()
        taken = snapshot(session)
        self._task = self._line.add(lambda report, stopped: self._found(taken, report, stopped))
        return False

    def close(self) -> None:
        """End what is under way."""
        self._line.close()

    def _take(self, task: Background[tuple[Point, float]]) -> bool:
        if task.cancelled():
            return False
        error = task.exception()
        if error is not None:
            known = isinstance(error, HebblabError)
            self.refusal = str(error) if known else f"{type(error).__name__}: {error}"
            return True
        point, seconds = task.result()
        self._due = self._clock() + max(_PACE, seconds * (1 / _DUTY - 1))
        kept = self.points[::2] if len(self.points) >= _LONGEST else self.points
        self.points = (*kept, point)
        return True

    def _found(self, taken: Snapshot, _report: Report, _stopped: Stopped) -> tuple[Point, float]:
        before = time.thread_time()
        score = cheap(taken, self.layer, self.kind)
        return Point(taken.steps, score), time.thread_time() - before


def cheap(taken: Snapshot, layer: str, kind: str = "ncm") -> Score:
    """Return a layer's accuracy by a probe that costs milliseconds.

    Fitted on at most 2,000 training images, stratified, scored on at most 1,000 validation images;
    of networks that begin with a convolution, half of that.

    Args:
        taken: The run at a batch edge.
        layer: Whose features.
        kind: "ncm", the nearest class mean, or "ridge", a ridge readout of fixed penalty.

    Raises:
        InvalidValue: There is but one class, or features that cannot be judged.

    >>> with Session("mnist-krotov") as session:
    ...     session.step(20)
    ...     cheap(snapshot(session), "hidden").n
    1000
    """
    classes = len(taken.dataset.classes)
    if classes < 2:
        raise InvalidValue("With one class there is nothing to tell apart.")
    subject = Subject(taken, None, None, None)
    with torch.inference_mode(False), torch.no_grad():
        controls = Controls(
            subject.network, subject.dataset, taken.recipe.seed, subject.centre, None
        )
        extractor = controls.learned(layer).extractor
        unit, centre = controls.unit_norm, subject.centre
        train, scored = taken.dataset.train, taken.dataset.validation
        part = 1 if unit or isinstance(train, Vectors) else 2
        fitted = Inlet(train, _some(train, _FITTED // part), centre, unit)
        count = min(_SCORED // part, len(scored))
        few = torch.arange(count) * len(scored) // count
        scored_on = Inlet(scored, few, centre, unit)
        features, answers = _features(extractor, fitted), _features(extractor, scored_on)
        labels, own = (inlet.labels.to(features.device) for inlet in (fitted, scored_on))
        if kind == "ridge":
            return linear_readout(features, labels, penalty=_PENALTY).accuracy(answers, own)
        guesses = ncm_predict(answers, class_means(features, labels, classes))
        return Score.of(int((guesses == own).sum()), len(own))


def _features(extractor: Extractor, inlet: Inlet) -> Tensor:
    chunks = extractor.all(inlet, lambda _done, _all: None)
    return collect(chunks, len(inlet), extractor.width, extractor.device)


def _some(inputs: Inputs, most: int) -> Tensor | None:
    """Return rows of at most so many inputs, of each class in proportion; None for all."""
    if len(inputs) <= most:
        return None
    return subset(inputs.labels, share=most / len(inputs))
