"""Reads frames off the training thread and keeps the history of a run."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from torch import Tensor

from hebblab.data import Dataset
from hebblab.live.frames import Frame
from hebblab.live.reading import HISTORY, Reader, Reading
from hebblab.live.threads import claim, spawn

_logger = logging.getLogger("hebblab.live")
_logger.addHandler(logging.NullHandler())

_MOST_WAITING = 8  # frames; then the oldest goes unread
_LONGEST = 10_000  # points; then every other one of the older half goes
_DUTY = 0.1  # share of a core that reading may take
USUAL_PACE = 0.5  # seconds between points where nobody watches

_Series = dict[str, list[float | None]]


class Recorder:
    """Takes frames at batch edges, one at a time, and reads them on a thread of its own.

    Training never waits for it: while one frame is read, none is due.

    Args:
        reader: Reads frames of the run.
        threaded: False reads at once, on the caller's thread.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        reader: Reader,
        threaded: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.reader = reader
        self.pace = USUAL_PACE
        self.error: BaseException | None = None
        self._clock = clock
        self._threaded = threaded
        self._latest: dict[str, Reading] = {}
        self._history: dict[str, _Series] = {}
        self._waiting: deque[Frame] = deque(maxlen=_MOST_WAITING)
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._reading = False
        self._rest_until = 0.0
        self._taking = 0.0
        self.started = False

    def watch(self, pace: float) -> None:
        """Take a frame every `pace` seconds at the most, from now on."""
        with self._changed:
            self.pace = pace
            self._rest_until = min(self._rest_until, self._clock() + pace)

    def due(self) -> bool:
        """Return whether a frame should be taken now; costs next to nothing."""
        return not (self._reading or self._waiting) and self._clock() >= self._rest_until

    def take(self, frame: Frame, seconds: float = 0.0) -> None:
        """Read a frame, soon.

        Args:
            frame: The present.
            seconds: What training waited for it, which counts as reading.
        """
        self.started = True
        self._taking = seconds
        if not self._threaded:
            self._read(frame)
            return
        with self._changed:
            if self._closed:
                return
            if self._waiting and self._waiting[-1].step == frame.step:
                self._waiting.pop()
            self._waiting.append(frame)
            if self._thread is None:
                self._thread = spawn("hebblab-recorder", self._serve, self.hush)
            self._changed.notify_all()

    def latest(self, layer: str) -> Reading | None:
        """Return the newest reading of a layer."""
        return self._latest.get(layer)

    def history(self, layer: str) -> dict[str, list[Any]]:
        """Return a copy of every series of a layer, read up to now; all have one length."""
        self.flush()
        with self._changed:
            return {name: list(series) for name, series in self._series(layer).items()}

    def flush(self, timeout: float = 10.0) -> None:
        """Wait until every frame that was taken is read."""
        if threading.current_thread() is self._thread:
            return
        with self._changed:
            self._changed.wait_for(lambda: not (self._reading or self._waiting), timeout)

    def forget(self) -> None:
        """Begin anew, for a run that went back to step 0."""
        with self._changed:
            # A reading under way goes on with the old reader, and what it says is not heard.
            self._waiting.clear()
            self.reader = self.reader.anew()
            self._history.clear()
            self._latest.clear()
            self.error = None
            self.started = False
            self._rest_until = 0.0

    def renew(self, dataset: Dataset, centre: Tensor | None) -> None:
        """Read changed inputs from now on; what is being read of the old ones is not heard."""
        with self._changed:
            self.reader = self.reader.on(dataset, centre)

    def hush(self) -> None:
        """End the thread soon, without waiting for it or for what is left to read."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def close(self, timeout: float = 5.0) -> None:
        """Let what was taken be read, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
        self.hush()

    def _serve(self) -> None:
        claim(1)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting) or self._closed)
                if not self._waiting:
                    return
                frame = self._waiting.popleft()
                self._reading = True
            self._read(frame)
            del frame
            with self._changed:
                self._reading = False
                self._changed.notify_all()

    def _read(self, frame: Frame) -> None:
        started = self._clock()
        reader = self.reader
        try:
            reading = reader.read(frame)
        except BaseException as error:  # measures must not end a run; whoever looks is told
            with self._changed:
                if reader is self.reader:
                    self.error = error.with_traceback(None)
                    self._rest_until = self._clock() + 1.0
            _logger.exception("Step %d could not be measured.", frame.step)
            return
        ended = self._clock()
        with self._changed:
            if reader is not self.reader:
                return
            self.error = None
            rest = (self._taking + ended - started) * (1 / _DUTY - 1)
            self._rest_until = max(started + self.pace, ended + rest)
            self._latest[frame.layer] = reading
            self._append(frame.layer, reading.point())

    def _series(self, layer: str) -> _Series:
        return self._history.setdefault(layer, {name: [] for name in HISTORY})

    def _append(self, layer: str, point: dict[str, Any]) -> None:
        every = self._series(layer)
        steps = every["step"]
        if steps and steps[-1] == point["step"]:
            return  # read again after an edit at rest: the curve tells what was before it
        for name, series in every.items():
            series.append(point[name])
        if len(steps) > _LONGEST:
            half = len(steps) // 2
            for name, series in every.items():
                every[name] = series[:half:2] + series[half:]
