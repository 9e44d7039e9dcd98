"""The optimizer of local learning: one layer at a time, exactly rate times change."""

import numpy as np
import pytest
import torch
from torch import nn

from hebblab import InvalidValue, Local, Rows, UnknownName, WrongState


@pytest.fixture
def model():
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential()
    network.add_module("conv", nn.Conv2d(2, 4, 3, bias=False))
    network.add_module("hidden", nn.Linear(6, 5, bias=False))
    network.add_module("head", nn.Linear(5, 2))
    for parameter in network.parameters():
        parameter.data.normal_(0, 1, generator=generator)
    return network


def state(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def test_a_change_moves_its_layer_by_the_rate_and_no_other(model):
    before = state(model)
    change = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
    kept = change.clone()
    Local(model.named_parameters(), lr=0.5).local_step(change, "hidden")
    after = state(model)
    assert torch.allclose(after["hidden.weight"], before["hidden.weight"] + 0.5 * change)
    assert torch.equal(change, kept)
    for name in ("conv.weight", "head.weight", "head.bias"):
        assert torch.equal(after[name], before[name])


def test_a_convolution_is_moved_by_rows(model):
    before = state(model)["conv.weight"]
    change = torch.arange(72.0).view(4, 18)
    Local(model.named_parameters(), lr=0.1).local_step(change, "conv")
    assert torch.allclose(model.conv.weight, before + 0.1 * change.view(4, 2, 3, 3))


@pytest.mark.parametrize("layer", ["hidden", "conv"])
def test_rows_move_their_units_only(model, layer):
    before = state(model)[f"{layer}.weight"]
    values = torch.ones(2, before[0].numel())
    Local(model.named_parameters(), lr=0.1).local_step(Rows(torch.tensor([3, 0]), values), layer)
    moved = model.get_submodule(layer).weight.detach() - before
    assert torch.allclose(moved[[0, 3]], torch.tensor(0.1))
    assert not moved[[1, 2]].any()


@pytest.mark.parametrize("layer", ["hidden", "conv"])
def test_a_change_of_another_shape_is_refused_even_if_it_has_as_many_numbers(model, layer):
    local = Local(model.named_parameters(), lr=0.1)
    weight = local.group(layer)["params"][0]
    before = weight.detach().clone()
    units, fan_in = len(weight), weight[0].numel()
    some = torch.tensor([0, 1])
    for change in (
        torch.ones(fan_in, units),
        torch.ones(units, fan_in + 1),
        torch.ones(1, units * fan_in),
        torch.ones(()),
        Rows(some, torch.ones(fan_in, 2)),
        Rows(some, torch.ones(1, fan_in)),
    ):
        with pytest.raises(InvalidValue, match=r"does not fit layer .* must be \(units, fan_in\)"):
            local.local_step(change, layer)
    assert torch.equal(weight, before)


def test_no_gradient_is_recorded(model):
    Local(model.named_parameters()).local_step(torch.ones(5, 6), "hidden")
    assert model.hidden.weight.requires_grad
    assert model.hidden.weight.is_leaf
    assert model.hidden.weight.grad is None


def test_every_layer_has_a_rate_of_its_own(model):
    optimizer = Local(model.named_parameters(), lr=0.5)
    optimizer.group("hidden")["lr"] = 0.0
    before = state(model)
    optimizer.local_step(torch.ones(5, 6), "hidden")
    optimizer.local_step(torch.ones(4, 18), "conv")
    assert torch.equal(model.hidden.weight, before["hidden.weight"])
    assert torch.allclose(model.conv.weight, before["conv.weight"] + 0.5)
    assert optimizer.group("hidden.weight") is optimizer.group("hidden")


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
def test_schedulers_of_torch_turn_the_rates(model):
    optimizer = Local(model.named_parameters(), lr=0.5)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.1)
    scheduler.step()
    assert optimizer.group("hidden")["lr"] == pytest.approx(0.05)
    assert optimizer.group("conv")["lr"] == pytest.approx(0.05)


def test_its_state_is_saved_and_loaded(model):
    optimizer = Local(model.named_parameters(), lr=0.5)
    optimizer.group("hidden")["lr"] = 0.25
    other = Local(model.named_parameters(), lr=0.1)
    other.load_state_dict(optimizer.state_dict())
    assert other.group("hidden")["lr"] == 0.25
    assert other.group("conv")["lr"] == 0.5


def test_a_dictionary_of_parameters_serves_too(model):
    optimizer = Local(dict(model.named_parameters()), lr=np.float64(0.5))
    assert optimizer.group("hidden")["lr"] == 0.5


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf"), "0.1", None, True, 1j])
def test_an_impossible_rate_is_refused(model, rate):
    with pytest.raises(InvalidValue, match="finite number of at least 0"):
        Local(model.named_parameters(), lr=rate)


def test_parameters_without_names_are_refused(model):
    for given in ([], {}, iter(()), model.parameters(), model.children()):
        with pytest.raises(InvalidValue, match=r"pass model\.named_parameters\(\)"):
            Local(given)


def test_an_unknown_layer_comes_with_the_nearest(model):
    with pytest.raises(UnknownName, match="Did you mean 'hidden'"):
        Local(model.named_parameters()).local_step(torch.ones(5, 6), "hiden")


def test_there_is_no_step_of_all_layers_at_once(model):
    with pytest.raises(WrongState, match="one layer at a time"):
        Local(model.named_parameters()).step()
