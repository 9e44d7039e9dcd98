"""Who wins a sample and how a batch is summed up: read from the papers, one sample at a time."""

import math

import numpy as np

TINY = 1e-12


def dot(a, b):
    return sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True))


def length(a):
    """Divided by the largest entry first, so that no square leaves the range."""
    top = max(abs(v) for v in a.tolist())
    return top * math.sqrt(dot(a / top, a / top)) if top > 0 else 0.0


def order(scores):
    """Units by falling score; equal ones by rising index."""
    return sorted(range(len(scores)), key=lambda i: (-scores[i], i))


def score(x, w, similarity):
    u = dot(w, x)
    if similarity == "dot":
        return u
    if similarity == "distance":
        return u - 0.5 * dot(w, w)
    far = length(w), length(x)
    cosine = u / far[0] / far[1] if min(far) > 0 else 0.0
    return cosine if similarity == "cosine" else ((1 + cosine) / 2) ** 2


def softmax(scores, temperature):
    top = max(scores)
    parts = [math.exp((s - top) / temperature) for s in scores]
    whole = math.fsum(parts)
    return [part / whole for part in parts]


def proportional(scores, exponent):
    parts = [max(s, 0.0) ** exponent for s in scores]
    whole = max(math.fsum(parts), TINY)
    return [part / whole for part in parts]


def winners(scores, k, thresholds=None):
    """The k best; with thresholds, those of them whose score is above its own."""
    if thresholds is None:
        return order(scores)[:k]
    left = [s - t for s, t in zip(scores, thresholds, strict=True)]
    return [i for i in order(left)[:k] if left[i] > 0]


def activity(
    x,
    weights,
    competition,
    similarity="dot",
    k=1,
    temperature=1.0,
    exponent=1.0,
    thresholds=None,
):
    """What one sample makes each unit answer, after the units have competed."""
    units = range(len(weights))
    responses = [dot(w, x) for w in weights]
    if competition == "none":
        return responses
    if competition == "relu":
        return [max(u, 0.0) for u in responses]
    if not np.any(x):
        return [0.0 for _ in units]
    scores = [score(x, w, similarity) for w in weights]
    if competition == "softmax":
        return softmax(scores, temperature)
    if competition == "proportional":
        return proportional(scores, exponent)
    won = winners(scores, k, thresholds)
    if competition == "hard":
        return [1.0 if i in won else 0.0 for i in units]
    assert competition == "graded"
    return [responses[i] if i in won else 0.0 for i in units]


def reduced(summed, reduction, samples, active=None, floor=1e-30):
    if reduction == "sum":
        return summed
    if reduction == "mean":
        return summed / samples
    if reduction == "max":
        return summed / max(max(abs(v) for row in summed for v in row), floor)
    assert reduction in ("share", "share2")
    return np.array([row / max(a, TINY) for row, a in zip(summed, active, strict=True)])


def moved_thresholds(thresholds, fired, samples, k, rate):
    """Miconi: a unit that fires more often than its turn finds it harder."""
    units = len(thresholds)
    return [t + rate * (f / samples - k / units) for t, f in zip(thresholds, fired, strict=True)]
