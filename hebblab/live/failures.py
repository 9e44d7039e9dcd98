"""What is kept of an exception that ended a run: its words, without its frames."""

import traceback
from collections.abc import Callable

from hebblab.errors import Diverged
from hebblab.live.edits import Edit


def culprit(error: BaseException) -> BaseException:
    """Return what was raised first, where only the attempt to print it raised the rest."""
    while error.__context__ is not None:
        try:
            str(error.__context__)
        except BaseException:
            error = error.__context__
        else:
            return error
    return error


def account(error: BaseException) -> str:
    """Return the whole traceback as text, whatever the exception does when it is printed."""
    try:
        return "".join(traceback.format_exception(error))
    except BaseException as worse:
        return f"{type(error).__name__}, which could not be printed ({type(worse).__name__})"


def forget_frames(error: BaseException | None) -> None:
    """Drop tracebacks, whose frames would keep the run and every local of its thread alive."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.with_traceback(None)
        error = error.__cause__ or error.__context__


def said(error: BaseException) -> str:
    """Return the words of an exception, or its kind where it has none that can be printed."""
    try:
        return str(error)
    except BaseException:
        return type(error).__name__


def explain(
    error: Diverged, steps: int, edits: tuple[Edit, ...], text: Callable[[Edit], str]
) -> str:
    """Return the words for weights that diverged: at which step, after which edit."""
    where = f"{error} It happened at step {steps + 1:,}"
    if not edits:
        return f"{where}, without any edit."
    last = edits[-1]
    ago = steps - (last.applied_at or 0)
    return f"{where}, {ago:,} steps after the edit {text(last)}."
