"""Long computations beside a run: futures that say how far they are, one at a time on a thread."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError
from typing import TypeVar

from hebblab.live.threads import claim, spawn

Result = TypeVar("Result")
Report = Callable[[int, int, str], None]
Stopped = Callable[[], bool]

_TELLING = 0.03  # share that must be done before the rest can be guessed
_PATIENCE = 10.0


class Background(Future[Result]):
    """A future of work on another thread: `cancel` works while it runs.

    Attributes:
        progress: (share done from 0 to 1, words).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.progress: tuple[float, str] = (0.0, "starting")
        self._clock = clock
        self._began = self._told = 0.0
        self._stop = threading.Event()
        self._cancelling = threading.Lock()

    @property
    def left(self) -> float | None:
        """Seconds until it is done, guessed from how far it was when it last reported.

        None while nothing can be said: at the beginning, and where a part takes longer than
        everything that was to come.
        """
        share = self.progress[0]
        if share < _TELLING or self.done():
            return None
        rest = (self._told - self._began) * (1 - share) / share
        left = rest - (self._clock() - self._told)
        return left if left > 0 else None

    def cancel(self) -> bool:
        """Stop the work; False if it is over already."""
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

    def report(self, done: int, total: int, text: str) -> None:
        """Say how far it is."""
        share = done / max(total, 1)
        if share != self.progress[0]:
            self._told = self._clock()
        self.progress = (share, text)

    def carry_out(self, work: Callable[[Report, Stopped], Result]) -> None:
        """Do the work on this thread, and settle with what comes of it."""
        if self.done():
            return
        self._began = self._clock()
        try:
            result = work(self.report, self._stop.is_set)
        except CancelledError:
            self.cancel()
        except BaseException as error:
            # Cancelled a moment before, it has its outcome.
            with contextlib.suppress(InvalidStateError):
                self.set_exception(error)
        else:
            with contextlib.suppress(InvalidStateError):
                self.set_result(result)


class Line:
    """Does one thing after another, on a thread that lives while there is something to do.

    Args:
        name: Of the thread, "hebblab-" and what it does.
        linger: Seconds that the thread waits for more before it ends.
    """

    def __init__(self, name: str, linger: float = 0.0) -> None:
        self._name, self._linger = name, linger
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Background[object], Callable[[], None]]] = deque()
        self._now: Background[object] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def idle(self) -> bool:
        """Whether nothing is under way and nothing waits."""
        with self._changed:
            return self._now is None and not self._waiting

    def add(self, work: Callable[[Report, Stopped], Result]) -> Background[Result]:
        """Have something done after everything that waits; a closed line cancels it at once.

        Args:
            work: Called with how to report (done, total, words), and what says that it should
                stop; then it raises `CancelledError`.
        """
        task: Background[Result] = Background()
        with self._changed:
            if self._closed:
                task.cancel()
                return task
            self._waiting.append((task, lambda: task.carry_out(work)))  # type: ignore[arg-type]
            if self._thread is None:
                self._thread = spawn(self._name, self._serve, self._end)
            self._changed.notify_all()
        return task

    def close(self) -> None:
        """Cancel what is under way and what waits, and end the thread."""
        self._end()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_PATIENCE)

    def _end(self) -> None:
        with self._changed:
            self._closed = True
            tasks = [task for task, _ in self._waiting]
            self._waiting.clear()
            if self._now is not None:
                tasks.append(self._now)
            self._changed.notify_all()
        for task in tasks:
            task.cancel()

    def _serve(self) -> None:
        claim(1)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed, self._linger)
                if not self._waiting:
                    self._thread = None
                    return
                self._now, act = self._waiting.popleft()
            act()
            # What was done must not be kept by a thread that waits.
            del act
            with self._changed:
                self._now = None


__all__ = ["Background", "Line", "Report", "Stopped"]
