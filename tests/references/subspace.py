"""Rules whose units read each other: principal components and the subspace they span."""

import math

import numpy as np

from tests.references.competition import reduced


def oja_subspace(inputs, weights, reduction="mean"):
    """Oja 1989: every unit forgets what all units together explain."""
    summed = np.zeros(weights.shape)
    for x in inputs:
        answers = weights @ x
        explained = sum(y * w for y, w in zip(answers, weights, strict=True))
        for i, y in enumerate(answers):
            summed[i] += y * (x - explained)
    return reduced(summed, reduction, len(inputs))


def _in_order(inputs, weights, activation, reduction):
    """Sanger: unit i forgets what the units up to and with itself explain."""
    summed = np.zeros(weights.shape)
    for x in inputs:
        rest = x.copy()
        for i, w in enumerate(weights):
            y = activation(float(w @ x))
            rest = rest - y * w
            summed[i] += y * rest
    return reduced(summed, reduction, len(inputs))


def sanger(inputs, weights, reduction="mean"):
    return _in_order(inputs, weights, lambda u: u, reduction)


ACTIVATIONS = {"relu": lambda u: max(u, 0.0), "tanh": math.tanh, "identity": lambda u: u}


def hpca(inputs, weights, activation="relu", reduction="mean"):
    """Lagani 2022, equations 4 and 5."""
    return _in_order(inputs, weights, ACTIVATIONS[activation], reduction)


def nonnegative(drive, matrix, sweeps=10):
    """Bahroun and Soltoggio 2017: unit after unit takes what the others leave it, if positive."""
    answers = [0.0] * len(drive)
    for _ in range(sweeps):
        for i, d in enumerate(drive):
            others = sum(matrix[i][j] * y for j, y in enumerate(answers) if j != i)
            answers[i] = max(0.0, (d - others) / max(matrix[i][i], 1e-6))
    return np.array(answers)


def resting(x, weights, matrix, clamped):
    return nonnegative(weights @ x, matrix) if clamped else np.linalg.solve(matrix, weights @ x)


def hebbian_anti_hebbian(
    inputs, weights, lateral=None, tau=0.5, variant="2018", gamma=0.99, nonnegative=False
):
    """Pehlevan, Sengupta, Chklovskii 2018: outputs are at rest when M y = W x."""
    if variant == "2015":
        return of_2015(inputs, weights, None, None, 1.0, gamma, nonnegative)[0] - weights
    lateral = np.eye(len(weights)) if lateral is None else lateral
    summed = np.zeros(weights.shape)
    for x in inputs:
        for i, y in enumerate(resting(x, weights, lateral, nonnegative)):
            summed[i] += 2 * (y * x - weights[i])
    return summed / len(inputs)


def of_2015(inputs, weights, lateral, activity, rate, gamma, nonnegative=False):
    """Pehlevan, Hu, Chklovskii 2015: W, M and D after a step on a batch; fresh where M is None.

    The answers are those that the batch began with; a batch of one is the paper's own step.
    """
    units = len(weights)
    if lateral is None:
        lateral = np.zeros((units, units))
        activity = np.full(units, 2 * math.pi * np.mean(inputs**2))
    answers = [resting(x, weights, np.eye(units) + lateral, nonnegative) for x in inputs]
    # What was there before the batch fades with every sample of it.
    after = gamma ** len(answers) * np.array(activity, dtype=float)
    after = after + sum(y**2 for y in answers)
    after = np.maximum(after, 1e-300)
    moved, crossed = weights.copy(), lateral.copy()
    for x, y in zip(inputs, answers, strict=True):
        for i in range(units):
            moved[i] += rate * y[i] * (x - y[i] * weights[i]) / after[i]
            for j in range(units):
                if j != i:
                    crossed[i, j] += rate * y[i] * (y[j] - y[i] * lateral[i, j]) / after[i]
    return moved, crossed, after


def moved_lateral(inputs, weights, lateral, rate, tau):
    """The lateral weights after a step at `rate`, of the outputs that the step began with."""
    summed = np.zeros(lateral.shape)
    for x in inputs:
        y = np.linalg.solve(lateral, weights @ x)
        summed += np.outer(y, y) - lateral
    return lateral + rate / tau * summed / len(inputs)
