"""The named streams of a run's randomness, each independent of every other."""

import numpy as np


def stream(seed: int, name: str) -> int:
    """Return the seed of one named stream of randomness, independent of every other's.

    >>> stream(1, "order") == stream(1, "init")
    False
    """
    state = np.random.SeedSequence([seed, *name.encode()]).generate_state(2, np.uint32)
    return int(state[0]) << 31 | int(state[1]) >> 1
