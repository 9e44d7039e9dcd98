"""A probe on a worker thread, on a copy of the model, while training goes on or waits."""

import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, InvalidStateError
from typing import Any

from torch import Tensor, nn

from hebblab.data import Dataset
from hebblab.errors import unknown
from hebblab.evaluation import ProbeResult, linear_probe
from hebblab.live.threads import claim, spawn

SPLITS = ("validation", "test")


class Probing(Future[ProbeResult]):
    """The future of a probe: `cancel` works while it runs, `progress` says how far it is.

    Attributes:
        progress: (share done from 0 to 1, words).
    """

    def __init__(self) -> None:
        super().__init__()
        self.progress: tuple[float, str] = (0.0, "starting")
        self._stop = threading.Event()
        self._cancelling = threading.Lock()
        self._thread: threading.Thread | None = None

    def cancel(self) -> bool:
        """Stop the probe; False if it is over already."""
        self._stop.set()
        with self._cancelling:
            if self.cancelled():
                return True
            if not super().cancel():
                return False
            # Without this, concurrent.futures.wait() would wait for it for ever.
            self.set_running_or_notify_cancel()
        return True

    def running(self) -> bool:
        """Whether it is under way."""
        return not self.done()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the worker's end."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)


def start_probe(
    model: nn.Sequential,
    dataset: Dataset,
    *,
    layer: str,
    split: str,
    seed: int,
    step: int,
    starts: Mapping[str, str],
    centre: Tensor | None,
) -> Probing:
    """Probe a model, the worker's own, and return the future of the result.

    Raises:
        UnknownName: There is no such split.
    """
    if split not in SPLITS:
        raise unknown("split to score", split, SPLITS)
    probing = Probing()

    def report(done: int, total: int, text: str) -> None:
        probing.progress = (done / max(total, 1), text)

    def work() -> None:
        claim(1)
        try:
            result = linear_probe(
                model,
                dataset,
                layer,
                split,
                seed,
                report,
                probing._stop.is_set,
                random_weights=dict(starts),
                centre=centre,
                step=step,
            )
        except CancelledError:
            probing.cancel()
        except BaseException as error:
            _settle(probing.set_exception, error)
        else:
            _settle(probing.set_result, result)

    probing._thread = spawn("hebblab-probe", work, probing.cancel)
    return probing


def _settle(tell: Callable[[Any], None], outcome: Any) -> None:
    """Set the outcome, unless the probe was cancelled a moment before."""
    with contextlib.suppress(InvalidStateError):
        tell(outcome)
