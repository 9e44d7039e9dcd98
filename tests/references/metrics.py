"""The measures read again from their definitions: NumPy, float64, no shared code, no hurry."""

import numpy as np


def norms(weights, p):
    return np.array([sum(abs(float(w)) ** p for w in row) ** (1 / p) for row in weights])


def convergence(weights, p, tolerance):
    found = norms(weights, p)
    return np.mean(np.abs(found - 1) <= tolerance), np.mean(found < 1e-6)


def cosines(weights):
    rows = np.asarray(weights, dtype=np.float64)
    table = np.zeros((len(rows), len(rows)))
    for i, one in enumerate(rows):
        for j, two in enumerate(rows):
            size = np.sqrt(one @ one) * np.sqrt(two @ two)
            table[i, j] = one @ two / size if size > 0 else 0.0
    return table


def nearest(weights, sign_blind=False):
    table = cosines(weights)
    if sign_blind:
        table = np.abs(table)
    np.fill_diagonal(table, -np.inf)
    return table.argmax(1), table.max(1)


def effective_rank(weights):
    rows = np.asarray(weights, dtype=np.float64)
    size = np.sqrt((rows**2).sum(1, keepdims=True))
    singular = np.linalg.svd(np.divide(rows, size, where=size > 0, out=0 * rows), compute_uv=False)
    share = singular / singular.sum()
    share = share[share > 0]
    return np.exp(-(share * np.log(share)).sum())


def negative_share(weights):
    values = np.asarray(weights, dtype=np.float64)
    return -values[values < 0].sum() / np.abs(values).sum()


def histogram(weights, bins):
    values = np.asarray(weights, dtype=np.float64).ravel()
    largest = np.abs(values).max()
    return np.histogram(values, bins=bins, range=(-largest, largest))


def turned(before, after, degrees):
    found = 0
    for one, two in zip(np.float64(before), np.float64(after), strict=True):
        cosine = one @ two / np.sqrt((one @ one) * (two @ two))
        found += np.degrees(np.arccos(np.clip(cosine, -1, 1))) < degrees
    return found / len(before)


def activation_statistics(activations):
    values = np.asarray(activations, dtype=np.float64)
    wins = np.zeros(values.shape[1], dtype=int)
    for row in values:
        if np.any(row != 0):
            wins[np.argmax(row)] += 1
    share = wins[wins > 0] / wins.sum()
    entropy = -(share * np.log(share)).sum() / np.log(values.shape[1])
    return values.mean(), values.std(), (values > 0).mean(), wins, entropy


def mosaic(weights, shape, columns):
    channels, height, width = shape
    rows = -(-len(weights) // columns)
    canvas = np.zeros((rows * height, columns * width, channels))
    for unit, flat in enumerate(np.asarray(weights)):
        picture = flat.reshape(shape)
        top, left = unit // columns * height, unit % columns * width
        for channel in range(channels):
            canvas[top : top + height, left : left + width, channel] = picture[channel]
    return canvas[..., 0] if channels == 1 else canvas


def visible(weights, images):
    answers = []
    for flat in np.asarray(weights, dtype=np.float64):
        best = max(
            flat @ image.ravel() / (np.linalg.norm(flat) * np.linalg.norm(image))
            for image in np.asarray(images, dtype=np.float64)
            if image.any()
        )
        picture = flat.reshape(images.shape[1:])
        rough = np.mean(np.diff(picture, axis=1) ** 2) + np.mean(np.diff(picture, axis=2) ** 2)
        answers.append(best > 0.5 and rough / (2 * picture.var()) < 0.5)
    return np.array(answers)


def total_variation(weights, shape):
    found = []
    for row in np.asarray(weights, dtype=np.float64):
        picture = row.reshape(shape)
        _, height, width = shape
        steps = []
        for channel in picture:
            for y in range(height):
                for x in range(width):
                    if y + 1 < height:
                        steps.append(abs(channel[y, x] - channel[y + 1, x]))
                    if x + 1 < width:
                        steps.append(abs(channel[y, x] - channel[y, x + 1]))
        spread = np.mean([abs(value - row.mean()) for value in row])
        found.append(np.mean(steps) / spread if spread > 0 else 0.0)
    return float(np.mean(found))
