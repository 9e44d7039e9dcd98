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


def test_on_form_brightness_and_contrast_do_not_matter(digits, nobody):
    part = data.portion(digits, 1, 300, 100, 100)
    about = {}
    model = filters.on_form(part, 12, 400, 1, nobody, about)
    images = part.train.pixels[:6].float() / 255
    with torch.no_grad():
        seen = model.conv(images)
        assert torch.allclose(model.conv(0.5 * images + 0.2), seen, atol=2e-3)
        blank = model.conv(torch.full((1, 1, 28, 28), 0.7))
    assert seen.abs().max() > 1 and blank.abs().max() < 1e-3
    assert about["updates"] == 400
    assert about["median likeness to the nearest filter"] < 0.99


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
