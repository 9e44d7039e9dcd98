import math

import pytest
import torch

from hebblab import metrics
from hebblab.errors import InvalidValue
from tests.references import metrics as reference


def noise(units, fan_in, seed=0):
    return torch.randn(units, fan_in, generator=torch.Generator().manual_seed(seed))


def test_total_variation_agrees_with_the_reference():
    weights = noise(4, 2 * 5 * 3)
    found = metrics.total_variation(weights, (2, 5, 3))
    assert found == pytest.approx(reference.total_variation(weights.numpy(), (2, 5, 3)))


def test_noise_has_the_square_root_of_two_at_any_scale_and_offset():
    weights = noise(40, 784)
    found = metrics.total_variation(weights, (28, 28))
    assert found == pytest.approx(math.sqrt(2), abs=0.02)
    moved = metrics.total_variation(1000 + 50 * weights.double(), (28, 28))
    assert moved == pytest.approx(found, rel=1e-4)


def test_what_is_smooth_has_little_and_what_is_flat_has_none(digits):
    images = digits.train.pixels[:200].float().flatten(1)
    assert 0.2 < metrics.total_variation(images, (28, 28)) < 0.6
    assert metrics.total_variation(torch.ones(3, 9), (3, 3)) == 0
    assert metrics.total_variation(torch.tensor([[1.0], [2.0]]), (1,)) == 0


def test_a_convolution_is_read_as_its_kernels_are():
    kernels = noise(6, 27).view(6, 3, 3, 3)
    assert metrics.total_variation(kernels, (3, 3, 3)) == metrics.total_variation(
        kernels.flatten(1), (3, 3, 3)
    )


def test_weights_that_make_no_such_picture_are_refused():
    with pytest.raises(InvalidValue, match="do not make a picture"):
        metrics.total_variation(noise(2, 10), (3, 3))
    with pytest.raises(InvalidValue, match="not finite"):
        metrics.total_variation(torch.full((1, 4), math.nan), (2, 2))
