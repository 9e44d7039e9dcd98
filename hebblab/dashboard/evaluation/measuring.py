"""Measurements of a run: what is under way, what was found, and whether it still holds."""

from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any

from hebblab.errors import HebblabError
from hebblab.evaluation import Evaluation
from hebblab.live import Session, Snapshot, snapshot
from hebblab.live.background import Background, Line

from .measures import CONTROLS, MEASURES, TABLE, spoken, work_of
from .tables import Found


@dataclass(frozen=True)
class _Task:
    layer: str
    snapshot: Snapshot
    future: Background[Evaluation]


class Measuring:
    """Does measurements one at a time on a thread of its own, each on a copy of the network."""

    def __init__(self) -> None:
        self._line = Line("hebblab-evaluation")
        self._tasks: dict[str, _Task] = {}
        self._found: dict[tuple[str, str], Found] = {}
        self._refused: dict[tuple[str, str], str] = {}

    @property
    def busy(self) -> bool:
        """Whether one is under way or waits."""
        return bool(self._tasks)

    def found(self, layer: str) -> dict[str, Found]:
        """Return what is known of a layer, by measurement."""
        return {name: one for (where, name), one in self._found.items() if where == layer}

    def start(self, name: str, session: Session, layer: str) -> None:
        """Take a copy of the run now and measure it, after what is under way.

        Controls are measured beside the weights that stand in the table, so that they pair.
        """
        if name in self._tasks:
            return
        self._refused.pop((layer, name), None)
        taken = self._taken(name, session, layer)
        self._tasks[name] = _Task(layer, taken, self._line.add(work_of(name, layer, taken)))

    def cancel(self, name: str) -> None:
        """End a measurement without a result."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.future.cancel()

    def collect(self) -> list[str]:
        """Take up what has come; return the measurements that there is news of."""
        news = [name for name, task in self._tasks.items() if task.future.done()]
        for name in news:
            task = self._tasks.pop(name)
            key = (task.layer, name)
            try:
                self._found[key] = Found(task.snapshot, task.future.result())
            except CancelledError:
                continue
            except HebblabError as error:
                self._refused[key] = str(error)
            except Exception as error:  # the page waits for an answer: a stumble is one
                self._refused[key] = f"This could not be measured: {type(error).__name__}: {error}"
        return news

    def forget(self) -> None:
        """Begin anew, for another run."""
        for name in list(self._tasks):
            self.cancel(name)
        self._found.clear()
        self._refused.clear()

    def close(self) -> None:
        """End the thread, and what is under way."""
        self._tasks.clear()
        self._line.close()

    def view(self, session: Session, layer: str) -> dict[str, dict[str, Any]]:
        """Return how each measurement stands, ready to be shown."""
        return {name: self._view(name, session, layer) for name in MEASURES}

    def _view(self, name: str, session: Session, layer: str) -> dict[str, Any]:
        found = self._found.get((layer, name))
        task = self._tasks.get(name)
        state, share, status, left = "none" if found is None else "done", 0.0, "", ""
        if task is not None:
            share, status = task.future.progress
            state = "waiting" if status == "starting" else "running"
            left = _left(task.future.left)
        mark, stale = ("", False) if found is None else since(found.snapshot, session, name)
        return {
            "state": state,
            "share": round(min(max(share, 0.0), 1.0), 3),
            "status": spoken(status, session.dataset) if state == "running" else "",
            "left": left,
            "mark": mark,
            "stale": stale,
            "refusal": self._refused.get((layer, name), ""),
        }

    def _taken(self, name: str, session: Session, layer: str) -> Snapshot:
        table = self._found.get((layer, TABLE))
        if name in CONTROLS and table is not None:
            return table.snapshot
        for known in self._snapshots(layer):
            if known.stands(session):
                return known
        return snapshot(session)

    def _snapshots(self, layer: str) -> Iterator[Snapshot]:
        yield from (task.snapshot for task in self._tasks.values() if task.layer == layer)
        yield from (one.snapshot for (where, _), one in self._found.items() if where == layer)


def since(taken: Snapshot, session: Session, name: str) -> tuple[str, bool]:
    """Return when something was measured, in words, and whether the network has moved on.

    What controls are does not depend on what the network learns.
    """
    at = f"at step {taken.steps:,}"
    if name in CONTROLS or taken.stands(session):
        return at, False
    if session.steps != taken.steps:
        return f"{at}; the network has since learned on", True
    return f"{at}, before the last edit", True


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 90:
        return f"about {max(1, round(seconds)):,} s left"
    return f"about {seconds / 60:.0f} min left"
