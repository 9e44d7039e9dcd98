"""A softmax readout on frozen features: one convex problem, solved the same way every time."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hebblab.errors import InvalidValue
from hebblab.evaluation import checks
from hebblab.evaluation.intervals import Score
from hebblab.evaluation.standard import Standard, parts

PENALTY = 1e-3
ITERATIONS = 100
_HISTORY = 10
_SLOPE = 1e-5  # of the objective, largest entry: below it no label changes any more
_GAIN = 1e-7  # of the objective in one iteration, relative


@dataclass(frozen=True, eq=False)
class Readout:
    """A fitted linear readout.

    Attributes:
        weights: (classes, features), for standardised features.
        bias: (classes,).
        mean: (features,), of the training features.
        scale: (features,), one over their standard deviation; 0 where a feature is constant.
        method: "softmax" or "ridge", how it was fitted.
        penalty: λ it was fitted with.
    """

    weights: Tensor
    bias: Tensor
    mean: Tensor
    scale: Tensor
    method: str = "softmax"
    penalty: float = PENALTY

    def predict(self, features: Tensor) -> Tensor:
        """Return the class of each row of `features` (samples, features), int64 (samples,).

        Raises:
            InvalidValue: They are as wide as no feature it was fitted on, or not finite.
        """
        # Several times faster than argmax across so few classes.
        return self._scores(features).max(0).indices

    def probabilities(self, features: Tensor) -> Tensor:
        """Return the probability of each class, (samples, classes).

        Raises:
            InvalidValue: The readout is a ridge regression, whose scores are none.
        """
        if self.method != "softmax":
            raise InvalidValue(
                'A ridge readout has scores but no probabilities. Fit one with method="softmax".'
            )
        return torch.softmax(self._scores(features), 0).T

    def accuracy(self, features: Tensor, labels: Tensor) -> Score:
        """Return the share of rows that get their own label, with its interval.

        Raises:
            InvalidValue: There is no row, or not one label for each.
        """
        rows = checks.rows("features", features, len(self.mean))
        checks.labelled(labels, len(rows))
        return Score.of(self.correct(rows, labels), len(rows))

    def _scores(self, features: Tensor) -> Tensor:
        folded = self.weights * self.scale
        ready = checks.rows("features", features, len(self.mean)).to(folded.dtype)
        scores = torch.mm(folded, ready.T).add_((self.bias - folded @ self.mean)[:, None])
        return checks.finite(scores)

    def correct(self, features: Tensor, labels: Tensor) -> int:
        """Return how many rows of `features` get their own label."""
        return int((self.predict(features) == labels).sum())


def fit_softmax_(
    features: Tensor,
    labels: Tensor,
    classes: int,
    penalty: float = PENALTY,
    iterations: int = ITERATIONS,
    report: Callable[[int, int], None] | None = None,
    start: Readout | None = None,
) -> Readout:
    r"""Fit a multinomial logistic regression and return it; `features` are standardised in place.

    Minimises \(-\frac1n \sum_b \ln \operatorname{softmax}(W x_b + c)_{y_b} + \lambda \|W\|^2\)
    by L-BFGS with the gradient written out. Scores are linear in the weights, so the
    line search moves along stored scores and each iteration costs two products with the features.
    Nothing is drawn at random. In place, because at 2000 features of 50,000 images a copy would
    be 400 MB.

    Args:
        features: (samples, features), floating; standardised afterwards, constant ones to 0.
        labels: int64 (samples,), 0 to classes - 1.
        classes: Number of classes.
        penalty: λ, above 0.
        iterations: Most iterations; fewer where the objective no longer falls.
        report: Called as (done, iterations) after each; what it raises ends the fit.
        start: Where to begin, such as the readout of a neighbouring penalty; by default at zero.

    Raises:
        InvalidValue: Features that are not finite, or no sample.

    >>> features = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.1, 1.0], [0.9, 1.0]])
    >>> readout = fit_softmax_(features.clone(), torch.tensor([0, 1, 0, 1]), classes=2)
    >>> readout.predict(features)
    tensor([0, 1, 0, 1])
    """
    if len(features) == 0 or features.shape[1] == 0:
        raise InvalidValue("A readout needs at least one sample and one feature.")
    standard = Standard.of([features], constant=True)
    standard.apply_(features)
    mean, scale = (one.to(features.dtype) for one in standard)
    problem = _Softmax(features, labels, classes, penalty)
    point = features.new_zeros(classes * (features.shape[1] + 1))
    if start is not None:
        weights, bias = problem.parts(point)
        weights.copy_(start.weights)
        bias.copy_(start.bias)
    scores = problem.scores(point)
    value, gradient = problem.value_and_gradient(point, scores)
    memory: list[tuple[Tensor, Tensor, float]] = []
    for done in range(1, iterations + 1):
        direction = _direction(gradient, memory)
        along = problem.scores(direction)
        length = problem.line_search(point, scores, direction, along)
        step = length * direction
        point += step
        scores += length * along
        before, slope = value, gradient
        value, gradient = problem.value_and_gradient(point, scores)
        change = gradient - slope
        curvature = float(step @ change)
        if curvature > 0:
            memory = [*memory[1 - _HISTORY :], (step, change, curvature)]
        if report is not None:
            report(done, iterations)
        if float(gradient.abs().max()) <= _SLOPE or before - value <= _GAIN * abs(before):
            break
    weights, bias = problem.parts(point)
    return Readout(weights.clone(), bias.clone(), mean, scale, penalty=penalty)


class _Softmax:
    """The objective at a point, which holds the weights (classes, features), then the biases.

    Scores are (classes, samples): with so few classes the two products are several times faster
    that way round.
    """

    def __init__(self, features: Tensor, labels: Tensor, classes: int, penalty: float) -> None:
        self._features = features
        self._truth = torch.zeros(classes, len(labels), dtype=features.dtype, device=labels.device)
        self._truth.scatter_(0, labels[None], 1.0)
        self._penalty = penalty

    def parts(self, point: Tensor) -> tuple[Tensor, Tensor]:
        classes = len(self._truth)
        return point[:-classes].view(classes, -1), point[-classes:]

    def scores(self, point: Tensor) -> Tensor:
        weights, bias = self.parts(point)
        # A third faster than one product where the features are larger than a core's cache.
        found = [torch.mm(weights, rows.T) for rows in parts(self._features)]
        return torch.cat(found, dim=1).add_(bias[:, None])

    def value_and_gradient(self, point: Tensor, scores: Tensor) -> tuple[float, Tensor]:
        weights, _ = self.parts(point)
        logs = torch.log_softmax(scores, 0)
        samples = scores.shape[1]
        value = -float((logs * self._truth).sum(dtype=torch.float64)) / samples
        value += self._penalty * float(weights.square().sum(dtype=torch.float64))
        error = logs.exp_().sub_(self._truth).div_(samples)
        gradient = torch.empty_like(point)
        on_weights, on_bias = self.parts(gradient)
        torch.mm(error, self._features, out=on_weights)
        on_weights.add_(weights, alpha=2 * self._penalty)
        torch.sum(error, 1, out=on_bias)
        return value, gradient

    def line_search(self, point: Tensor, scores: Tensor, direction: Tensor, along: Tensor) -> float:
        """Return a length at which the slope has fallen to a tenth: Newton, kept in a bracket."""
        weights, moves = self.parts(point)[0], self.parts(direction)[0]
        pull = 2 * self._penalty * float((weights * moves).sum(dtype=torch.float64))
        stiffness = 2 * self._penalty * float(moves.square().sum(dtype=torch.float64))
        samples = scores.shape[1]

        def slope_and_curvature(length: float) -> tuple[float, float]:
            share = torch.softmax(scores + length * along, 0)
            mean = (share * along).sum(0, keepdim=True)
            spread = (share * (along - mean).square()).sum(dtype=torch.float64)
            rise = ((share - self._truth) * along).sum(dtype=torch.float64)
            slope = float(rise) / samples + pull + length * stiffness
            return slope, float(spread) / samples + stiffness

        slope, curvature = slope_and_curvature(0.0)
        first, low, high, length = abs(slope), 0.0, math.inf, 0.0
        for _ in range(20):
            if not curvature > 0:
                break
            newton = length - slope / curvature
            if low < newton < high:
                length = newton
            else:
                length = (low + high) / 2 if math.isfinite(high) else 2 * length + 1
            slope, curvature = slope_and_curvature(length)
            if abs(slope) <= 0.1 * first:
                break
            low, high = (length, high) if slope < 0 else (low, length)
        return length


def _direction(gradient: Tensor, memory: list[tuple[Tensor, Tensor, float]]) -> Tensor:
    direction = -gradient
    shares = []
    for step, change, curvature in reversed(memory):
        share = float(step @ direction) / curvature
        direction.sub_(change, alpha=share)
        shares.append(share)
    if memory:
        _, change, curvature = memory[-1]
        direction.mul_(curvature / float(change @ change))
    for (step, change, curvature), share in zip(memory, reversed(shares), strict=True):
        direction.add_(step, alpha=share - float(change @ direction) / curvature)
    return direction
