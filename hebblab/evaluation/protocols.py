"""The table: representations of a network judged by probes, their controls beside them."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hebblab.data import Dataset, Vectors
from hebblab.errors import InvalidValue, shown, unknown
from hebblab.evaluation.cache import MEMORY, FeatureCache
from hebblab.evaluation.calibration import Reliability
from hebblab.evaluation.controls import CONTROLS, Controls, Representation
from hebblab.evaluation.features import Start
from hebblab.evaluation.few_labels import Asked, asked
from hebblab.evaluation.judging import Judge
from hebblab.evaluation.results import Evaluation, Place
from hebblab.evaluation.rows import Row
from hebblab.evaluation.subjects import Subject
from hebblab.evaluation.subsets import subset
from hebblab.evaluation.terms import Terms
from hebblab.evaluation.working import Progress, Report, flushed_denormals
from hebblab.evaluation.working import threads as using
from hebblab.training.features import feature_path
from hebblab.version import __version__

_SPLITS = ("validation", "test")


def evaluate(
    model: Any,
    dataset: Dataset | None = None,
    layers: str | Sequence[str] | None = None,
    probes: str | Sequence[str] = ("linear",),
    controls: str | Sequence[str] = ("pixels", "random"),
    split: str = "validation",
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Callable[[], bool] | None = None,
    *,
    sampling: str = "stratified",
    random_weights: Start | Mapping[str, Start] | None = None,
    centre: Tensor | None = None,
    memory: int = MEMORY,
    dtype: str = "float32",
    cache: FeatureCache | None = None,
    threads: int | None = None,
) -> Evaluation:
    r"""Judge what layers' features are worth, by a table of probes with controls beside them.

    Features are a layer's output after batch norm, activation and pooling, of a frozen copy; the
    model itself is not touched. Each number has its 95 % interval, its n and what the interval is
    of. All representations see the same inputs, subsets, noise and occlusions, so comparisons are
    paired (`Evaluation.compare`).

    Probes:

    - "linear": ridge regression on standardised features, its penalty one of eight (1e-4 to 1e3)
      chosen on validation images; where those are scored, each half by the choice of the other.
    - "linear@1%", "linear@10/class": the same from so many labels, the mean over five stratified
      subsets; features standardised by all training images, which needs no label.
    - "softmax": multinomial logistic regression, penalty 1e-3.
    - "knn": k = 10 and k = 1 by cosine; "ncm": nearest class mean; "retrieval": precision and mAP
      at 100 by Euclidean distance, training images as the gallery.
    - "noise", "occlusion": the "linear" readout, frozen, on inputs made worse.
    - "calibration": expected calibration error of the "softmax" readout, 15 bins.
    - "code": sparseness, selectivity, winners, effective rank.
    - "confusion": accuracy by class; `Evaluation.confusion` is the matrix.

    Controls: "pixels" (the inputs), "random" (same shape, activation and start), "pca" (as many
    components as features), "kmeans" (as many centres as units, triangle), "backprop" (same shape
    trained end to end on all labels), "vae" and "vae-lagani" (same shape as the encoder of an
    autoencoder, well-posed and as Lagani et al. published it).

    Args:
        model: A `torch.nn.Sequential`, or a `Session`, which brings its data set, centre and
            starts.
        dataset: Needed without a session.
        layers: One or several by name; by default the last before the readout.
        probes: Their names.
        controls: Their names; may be none.
        split: The images to score: "validation", or "test", which is counted.
        seed: Of random weights, subsets, noise, occlusions and whatever else is drawn.
        progress: Called as (done, total, text), done rising to total.
        cancel: Asked often; once it returns True, `CancelledError` is raised.
        sampling: Of few labels: "stratified", or "random" as in Lagani et al. 2022.
        random_weights: How random weights are drawn, as for `linear_probe`; by default as the
            session's layers started, or N(0, 1/fan-in).
        centre: The mean image, where the network learned from images less that.
        memory: Bytes of features held in memory; more goes to a temporary file.
        dtype: Of kept features, "float32" or "bfloat16".
        cache: Keeps features for a next evaluation; yours to close.
        threads: Torch's threads meanwhile; None leaves them.

    Raises:
        UnknownName: There is no such layer, probe, control or split.
        InvalidValue: The network does not fit the data; a split is too small for its classes;
            fewer labels than classes; features that are constant or not finite.
        DataUnavailable: Features do not fit on the disk.
        concurrent.futures.CancelledError: `cancel` returned True.

    >>> import hebblab as hl
    >>> digits = hl.data.load("mnist-5k")
    >>> found = hl.evaluate(hl.networks.create("dense-100"), digits, probes=["linear", "knn"])
    >>> found.table.representation.unique().tolist()
    ['learned', 'pixels', 'random']
    >>> (found.table.low <= found.table.value).all() and (found.table.n == 1000).all()
    np.True_
    """
    began = time.perf_counter()
    subject = Subject(model, dataset, centre, random_weights)
    plan = planned(subject.network, subject.dataset, layers, probes, controls, split)
    keeping = FeatureCache(memory, dtype) if cache is None else cache
    opened = subject.opened(count=split == "test")
    try:
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            using(threads),
            flushed_denormals(),
        ):
            table = _Table(subject, plan, split, seed, sampling, keeping)
            table.fill(progress, cancel)
    finally:
        if cache is None:
            keeping.close()
    return table.finished(opened, time.perf_counter() - began)


class Plan(NamedTuple):
    """What an evaluation will do: probes, controls and layers by name."""

    probes: list[Asked]
    controls: list[str]
    layers: list[str]


def planned(
    network: nn.Module,
    dataset: Dataset,
    layers: str | Sequence[str] | None = None,
    probes: str | Sequence[str] = ("linear",),
    controls: str | Sequence[str] = ("pixels", "random"),
    split: str = "validation",
) -> Plan:
    """Return what `evaluate` would do, or refuse it as `evaluate` would, before anything is done.

    Raises:
        UnknownName: There is no such layer, probe, control or split.
        InvalidValue: A split is too small for its classes, or a probe does not suit the data.
    """
    if split not in _SPLITS:
        raise unknown("split to score", split, _SPLITS)
    wanted = [asked(name) for name in _names("probes", probes)]
    if not wanted:
        raise InvalidValue("An evaluation needs at least one probe, such as probes=['linear'].")
    beside = _names("controls", controls)
    for name in beside:
        if name not in CONTROLS:
            raise unknown("control", name, CONTROLS)
    chosen = _layers(network, layers)
    _check(dataset, split, wanted)
    return Plan(wanted, beside, chosen)


class _Table:
    """The rows while they are found."""

    def __init__(
        self,
        subject: Subject,
        plan: Plan,
        split: str,
        seed: int,
        sampling: str,
        cache: FeatureCache,
    ) -> None:
        self._subject, self._split, self._seed = subject, split, seed
        self._wanted, self._beside, self._layers = plan
        self._sampling, self._cache = sampling, cache
        self._rows: list[Row] = []
        self._answers: dict[Place, Tensor] = {}
        self._subsets: dict[Place, tuple[float, ...]] = {}
        self._notes: dict[str, str] = {}
        self._reliability: dict[str, Reliability] = {}

    def fill(self, progress: Progress | None, cancel: Callable[[], bool] | None) -> None:
        """Find every row."""
        subject = self._subject
        once = sum(name == "pixels" for name in self._beside)
        each = len(self._layers) * (1 + len(self._beside) - once) + once
        report = Report(each * (2 + len(self._wanted)), progress, cancel)
        report.stage("preparing")
        report.part(0, 1)
        controls = Controls(
            subject.network, subject.dataset, self._seed, subject.centre, subject.starts
        )
        terms = Terms(
            subject.dataset, self._split, self._seed, self._sampling, controls, self._cache, report
        )
        learned = [controls.learned(layer) for layer in self._layers]
        for one in learned:
            self._judge(one, terms)
        for name in self._beside:
            for one in learned[:1] if name == "pixels" else learned:
                report.stage(f"{name}: making it")
                report.part(0, 1)
                self._judge(controls.make(name, one, report.part), terms)
        report.finish()

    def _judge(self, representation: Representation, terms: Terms) -> None:
        judge = Judge(representation, terms)
        rows = judge.rows(self._wanted)
        self._rows += rows
        place = (representation.name, representation.layer)
        self._answers.update({(*place, probe): one for probe, one in judge.answers.items()})
        self._subsets.update({(*place, probe): one for probe, one in judge.subsets.items()})
        several = len(self._layers) > 1 and representation.layer
        name = representation.name
        key = f"{name}@{representation.layer}" if several else name
        if representation.note:
            self._notes[key] = representation.note
        if judge.reliability is not None:
            self._reliability[key] = judge.reliability

    def finished(self, opened: int, seconds: float) -> Evaluation:
        """Return the result."""
        subject = self._subject
        dataset = subject.dataset
        return Evaluation(
            tuple(self._rows),
            self._split,
            opened,
            dataset.name,
            dataset.fingerprint,
            {name: len(getattr(dataset, name)) for name in ("train", *_SPLITS)},
            dataset.classes,
            self._seed,
            subject.step,
            subject.recipe,
            __version__,
            seconds,
            self._notes,
            self._reliability,
            getattr(dataset, self._split).labels.cpu(),
            self._answers,
            self._subsets,
        )


def _names(what: str, given: object) -> list[str]:
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise InvalidValue(f"{what} is a list of names, not {shown(given)}.")
    return list(dict.fromkeys(names))


def _layers(network: nn.Module, layers: object) -> list[str]:
    if layers is None:
        return [feature_path(network).layer]
    names = _names("layers", layers)
    if not names:
        raise InvalidValue("layers names at least one layer, or is None for the last one.")
    return [feature_path(network, name).layer for name in names]


def _check(dataset: Dataset, split: str, wanted: Sequence[Asked]) -> None:
    """Refuse splits that no number could be trusted of, before anything is computed."""
    classes = len(dataset.classes)
    missing = torch.bincount(dataset.train.labels.cpu(), minlength=classes) == 0
    if bool(missing.any()):
        names = [dataset.classes[place] for place in missing.nonzero().flatten().tolist()]
        raise InvalidValue(
            f"The training images hold none of class {shown(names[0])}"
            f"{'' if len(names) == 1 else f' and {len(names) - 1} more'}, so no readout can "
            "learn it."
        )
    for name in dict.fromkeys(("validation", split)):
        count = len(getattr(dataset, name))
        if count < 2 * classes:
            raise InvalidValue(
                f"The {name} split has {count:,} images for {classes:,} classes, too few to "
                "choose or to score by: it needs at least two a class."
            )
    for one in wanted:
        if one.kind == "occlusion" and isinstance(dataset.train, Vectors):
            raise InvalidValue("Only images can be occluded; these inputs are plain vectors.")
        if one.kind == "few":
            # The first subset is as large as the others.
            subset(dataset.train.labels, one.share, one.per_class, classes=classes)
