import pytest
from torch import nn

from hebblab import networks
from hebblab.errors import InvalidValue, UnknownName
from hebblab.training import feature_path


def kinds(path):
    return [type(module).__name__ for module in path.modules]


def test_features_of_the_named_networks():
    dense = networks.create("dense-100")
    assert kinds(feature_path(dense)) == ["Whitening", "Flatten", "InputNorm", "Linear", "RePU"]
    assert feature_path(dense).layer == "hidden"
    conv = networks.create("conv-400")
    path = feature_path(conv)
    assert kinds(path)[2:] == ["PatchConv2d", "BatchNorm2d", "RePU", "MaxPool2d"]
    assert path.modules[2] is conv.conv
    assert path.learned == {2: "conv"}
    deep = networks.create("miconi-cnn", (3, 32, 32))
    assert kinds(feature_path(deep, "conv1"))[-3:] == ["PatchConv2d", "RePU", "AvgPool2d"]


def test_the_path_ends_before_the_next_weights():
    network = nn.Sequential(
        nn.Linear(4, 4), nn.BatchNorm1d(4), nn.PReLU(), nn.Bilinear(4, 4, 4), nn.Linear(4, 2)
    )
    assert kinds(feature_path(network, "0")) == ["Linear", "BatchNorm1d", "PReLU"]
    assert feature_path(network, "4").learned == {0: "0", 4: "4"}


def test_nested_layers_have_their_full_name():
    network = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), nn.Flatten(), nn.Linear(8, 2)
    )
    path = feature_path(network)
    assert path.layer == "0.0"
    assert kinds(path) == ["Conv2d", "ReLU"]


def test_what_has_no_features_is_refused():
    with pytest.raises(UnknownName, match="hidden"):
        feature_path(networks.create("dense-100"), "hiden")
    with pytest.raises(InvalidValue, match="Sequential"):
        feature_path(nn.Linear(2, 2))
    with pytest.raises(InvalidValue, match="no Linear or convolution"):
        feature_path(nn.Sequential(nn.ReLU()))
