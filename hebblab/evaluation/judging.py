"""One representation under every probe, its features computed once."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from hebblab.evaluation.cache import Features
from hebblab.evaluation.calibration import Reliability, error_interval, reliability
from hebblab.evaluation.choosing import Chooser
from hebblab.evaluation.coding import Statistic, statistics
from hebblab.evaluation.comparison import student_interval
from hebblab.evaluation.controls import Representation
from hebblab.evaluation.few_labels import Asked, Grid, label_grid
from hebblab.evaluation.intervals import Score
from hebblab.evaluation.neighbours import class_means, knn_predict, ncm_predict, retrieved
from hebblab.evaluation.readout import Readout, fit_softmax_
from hebblab.evaluation.ridge import PENALTIES, Moments, RidgePath, solve_few
from hebblab.evaluation.robustness import NOISE, OCCLUSION
from hebblab.evaluation.rows import Row
from hebblab.evaluation.standard import Standard
from hebblab.evaluation.terms import Terms

NEIGHBOURS = (1, 10)
RETRIEVED = 100


class Judge:
    """Gives the rows of one representation, and keeps what comparisons need.

    Attributes:
        answers: int64 (scored,) by probe: the class that each image was taken for.
        subsets: Accuracies by probe of few labels, one a subset.
        reliability: Of the softmax readout, after "calibration".
    """

    def __init__(self, representation: Representation, terms: Terms) -> None:
        self._of, self._terms = representation, terms
        self.answers: dict[str, Tensor] = {}
        self.subsets: dict[str, tuple[float, ...]] = {}
        self.reliability: Reliability | None = None
        self._chooser = Chooser(self._features, terms)
        self._frozen: tuple[Readout, Readout, Tensor] | None = None
        self._softmax: Readout | None = None
        self._chosen = ""

    def rows(self, wanted: Sequence[Asked]) -> list[Row]:
        """Return the table's rows for these probes, in their order.

        Raises:
            HebblabError: Features or subsets that cannot be judged.
        """
        kinds = {one.kind for one in wanted}
        found: dict[str, list[Row]] = {}
        if kinds != {"code"}:
            # Features that no probe could learn from are refused before one of them answers.
            _ = self._standard
        if kinds & {"linear", "few", "noise", "occlusion", "confusion"}:
            found = self._linear([one for one in wanted if one.kind == "few"], kinds - {"few"})
        makers: dict[str, Callable[[], list[Row]]] = {
            "softmax": self._by_softmax,
            "knn": self._knn,
            "ncm": self._ncm,
            "retrieval": self._retrieval,
            "noise": lambda: self._worsened("noise", NOISE),
            "occlusion": lambda: self._worsened("occlusion", OCCLUSION),
            "calibration": self._calibration,
            "code": self._code,
            "confusion": self._per_class,
        }
        for one in wanted:
            if one.name not in found:
                self._stage(one.name)
                found[one.name] = self._timed(makers[one.kind])
        return [row for one in wanted for row in found[one.name]]

    @cached_property
    def train(self) -> Features:
        """Of the training images."""
        return self._features("train")

    @cached_property
    def scored(self) -> Features:
        """Of the images scored."""
        return self._features(self._terms.split)

    @cached_property
    def _labels(self) -> Tensor:
        return self._terms.dataset.train.labels.cpu()

    @cached_property
    def _standard(self) -> Standard:
        return Standard.of(chunk for chunk, _ in self.train.chunks())

    def _linear(self, few: list[Asked], kinds: set[str]) -> dict[str, list[Row]]:
        """Fit all subsets and all labels together."""
        self._stage("linear")
        began = time.perf_counter()
        whole = bool(kinds & {"linear", "noise", "occlusion", "confusion"})
        primal = len(self.train) >= self.train.width
        terms = self._terms
        grid = label_grid(
            self.train,
            self._labels,
            self._standard,
            terms.classes,
            few,
            self._chooser,
            terms.seed,
            terms.sampling,
            whole and primal,
            terms.report.part,
            terms.within,
        )
        seconds = time.perf_counter() - began
        found = {one.name: self._over_subsets(one, grid, seconds) for one in few}
        if whole:
            path = self._whole(grid.moments)
            verdict = self._chooser.judge(path)
            self.answers["linear"] = verdict.answers
            weak, strong = path.readout(verdict.low), path.readout(verdict.high)
            self._frozen = weak, strong, verdict.strong
            chosen = sorted({PENALTIES[verdict.low], PENALTIES[verdict.high]})
            self._chosen = "λ = " + " and ".join(f"{one:g}" for one in chosen)
            seconds = time.perf_counter() - began
            row = self._accuracy("linear", verdict.answers, self._chosen)
            found["linear"] = [replace(row, seconds=seconds)]
        return found

    def _whole(self, moments: Moments | None) -> RidgePath:
        if moments is not None:
            return moments.solve(standard=self._standard)
        rows = self.train.whole()
        labels = self._labels.to(rows.device)
        return solve_few(rows, labels, self._terms.classes, self._standard)

    def _over_subsets(self, one: Asked, grid: Grid, seconds: float) -> list[Row]:
        terms = self._terms
        if one.draws > 1:
            self.subsets[one.name] = grid.shares(one.name, terms.labels)
        else:
            self.answers[one.name] = grid.answers(one.name)[0]
        choosing = len(terms.dataset.validation)
        rows = self._told(one.name, grid.statistics(one, terms.labels, terms.sampling, choosing))
        return [replace(row, seconds=seconds) for row in rows]

    def _by_softmax(self) -> list[Row]:
        readout = self._softmax_readout()
        answers = self._predicted(readout.predict)
        self.answers["softmax"] = answers
        return [self._accuracy("softmax", answers, note=f"λ = {readout.penalty:g}")]

    def _softmax_readout(self) -> Readout:
        if self._softmax is None:
            features = self.train.whole().clone()
            labels = self._labels.to(features.device)
            part = self._terms.report.part
            self._softmax = fit_softmax_(features, labels, self._terms.classes, report=part)
        return self._softmax

    def _knn(self) -> list[Row]:
        gallery, found = self.train.whole(), []
        labels = self._labels.to(gallery.device)
        for k in NEIGHBOURS:
            k = min(k, len(gallery))

            def near(chunk: Tensor, k: int = k) -> Tensor:
                return knn_predict(chunk, gallery, labels, self._terms.classes, k)

            answers = self._predicted(near)
            self.answers["knn"] = answers
            found.append(self._accuracy("knn", answers, measure=f"accuracy, k = {k}"))
        return found[::-1]

    def _ncm(self) -> list[Row]:
        rows = self.train.whole()
        means = class_means(rows, self._labels.to(rows.device), self._terms.classes)
        self.answers["ncm"] = self._predicted(lambda chunk: ncm_predict(chunk, means))
        return [self._accuracy("ncm", self.answers["ncm"])]

    def _retrieval(self) -> list[Row]:
        gallery = self.train.whole()
        k = min(RETRIEVED, len(gallery))
        labels, own = self._labels.to(gallery.device), self._terms.labels.to(gallery.device)
        parts = []
        for chunk, place in self.scored.chunks():
            self._terms.report.part(place.start, len(self.scored))
            parts.append(retrieved(chunk, own[place], gallery, labels, k))
        found = []
        for measure, part in zip(("precision", "mAP"), zip(*parts, strict=True), strict=True):
            each = torch.cat(part).tolist()
            numbers = (*student_interval(each), len(each))
            found.append(
                self._row(
                    "retrieval", numbers, f"{measure}@{k}", interval="Student's t over queries"
                )
            )
        return found

    def _worsened(self, kind: str, levels: Sequence[float]) -> list[Row]:
        terms, found = self._terms, []
        assert self._frozen is not None
        weak, strong, by_strong = self._frozen
        # Each image under the penalty that its clean copy was answered under.
        used = [
            one for one, count in ((weak, ~by_strong), (strong, by_strong)) if bool(count.any())
        ]
        clean = float((self.answers["linear"] == terms.labels).double().mean())
        for rank, level in enumerate(levels):
            terms.report.part(rank, len(levels))
            inlet = terms.controls.entering(terms.worsened(kind, level))
            chunks = self._of.extractor.all(inlet, lambda _done, _total: None)
            told = [torch.stack([one.predict(chunk).cpu() for one in used]) for chunk in chunks]
            each = torch.cat(told, dim=1)
            answers = torch.where(by_strong, each[-1], each[0])
            name = f"σ = {level:g}" if kind == "noise" else f"side {100 * level:g} %"
            row = self._accuracy(kind, answers, measure=f"accuracy, {name}")
            kept = f"{100 * row.value / clean:.0f} % of clean" if clean else ""
            found.append(replace(row, note=kept))
        return found

    def _calibration(self) -> list[Row]:
        readout, labels = self._softmax_readout(), self._terms.labels
        chunks = [readout.probabilities(chunk).cpu() for chunk, _ in self.scored.chunks()]
        probabilities = torch.cat(chunks)
        self.reliability = found = reliability(probabilities, labels)
        ends = error_interval(found, probabilities, labels)
        kind = "normal, bins held fixed"
        note = f"softmax readout, {len(found.count)} bins"
        numbers = (found.error, *ends, len(labels))
        return [self._row("calibration", numbers, "calibration error", kind, note)]

    def _code(self) -> list[Row]:
        return self._told("code", statistics(self.scored, self._terms.labels, self._terms.classes))

    def _per_class(self) -> list[Row]:
        labels, answers, found = self._terms.labels, self.answers["linear"], []
        for number, name in enumerate(self._terms.dataset.classes):
            own = labels == number
            measure = f"accuracy of {name}"
            if not bool(own.any()):
                nothing = (math.nan, math.nan, math.nan, 0)
                found.append(
                    self._row("confusion", nothing, measure, "none", "no image of this class")
                )
                continue
            score = Score.of(int((answers[own] == number).sum()), int(own.sum()))
            found.append(self._of_score("confusion", score, self._chosen, measure))
        return found

    def _predicted(self, predict: Callable[[Tensor], Tensor]) -> Tensor:
        parts = []
        for chunk, place in self.scored.chunks():
            self._terms.report.part(place.start, len(self.scored))
            parts.append(predict(chunk).cpu())
        return torch.cat(parts)

    def _accuracy(self, probe: str, answers: Tensor, note: str = "", measure: str = "") -> Row:
        labels = self._terms.labels
        score = Score.of(int((answers == labels).sum()), len(labels))
        return self._of_score(probe, score, note, measure)

    def _of_score(self, probe: str, score: Score, note: str = "", measure: str = "") -> Row:
        numbers = (float(score), score.low, score.high, score.n)
        return self._row(probe, numbers, measure or "accuracy", note=note)

    def _told(self, probe: str, found: Sequence[Statistic]) -> list[Row]:
        return [self._row(probe, one.numbers, one.measure, one.interval, one.note) for one in found]

    def _row(
        self,
        probe: str,
        numbers: tuple[float, float, float, int],
        measure: str = "accuracy",
        interval: str = "Wilson",
        note: str = "",
    ) -> Row:
        value, low, high, n = numbers
        name, layer = self._of.name, self._of.layer
        return Row(name, layer, probe, value, low, high, n, 0.0, measure, interval, note)

    def _stage(self, what: str) -> None:
        where = self._of.name if not self._of.layer else f"{self._of.name} {self._of.layer}"
        self._terms.report.stage(f"{where}: {what}")

    def _timed(self, make: Callable[[], list[Row]]) -> list[Row]:
        began = time.perf_counter()
        rows = make()
        seconds = time.perf_counter() - began
        return [replace(row, seconds=seconds) for row in rows]

    def _features(self, split: str) -> Features:
        extractor, terms = self._of.extractor, self._terms
        inlet = terms.controls.inlet(split)
        key = (extractor.identity, terms.controls.inputs, split)
        report = terms.report.part
        return terms.cache.get(
            key,
            len(inlet),
            extractor.width,
            lambda: extractor.all(inlet, report),
            extractor.device,
        )
