"""The table: representations of a network judged by probes, their controls beside them."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hebblab.data import Dataset
from hebblab.errors import InvalidValue, shown, unknown
from hebblab.evaluation import checks
from hebblab.evaluation.cache import MEMORY, FeatureCache
from hebblab.evaluation.calibration import Reliability
from hebblab.evaluation.controls import TRAINED, Controls, Representation
from hebblab.evaluation.features import Start
from hebblab.evaluation.intervals import Score
from hebblab.evaluation.judging import Judge
from hebblab.evaluation.planning import SPLITS, Plan, planned
from hebblab.evaluation.results import Evaluation, Place
from hebblab.evaluation.rows import Row
from hebblab.evaluation.subjects import Subject
from hebblab.evaluation.subsets import SAMPLINGS
from hebblab.evaluation.terms import Terms
from hebblab.evaluation.working import Progress, Report, flushed_denormals
from hebblab.evaluation.working import threads as using
from hebblab.version import __version__


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
    validation: str = "images",
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
      subsets; features standardised by all training images, which needs no label. Where labels
      and features are more than 1,000, later subsets try the penalties beside the first's choice.
    - "softmax": multinomial logistic regression, penalty 1e-3, at most 100 iterations of L-BFGS.
    - "knn": k = 10 and k = 1 by cosine; "ncm": nearest class mean; "retrieval": precision and mAP
      at 100 by Euclidean distance, training images as the gallery.
    - "noise", "occlusion": the "linear" readout, frozen, on inputs made worse.
    - "calibration": expected calibration error of the "softmax" readout, 15 bins.
    - "code": sparseness, selectivity, winners, effective rank.
    - "confusion": accuracy by class; `Evaluation.confusion` is the matrix.

    Controls: "pixels" (the inputs), "random" (same shape, activation and start), "pca" (as many
    components as features), "kmeans" (as many centres as units, triangle), "backprop" (same shape
    trained end to end on all labels; what that network itself answers is a row "end to end"),
    "vae" and "vae-lagani" (same shape as the encoder of an autoencoder, well-posed and as Lagani
    et al. published it).

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
        validation: What chooses the penalty of few labels: "images", all validation images, which
            are many more labels; or "within-labels", five folds within the subset. Then a second
            number says, paired by subset, what the validation images would have gained.
        random_weights: How random weights are drawn, as for `linear_probe`; by default as the
            session's layers started, or N(0, 1/fan-in).
        centre: The mean image, where the network learned from images less that.
        memory: Bytes of features held in memory; more goes to a temporary file.
        dtype: Of kept features, "float32" or "bfloat16".
        cache: Keeps features for a next evaluation; yours to close.
        threads: Torch's threads meanwhile; None leaves them.

    Raises:
        UnknownName: There is no such layer, probe, control, split, sampling or validation.
        InvalidValue: The network does not fit the data; a split is too small for its classes;
            fewer labels than classes; features that are constant or not finite; an
            argument of the wrong kind.
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
    seed, threads = checks.seed(seed), checks.threads(threads)
    checks.called(progress, cancel)
    if cache is not None and not isinstance(cache, FeatureCache):
        raise InvalidValue(f"cache is an hl.evaluation.FeatureCache, or None, not {shown(cache)}.")
    if sampling not in SAMPLINGS:
        raise unknown("sampling", sampling, SAMPLINGS)
    subject = Subject(model, dataset, centre, random_weights)
    plan = planned(subject.network, subject.dataset, layers, probes, controls, split, validation)
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
        self._wanted, self._beside, self._layers, self._within = plan
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
        given = (subject.dataset, self._split, self._seed, self._sampling)
        terms = Terms(*given, controls, self._cache, report, self._within)
        learned = [controls.learned(layer) for layer in self._layers]
        for one in learned:
            self._judge(one, terms)
        for name in self._beside:
            for one in learned[:1] if name == "pixels" else learned:
                report.stage(f"{name}: making it")
                report.part(0, 1)
                self._judge(controls.make(name, one, report.part), terms)
            if name == "backprop":
                self._end_to_end(controls, terms)
        report.finish()

    def _end_to_end(self, controls: Controls, terms: Terms) -> None:
        """Add what the network of the control answers by itself."""
        began = time.perf_counter()
        answers = controls.end_to_end(self._split)
        self._answers["backprop", "", "end to end"] = answers
        found = Score.of(int((answers == terms.labels).sum()), len(answers))
        note = "its epoch chosen on these images" if self._split == "validation" else ""
        seconds = time.perf_counter() - began
        told = ("backprop", "", "end to end", float(found), found.low, found.high, found.n)
        self._rows.append(Row(*told, seconds, note=note))

    def _judge(self, representation: Representation, terms: Terms) -> None:
        judge = Judge(representation, terms)
        place = (representation.name, representation.layer)
        try:
            rows = judge.rows(self._wanted)
        except InvalidValue as error:
            raise InvalidValue(f"{' at '.join(filter(None, place))}: {error}") from error
        self._rows += rows
        self._answers.update({(*place, probe): one for probe, one in judge.answers.items()})
        self._subsets.update({(*place, probe): one for probe, one in judge.subsets.items()})
        several = len(self._layers) > 1 and representation.layer
        name = representation.name
        key = f"{name}@{representation.layer}" if several else name
        note = representation.note
        if self._split == "validation" and name in TRAINED:
            note += "; these images chose its epoch"
        if note:
            self._notes[key] = note
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
            {name: len(getattr(dataset, name)) for name in ("train", *SPLITS)},
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
