"""What a paper will cost here: its measured seconds, scaled by a two-second calibration."""

import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F

# Rounds a second of CPU of the machine on which the papers' seconds were taken.
REFERENCE = 154.0
_SECONDS = 2.0


@dataclass(frozen=True)
class Cost:
    """What running some cells takes.

    Attributes:
        seconds: Wall-clock time on this machine as busy as it is now.
        cells: Cells to be run; those whose files are there already cost nothing.
        jobs: Processes side by side.
        at_most: Whether some cells share what was measured for more than are asked for.

    >>> str(Cost(400, 3, 1, at_most=True))
    'at most about 7 min for 3 cells'
    """

    seconds: float
    cells: int
    jobs: int
    at_most: bool = False

    def __str__(self) -> str:
        if not self.cells:
            return "nothing: every cell is there"
        each = "" if self.jobs == 1 else f", {self.jobs} at a time"
        cells = "1 cell" if self.cells == 1 else f"{self.cells} cells"
        most = "at most " if self.at_most else ""
        return f"{most}{duration(self.seconds)} for {cells}{each}"


def duration(seconds: float) -> str:
    """Return a duration as people say it.

    >>> duration(8), duration(400), duration(9000)
    ('about 8 s', 'about 7 min', 'about 2.5 h')
    """
    if seconds < 100:
        return f"about {max(1, round(seconds))} s"
    if seconds < 100 * 60:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"


def rate(seconds: float = _SECONDS) -> float:
    """Return how many rounds of the papers' own kind of work are done here in a second.

    A round is a step of a dense layer, a convolution with its competition, and a pooling: what
    cells spend their time on. One thread, as a cell has.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            work = _Round()
            work.once()
            began, rounds = time.perf_counter(), 0
            while time.perf_counter() - began < seconds:
                work.once()
                rounds += 1
            return rounds / (time.perf_counter() - began)
    finally:
        torch.set_num_threads(before)


class _Round:
    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self._images = torch.rand(100, 784, generator=generator)
        self._weights = torch.rand(1000, 784, generator=generator)
        self._maps = torch.rand(8, 16, 24, 24, generator=generator)
        self._kernels = torch.rand(64, 16, 3, 3, generator=generator)

    def once(self) -> None:
        responses = self._images @ self._weights.T
        best = responses.topk(2, dim=1).indices
        signs = torch.zeros_like(responses).scatter_(1, best, 1.0)
        signs.T @ self._images
        maps = F.conv2d(self._maps, self._kernels)
        F.avg_pool2d(torch.relu(maps - maps.mean(1, keepdim=True)), 2).argmax(1)
