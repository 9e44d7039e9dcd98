"""Filters by Krotov-Hopfield, from patches and from what the authors cut."""

import numpy as np
import torch

from hebblab.experiments.papers import data, filters


def test_filters_collapse_on_true_patches_and_not_on_what_the_authors_cut(digits, nobody):
    part = data.portion(digits, 1, 1000, 500, 1000)
    about = {"patches": {}, "runs": {}}
    filters.on_patches(part, 24, 1500, 1, nobody, about["patches"])
    filters.on_runs(part, 24, 1500, 1, nobody, about["runs"])
    likeness = "median likeness to the nearest filter"
    assert about["runs"][likeness] < about["patches"][likeness]


def test_runs_are_25_consecutive_values_of_shifted_images():
    images = np.arange(2 * 81, dtype=np.float32).reshape(2, 1, 9, 9)
    shifted = [
        images[image, 0, row : row + 5, column : column + 5]
        for image in range(2)
        for row in range(5)
        for column in range(5)
    ]
    expected = np.concatenate([one.ravel() for one in shifted]).reshape(-1, 25)
    assert filters.runs(torch.from_numpy(images)).numpy().tolist() == expected.tolist()
