"""Buffers that a module has only once they are set, and that a state dictionary brings or takes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def adopt(
    module: nn.Module, state_dict: Mapping[str, Any], prefix: str, **shapes: tuple[int, ...] | None
) -> None:
    """Make room for the optional buffers that a state dictionary holds; without them, drop them.

    Call it before the module loads. Buffers that belong together come together: where one of
    them is missing or has another shape, torch's own loading says so.

    Args:
        module: Its optional buffers are registered, set or None.
        state_dict: What is about to be loaded.
        prefix: Of the module's keys in it.
        **shapes: Shape of each buffer.
    """
    given = {name: state_dict.get(prefix + name) for name in shapes}
    found = next((one for one in given.values() if isinstance(one, Tensor)), None)
    for name, shape in shapes.items():
        own = getattr(module, name)
        if found is None or shape is None:
            setattr(module, name, None)
        elif own is None or own.shape != shape:
            like = next(iter((*module.parameters(), *module.buffers())), found)
            setattr(module, name, torch.zeros(shape, dtype=like.dtype, device=like.device))
