"""Ignite's loop, ended in order or forgotten, from outside of a step."""

import logging
from typing import Any

from ignite.engine import Engine

_logger = logging.getLogger("hebblab.live")


def under_way(engine: Engine) -> bool:
    """Return whether a loop was interrupted, and would go on."""
    return engine._internal_run_generator is not None


def end(engine: Engine, batches: Any) -> None:
    """End the loop in order, so that nothing of it is left half-run."""
    try:
        while under_way(engine):
            engine.terminate(skip_completed=True)
            engine.run(batches, max_epochs=engine.state.max_epochs)
    except Exception:  # a person's handler raises anything, and the run ends all the same
        _logger.exception("A handler failed while the run was being ended.")
    forget(engine)


def forget(engine: Engine) -> None:
    """Forget the loop, ended or raised, so that the next run begins a new one."""
    engine._internal_run_generator = None
    engine._dataloader_iter = None
    engine._init_iter = None
    engine.state.max_epochs = None
