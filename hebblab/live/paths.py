"""The way through a network to one of its layers, and on to that layer's activation."""

from torch import Tensor, nn

from hebblab.errors import InvalidValue
from hebblab.nn import InputNorm, LayerView, RePU
from hebblab.nn.sequence import steps

_ENDS = (nn.Linear, nn.Conv2d, nn.Flatten, nn.MaxPool2d, nn.AvgPool2d, InputNorm)


class LayerPath:
    """What a layer is given, and what becomes of its responses.

    Args:
        network: A Sequential, nested or not.
        layer: Name of a Linear or Conv2d in it.

    Raises:
        InvalidValue: The layer is inside a module of another kind.

    >>> import torch
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False), nn.ReLU())
    >>> path = LayerPath(network, "1")
    >>> path.after(path.layer(path.before(torch.ones(2, 1, 2, 2)))).shape
    torch.Size([2, 3])
    """

    def __init__(self, network: nn.Sequential, layer: str) -> None:
        line = list(steps(network))
        names = [name for name, _ in line]
        if layer not in names:
            raise InvalidValue(
                f"Layer {layer!r} is inside a module that is no torch.nn.Sequential, so its "
                "activations cannot be followed."
            )
        at = names.index(layer)
        end = at + 1
        while end < len(line) and not isinstance(line[end][1], _ENDS):
            end += 1
        self.layer = line[at][1]
        self.view = LayerView(self.layer, layer)
        self._before = [module for _, module in line[:at]]
        self._after = [module for _, module in line[at + 1 : end]]

    def before(self, inputs: Tensor) -> Tensor:
        """Return what the layer is given."""
        for module in self._before:
            inputs = module(inputs)
        return inputs

    def inhibited(self, responses: Tensor) -> Tensor:
        """Return the responses as units that inhibit each other answer them, if they do."""
        first = self._after[0] if self._after else None
        return first.at_rest(responses) if isinstance(first, RePU) else responses

    def after(self, responses: Tensor) -> Tensor:
        """Return the activations that the layer's responses become, before any pooling."""
        for module in self._after:
            responses = module(responses)
        return responses
