import copy

import pytest
import torch
from torch import nn

from hebblab.evaluation import backprop
from hebblab.evaluation.backprop import Dropout, trained_end_to_end
from hebblab.evaluation.features import Inlet
from hebblab.nn import RePU


def train(network, dataset, report=lambda *_: None, seed=0):
    validation = Inlet(dataset.validation, None, None, True)
    return trained_end_to_end(
        network, dataset.train, validation, 3, seed, report, None, unit_norm=True
    )


def right(network, dataset):
    inlet = Inlet(dataset.test, None, None, True)
    with torch.no_grad():
        answers = torch.cat([network(part) for part in inlet.chunks(20)]).argmax(1)
    return float((answers == inlet.labels).double().mean())


def test_it_learns_and_leaves_the_network_alone(dense, dataset, monkeypatch):
    monkeypatch.setattr(backprop, "RATE", 1e-2)
    before = copy.deepcopy(dense.state_dict())
    trained = train(dense, dataset)
    assert right(trained, dataset) > 0.7
    assert all(torch.equal(before[name], tensor) for name, tensor in dense.state_dict().items())
    assert [name for name, _ in trained.named_children()] == list(dense._modules)
    assert not any(parameter.requires_grad for parameter in trained.parameters())


def test_it_does_not_depend_on_what_was_learned_nor_touch_the_global_generator(dense, dataset):
    other = copy.deepcopy(dense)
    with torch.no_grad():
        other.hidden.weight.mul_(-1)
    state = torch.get_rng_state()
    one, two = train(dense, dataset), train(other, dataset)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one.hidden.weight, two.hidden.weight)
    assert not torch.equal(one.hidden.weight, train(dense, dataset, seed=1).hidden.weight)


def test_a_network_without_a_readout_gets_one_and_steep_units_become_plain(dataset):
    network = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), RePU(4.5), nn.MaxPool2d(2))
    trained = train(network, dataset)
    assert trained[1].n == 1.0
    assert network[1].n == 4.5
    assert trained(torch.zeros(2, 1, 9, 9)).shape == (2, 3)
    assert trained[0].weight.shape == network[0].weight.shape


def test_the_best_epoch_by_validation_is_kept(dense, dataset, monkeypatch):
    monkeypatch.setattr(backprop, "STEPS", 1)
    seen = []

    def counted(model, validation):
        seen.append(copy.deepcopy(model.state_dict()))
        return [3, 9, 5, 4, 3, 2, 1][len(seen) - 1]

    monkeypatch.setattr(backprop, "_right", counted)
    trained = train(dense, dataset)
    assert len(seen) == 2 + backprop.PATIENCE
    assert torch.equal(trained.hidden.weight, seen[1]["hidden.weight"])


def test_what_the_report_raises_ends_it(dense, dataset):
    def stop(done, total):
        if done > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(dense, dataset, stop)


def test_dropout_drops_only_while_training():
    dropout = Dropout(0.25, torch.Generator().manual_seed(0))
    x = torch.ones(4000)
    assert float((dropout(x) == 0).double().mean()) == pytest.approx(0.25, abs=0.03)
    assert float(dropout(x).mean()) == pytest.approx(1, abs=0.05)
    assert torch.equal(dropout.eval()(x), x)
