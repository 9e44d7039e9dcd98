"""What can be read off a frame: norms, winners, activations, and what lasts longer than one."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hebblab import metrics
from hebblab.data import Dataset, as_floats
from hebblab.live.frames import Frame
from hebblab.live.paths import LayerPath
from hebblab.metrics import ActivationStatistics
from hebblab.nn import PatchConv2d, networks
from hebblab.rules import KrotovHopfield, Rule

_SAMPLE = 1000  # validation images that activations are read from
_WHOLE = 1 - 1e-9  # an epoch, as far as a difference of floats tells
_MOST_RESPONSES = 4_000_000  # of a convolution: fewer images then


@dataclass(frozen=True)
class Reading:
    """What can be read off a frame; see `hebblab.metrics` for each measure.

    Attributes:
        frame: What it was read from.
        convergence: Share of units whose norm is within 10 % of 1; None where no norm is held.
        turned: Share of units that turned less than a degree in the last epoch; None before.
        dead: Share of units of norm 0.
        never_win: Share of units without a win on the sample in the last 300 steps.
        winning: Units that won on the sample in the last 300 steps (all before step 300), bool.
        norms: (units,).
        norm_p: Which norm.
        likeness: Mean cosine to the nearest other unit.
        effective_rank: Of the unit-norm rows.
        near_duplicates: Share of units with another at a cosine above 0.95.
        negative_share: Share of negative weight.
        histogram: Of all weights.
        activations: Of the sample, after the activation.
        winner_share: What the winner has of an image that units share by softmax, on the mean of
            the sample; None for other rules.
        active: Share of the sample to which each unit answers at all, (units,).
        sample: Validation images in the sample.
        answers: Wins by class, (units, classes).
        nearest: Most similar other unit of each.
        nearest_cosine: And how similar.
    """

    frame: Frame
    convergence: float | None
    turned: float | None
    dead: float
    never_win: float
    winning: np.ndarray[Any, Any]
    norms: np.ndarray[Any, Any]
    norm_p: float
    likeness: float
    effective_rank: float
    near_duplicates: float
    negative_share: float
    histogram: metrics.Histogram
    activations: ActivationStatistics
    winner_share: float | None
    active: np.ndarray[Any, Any]
    sample: int
    answers: np.ndarray[Any, Any]
    nearest: np.ndarray[Any, Any]
    nearest_cosine: np.ndarray[Any, Any]

    def point(self) -> dict[str, float | None]:
        """Return the reading as one point of the history."""
        return {
            "step": self.frame.step,
            "epoch": self.frame.epoch,
            "convergence": self.convergence,
            "never_win": self.never_win,
            "effective_rank": self.effective_rank,
            "likeness": self.likeness,
            "negative_share": self.negative_share,
            "near_duplicates": self.near_duplicates,
            "norm": float(self.norms.mean()),
            "share_active": self.activations.share_active,
            "win_entropy": self.activations.win_entropy,
            "turned": self.turned,
        }


HISTORY = (
    "step",
    "epoch",
    "convergence",
    "never_win",
    "effective_rank",
    "likeness",
    "negative_share",
    "near_duplicates",
    "norm",
    "share_active",
    "win_entropy",
    "turned",
)


class Reader:
    """Reads frames of one run, remembering what lasts longer than one: last wins, an epoch ago.

    Args:
        model: A copy of the network, the reader's own.
        dataset: Its validation images are the sample.
        centre: Subtracted from them, as in training.
    """

    def __init__(self, model: nn.Sequential, dataset: Dataset, centre: Tensor | None) -> None:
        self._model = model.eval()
        self._dataset = dataset
        # A copy: a world's labels may be written over while a frame is read.
        self._label = dataset.validation.labels.clone()
        self._centre = centre
        self._paths: dict[str, LayerPath] = {}
        self._inputs: dict[str, Tensor] = {}
        self._known_rows: dict[str, tuple[list[Tensor], Tensor | None]] = {}
        self._last_win: dict[str, np.ndarray[Any, Any]] = {}
        self._earlier: dict[str, tuple[float, Tensor, float | None]] = {}

    @torch.no_grad()
    def read(self, frame: Frame) -> Reading:
        """Return everything the dashboard and the history say of a frame."""
        weights = frame.weights
        norm_p = frame.norm or 2.0
        statistics, share, active, answers, sample = self._activations(frame)
        winning = self._winning(frame, statistics.wins.numpy())
        kept = metrics.convergence(weights, norm_p)
        nearest = metrics.nearest(weights)
        cosine = nearest.cosine
        alone = len(weights) < 2
        return Reading(
            frame=frame,
            convergence=kept.converged if frame.norm is not None else None,
            turned=self._turned(frame) if frame.norm is None else None,
            dead=kept.dead,
            never_win=float(1 - winning.mean()),
            winning=winning,
            norms=metrics.norms(weights, norm_p).numpy(),
            norm_p=norm_p,
            likeness=0.0 if alone else float(cosine.mean()),
            effective_rank=metrics.effective_rank(weights),
            near_duplicates=0.0 if alone else float((cosine > 0.95).double().mean()),
            negative_share=metrics.negative_share(weights),
            histogram=metrics.histogram(weights),
            activations=statistics,
            winner_share=share,
            active=active,
            sample=sample,
            answers=answers,
            nearest=nearest.unit.numpy(),
            nearest_cosine=cosine.numpy(),
        )

    def _activations(
        self, frame: Frame
    ) -> tuple[ActivationStatistics, float | None, Any, Any, int]:
        self._model.load_state_dict(frame.tensors)
        networks.restore(self._model, frame.settings)
        path = self._path(frame.layer)
        inputs = self._sample(path)
        labels = self._labels(len(inputs))
        before = path.before(inputs)
        responses = path.layer(before)
        view = path.view
        fixed = before.data_ptr() == inputs.data_ptr() and not _whitens(path.layer)
        rows, seen = self._rows(path, before, first=fixed)
        if _answers_by_filters(frame.rule):
            ranked = path.inhibited(responses)
            ranked = ranked if ranked.ndim == 2 else ranked.permute(0, 2, 3, 1).flatten(0, 2)
        elif responses.ndim == 2 and _ranks_by_response(frame.rule):
            ranked = responses
        else:
            parts = [frame.rule.ranking(rows[g], view.weights(g)) for g in range(view.groups)]
            ranked = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        share = _winner_share(frame.rule, ranked if seen is None else ranked[seen], view.groups)
        if frame.thresholds is not None:
            ranked = ranked - frame.thresholds
            # With nothing left above its threshold, nobody wins.
            ranked = ranked * (ranked.amax(dim=1, keepdim=True) > 0)
        activations = path.after(responses)
        if activations.ndim == 4:
            activations = activations.permute(0, 2, 3, 1).flatten(0, 2)
        if seen is not None:
            ranked, activations = ranked[seen], activations[seen]
        statistics = metrics.activation_statistics(activations, None, ranked)
        of = labels.repeat_interleave(len(rows[0]) // len(labels))
        spoke = ranked.ne(0).any(dim=1)
        classes = len(self._dataset.classes)
        who = ranked.argmax(dim=1) * classes + (of if seen is None else of[seen])
        answers = torch.bincount(who[spoke], minlength=view.units * classes)
        active = activations.gt(0).float().mean(dim=0).numpy()
        return statistics, share, active, answers.view(view.units, classes).numpy(), len(labels)

    def _path(self, layer: str) -> LayerPath:
        if layer not in self._paths:
            self._paths[layer] = LayerPath(self._model, layer)
        return self._paths[layer]

    def _rows(
        self, path: LayerPath, before: Tensor, first: bool
    ) -> tuple[list[Tensor], Tensor | None]:
        """Return each group's rows, and which samples are not blank: None where all are seen."""
        known = self._known_rows.get(path.view.name) if first else None
        if known is not None:
            return known
        rows = [path.view.inputs(before, group) for group in range(path.view.groups)]
        seen = rows[0].ne(0).any(dim=1)
        for more in rows[1:]:
            seen |= more.ne(0).any(dim=1)
        found = rows, None if bool(seen.all()) else seen
        if first:
            self._known_rows[path.view.name] = found
        return found

    def _sample(self, path: LayerPath) -> Tensor:
        name = path.view.name
        if name not in self._inputs:
            images = self._dataset.validation
            count = min(_SAMPLE, len(images))
            one = path.before(as_floats(images, limit=1, centre=self._centre))
            each = path.view.positions(tuple(one.shape)) * max(path.view.units, path.view.fan_in)
            if isinstance(path.layer, nn.Conv2d):
                count = max(1, min(count, _MOST_RESPONSES // each))
            self._inputs[name] = as_floats(images, limit=count, centre=self._centre)
        return self._inputs[name]

    def _labels(self, count: int) -> Tensor:
        labels = self._label
        if count >= len(labels):
            return labels
        return labels[torch.arange(count) * len(labels) // count]

    def _winning(self, frame: Frame, wins: Any) -> np.ndarray[Any, Any]:
        """Return which units won lately; before step 300 nobody is called a loser."""
        last = self._last_win.setdefault(frame.layer, np.zeros(len(wins), dtype=np.int64))
        last[wins > 0] = frame.step
        if frame.step < 300:
            return np.ones(len(wins), dtype=bool)
        return last > frame.step - 300

    def _turned(self, frame: Frame) -> float | None:
        known = self._earlier.get(frame.layer)
        if known is None or frame.epoch < known[0]:
            self._earlier[frame.layer] = (frame.epoch, frame.weights, None)
            return None
        since, weights, share = known
        if frame.epoch - since >= _WHOLE:
            share = metrics.turned(weights, frame.weights)
            self._earlier[frame.layer] = (frame.epoch, frame.weights, share)
        return share

    def anew(self) -> "Reader":
        """Return a reader of the same network that remembers nothing of this one's frames."""
        return Reader(copy.deepcopy(self._model), self._dataset, self._centre)

    def on(self, dataset: Dataset, centre: Tensor | None) -> "Reader":
        """Return a reader of the same network on changed inputs; it remembers the frames so far."""
        reader = Reader(copy.deepcopy(self._model), dataset, centre)
        reader._last_win = {layer: last.copy() for layer, last in self._last_win.items()}
        reader._earlier = dict(self._earlier)
        return reader


def _whitens(layer: nn.Module) -> bool:
    """Whether a layer sees its patches normalised or whitened, which may be set anew."""
    return isinstance(layer, PatchConv2d) and layer.sees_otherwise


def _answers_by_filters(rule: Rule) -> bool:
    """Whether the layer at hand holds what units answer to, which the rule would find once more."""
    return type(rule).filters is not Rule.filters


def _winner_share(rule: Rule, scores: Tensor, groups: int) -> float | None:
    if not hasattr(rule, "temperature") or "temperature" in rule.idle() or len(scores) == 0:
        return None
    compared = scores.view(len(scores), groups, -1) / rule.temperature
    return float(torch.softmax(compared, dim=2).amax(dim=2).mean())


def _ranks_by_response(rule: Rule) -> bool:
    """Whether ranking would only repeat the layer's own product."""
    # At p = 2 the signed power of a weight is the weight.
    return type(rule).ranking is Rule.ranking or (type(rule) is KrotovHopfield and rule.p == 2)
