"""Progress of what takes a person's time: `(done, total, text)`, or a bar on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

Progress = Callable[[int, int, str], None]

_SECONDS_BETWEEN = 0.1


@contextmanager
def reporting(progress: Progress | None) -> Iterator[Progress]:
    """Give a function to call as often as one likes; whoever looks hears ten times a second.

    That is the caller's own function, else a bar on stderr, else no one.
    """
    if progress is not None:
        yield _sparing(progress)
        return
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total, text: None
        return
    from rich.markup import escape
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(done: int, total: int, text: str) -> None:
            bar.update(task, completed=done, total=total or None, description=escape(text))

        yield _sparing(show)


def _sparing(progress: Progress) -> Progress:
    """Return `progress` called at most every tenth of a second, and for each first and last."""
    last, about = 0.0, ""

    def spare(done: int, total: int, text: str) -> None:
        nonlocal last, about
        now = monotonic()
        if text != about or done == total or now - last >= _SECONDS_BETWEEN:
            last, about = now, text
            progress(done, total, text)

    return spare
