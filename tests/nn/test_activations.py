import copy

import numpy as np
import pytest
import torch

import hebblab as hl
from hebblab import InvalidValue, RePU


@pytest.mark.parametrize("n", [0.5, 1.0, 2.0, 4.5])
def test_it_is_the_power_of_what_is_positive(n):
    responses = torch.tensor([-2.0, 0.0, 0.5, 3.0])
    before = responses.clone()
    expected = [0.0, 0.0, 0.5**n, 3.0**n]
    assert RePU(n)(responses).tolist() == pytest.approx(expected, rel=1e-6)
    assert torch.equal(responses, before)


@pytest.mark.parametrize("n", [0.5, 1.0, 2.0, 4.5])
def test_gradients_go_through_it(n):
    responses = torch.tensor([-2.0, 0.0, 0.5, 3.0], dtype=torch.float64, requires_grad=True)
    RePU(n)(responses).sum().backward()
    expected = [0.0, 0.0, n * 0.5 ** (n - 1), n * 3.0 ** (n - 1)]
    assert responses.grad.tolist() == pytest.approx(expected)


def test_a_network_can_be_trained_end_to_end_at_any_exponent():
    network = hl.networks.create("dense-100", image_shape=(1, 4, 4))
    network.activation.n = 3.0
    network(torch.rand(5, 1, 4, 4)).sum().backward()
    assert network.hidden.weight.grad.abs().sum() > 0


def test_the_exponent_is_a_knob():
    activation = RePU()
    knob = RePU.knob()
    assert (knob.name, knob.symbol, knob.live, activation.n) == ("n", "n", True, 1.0)
    for value in knob.invalid_values():
        with pytest.raises(InvalidValue, match="must be a number"):
            activation.n = value
        with pytest.raises(InvalidValue):
            RePU(value)
    assert activation.n == 1.0
    activation.n = 2
    assert activation(torch.tensor([3.0])).tolist() == [9.0]
    assert repr(activation) == "RePU(n=2)"


def test_a_copy_has_an_exponent_of_its_own():
    activation = RePU(2.0)
    twin = copy.deepcopy(activation)
    twin.n = 3.0
    assert (activation.n, twin.n) == (2.0, 3.0)


def by_hand(responses, n, thresholds=None):
    v = responses.astype(np.float64)
    if thresholds is not None:
        v = v - thresholds.reshape(1, -1, *(1,) * (v.ndim - 2))
    above = v - v.mean(axis=1, keepdims=True)
    return np.where(above > 0, np.abs(above) ** n, 0.0)


@pytest.mark.parametrize("shape", [(5, 7), (3, 7, 4, 6)])
@pytest.mark.parametrize("n", [0.7, 1.0, 1.4])
class TestTriangle:
    def draw(self, shape):
        generator = torch.Generator().manual_seed(0)
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    def test_passes_what_exceeds_the_mean_over_units(self, shape, n):
        responses = self.draw(shape)
        before = responses.clone()
        activation = RePU(n, triangle=True)
        assert np.allclose(activation(responses), by_hand(responses.numpy(), n), atol=1e-12)
        activation.thresholds = self.draw((7,))
        expected = by_hand(responses.numpy(), n, activation.thresholds.numpy())
        assert np.allclose(activation(responses), expected, atol=1e-12)
        assert torch.equal(responses, before)

    def test_has_the_right_gradient(self, shape, n):
        responses = self.draw(shape).requires_grad_()
        activation = RePU(n, triangle=True)
        activation.thresholds = self.draw((7,))
        assert torch.autograd.gradcheck(activation, responses)
        assert np.allclose(
            activation(responses).detach(),
            by_hand(responses.detach().numpy(), n, activation.thresholds.numpy()),
        )


def test_the_triangle_is_a_switch():
    activation = RePU()
    knob = RePU.knob("triangle")
    assert (knob.name, knob.scale, activation.triangle) == ("triangle", "switch", False)
    for value in knob.invalid_values():
        with pytest.raises(InvalidValue, match="on or off"):
            activation.triangle = value
    activation.triangle = True
    assert repr(activation) == "RePU(n=1, triangle=True)"
    assert activation.values() == {"n": 1.0, "triangle": True}


def test_thresholds_do_not_reach_the_plain_unit():
    activation = RePU(2.0)
    activation.thresholds = torch.tensor([5.0, -5.0])
    assert activation(torch.tensor([[1.0, 2.0]])).tolist() == [[1.0, 4.0]]


def test_thresholds_travel_with_the_state_and_go_with_it():
    activation, other = RePU(triangle=True), RePU(triangle=True)
    assert activation.state_dict() == {}
    activation.load_state_dict({})
    activation.thresholds = torch.tensor([1.0, 2.0])
    other.load_state_dict(activation.state_dict())
    assert other.thresholds.tolist() == [1.0, 2.0]
    assert other.thresholds is not activation.thresholds
    activation.thresholds = torch.tensor([1.0, 2.0, 3.0])
    other.load_state_dict(activation.state_dict())
    assert other.thresholds.tolist() == [1.0, 2.0, 3.0]
    other.load_state_dict({})
    assert other.thresholds is None
