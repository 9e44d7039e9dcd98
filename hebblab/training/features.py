"""The way from a network's input to the features of one of its layers."""

from typing import NamedTuple

from torch import nn
from torch.nn.modules.conv import _ConvNd

from hebblab.errors import InvalidValue, unknown
from hebblab.nn import InputNorm
from hebblab.nn.sequence import steps


class FeaturePath(NamedTuple):
    """A layer and the modules that lead to its features.

    Attributes:
        layer: The layer's name in the network.
        modules: The network's own modules, from its input up to the layer's features.
        learned: Name of each Linear or convolution on the way, by its place in `modules`.
    """

    layer: str
    modules: nn.Sequential
    learned: dict[int, str]


def feature_path(network: nn.Module, layer: str | None = None) -> FeaturePath:
    """Return the way to a layer's features: its output after batch norm, activation and pooling.

    The path ends before the next Linear or convolution, or whatever else has weights of its own,
    and before a Flatten: a convolution's features keep their height and width.

    Args:
        network: A `torch.nn.Sequential`, nested or not.
        layer: A Linear or convolution by name; by default the last one before the readout, or
            the only one.

    Raises:
        InvalidValue: Another kind of network, or one without such layers.
        UnknownName: The network has no layer of this name.

    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> path = feature_path(network)
    >>> path.layer, len(path.modules)
    ('1', 3)
    """
    if not isinstance(network, nn.Sequential):
        raise InvalidValue(
            f"Features are read from a torch.nn.Sequential; this network is a "
            f"{type(network).__name__}. Wrap its modules in one, in forward order."
        )
    line = list(steps(network))
    places = {name: at for at, (name, module) in enumerate(line) if _learns(module)}
    if not places:
        raise InvalidValue("The network has no Linear or convolution to take features from.")
    if layer is None:
        layer = list(places)[max(0, len(places) - 2)]
    if layer not in places:
        raise unknown("layer", layer, places)
    end = places[layer] + 1
    while end < len(line) and not _belongs_to_the_next(line[end][1]):
        end += 1
    while isinstance(line[end - 1][1], nn.Flatten):
        end -= 1
    learned = {at: name for name, at in places.items() if at < end}
    return FeaturePath(layer, nn.Sequential(*(module for _, module in line[:end])), learned)


def _learns(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear | _ConvNd)


def _belongs_to_the_next(module: nn.Module) -> bool:
    weights = any(parameter.ndim > 1 for parameter in module.parameters())
    return weights or isinstance(module, InputNorm)
