"""How a long computation goes on: its progress, its cancellation, the threads it may use."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager

import torch
from torch import Tensor

Progress = Callable[[int, int, str], None]

_STAGE = 1000  # parts of progress that one stage counts for


class Report:
    """Progress over stages of equal weight, and the place where work is cancelled.

    Args:
        stages: How many there are.
        progress: Called as (done, total, text).
        cancel: Asked often; once it returns True, `CancelledError` is raised.
    """

    def __init__(
        self, stages: int, progress: Progress | None, cancel: Callable[[], bool] | None
    ) -> None:
        self._progress, self._cancel = progress, cancel
        self._total = stages * _STAGE
        self._stage, self._text = -1, ""

    def stage(self, text: str) -> None:
        """Begin the next stage."""
        self._stage += 1
        self._text = text

    def reading(self, done: int, total: int) -> None:
        """Say how much of the training images a readout has read."""
        self._say(0.3 * done / total, f"{self._text}: reading {total:,} images")

    def fitting(self, done: int, total: int) -> None:
        """Say how far a readout's fit is."""
        self._say(0.3 + 0.6 * done / total, f"{self._text}: fitting the readout")

    def scoring(self, done: int, total: int) -> None:
        """Say how many images a readout has scored."""
        self._say(0.9 + 0.1 * done / total, f"{self._text}: scoring {total:,} images")

    def part(self, done: float, total: float) -> None:
        """Say how far this stage is."""
        self._say(min(1.0, done / max(total, 1)), self._text)

    def finish(self) -> None:
        """Say that all is done."""
        if self._progress is not None:
            self._progress(self._total, self._total, "done")

    def _say(self, share: float, text: str) -> None:
        if self._cancel is not None and self._cancel():
            raise CancelledError
        if self._progress is not None:
            at = min(self._total, round((self._stage + share) * _STAGE))
            self._progress(at, self._total, text)


def digest(tensor: Tensor) -> str:
    """Return the SHA-256 of a tensor's shape and content."""
    shape = str(tuple(tensor.shape)).encode()
    return hashlib.sha256(shape + tensor.cpu().contiguous().numpy().tobytes()).hexdigest()


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Let torch use so many threads here; None leaves them."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count is not None:
            torch.set_num_threads(before)


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Flush denormals in this thread, where faded weights make a product many times slower."""
    before = float(torch.full((1,), 1e-40).mul_(1.0)) == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
