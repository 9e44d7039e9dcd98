"""The papers' networks: shapes, order, defaults, and sizes that do not fit."""

import pytest
import torch
from torch import nn

from hebblab import InvalidValue, RePU, networks
from hebblab.nn import InputNorm, PatchConv2d, Whitening
from hebblab.nn.norms import RelativeBatchNorm1d, RelativeBatchNorm2d

CNNS = ("miconi-cnn", "lagani-cnn", "softhebb-cnn", "softhebb-cnn-half", "softhebb-cnn-quarter")


def sizes(network, image_shape):
    """Shape after each child, by its name."""
    found, x = {}, torch.zeros(1, *image_shape)
    network.eval()
    with torch.no_grad():
        for name, child in network.named_children():
            x = child(x)
            found[name] = tuple(x.shape[1:])
    return found


@pytest.mark.parametrize("name", CNNS)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_each_takes_the_usual_images_and_starts_with_whitening_that_does_nothing(name, shape):
    network = networks.create(name, shape, classes=7)
    found = sizes(network, shape)
    assert found["whiten"] == shape
    assert found["readout"] == (7,)
    assert isinstance(next(iter(network)), Whitening)
    layers = networks.hebbian_layers(network)
    children = dict(network.named_children())
    names = list(children)
    for layer, view in layers.items():
        before = children[names[names.index(layer) - 1]]
        assert isinstance(before, InputNorm)
        assert view.module.bias is None
        assert isinstance(view.module, nn.Linear | PatchConv2d)


def test_miconis():
    network = networks.create("miconi-cnn", (3, 32, 32))
    assert list(networks.hebbian_layers(network)) == ["conv1", "conv2", "conv3"]
    found = sizes(network, (3, 32, 32))
    assert [found[f"conv{i}"] for i in (1, 2, 3)] == [(100, 28, 28), (196, 12, 12), (400, 4, 4)]
    assert [found[f"pool{i}"] for i in (1, 2, 3)] == [(100, 14, 14), (196, 6, 6), (400, 2, 2)]
    assert found["flatten"] == (1600,)
    for layer in (1, 2, 3):
        assert network.get_submodule(f"prepare{layer}").mode == "standardise"
        assert network.get_submodule(f"activation{layer}").triangle
        assert network.get_submodule(f"activation{layer}").n == 1.0
        assert isinstance(network.get_submodule(f"pool{layer}"), nn.AvgPool2d)
    assert network.whiten.standardise


def test_laganis():
    network = networks.create("lagani-cnn", (3, 32, 32))
    layers = networks.hebbian_layers(network)
    assert list(layers) == ["conv1", "conv2", "conv3", "conv4", "fc5"]
    found = sizes(network, (3, 32, 32))
    features = [torch.Size(found[f"norm{i}"]).numel() for i in range(1, 6)]
    assert features == [18_816, 18_432, 4_800, 2_304, 4_096]
    assert layers["fc5"].weights().shape == (4096, 2304)
    assert [type(network.get_submodule(f"norm{i}")) for i in range(1, 6)] == [
        nn.BatchNorm2d,
        nn.BatchNorm2d,
        RelativeBatchNorm2d,
        RelativeBatchNorm2d,
        RelativeBatchNorm1d,
    ]
    assert network.readout.weight.shape == (10, 4096)
    names = [name for name, _ in network.named_children()]
    assert names[1:7] == ["prepare1", "conv1", "activation1", "pool1", "norm1", "prepare2"]


@pytest.mark.parametrize(("name", "share"), [(CNNS[2], 1), (CNNS[3], 2), (CNNS[4], 4)])
def test_softhebbs(name, share):
    network = networks.create(name, (3, 32, 32))
    widths = [96 // share, 384 // share, 1536 // share]
    found = sizes(network, (3, 32, 32))
    assert [found[f"conv{i}"] for i in (1, 2, 3)] == [
        (width, size, size) for width, size in zip(widths, (32, 16, 8), strict=True)
    ]
    assert found["flatten"] == (24_576 // share,)
    assert [network.get_submodule(f"activation{i}").n for i in (1, 2, 3)] == [0.7, 1.4, 1.0]
    for layer in (1, 2, 3):
        assert isinstance(network.get_submodule(f"activation{layer}"), RePU)
        assert network.get_submodule(f"activation{layer}").triangle
        assert network.get_submodule(f"norm{layer}").weight is None
        assert network.get_submodule(f"conv{layer}").padding_mode == "reflect"
    names = [child for child, _ in network.named_children()]
    assert names[1:6] == ["norm1", "prepare1", "conv1", "activation1", "pool1"]
    assert network.dropout.p == 0.5


@pytest.mark.parametrize(
    ("name", "least"), [("miconi-cnn", 24), ("lagani-cnn", 24), ("softhebb-cnn-quarter", 8)]
)
def test_images_too_small_are_refused_and_the_least_are_taken(name, least):
    assert sizes(networks.create(name, (1, least, least)), (1, least, least))["readout"] == (10,)
    for shape in ((1, least - 1, least), (1, least, least - 1)):
        words = f"at least {least}×{least} pixels, not {shape[1]}×{shape[2]}"
        with pytest.raises(InvalidValue, match=words):
            networks.create(name, shape)


@pytest.mark.parametrize("name", CNNS)
def test_vectors_are_refused(name):
    with pytest.raises(InvalidValue, match=f"{name} needs images"):
        networks.create(name, (784,))


def test_what_no_machine_holds_is_refused():
    with pytest.raises(InvalidValue, match="100,000,000 are the most"):
        networks.create("lagani-cnn", (3, 96, 96))
    with pytest.raises(InvalidValue, match="100,000,000 are the most"):
        networks.create("softhebb-cnn", (3, 2000, 2000))
    with pytest.raises(InvalidValue, match="100,000,000 are the most"):
        networks.create("dense-100000", (2,), classes=1001)


@pytest.mark.parametrize("name", CNNS[1:2])
def test_the_seed_decides(name):
    one, same, other = (networks.create(name, (1, 24, 24), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.fc5.weight, same.fc5.weight)
    assert not torch.equal(one.conv1.weight, other.conv1.weight)
