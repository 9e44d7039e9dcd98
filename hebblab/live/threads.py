"""The daemon threads of sessions: their settings, how they are told to end, and their last hour."""

import atexit
import numbers
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from hebblab.errors import InvalidValue, shown

_LONGEST = 1e8  # seconds; more cannot be waited for on every system
_alive: dict[threading.Thread, Callable[[], object]] = {}


def seconds(name: str, value: object) -> float | None:
    """Return a time to wait as a thread can wait it; None stays None.

    Raises:
        InvalidValue: It is no number.

    >>> seconds("timeout", 2), seconds("timeout", -1)
    (2.0, 0.0)
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or value != value:
        raise InvalidValue(f"{name} is a number of seconds, or None, not {shown(value)}.")
    if value <= 0:
        return 0.0
    return float(value) if value <= _LONGEST else _LONGEST


class Signal:
    """What threads wait on, and whether they should end; it refers to nothing of a run.

    So a thread, or the finalizer of a session, may hold it without keeping the session alive.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.ended = False

    def end(self) -> None:
        """Tell whoever waits that it should end."""
        with self.changed:
            self.ended = True
            self.changed.notify_all()


def spawn(name: str, work: Callable[[], object], end: Callable[[], object]) -> threading.Thread:
    """Start a daemon thread.

    Args:
        name: "hebblab-" and what it does.
        work: What it does; it settles its own exceptions.
        end: How it is told to end, soon and without waiting for it.
    """

    def run() -> None:
        try:
            work()
        finally:
            _alive.pop(thread, None)

    thread = threading.Thread(target=run, name=name, daemon=True)
    _alive[thread] = end
    try:
        thread.start()
    except BaseException:
        _alive.pop(thread, None)
        raise
    return thread


def claim(threads: int) -> None:
    """Give the calling thread its torch settings; must come before its first tensor.

    Denormal weights, of pixels that are always black, would make a step four times slower.
    """
    torch.set_flush_denormal(True)
    usual = torch.get_num_threads()
    torch.set_num_threads(threads)
    if usual != threads:
        # The call also decides for every thread to come; one that ends at once puts that back.
        helper = threading.Thread(
            target=torch.set_num_threads, args=(usual,), name="hebblab-settings", daemon=True
        )
        helper.start()
        helper.join()


@contextmanager
def as_trained(threads: int) -> Iterator[None]:
    """Compute as a run's own thread does, whichever thread this is and whatever its modes are.

    An edit applied while the run rests must leave the bits that it leaves while the run goes on.
    """
    usual = torch.get_num_threads()
    flushed = not float(torch.full((1,), 1e-40, dtype=torch.float32).mul_(1.0))
    torch.set_flush_denormal(True)
    if usual != threads:
        torch.set_num_threads(threads)
    try:
        with torch.inference_mode(False), torch.no_grad(), torch.autocast("cpu", enabled=False):
            yield
    finally:
        torch.set_flush_denormal(flushed)
        if usual != threads:
            torch.set_num_threads(usual)


@atexit.register
def _end_all() -> None:
    """A daemon thread inside torch at interpreter exit aborts the process: end them first."""
    threads = [(thread, end) for thread, end in list(_alive.items()) if thread.is_alive()]
    for _, end in threads:
        end()
    for thread, _ in threads:
        thread.join(5.0)
