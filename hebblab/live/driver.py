"""Drives a loop from a thread of its own, without keeping the loop alive while it rests."""

import threading
import weakref

from hebblab.live.loop import Loop
from hebblab.live.states import RUNNING
from hebblab.live.threads import Signal, claim, spawn


class Driver:
    """A daemon thread that pumps a loop whenever it should run, and ends with it."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """See that there is a thread; it is started when first needed. Call with the loop locked.

        Raises:
            RuntimeError: The system has no thread left.
        """
        if self._thread is None or not self._thread.is_alive():
            known, signal = weakref.ref(self._loop), self._loop.signal
            threads = self._loop.run.recipe.threads
            self._thread = spawn(
                "hebblab-trainer", lambda: _drive(known, signal, threads), signal.end
            )

    def quit(self, timeout: float | None = 10.0) -> None:
        """End the run at the next batch edge, and the thread; wait for it unless this is it."""
        with self._loop.changed:
            self._loop.signal.end()
            self._loop.ask("stopped")
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)


def _drive(known: "weakref.ref[Loop]", signal: Signal, threads: int) -> None:
    claim(threads)
    while (loop := _next(known, signal)) is not None:
        loop.pump()
        del loop


def _next(known: "weakref.ref[Loop]", signal: Signal) -> Loop | None:
    """Wait until the loop should run and return it; None when there is nothing to wait for."""
    with signal.changed:
        while (loop := known()) is not None:
            if loop.state == RUNNING:
                return loop
            if signal.ended:
                return None
            del loop
            signal.changed.wait()
    return None
