"""Random features are what no rule has touched; learnt ones keep what their rule left."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

import hebblab as hl
from hebblab.evaluation.features import Extractor, Inlet
from hebblab.nn import PatchConv2d, RePU
from hebblab.training import feature_path


@pytest.fixture
def network():
    torch.manual_seed(3)
    return nn.Sequential(
        OrderedDict(
            one=PatchConv2d(1, 4, 3, bias=False),
            triangle1=RePU(1.0, triangle=True),
            two=PatchConv2d(4, 5, 3, bias=False),
            triangle2=RePU(1.0, triangle=True),
            flatten=nn.Flatten(),
            readout=nn.Linear(5 * 25, 3),
        )
    )


def random(network, dataset, layer="two"):
    generator = torch.Generator().manual_seed(8)
    starts = dict.fromkeys(("one", "two"), "normal(0, 1)")
    inlet = Inlet(dataset.train, None, None, False)
    with torch.inference_mode():
        made = Extractor(feature_path(network, layer), inlet, starts, generator)
        return made.of(inlet.spread(20)).clone(), made


def learnt(network, dataset):
    """What training leaves beside weights: thresholds, and whitening of learnt features."""
    with torch.no_grad():
        network.one.weight.mul_(3).add_(0.5)
        network.triangle1.thresholds = torch.tensor([3.0, -3.0, 1.0, 0.0])
        network.triangle2.thresholds = torch.full((5,), -2.0)
    return network


def test_learnt_thresholds_stay_with_what_learnt_them(network, dataset):
    before, _ = random(network, dataset)
    after, _ = random(learnt(network, dataset), dataset)
    assert torch.equal(before, after)
    inlet = Inlet(dataset.train, None, None, False)
    with torch.no_grad():
        own = Extractor(feature_path(network, "two"), inlet).of(inlet.spread(20))
        assert torch.equal(own, network.eval()[:4](inlet.spread(20)).flatten(1))
    assert network.triangle2.thresholds.tolist() == [-2.0] * 5, "the network is left alone"


def test_a_probes_random_features_do_not_know_what_was_learnt(network, dataset):
    first = hl.linear_probe(network, dataset, "two")
    moved = hl.linear_probe(learnt(network, dataset), dataset, "two")
    assert first.random_features == moved.random_features
    assert first.accuracy != moved.accuracy or first.accuracy > 0.9


def test_patches_of_random_features_are_whitened_as_they_are(network, dataset):
    inlet = Inlet(dataset.train, None, None, False)
    with torch.no_grad():
        seen = network.triangle1(network.one(inlet.spread(90)))
        network.two.fit_patches(seen, torch.Generator().manual_seed(1), epsilon=0.1)
    before, made = random(network, dataset)
    assert not torch.equal(made._modules[2].matrix, network.two.matrix)
    assert made._modules[2].epsilon == 0.1
    learnt(network, dataset)
    with torch.no_grad():
        network.two.fit_patches(seen * 5, torch.Generator().manual_seed(1), epsilon=0.1)
    after, _ = random(network, dataset)
    assert torch.equal(before, after)


def test_the_first_layers_patches_are_the_images_own(network, dataset):
    inlet = Inlet(dataset.train, None, None, False)
    network.one.fit_patches(inlet.spread(90), torch.Generator().manual_seed(1))
    _, made = random(network, dataset)
    assert torch.equal(made._modules[0].matrix, network.one.matrix)
