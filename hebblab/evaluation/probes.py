"""Probes: what a readout trained on frozen features gets right, beside two baselines."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hebblab.data import Dataset, Images
from hebblab.errors import InvalidValue, shown, unknown
from hebblab.evaluation import checks
from hebblab.evaluation.features import Extractor, Inlet, Start, collect
from hebblab.evaluation.intervals import Score
from hebblab.evaluation.readout import fit_softmax_
from hebblab.evaluation.working import Progress, Report, digest, flushed_denormals
from hebblab.evaluation.working import threads as using
from hebblab.training.features import FeaturePath, feature_path

MEMORY = 512 << 20  # bytes of training features held at once
_SPLITS = ("validation", "test")
_SAMPLE = 16  # images whose random features name them
_KEPT = 32  # scores of baselines, of a few hundred bytes each


@dataclass(frozen=True)
class ProbeResult:
    """What the features of a layer are worth, beside two baselines that learned nothing.

    Attributes:
        accuracy: Of the readout on the layer's features.
        raw_pixels: Of the same readout on the inputs themselves.
        random_features: Of the same readout on random weights of the same shape and activation.
        split: The images scored: "validation" or "test". None of them was fitted on.
        layer: Name of the layer.
        step: The run's step at which the network was copied; None without a run.
        seconds: Wall-clock time of the whole probe.
        note: What was left out to stay within memory, in words; empty if nothing was.
    """

    accuracy: Score
    raw_pixels: Score
    random_features: Score
    split: str
    layer: str
    step: int | None
    seconds: float
    note: str = ""

    def __str__(self) -> str:
        return (
            f"{self.accuracy:.1%} · raw pixels {self.raw_pixels:.1%} · "
            f"random features {self.random_features:.1%}"
        ).replace("%", " %")


def linear_probe(
    network: nn.Module,
    dataset: Dataset,
    layer: str | None = None,
    split: str = "validation",
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Callable[[], bool] | None = None,
    *,
    random_weights: Start | Mapping[str, Start] = "uniform(0, 1)",
    centre: Tensor | None = None,
    step: int | None = None,
    threads: int | None = None,
    memory: int = MEMORY,
) -> ProbeResult:
    r"""Measure how well a linear readout tells the classes apart from a layer's features.

    The features are the layer's output after batch norm, activation and pooling, of a frozen copy
    of the network; `network` itself is not touched. They are standardised by their training
    statistics, and a softmax readout (L-BFGS, penalty 1e-3 ‖W‖²) is fitted on the training images
    and scored on the others. Beside it stand the same readout on the raw inputs, and on random
    features: the same network with its layers, up to this one, drawn at random.

    Into a network that begins with a Linear layer, images go at unit Euclidean norm (for the raw
    pixels too): Krotov and Hopfield advise it, and at n = 4.5 it is worth 3 points. Into one that
    begins with a convolution they go as pixels in [0, 1], as in Talloen et al. (2020) and in
    training. Vectors, whose length may mean something, are never normalised.

    At most `memory` bytes of training features are held: maps of more than 8,192 features are
    averaged to a coarser grid, and if that is not enough a random part of the training images is
    used, the same part for all three probes. `note` says so.

    Both baselines are kept for the next probe of the same data, shape and seed.

    Args:
        network: A `torch.nn.Sequential` on any device.
        dataset: Fitted on its training images.
        layer: Name of a Linear or convolution; by default the last one before the readout.
        split: The images to score: "validation" or "test".
        seed: Of the random features, and of the part of the images if not all fit.
        progress: Called as (done, total, text), done rising to total.
        cancel: Asked often; once it returns True the probe raises `CancelledError`.
        random_weights: How random features are drawn: "uniform(low, high)",
            "normal(mean, deviation)", or a function that fills (weights, generator); or one of
            these by layer name.
        centre: The mean image, where the network learned from images less that.
        step: Handed through to the result.
        threads: Torch's threads while probing; None leaves them.
        memory: Bytes, at least 1 MiB.

    Raises:
        UnknownName: There is no such layer or split.
        InvalidValue: The network does not fit the data, its features are not finite, or an
            argument is of the wrong kind.
        concurrent.futures.CancelledError: `cancel` returned True.

    >>> import hebblab as hl
    >>> digits = hl.data.load("mnist-5k")
    >>> result = hl.linear_probe(hl.networks.create("dense-100"), digits)
    >>> 0.5 < result.accuracy < result.raw_pixels, result.raw_pixels.n
    (True, 1000)
    """
    if split not in _SPLITS:
        raise unknown("split to score", split, _SPLITS)
    if isinstance(memory, bool) or not isinstance(memory, int) or memory < 1 << 20:
        raise InvalidValue(f"memory must be at least 1,048,576 bytes, not {shown(memory)}.")
    seed, threads = checks.seed(seed), checks.threads(threads)
    checks.called(progress, cancel)
    if not isinstance(dataset, Dataset):
        raise InvalidValue(f"A network is probed on an hl.Dataset, not {shown(dataset)}.")
    started = time.perf_counter()
    with torch.inference_mode(), using(threads), flushed_denormals():
        probe = _Probe(network, dataset, layer, split, seed, centre, memory)
        random, random_key = probe.random(random_weights)
        new = sum(key not in _scores for key in (random_key, probe.about))
        report = Report(1 + new, progress, cancel)
        accuracy = probe.score(probe.learned, "learned features", report)
        on_random = _remembered(random_key, probe.score, random, "random features", report)
        on_pixels = _remembered(probe.about, probe.score, probe.pixels, "raw pixels", report)
        report.finish()
    seconds = time.perf_counter() - started
    return ProbeResult(
        accuracy, on_pixels, on_random, split, probe.path.layer, step, seconds, probe.note
    )


class _Probe:
    """One data set prepared as one network wants it; `about` says what the raw score is of."""

    def __init__(
        self,
        network: nn.Module,
        dataset: Dataset,
        layer: str | None,
        split: str,
        seed: int,
        centre: Tensor | None,
        memory: int,
    ) -> None:
        self.path = feature_path(network, layer)
        self._classes, self._seed = len(dataset.classes), seed
        train = dataset.train
        first = self.path.modules[min(self.path.learned)]
        unit = isinstance(train, Images) and isinstance(first, nn.Linear)
        self._training = Inlet(train, None, centre, unit)
        self._scored = Inlet(getattr(dataset, split), None, centre, unit)
        self.learned = Extractor(self.path, self._training)
        nothing = FeaturePath("", nn.Sequential(nn.Identity()), {})
        self.pixels = Extractor(nothing, self._training, device=self.learned.device)
        width = max(self.learned.width, self.pixels.width)
        fits = max(2 * self._classes, memory // (4 * width))
        notes = [self.learned.note] if self.learned.note else []
        notes += [f"raw pixels: {self.pixels.note}"] if self.pixels.note else []
        if fits < len(train):
            generator = torch.Generator().manual_seed(seed)
            rows = torch.randperm(len(train), generator=generator)[:fits].sort().values
            self._training = Inlet(train, rows, centre, unit)
            notes.append(f"fitted on {fits:,} of {len(train):,} training images")
        self.note = "; ".join(notes)
        part = seed if fits < len(train) else None
        mean = "" if centre is None else digest(centre)
        self.about = (dataset.fingerprint, split, unit, mean, len(self._training), part)

    def random(self, spec: Start | Mapping[str, Start]) -> tuple[Extractor, Hashable]:
        """Return the random features, and what names them: the features of a few images."""
        names = self.path.learned.values()
        starts = spec if isinstance(spec, Mapping) else dict.fromkeys(names, spec)
        for name in names:
            if name not in starts:
                raise InvalidValue(f"random_weights says nothing of layer {name!r}.")
        generator = torch.Generator().manual_seed(self._seed)
        extractor = Extractor(self.path, self._training, starts, generator)
        return extractor, (*self.about, digest(extractor.of(self._training.spread(_SAMPLE))))

    def score(self, extractor: Extractor, what: str, report: Report) -> Score:
        """Fit the readout on the training features and count what it gets right on the others."""
        report.stage(what)
        device, samples = extractor.device, len(self._training)
        read = extractor.all(self._training, report.reading)
        features = collect(read, samples, extractor.width, device)
        labels = self._training.labels.to(device)
        readout = fit_softmax_(features, labels, self._classes, report=report.fitting)
        del features
        correct, first = 0, 0
        for chunk in extractor.all(self._scored, report.scoring):
            labels = self._scored.labels[first : first + len(chunk)].to(device)
            correct += readout.correct(chunk, labels)
            first += len(chunk)
        return Score.of(correct, first)


_scores: OrderedDict[Hashable, Score] = OrderedDict()
_lock = threading.Lock()


def _remembered(
    key: Hashable,
    compute: Callable[[Extractor, str, Report], Score],
    extractor: Extractor,
    what: str,
    report: Report,
) -> Score:
    with _lock:
        known = _scores.get(key)
    score = compute(extractor, what, report) if known is None else known
    with _lock:
        _scores[key] = score
        _scores.move_to_end(key)
        while len(_scores) > _KEPT:
            _scores.popitem(last=False)
    return score
