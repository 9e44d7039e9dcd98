"""What is done to each sample before a layer: against NumPy, and at the edges."""

import numpy as np
import pytest
import torch

from hebblab import InvalidValue
from hebblab.nn import InputNorm

SHAPES = [(4, 9), (4, 3, 5, 2)]


def draw(shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(shape, generator=generator, dtype=dtype) * 7 + 1


def test_none_is_nothing():
    x = draw((4, 9))
    assert InputNorm()(x) is x
    assert InputNorm().state_dict() == {}


@pytest.mark.parametrize("shape", SHAPES)
def test_unit_length_over_all_numbers_of_a_sample(shape):
    x = draw(shape)
    x[2] = 0
    before = x.clone()
    rows = x.numpy().reshape(4, -1)
    lengths = np.sqrt((rows**2).sum(1, keepdims=True))
    expected = np.where(lengths > 0, rows / np.maximum(lengths, 1e-300), 0).reshape(shape)
    assert np.allclose(InputNorm("unit")(x), expected, rtol=1e-13)
    assert torch.equal(x, before)


@pytest.mark.parametrize("shape", SHAPES)
def test_standardised_over_all_numbers_of_a_sample(shape):
    x = draw(shape)
    rows = x.numpy().reshape(4, -1)
    expected = (rows - rows.mean(1, keepdims=True)) / (rows.std(1, keepdims=True, ddof=1) + 1e-10)
    assert np.allclose(InputNorm("standardise")(x), expected.reshape(shape), rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, -3e6, 1e-20])
@pytest.mark.parametrize("size", [1, 2, 27])
def test_a_sample_of_one_value_becomes_zeros(value, size):
    x = torch.full((2, size), value)
    assert not InputNorm("standardise")(x).any()


def test_a_faint_image_is_not_lost():
    x = 0.5 + 1e-4 * draw((3, 50), torch.float32)
    assert InputNorm("standardise")(x).std(dim=1, correction=1).tolist() == pytest.approx(
        [1, 1, 1], rel=1e-2
    )


@pytest.mark.parametrize("mode", ["unit", "standardise"])
def test_gradients_and_dtype_go_through(mode):
    norm = InputNorm(mode)
    assert torch.autograd.gradcheck(norm, draw((3, 5)).requires_grad_())
    assert norm(draw((3, 5), torch.float32)).dtype is torch.float32


def test_the_mode_is_a_knob():
    norm = InputNorm()
    knob = InputNorm.knob()
    assert (knob.name, knob.choices) == ("mode", ("none", "unit", "standardise"))
    for value in knob.invalid_values():
        with pytest.raises(InvalidValue, match="one of none, unit, standardise"):
            norm.mode = value
        with pytest.raises(InvalidValue):
            InputNorm(value)
    norm.mode = "unit"
    assert norm(torch.tensor([[0.0, 2.0]])).tolist() == [[0.0, 1.0]]
    assert repr(norm) == "InputNorm(mode=unit)"
    assert norm.values() == {"mode": "unit"}
