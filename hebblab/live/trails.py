"""Where the weights of two inputs have been: their last steps, so that a viewer misses none."""

import torch
from torch import Tensor, nn

from hebblab.nn import LayerView

STEPS = 200
_MOST = 40_000  # numbers in one trail; layers of many units keep fewer steps


class Trail:
    """The weights of one layer of fan-in 2 after each of its last steps.

    Args:
        view: The layer, whose present weights are the first entry.

    >>> layer = nn.Linear(2, 3, bias=False)
    >>> trail = Trail(LayerView(layer))
    >>> with torch.no_grad():
    ...     _ = layer.weight.fill_(1.0)
    >>> trail.take()
    >>> trail.steps().shape, trail.steps()[-1].sum().item()
    (torch.Size([2, 3, 2]), 6.0)
    """

    def __init__(self, view: LayerView) -> None:
        length = 1 + max(1, min(STEPS, _MOST // (2 * view.units)))
        self._weights = view.module.weight
        with torch.inference_mode(False):
            self._ring = torch.empty((length, *self._weights.shape), dtype=self._weights.dtype)
            self._places = self._ring.unbind()
        self.begin()

    def begin(self) -> None:
        """Forget everything but the present."""
        self._taken = 0
        self.take()

    def take(self) -> None:
        """Note the present weights; call once after each step."""
        self._places[self._taken % len(self._places)].copy_(self._weights.detach())
        self._taken += 1

    def steps(self) -> Tensor:
        """Return a copy, oldest first, (steps, units, 2)."""
        with torch.inference_mode(False):
            if self._taken <= len(self._places):
                return self._ring[: self._taken].clone()
            return self._ring.roll(-(self._taken % len(self._places)), dims=0)


def trails(views: dict[str, LayerView], input_shape: tuple[int, ...]) -> dict[str, Trail]:
    """Return a trail for each layer that is given inputs of two numbers; most runs have none.

    >>> trails({}, (1, 28, 28))
    {}
    """
    if input_shape != (2,):
        return {}
    name, first = next(iter(views.items()))
    plane = isinstance(first.module, nn.Linear) and first.fan_in == 2
    return {name: Trail(first)} if plane else {}
