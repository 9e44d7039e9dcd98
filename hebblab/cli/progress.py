"""Progress on stderr: a bar on a terminal, a line now and then in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[float, float | None, str], None]

_SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def reporting(title: str) -> Iterator[Report]:
    """Give a function to call with (done, total or None, words).

    stdout stays untouched; what is shown is gone in the end.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(title)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[words]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=None, words="")

        def show(done: float, total: float | None, words: str) -> None:
            bar.update(task, completed=done, total=total, words=words)

        yield show


def _lines(title: str) -> Report:
    import typer

    typer.echo(f"{title} …", err=True)
    last = time.monotonic()

    def line(done: float, total: float | None, words: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            typer.echo(f"{title}: {words}", err=True)

    return line
