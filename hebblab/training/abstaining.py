"""Who sits out which sample, drawn sample by sample, so that chunks of a batch change nothing."""

import torch
from torch import Tensor


class Abstaining:
    """Draws who abstains at one layer, from a generator of its own.

    >>> draws = Abstaining()
    >>> draws.begin(seed=3)
    >>> whole = draws.draw(torch.tensor([0.0, 0.9]), 4, torch.device("cpu"))
    >>> draws.begin(seed=3)
    >>> parts = [draws.draw(torch.tensor([0.0, 0.9]), 2, torch.device("cpu")) for _ in range(2)]
    >>> whole.equal(torch.cat(parts)), whole[:, 0].any().item()
    (True, False)
    """

    def __init__(self) -> None:
        self._generator = torch.Generator()

    def begin(self, seed: int) -> None:
        """Start anew."""
        self._generator.manual_seed(seed)

    def draw(self, chances: Tensor, samples: int, device: torch.device) -> Tensor:
        """Return who sits out the next samples, (samples, units) of bool."""
        drawn = torch.rand(samples, len(chances), generator=self._generator)
        return drawn.to(device) < chances

    def state(self) -> Tensor:
        """Return where the draws are, to come back to."""
        return self._generator.get_state()

    def back(self, state: Tensor) -> None:
        """Come back, so that the next draws are those after `state` was asked for."""
        self._generator.set_state(state)
