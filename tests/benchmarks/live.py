"""The live loop: what watching costs, how soon an edit acts, how soon digits stand there."""

import statistics
import threading
import time

import hebblab as hl
from hebblab.dashboard.lab import Lab

from .figures import Figure


def measure() -> list[Figure]:
    """Return speed with the dashboard's publisher against none, edit latency, time to digits."""
    return [_watched(), _edit_latency(), *_digits()]


def _rate(session: hl.Session, seconds: float) -> float:
    before, started = session.steps, time.perf_counter()
    time.sleep(seconds)
    return (session.steps - before) / (time.perf_counter() - started)


def _watched(rounds: int = 5, seconds: float = 2.5) -> Figure:
    with hl.Session("mnist-krotov", network="dense-400", endless=True) as session:
        session.start()
        time.sleep(1.0)
        alone, watched = [], []
        for _ in range(rounds):
            alone.append(_rate(session, seconds))
            page = FakePage(session)
            time.sleep(0.5)
            page.begin()
            watched.append(_rate(session, seconds))
            frames, charts = page.end()
        ratio = statistics.median(w / a for w, a in zip(watched, alone, strict=True))
    return Figure(
        "training speed with the dashboard's publisher against none (`dense-400`, batch 100)",
        f"{ratio:.2f} at {frames / seconds:.0f} weight frames and {charts / seconds:.0f} chart "
        f"frames a second ({statistics.median(alone):.0f} steps/s alone)",
        "≥ 0.93",
    )


class FakePage:
    """Answers a Lab's messages as a page would, at once."""

    def __init__(self, session: hl.Session) -> None:
        self.lab = Lab(session)
        self.parts = self.lab._desk.parts
        self.frames = self.charts = 0
        self._counting = False
        self._lock = threading.Lock()
        for part in (self.parts.weights, *self.parts.charts):
            part.send = lambda content, buffers=None, part=part: self._answer(part, content)
        for part in (self.parts.bar, self.parts.controls, self.parts.weights, *self.parts.charts):
            part._receive(part, {"do": "hello", "hidden": False}, [])

    def begin(self) -> None:
        """Count from now."""
        with self._lock:
            self.frames = self.charts = 0

    def end(self) -> tuple[int, int]:
        """Take the page away; return weight frames, and rounds of charts."""
        with self._lock:
            counted = self.frames, self.charts // 3
        self.lab.close()
        return counted

    def _answer(self, part, content) -> None:
        kind = content.get("type")
        with self._lock:
            self.frames += kind == "frame"
            self.charts += kind == "chart"
        do = {"frame": "painted", "chart": "drawn"}.get(kind)
        if do:
            # As from a page: on another thread, a little later.
            timer = threading.Timer(
                0.02, part._receive, (part, {"do": do, "id": content["id"]}, [])
            )
            timer.daemon = True
            timer.start()


def _edit_latency(count: int = 100) -> Figure:
    taken = []
    with hl.Session("mnist-krotov", network="dense-400", endless=True) as session:
        session.start()
        time.sleep(0.5)
        for i in range(count):
            started = time.perf_counter()
            edit = session.edit(delta=0.2 + 0.004 * (i % 100))
            edit.wait(5)
            taken.append(1000 * (time.perf_counter() - started))
            time.sleep(0.01)
    taken.sort()
    return Figure(
        "edit accepted → in force, `dense-400`",
        f"{statistics.median(taken):.1f} ms median, {taken[-1]:.1f} ms at most of {count}",
        "next batch edge, < 100 ms",
    )


def _digits() -> list[Figure]:
    figures = []
    for speed, goal, words in (
        (60.0, "≤ 4 s", "at the preset's speed"),
        (None, "< 1 s", "at full speed"),
    ):
        seconds = statistics.median(_until_visible(seed, speed) for seed in (11, 12, 13))
        figures.append(
            Figure(
                f"Start → a digit visible in 95 of 100 units, `mnist-krotov`, {words}",
                f"{seconds:.1f} s",
                goal,
            )
        )
    return figures


def _until_visible(seed: int, speed: float | None) -> float:
    with hl.Session("mnist-krotov", seed=seed, speed=speed, endless=True) as session:
        images = hl.data.as_floats(session.dataset.train)
        session.step(1)
        session.restart()
        seen: list[tuple[float, object]] = []
        started = time.perf_counter()
        session.start()
        while time.perf_counter() - started < (8 if speed else 2):
            seen.append((time.perf_counter() - started, session.weights()))
            time.sleep(0.05 if speed is None else 0.1)
        session.pause()
        for at, weights in seen:
            if float(hl.metrics.visible(weights, images).float().mean()) >= 0.95:
                return at
    return float("inf")
