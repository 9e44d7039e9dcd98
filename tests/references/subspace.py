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


def hebbian_anti_hebbian(inputs, weights, lateral=None, tau=0.5):
    """Pehlevan, Sengupta, Chklovskii 2018: outputs are at rest when M y = W x."""
    lateral = np.eye(len(weights)) if lateral is None else lateral
    summed = np.zeros(weights.shape)
    for x in inputs:
        for i, y in enumerate(np.linalg.solve(lateral, weights @ x)):
            summed[i] += 2 * (y * x - weights[i])
    return summed / len(inputs)


def moved_lateral(inputs, weights, lateral, rate, tau):
    """The lateral weights after a step at `rate`, of the outputs that the step began with."""
    summed = np.zeros(lateral.shape)
    for x in inputs:
        y = np.linalg.solve(lateral, weights @ x)
        summed += np.outer(y, y) - lateral
    return lateral + rate / tau * summed / len(inputs)
