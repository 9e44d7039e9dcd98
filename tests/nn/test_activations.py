import copy

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
