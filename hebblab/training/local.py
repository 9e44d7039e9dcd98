"""The optimizer of local learning: it changes one layer at a time, by what its rule asks for."""

import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from hebblab.errors import InvalidValue, WrongState, shown, unknown
from hebblab.rules import Rows


class Local(Optimizer):
    """Adds a rule's change, times the learning rate, to the weights of one named layer.

    Each parameter is a parameter group of its own with its `name`, so that learning-rate
    schedulers of torch work and every layer may have its own rate.

    Source: Talloen et al., PyTorch-Hebbian, section 4.1.

    Args:
        named_params: `model.named_parameters()`, or a dictionary of it.
        lr: Learning rate, 0 or more.

    Raises:
        InvalidValue: The rate is negative or no finite number, or there are no named parameters.

    >>> layer = torch.nn.Sequential(torch.nn.Linear(2, 1, bias=False))
    >>> _ = torch.nn.init.zeros_(layer[0].weight)
    >>> Local(layer.named_parameters(), lr=0.5).local_step(torch.tensor([[1.0, 2.0]]), "0")
    >>> layer[0].weight.data
    tensor([[0.5000, 1.0000]])
    """

    def __init__(
        self,
        named_params: Iterable[tuple[str, Parameter]] | Mapping[str, Parameter],
        lr: float = 0.01,
    ) -> None:
        named = list(named_params.items() if isinstance(named_params, Mapping) else named_params)
        if not named or not all(isinstance(one, tuple) and len(one) == 2 for one in named):
            raise InvalidValue(
                "Local needs parameters with their names: pass model.named_parameters()."
            )
        if isinstance(lr, bool) or not isinstance(lr, numbers.Real) or not 0 <= lr < math.inf:
            raise InvalidValue(f"lr must be a finite number of at least 0, not {shown(lr)}.")
        super().__init__(
            [{"params": [parameter], "name": name} for name, parameter in named],
            {"lr": float(lr)},
        )

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group; see `torch.optim.Optimizer`."""
        # Torch's own is wrapped in what imports its compiler: half a second and 28 MB a kernel.
        plain = getattr(Optimizer.add_param_group, "__wrapped__", Optimizer.add_param_group)
        plain(self, param_group)

    def group(self, layer_name: str) -> dict[str, Any]:
        """Return the parameter group of a layer's weights.

        Raises:
            UnknownName: No such layer was given to the optimizer.
        """
        for group in self.param_groups:
            if group["name"] == f"{layer_name}.weight" or group["name"] == layer_name:
                return group
        layers = [group["name"].removesuffix(".weight") for group in self.param_groups]
        raise unknown("layer", layer_name, layers)

    @torch.no_grad()
    def local_step(self, change: Tensor | Rows, layer_name: str) -> None:
        """Add lr × change to a layer's weights.

        Args:
            change: (units, fan_in) or of the shape of the weights, or `Rows` of it; what a rule's
                `update` or `fused` returned.
            layer_name: Name of the layer, as in `model.named_parameters()` without ".weight".

        Raises:
            InvalidValue: The change is of another shape; the weights are as they were.
            UnknownName: No such layer was given to the optimizer.
        """
        group = self.group(layer_name)
        weight: Tensor = group["params"][0]
        _check_shape(change, weight, layer_name)
        if isinstance(change, Rows):
            values = change.values.reshape(-1, *weight.shape[1:])
            weight.index_add_(0, change.indices, values, alpha=group["lr"])
        else:
            weight.add_(change.reshape(weight.shape), alpha=group["lr"])

    def step(self, closure: object = None) -> NoReturn:
        """Refuse: there is no step of all layers at once.

        Raises:
            WrongState: Always.
        """
        raise WrongState(
            "Local changes one layer at a time: use local_step(change, layer_name), "
            "or let HebbianTrainer do it."
        )


def _check_shape(change: Tensor | Rows, weight: Tensor, layer: str) -> None:
    """Refuse a change of another shape, even one of as many numbers: they would be other weights'.

    Raises:
        InvalidValue: With the shape that fits.
    """
    given = change.values if isinstance(change, Rows) else change
    units = len(change.indices) if isinstance(change, Rows) else len(weight)
    fan_in = weight.numel() // len(weight)
    if tuple(given.shape) not in ((units, fan_in), (units, *weight.shape[1:])):
        raise InvalidValue(
            f"A change {tuple(given.shape)} does not fit layer {layer!r} with weights "
            f"{tuple(weight.shape)}: it must be (units, fan_in), here {(units, fan_in)}."
        )
