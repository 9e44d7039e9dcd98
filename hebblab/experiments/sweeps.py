"""Many recipes, each run once: over processes or machines, and never twice."""

import contextlib
import json
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from hebblab.errors import DataUnavailable, HebblabError, InvalidValue, shown
from hebblab.experiments.cells import Outcome, identity, readable, run_cell
from hebblab.experiments.workers import ready
from hebblab.recipes import Recipe

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[int, int, str], None]

_TRIES = 3  # of a cell whose worker died; one that refuses its recipe is not tried again
# What the features are compared with, and the beginning of its columns.
_CONTROLS = ("raw_pixels", "random_features")
_ENDS = ("low", "high", "n")


def sweep(
    recipes: Iterable[Recipe],
    executor: Executor | None = None,
    folder: str | os.PathLike[str] | None = None,
    *,
    probe: bool = True,
    progress: Progress | None = None,
) -> "pd.DataFrame":
    """Run recipes and return what came of them, one row each, in the order given.

    A finished recipe is a file in `folder`, written whole or not at all, under a name made from
    the recipe: the same sweep goes on where it was cut off, and a larger one reuses it. The table
    holds nothing that depends on where or how fast a cell ran, so any executor gives the same.

    Its columns: `name`, `data`, `network`, `rule`, `seed`, `steps`, `convergence`; the probe's
    `accuracy` with its 95 % interval `low` to `high` over `n` images, and the same probe of
    `raw_pixels` and of `random_features`, each with `…_low`, `…_high` and `…_n`; `weights_sha256`,
    `recipe` (what names its file) and `error`, the sentence of a recipe that failed.

    Args:
        recipes: What is run; equal ones run once.
        executor: Of `concurrent.futures`, or with its interface, such as
            `distributed.Client(...).get_executor()`. By default one process a core.
        folder: Of the result files; made if it is missing. None keeps none.
        probe: Whether the features are probed too.
        progress: Called as (done, total, text) whenever a cell is done.

    Raises:
        InvalidValue: There is no recipe, one has no end, or an argument is of the wrong kind;
            nothing has been run.
        DataUnavailable: The folder cannot be made, or written; finished cells in it stay.

    >>> table = sweep([Recipe(steps=2, seed=seed) for seed in (1, 2)], probe=False)
    ...                                                                     # doctest: +SKIP
    >>> list(table.seed)                                                    # doctest: +SKIP
    [1, 2]
    """
    wanted = _given(recipes)
    _refuse(executor, folder, probe, progress)
    with contextlib.ExitStack() as stack:
        place = Path(
            folder if folder is not None else stack.enter_context(tempfile.TemporaryDirectory())
        )
        _make(place)
        outcomes = _kept(wanted, place, probe)
        waiting = {identity(one): one for one in wanted if identity(one) not in outcomes}
        done = len({identity(one) for one in wanted}) - len(waiting)
        total = done + len(waiting)
        if progress is not None and done:
            progress(done, total, f"{done} of {total} were there already")
        for key, outcome in _run(waiting, executor, probe):
            if "error" not in outcome:
                write(place / f"{key}.json", outcome)
            outcomes[key] = outcome
            done += 1
            if progress is not None:
                progress(done, total, outcome.get("error") or f"{waiting[key].name or key} is done")
    return _table([(one, outcomes[identity(one)]) for one in wanted])


def write(path: Path, outcome: Outcome) -> None:
    """Write a result file: whole, or not at all.

    Raises:
        DataUnavailable: It cannot be written; what was there before is as it was.
    """
    text = json.dumps(outcome, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_text(path, text, "result")


def write_text(path: Path, text: str, what: str) -> None:
    """Write a file of text: whole, or not at all.

    Args:
        path: Its folder is made if it is missing.
        text: All of it.
        what: It is called in the error.

    Raises:
        DataUnavailable: It cannot be written; what was there before is as it was.
    """
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise DataUnavailable(
            f"The {what} {path} could not be written: {error.strerror or error}. Finished cells "
            "are kept; make room or name another folder, and run the same again."
        ) from error


def _given(recipes: object) -> list[Recipe]:
    """Return the recipes as a list.

    Raises:
        InvalidValue: There is none, something is no recipe, or one has no end.
    """
    # A recipe and a text can be gone through as well, field by field and letter by letter.
    if isinstance(recipes, Recipe | str) or not isinstance(recipes, Iterable):
        raise InvalidValue(
            f"A sweep takes a list of recipes, such as [hl.presets.get('mnist-krotov')], not "
            f"{shown(recipes)}."
        )
    wanted = list(recipes)
    if not wanted:
        raise InvalidValue("A sweep needs at least one recipe.")
    for recipe in wanted:
        if not isinstance(recipe, Recipe):
            raise InvalidValue(f"A sweep runs recipes, not {shown(recipe)}. See hl.presets.get.")
        if recipe.endless:
            raise InvalidValue(
                f"The recipe {recipe.name or identity(recipe)} has no end: set endless=False."
            )
    return wanted


def _refuse(executor: object, folder: object, probe: object, progress: object) -> None:
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise InvalidValue(
            "executor is one of concurrent.futures, or None for a process a core, not "
            f"{shown(executor)}."
        )
    if folder is not None and not isinstance(folder, str | os.PathLike):
        raise InvalidValue(f"folder is the path of a folder, or None, not {shown(folder)}.")
    if not isinstance(probe, bool):
        raise InvalidValue(f"probe is True or False, not {shown(probe)}.")
    if progress is not None and not callable(progress):
        raise InvalidValue(
            f"progress is a function of (done, total, text), or None, not {shown(progress)}."
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataUnavailable(
            f"The folder {folder} could not be made: {error.strerror or error}. "
            "Name one that can be written; nothing has been run."
        ) from error


def _kept(recipes: list[Recipe], folder: Path, probe: bool) -> dict[str, Outcome]:
    """Return the whole results that a folder holds; anything else in it is run again."""
    found: dict[str, Outcome] = {}
    for recipe in recipes:
        path = folder / f"{identity(recipe)}.json"
        with contextlib.suppress(OSError, ValueError):
            outcome = json.loads(path.read_text(encoding="utf-8"))
            if readable(outcome, recipe, probe):
                found[identity(recipe)] = outcome
    return found


def _run(
    waiting: dict[str, Recipe], executor: Executor | None, probe: bool
) -> Iterator[tuple[str, Outcome]]:
    """Yield results as they come; a cell whose worker died is given to another."""
    left = dict(waiting)
    for attempt in range(_TRIES):
        if not left:
            return
        with contextlib.ExitStack() as stack:
            used = executor if executor is not None else stack.enter_context(_processes(len(left)))
            futures: dict[Future[Outcome], str] = {}
            try:
                for key, recipe in left.items():
                    futures[used.submit(run_cell, recipe.model_dump_json(), probe)] = key
                for future in as_completed(futures):
                    key = futures[future]
                    try:
                        outcome = future.result()
                    except HebblabError as error:
                        outcome = {"error": str(error)}
                    except Exception as error:
                        if not _worker_died(error):
                            raise
                        if attempt + 1 < _TRIES and _usable(executor):
                            continue
                        outcome = {"error": f"Its worker died ({attempt + 1} times): {error}"}
                    del left[key]
                    yield key, outcome
            except BaseException:
                for future in futures:
                    future.cancel()
                raise


def _usable(executor: Executor | None) -> bool:
    """Whether more can be given to an executor; a process pool that lost a worker takes nothing."""
    return not isinstance(executor, ProcessPoolExecutor)


def _worker_died(error: Exception) -> bool:
    # Dask's own class, by name, so that it need not be installed.
    return isinstance(error, BrokenProcessPool) or type(error).__name__ == "KilledWorker"


def _processes(cells: int) -> ProcessPoolExecutor:
    # A fork of a process that has trained hangs in its first parallel operation.
    context = multiprocessing.get_context("spawn")
    workers = max(1, min(cells, os.cpu_count() or 1))
    return ProcessPoolExecutor(workers, context, ready)


def _table(rows: list[tuple[Recipe, Outcome]]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame([_row(recipe, outcome) for recipe, outcome in rows])


def _row(recipe: Recipe, outcome: Outcome) -> dict[str, Any]:
    rules = {entry["rule"] for entry in recipe.rules.values()}
    probe = outcome.get("probe") or {}
    row: dict[str, Any] = {
        "name": recipe.name or "",
        "data": recipe.data,
        "network": recipe.network,
        "rule": ", ".join(sorted(rules)),
        "seed": recipe.seed,
        "steps": outcome.get("steps"),
        "convergence": outcome.get("convergence"),
    }
    score = probe.get("accuracy", {})
    row |= {"accuracy": score.get("value"), **{end: score.get(end) for end in _ENDS}}
    for control in _CONTROLS:
        score = probe.get(control, {})
        row[control] = score.get("value")
        row |= {f"{control}_{end}": score.get(end) for end in _ENDS}
    return {
        **row,
        "weights_sha256": outcome.get("weights_sha256", ""),
        "recipe": identity(recipe),
        "error": outcome.get("error", ""),
    }
