"""The rules read again from their definitions: float64, loops over samples and units."""

import math

import numpy as np

from tests.references import som, subspace
from tests.references.competition import activity, dot, order, reduced, softmax
from tests.references.patches import padded, patches

__all__ = ["RULES", "leading_direction", "padded", "patches"]


def signed_power(weights, p):
    return np.array([[math.copysign(abs(v) ** (p - 1), v) for v in w] for w in weights])


def rounded(values, precision):
    """To the 8 significant bits of a bfloat16, halves to even."""
    if precision == "float32":
        return values
    parts, exponents = np.frexp(values)
    return np.ldexp(np.round(parts * 256) / 256, exponents)


def krotov_hopfield(
    inputs,
    weights,
    delta=0.4,
    k=2,
    p=2.0,
    reduction="max",
    precision_floor=1e-30,
    precision="float32",
):
    summed = np.zeros(weights.shape)
    powered = rounded(signed_power(weights, p), precision)
    for x in inputs:
        responses = [dot(row, rounded(x, precision)) for row in powered]
        rank = order(responses)
        for i, g in ((rank[0], 1.0), (rank[k - 1], -delta)):
            summed[i] += g * (x - responses[i] * weights[i])
    return reduced(summed, reduction, len(inputs), floor=precision_floor)


def soft_krotov(
    inputs,
    weights,
    temperature=0.15,
    delta=0.4,
    k=2,
    p=2.0,
    push="absolute",
    reduction="max",
    precision_floor=1e-30,
):
    summed = np.zeros(weights.shape)
    powered = signed_power(weights, p)
    for x in inputs:
        responses = [dot(row, x) for row in powered]
        strength = softmax(responses, temperature)
        pushed = order(responses)[k - 1]
        strength[pushed] = -delta * (strength[pushed] if push == "relative" else 1)
        for i, s in enumerate(strength):
            if np.any(x):
                summed[i] += s * (x - responses[i] * weights[i])
    return reduced(summed, reduction, len(inputs), floor=precision_floor)


def softhebb(
    inputs, weights, temperature=1.0, anti_hebbian=True, reduction="max", precision_floor=1e-30
):
    summed = np.zeros(weights.shape)
    for x in inputs:
        responses = [dot(row, x) for row in weights]
        best = order(responses)[0]
        for i, y in enumerate(softmax(responses, temperature)):
            s = y if i == best or not anti_hebbian else -y
            if np.any(x):
                summed[i] += s * (x - responses[i] * weights[i])
    return reduced(summed, reduction, len(inputs), floor=precision_floor)


def _forgetting(forgotten, competition="none", rectified=False):
    """dw = y (x - what y makes the unit forget); y from a competition."""

    def rule(
        inputs,
        weights,
        competition=competition,
        similarity="dot",
        k=1,
        temperature=1.0,
        reduction="mean",
        weight_decay=0.0,
        thresholds=None,
    ):
        summed, active = np.zeros(weights.shape), np.zeros(len(weights))
        for x in inputs:
            answers = activity(
                x, weights, competition, similarity, k, temperature, thresholds=thresholds
            )
            for i, (w, y) in enumerate(zip(weights, answers, strict=True)):
                y = max(y, 0.0) if rectified else y
                summed[i] += y * (x - forgotten(y, w))
                active[i] += abs(y)
        return reduced(summed, reduction, len(inputs), active) - weight_decay * weights

    return rule


hebb = _forgetting(lambda _y, w: 0 * w)
instar = _forgetting(lambda _y, w: w, competition="hard", rectified=True)
oja = _forgetting(lambda y, w: y * w)


def _winner_rule(competition, similarity="cosine"):
    def rule(
        inputs,
        weights,
        k=1,
        temperature=0.02,
        exponent=1.0,
        similarity=similarity,
        reduction="share",
        thresholds=None,
    ):
        summed, active = np.zeros(weights.shape), np.zeros(len(weights))
        for x in inputs:
            shares = activity(
                x, weights, competition, similarity, k, temperature, exponent, thresholds
            )
            for i, r in enumerate(shares):
                summed[i] += (r * r if reduction == "share2" else r) * (x - weights[i])
                active[i] += r
        return reduced(summed, reduction, len(inputs), active)

    return rule


hard_wta = _winner_rule("hard")
soft_wta = _winner_rule("softmax")
proportional_wta = _winner_rule("proportional", "dot")

RULES = {
    "hard-wta": hard_wta,
    "hebb": hebb,
    "hebbian-anti-hebbian": subspace.hebbian_anti_hebbian,
    "hpca": subspace.hpca,
    "instar": instar,
    "krotov-hopfield": krotov_hopfield,
    "oja": oja,
    "oja-subspace": subspace.oja_subspace,
    "proportional-wta": proportional_wta,
    "sanger": subspace.sanger,
    "soft-krotov": soft_krotov,
    "soft-wta": soft_wta,
    "softhebb": softhebb,
    "som": som.som,
}


def leading_direction(inputs):
    """The first principal axis of the uncentred second moment, and its eigenvalue."""
    values, vectors = np.linalg.eigh(inputs.T @ inputs / len(inputs))
    return vectors[:, -1], values[-1]
