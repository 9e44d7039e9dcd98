"""Which patches of a batch a layer learns from."""

import torch
from torch import Tensor, nn

from hebblab.nn import LayerView


def rows(view: LayerView, inputs: Tensor) -> int:
    """Return how many rows a batch has for each group of a layer."""
    if inputs.ndim == 4 and isinstance(view.module, nn.Conv2d):
        return len(inputs) * view.positions(tuple(inputs.shape))
    return inputs.numel() // (view.fan_in * view.groups)


def drawn(
    view: LayerView, inputs: Tensor, count: int, generator: torch.Generator, keep: bool
) -> Tensor | None:
    """Return which patches of a batch to learn from, (count,); None where that is all.

    Args:
        view: The layer.
        inputs: The batch.
        count: How many; 0 is all.
        generator: Draws them.
        keep: Put the generator back, so that the next draw is the same.
    """
    if not count:
        return None
    state = generator.get_state() if keep else None
    places = view.places(inputs, count, generator)
    if state is not None:
        generator.set_state(state)
    return places
