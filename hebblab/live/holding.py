"""Who holds a run, one thread at a time, and what other threads want of whoever does."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from hebblab.live.edits import Edit
from hebblab.live.threads import Signal, as_trained

Answer = TypeVar("Answer")
Line = deque[tuple[Callable[[], Any], Future[Any]]]


class Hold:
    """One thread at a time holds the run; edits and tasks of the others wait in line for it.

    Args:
        signal: Notified when something waits.
        threads: Torch's, while somebody computes who holds a run at rest.
        apply: Brings an edit into force; called by whoever holds the run.

    Attributes:
        edits: Accepted, and not in force yet.
        tasks: For the next batch edge.
        resting: For when ignite's loop is not being run.
    """

    def __init__(self, signal: Signal, threads: int, apply: Callable[[Edit], None]) -> None:
        self.edits: deque[Edit] = deque()
        self.tasks: Line = deque()
        self.resting: Line = deque()
        self._changed = signal.changed
        self._threads = threads
        self._apply = apply
        self._lock = threading.Lock()
        self._by: int | None = None

    @property
    def inside(self) -> bool:
        """Whether the caller is the thread that holds the run: a handler, a rule, a task."""
        return self._by == threading.get_ident()

    def take(self) -> None:
        """Hold the run, as soon as nobody else does."""
        self._lock.acquire()
        self._by = threading.get_ident()

    def leave(self) -> None:
        """Let go of the run; call `drain_if_idle` then, for those who came meanwhile."""
        self._by = None
        self._lock.release()

    def served(self, line: Line, task: Callable[[], Answer]) -> Answer:
        """Have a task of the caller done by whoever holds the run, and return its answer."""
        if self.inside:
            return task()
        future: Future[Answer] = Future()
        line.append((task, future))
        with self._changed:
            self._changed.notify_all()
        while True:
            # Whoever lets go of the run looks at the lines once more, so nobody is forgotten,
            # unless a keyboard interrupt comes just then: hence the limit.
            self.drain_if_idle()
            with contextlib.suppress(TimeoutError):
                return future.result(0.5)
            if future.done():
                return future.result()

    def drain(self, at_rest: bool = False) -> None:
        """Serve what waits, edits first; call while holding the run."""
        while self.edits:
            self._apply(self.edits.popleft())
        for line in (self.tasks, self.resting) if at_rest else (self.tasks,):
            while line:
                task, future = line.popleft()
                try:
                    future.set_result(task())
                except BaseException as error:
                    future.set_exception(error)
                    if not isinstance(error, Exception):
                        raise

    def drain_if_idle(self) -> None:
        """Serve what is waiting, unless somebody holds the run, who will."""
        while (self.tasks or self.edits or self.resting) and self._lock.acquire(False):
            self._by = threading.get_ident()
            computes = self.edits or self.resting
            try:
                with as_trained(self._threads) if computes else contextlib.nullcontext():
                    self.drain(at_rest=True)
            finally:
                self.leave()

    def cancel_edits(self, reason: str) -> None:
        """End every waiting edit without effect."""
        while self.edits:
            self.edits.popleft().cancel(reason)
