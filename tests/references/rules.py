"""The rules read again from their definitions: float64, loops over samples and units."""

import math

import numpy as np

TINY = 1e-12


def dot(a, b):
    return sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True))


def length(a):
    return math.sqrt(dot(a, a))


def order(scores):
    """Units by falling score; equal ones by rising index."""
    return sorted(range(len(scores)), key=lambda i: (-scores[i], i))


def score(x, w, similarity):
    u = dot(w, x)
    if similarity == "dot":
        return u
    if similarity == "distance":
        return u - 0.5 * dot(w, w)
    size = length(w) * length(x)
    cosine = u / size if size > 0 else 0.0
    return cosine if similarity == "cosine" else ((1 + cosine) / 2) ** 2


def softmax(scores, temperature):
    top = max(scores)
    parts = [math.exp((s - top) / temperature) for s in scores]
    whole = math.fsum(parts)
    return [part / whole for part in parts]


def activity(x, weights, competition, similarity, k, temperature):
    """What one sample makes each unit answer, after the units have competed."""
    responses = [dot(w, x) for w in weights]
    if competition == "none":
        return responses
    if competition == "relu":
        return [max(u, 0.0) for u in responses]
    if not np.any(x):
        return [0.0] * len(weights)
    scores = [score(x, w, similarity) for w in weights]
    if competition == "softmax":
        return softmax(scores, temperature)
    if competition == "proportional":
        parts = [max(s, 0.0) for s in scores]
        return [part / max(math.fsum(parts), TINY) for part in parts]
    winners = order(scores)[:k]
    if competition == "hard":
        return [1.0 if i in winners else 0.0 for i in range(len(weights))]
    assert competition == "graded"
    return [responses[i] if i in winners else 0.0 for i in range(len(weights))]


def reduced(summed, reduction, samples, active=None, floor=1e-30):
    if reduction == "sum":
        return summed
    if reduction == "mean":
        return summed / samples
    if reduction == "max":
        return summed / max(max(abs(v) for row in summed for v in row), floor)
    assert reduction in ("share", "share2")
    return np.array([row / max(a, TINY) for row, a in zip(summed, active, strict=True)])


def krotov_hopfield(inputs, weights, delta=0.4, k=2, p=2.0, reduction="max", precision_floor=1e-30):
    summed = np.zeros(weights.shape)
    powered = np.array([[math.copysign(abs(v) ** (p - 1), v) for v in w] for w in weights])
    for x in inputs:
        responses = [dot(row, x) for row in powered]
        rank = order(responses)
        for i, g in ((rank[0], 1.0), (rank[k - 1], -delta)):
            summed[i] += g * (x - responses[i] * weights[i])
    return reduced(summed, reduction, len(inputs), floor=precision_floor)


def _family(kind):
    def rule(
        inputs,
        weights,
        competition="none",
        similarity="dot",
        k=1,
        temperature=1.0,
        reduction="mean",
        weight_decay=0.0,
    ):
        summed, active = np.zeros(weights.shape), np.zeros(len(weights))
        for x in inputs:
            answers = activity(x, weights, competition, similarity, k, temperature)
            for i, (w, y) in enumerate(zip(weights, answers, strict=True)):
                if kind == "instar":
                    y = max(y, 0.0)
                forgotten = {"hebb": 0 * w, "instar": w, "oja": y * w}[kind]
                summed[i] += y * (x - forgotten)
                active[i] += abs(y)
        return reduced(summed, reduction, len(inputs), active) - weight_decay * weights

    return rule


hebb, instar, oja = _family("hebb"), _family("instar"), _family("oja")


def _winner_rule(competition, similarity="cosine"):
    def rule(inputs, weights, k=1, temperature=0.02, similarity=similarity, reduction="share"):
        summed, active = np.zeros(weights.shape), np.zeros(len(weights))
        for x in inputs:
            for i, r in enumerate(activity(x, weights, competition, similarity, k, temperature)):
                summed[i] += (r * r if reduction == "share2" else r) * (x - weights[i])
                active[i] += r
        return reduced(summed, reduction, len(inputs), active)

    return rule


hard_wta, soft_wta = _winner_rule("hard"), _winner_rule("softmax")

RULES = {
    "krotov-hopfield": krotov_hopfield,
    "hebb": hebb,
    "instar": lambda inputs, weights, competition="hard", **knobs: instar(
        inputs, weights, competition=competition, **knobs
    ),
    "oja": oja,
    "hard-wta": hard_wta,
    "soft-wta": soft_wta,
}


def padded(images, left, right, top, bottom, mode):
    """(N, C, H, W) with a rim; `mode` as torch calls it."""
    n, c, high, wide = images.shape
    out = np.zeros((n, c, high + top + bottom, wide + left + right))
    for y in range(out.shape[2]):
        for x in range(out.shape[3]):
            row, column = y - top, x - left
            inside = 0 <= row < high and 0 <= column < wide
            if mode == "zeros" and not inside:
                continue
            if mode == "circular":
                row, column = row % high, column % wide
            elif mode == "replicate":
                row, column = min(max(row, 0), high - 1), min(max(column, 0), wide - 1)
            elif mode == "reflect":
                row = -row if row < 0 else 2 * (high - 1) - row if row >= high else row
                column = (
                    -column if column < 0 else 2 * (wide - 1) - column if column >= wide else column
                )
            out[:, :, y, x] = images[:, :, row, column]
    return out


def patches(images, kernel, stride, padding, dilation, groups, group, mode="zeros"):
    """Every window that a group of a convolution looks at, one row each, in order."""
    (kh, kw), (sh, sw), (dh, dw) = kernel, stride, dilation
    left, right, top, bottom = padding
    images = padded(images, left, right, top, bottom, mode)
    n, c, high, wide = images.shape
    each = c // groups
    rows = []
    for image in range(n):
        for y in range(0, high - dh * (kh - 1), sh):
            for x in range(0, wide - dw * (kw - 1), sw):
                rows.append(
                    [
                        images[image, channel, y + i * dh, x + j * dw]
                        for channel in range(group * each, (group + 1) * each)
                        for i in range(kh)
                        for j in range(kw)
                    ]
                )
    return np.array(rows)


def leading_direction(inputs):
    """The first principal axis of the uncentred second moment, and its eigenvalue."""
    values, vectors = np.linalg.eigh(inputs.T @ inputs / len(inputs))
    return vectors[:, -1], values[-1]
