"""One linear readout of given features, its penalty chosen on samples held out of them."""

import math

import torch
from torch import Tensor

from hebblab.data.splits import stratified
from hebblab.errors import InvalidValue, shown, unknown
from hebblab.evaluation.readout import PENALTY, Readout, fit_softmax_
from hebblab.evaluation.ridge import PENALTIES, Moments, RidgePath, best, solve_few
from hebblab.evaluation.standard import Standard
from hebblab.evaluation.within import chosen_within

_METHODS = ("ridge", "softmax")
_SOFTMAX = (1e-1, 1e-2, 1e-3, 1e-4)
_HELD_OUT = 0.2
_FEW = 500  # samples under which a fifth is too few to choose by
_FEWEST = 5  # of the rarest class, so that some of it can be held out


def linear_readout(
    features: Tensor, labels: Tensor, method: str = "ridge", penalty: float | None = None
) -> Readout:
    r"""Fit a linear readout on features and return it.

    "ridge" is the closed-form least-squares fit of one-hot labels,
    \(\frac1n \|XW^\top + c - Y\|^2 + \lambda \|W\|^2\); "softmax" is multinomial logistic
    regression, \(-\frac1n \sum \ln p_{y} + \lambda \|W\|^2\). Features are standardised by their
    own statistics, constant ones are left out.

    Without a penalty, one is chosen on a stratified fifth of the samples held out (ridge: 1e-4 to
    1e3, softmax: 1e-4 to 1e-1, in steps of ten; among equals the strongest), and the readout is
    fitted on all of them with it. Of fewer than 500 samples, ridge holds each fifth out in turn.
    Where a class has fewer than five samples it is 1e-1 (softmax: 1e-3).

    Args:
        features: (samples, features), floating; left as they are.
        labels: int64 (samples,), counted from 0.
        method: "ridge" or "softmax".
        penalty: λ, above 0, or None.

    Returns:
        A readout with `.predict(features)`, `.accuracy(features, labels)`, and for a softmax
        `.probabilities(features)`.

    Raises:
        UnknownName: There is no such method.
        InvalidValue: Shapes, labels or the penalty do not fit; features are not finite, or all
            constant.

    >>> features = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.1, 1.0], [0.9, 1.0]])
    >>> labels = torch.tensor([0, 1, 0, 1])
    >>> readout = linear_readout(features, labels, penalty=0.01)
    >>> readout.predict(features), readout.accuracy(features, labels)
    (tensor([0, 1, 0, 1]), 1.000 (0.510 to 1.000, n = 4))
    """
    if method not in _METHODS:
        raise unknown("readout", method, _METHODS)
    _check(features, labels)
    if penalty is not None:
        number = isinstance(penalty, int | float) and not isinstance(penalty, bool)
        if not (number and 0 < penalty < math.inf):
            raise InvalidValue(f"penalty must be a number above 0, not {shown(penalty)}.")
    with torch.inference_mode(False), torch.no_grad():
        values = features.detach().float()
        classes = int(labels.max()) + 1
        fit = _ridge if method == "ridge" else _softmax
        return fit(values, labels, classes, penalty)


def _ridge(features: Tensor, labels: Tensor, classes: int, penalty: float | None) -> Readout:
    if len(features) < features.shape[1]:
        standard = Standard.of([features])
        if penalty is None and len(features) < _FEW and _folded(labels):
            penalty = PENALTIES[chosen_within(features, labels, classes, standard)]
        elif penalty is None and (parts := _held_out(labels)) is not None:
            fitted, held = parts
            path = solve_few(features[fitted], labels[fitted], classes, standard)
            penalty = _chosen(path, features[held], labels[held])
        given = (penalty or 0.1,)
        return solve_few(features, labels, classes, standard, given).readout(0)
    if penalty is None and len(features) < _FEW and _folded(labels):
        moments = Moments.of(features, labels, classes)
        standard = moments.standard
        penalty = PENALTIES[chosen_within(features, labels, classes, standard)]
        return moments.solve((penalty,), standard).readout(0)
    if penalty is None and (parts := _held_out(labels)) is not None:
        fitted, held = parts
        most = Moments.of(features[fitted], labels[fitted], classes)
        moments, some, own = Moments(most.near, classes), features[held], labels[held]
        moments.add(some, own)
        moments += most
        standard = moments.standard
        penalty = _chosen(most.solve(standard=standard), some, own)
        return moments.solve((penalty,), standard).readout(0)
    return Moments.of(features, labels, classes).solve((penalty or 0.1,)).readout(0)


def _softmax(features: Tensor, labels: Tensor, classes: int, penalty: float | None) -> Readout:
    Standard.of([features])
    start: Readout | None = None
    if penalty is None and (parts := _held_out(labels)) is not None:
        fitted, held = parts
        some, scored, most = features[fitted], features[held], -1
        for one in _SOFTMAX:
            readout = fit_softmax_(some, labels[fitted], classes, one, start=start)
            right = int((readout.predict(scored) == labels[held]).sum())
            if right > most:
                most, penalty = right, one
            if start is None:
                # The first fit standardised what the next ones are fitted on.
                scored = (scored - readout.mean) * readout.scale
            start = readout
    return fit_softmax_(features.clone(), labels, classes, penalty or PENALTY, start=start)


def _folded(labels: Tensor) -> bool:
    """Whether each class has enough samples to be held out in turn."""
    counts = torch.bincount(labels)
    return int(counts[counts > 0].min()) >= _FEWEST


def _held_out(labels: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return rows to fit on and a fifth to choose on; None where a class has too few."""
    if not _folded(labels):
        return None
    fitted, held = stratified(labels.cpu(), (_HELD_OUT,))
    return fitted.to(labels.device), held.to(labels.device)


def _chosen(path: RidgePath, features: Tensor, labels: Tensor) -> float:
    return PENALTIES[best(path.predict(features) == labels)]


def _check(features: object, labels: object) -> None:
    if not isinstance(features, Tensor) or features.ndim != 2 or not features.is_floating_point():
        raise InvalidValue("features must be a floating tensor (samples, features).")
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.ndim != 1:
        raise InvalidValue("labels must be an int64 tensor (samples,), counted from 0.")
    if features.shape[1] == 0:
        raise InvalidValue("A readout needs at least one feature.")
    if len(features) != len(labels) or len(labels) == 0:
        raise InvalidValue(
            f"Each row of features needs its label: there are {len(features):,} rows and "
            f"{len(labels):,} labels."
        )
    if int(labels.min()) < 0 or int(labels.min()) == int(labels.max()):
        raise InvalidValue("Labels count from 0, and a readout needs at least two classes.")
