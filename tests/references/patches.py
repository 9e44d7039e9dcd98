"""What a convolution looks at: every window by loops over places."""

import numpy as np


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
