"""Looking at a model without leaving a trace in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from hebblab.nn.modes import evaluating


@contextmanager
def undisturbed(loader: Any) -> Iterator[None]:
    """Put the state of a loader's own generator back afterwards, if it has one.

    A run whose order comes from that generator goes on as if nobody had read the loader.
    """
    generator = getattr(loader, "generator", None)
    if not isinstance(generator, torch.Generator):
        yield
        return
    state = generator.get_state()
    try:
        yield
    finally:
        generator.set_state(state)


__all__ = ["evaluating", "undisturbed"]
