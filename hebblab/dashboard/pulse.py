"""Whether somebody is there: the page's answers, a hand at the controls, frames a second."""

from collections import deque
from collections.abc import Callable

BEAT = 2.0  # seconds between heartbeats
GONE = 60.0  # without an answer for so long, the page is taken for gone
UNTOUCHED = 300.0  # a served run that nobody touched for so long pauses
_WINDOW = 2.0
_BUSY = 0.1  # seconds that no page takes to answer on a computer of its own
_LONGEST = 5.0


def spared(pace: float, latency: float) -> float:
    """Return the seconds from one message to the next, for a page that answers so slowly.

    It gets half of its time back for everything else. Where it takes long, other pages wait for
    the same computer, and it leaves them most of theirs.

    >>> spared(0.1, 0.01), spared(0.1, 0.08), spared(0.1, 0.6), spared(0.1, 9.0)
    (0.1, 0.16, 3.0, 5.0)
    """
    return max(pace, min(max(2 * latency, 6 * (latency - _BUSY)), _LONGEST))


class Pulse:
    """When the page last answered, and when a person last did something.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._answered: float | None = None
        self._touched = clock()
        self._beat = -BEAT
        self._painted: deque[float] = deque(maxlen=64)
        self._steps: deque[tuple[float, int]] = deque(maxlen=64)

    def answered(self) -> None:
        """Note that a page said something."""
        self._answered = self._clock()

    def touched(self) -> None:
        """Note that a person did something."""
        self._touched = self._clock()

    def painted(self) -> None:
        """Note that a frame was painted."""
        self._painted.append(self._clock())

    def present(self) -> bool:
        """Whether a page is there to be told anything."""
        return self._answered is not None and self._clock() - self._answered < GONE

    def lost(self) -> bool:
        """Whether a page was there and is gone."""
        return self._answered is not None and not self.present()

    def at_hand(self) -> bool:
        """Whether a person has just done something and looks for what comes of it."""
        return self._clock() - self._touched < _WINDOW

    def untouched(self) -> bool:
        """Whether nobody has done anything for five minutes."""
        return self._clock() - self._touched >= UNTOUCHED

    def due(self) -> bool:
        """Whether a heartbeat is to be sent now; asking counts as sending."""
        now = self._clock()
        if now - self._beat < BEAT:
            return False
        self._beat = now
        return True

    def frames(self) -> float:
        """Return the frames painted in the last second or two, a second."""
        now = self._clock()
        return sum(1 for at in self._painted if now - at < _WINDOW) / _WINDOW

    def rate(self, steps: int) -> float:
        """Return the steps a second over the last seconds, given the steps now.

        It is measured from step to step, so that steps of several seconds have one, too.
        """
        now = self._clock()
        if self._steps and steps < self._steps[-1][1]:
            self._steps.clear()
        if not self._steps or steps > self._steps[-1][1]:
            self._steps.append((now, steps))
        while len(self._steps) > 2 and now - self._steps[1][0] > _WINDOW:
            self._steps.popleft()
        (since, before), (newest, _) = self._steps[0], self._steps[-1]
        if steps == before:
            return 0.0
        one = (newest - since) / (steps - before)
        overdue = max(0.0, now - newest - one)
        return (steps - before) / (newest - since + overdue)

    def forget_rate(self) -> None:
        """Begin the steps a second anew, after a pause."""
        self._steps.clear()
