"""What a run of ignite's loop is asked for, and what an error left of the one before."""

import inspect

from ignite.engine import Engine

from hebblab.errors import InvalidValue, shown


def wanted(epochs: int | None, max_epochs: int | None) -> int | None:
    """Return how many epochs are asked for, by either name; None where it is not said.

    Raises:
        InvalidValue: It is no whole number from 1.
    """
    number = max_epochs if epochs is None else epochs
    if number is not None and (type(number) is not int or number < 1):
        raise InvalidValue(f"epochs must be a whole number from 1, not {shown(number)}.")
    return number


def forget_failed(engine: Engine) -> None:
    """Let the next run of an engine begin anew if an error ended the one before.

    Ignite keeps the loop that raised and takes it for one that was interrupted: run again, it would
    return None after no step at all. A loop that was interrupted in order is left alone.
    """
    loop = engine._internal_run_generator
    if loop is None or inspect.getgeneratorstate(loop) != inspect.GEN_CLOSED:
        return
    engine._internal_run_generator = None
    engine._dataloader_iter = None
    engine._init_iter = None
    engine.state.max_epochs = None
