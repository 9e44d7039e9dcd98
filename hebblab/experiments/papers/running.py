"""Running a paper's cells: here or in processes, each a file, going on where it was cut off."""

import contextlib
import datetime
import multiprocessing
import os
import platform
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import torch

from hebblab.errors import DataUnavailable, HebblabError
from hebblab.experiments.papers import choosing, data
from hebblab.experiments.papers.costs import duration
from hebblab.experiments.papers.data import Source
from hebblab.experiments.papers.keeping import SCHEMA, Outcome, kept, place
from hebblab.experiments.papers.paper import (
    Cell,
    Measure,
    Number,
    Paper,
    Progress,
    Report,
)
from hebblab.experiments.papers.results import PaperResult
from hebblab.experiments.sweeps import write
from hebblab.experiments.workers import ready
from hebblab.live.threads import as_trained
from hebblab.version import __version__

_TRIES = 3  # of what a worker that died was given


def run(
    paper: Paper,
    cells: tuple[Cell, ...],
    jobs: int,
    folder: str | Path | None,
    progress: Progress | None,
) -> PaperResult:
    """Run the cells that have no file yet; see `Paper.run`."""
    source = paper.data()
    with contextlib.ExitStack() as stack:
        at = Path(
            folder if folder is not None else stack.enter_context(tempfile.TemporaryDirectory())
        )
        at = at.absolute()
        left = [cell for cell in cells if kept(paper, cell, at, source) is None]
        tasks = [
            _Task(paper, condition, tuple(layers), seed, source, at)
            for (condition, seed), layers in choosing.grouped(left).items()
        ]
        counter = _Counter(tasks, len(cells) - len(left), len(cells), progress)
        reasons: dict[Cell, str] = {}
        runner = _here if jobs == 1 or len(tasks) < 2 else _beside
        for task, reason in runner(tasks, jobs, counter):
            for layer in task.layers if reason else ():
                reasons[Cell(task.condition, layer, task.seed)] = reason
        outcomes = {}
        for cell in cells:
            found = kept(paper, cell, at, source)
            if found is not None:
                outcomes[cell] = found
                reasons.pop(cell, None)
    for cell in cells:
        if cell not in outcomes:
            reasons.setdefault(cell, "it gave no result")
    return PaperResult(paper, source, outcomes, reasons)


class _Task:
    """What one process does at a time: a condition with a seed, for some layers."""

    def __init__(
        self,
        paper: Paper,
        condition: str,
        layers: tuple[str, ...],
        seed: int,
        source: Source,
        folder: Path,
    ) -> None:
        self.condition, self.layers, self.seed = condition, layers, seed
        self.seconds = paper.seconds(condition, layers)
        self.paths = {
            layer: str(place(paper, Cell(condition, layer, seed), folder)) for layer in layers
        }
        self.head = {"schema": SCHEMA, "paper": paper.name, "settings": paper.digest}
        self.given = (paper.measure, condition, layers, seed, source, self.paths, self.head)


class _Counter:
    """Seconds of work done and left, told in words."""

    def __init__(
        self, tasks: list[_Task], there: int, cells: int, progress: Progress | None
    ) -> None:
        self._total = sum(task.seconds for task in tasks) or 1.0
        self._done, self._cells, self._all = 0.0, there, cells
        self._began = time.monotonic()
        self._progress = progress
        if progress is not None and there:
            self._say(0.0, f"{there} of {cells} cells were there already")

    def within(self, task: _Task) -> Report:
        """Return what a measurement reports its own share to."""

        def report(share: float, words: str) -> None:
            self._say(task.seconds * min(1.0, share), f"{task.condition}: {words}")

        return report

    def finished(self, task: _Task, reason: str) -> None:
        self._done += task.seconds
        self._cells += 0 if reason else len(task.layers)
        told = f"not run: {reason}" if reason else "done"
        self._say(0.0, f"{task.condition}, seed {task.seed}: {told}")

    def _say(self, beyond: float, words: str) -> None:
        if self._progress is None:
            return
        done = self._done + beyond
        taken = time.monotonic() - self._began
        left = taken * (self._total - done) / done if done > 0.01 * self._total else None
        when = "" if left is None or left < 1 else f", {duration(left)} left"
        self._progress(done, self._total, f"{self._cells} of {self._all} cells{when} · {words}")


def _here(tasks: list[_Task], _jobs: int, counter: _Counter) -> Iterator[tuple[_Task, str]]:
    for task in tasks:
        reason = measure_cells(*task.given, report=counter.within(task))
        counter.finished(task, reason)
        yield task, reason


def _beside(tasks: list[_Task], jobs: int, counter: _Counter) -> Iterator[tuple[_Task, str]]:
    left = list(tasks)
    for attempt in range(_TRIES):
        if not left:
            return
        # A fork of a process that has trained hangs in its first parallel operation.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(min(jobs, len(left)), context, _begun)
        try:
            futures = {pool.submit(measure_cells, *task.given): task for task in left}
            for future in as_completed(futures):
                task = futures[future]
                try:
                    reason = future.result()
                except BrokenProcessPool as error:
                    if attempt + 1 < _TRIES:
                        continue
                    reason = f"its process died {_TRIES} times: {error}"
                left.remove(task)
                counter.finished(task, reason)
                yield task, reason
        except BaseException:
            # What they are at may take an hour; files are written whole or not at all.
            for process in list((pool._processes or {}).values()):
                process.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _begun() -> None:
    # The parent hears interrupts, and ends its processes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ready()


def measure_cells(
    measure: Measure,
    condition: str,
    layers: tuple[str, ...],
    seed: int,
    source: Source,
    paths: dict[str, str],
    head: Outcome,
    report: Report | None = None,
) -> str:
    """Measure one condition with one seed and write a file for each layer as it is done.

    Returns:
        Why it could not be measured, in words; empty where it could.

    Raises:
        DataUnavailable: The data cannot be read, or a result not be written.
    """
    told: Callable[[float, str], None] = report or (lambda _share, _words: None)
    began, burnt = time.monotonic(), time.process_time()
    try:
        with as_trained(1):
            for measured in measure(condition, layers, seed, source, told):
                outcome = {
                    **head,
                    "cell": [condition, measured.layer, seed],
                    "data": {
                        "title": source.title,
                        "exact": source.exact,
                        "fingerprint": data.load(source).fingerprint,
                    },
                    "numbers": {key: _told(value) for key, value in measured.numbers.items()},
                    "about": measured.about,
                    "seconds": round(time.monotonic() - began, 3),
                    "cpu_seconds": round(time.process_time() - burnt, 3),
                    "made": _made(),
                }
                write(Path(paths[measured.layer]), outcome)
    except DataUnavailable:
        raise
    except HebblabError as error:
        return str(error)
    return ""


def _told(number: Number) -> dict[str, float]:
    return number if isinstance(number, dict) else {"value": float(number)}


def _made() -> dict[str, str]:
    return {
        "hebblab": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
