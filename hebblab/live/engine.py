"""Ignite's loop, ended in order or forgotten, from outside of a step."""

import logging
from typing import Any

from ignite.engine import Engine, Events

from hebblab.data import Batches
from hebblab.live.clock import Clock

_logger = logging.getLogger("hebblab.live")

_FOREVER = 2**53
# A step begins when its batch is drawn, or the order that the batch is drawn from.
_WITHIN = (Events.DATALOADER_STOP_ITERATION, Events.GET_BATCH_COMPLETED, Events.ITERATION_STARTED)


def under_way(engine: Engine) -> bool:
    """Return whether a loop was interrupted, and would go on."""
    return engine._internal_run_generator is not None


def between_steps(engine: Engine) -> bool:
    """Return whether a handler is called at a batch edge, and not inside a step."""
    return engine.last_event_name not in _WITHIN


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


class Epochs:
    """Ignite's epochs, which end with those of a run.

    Batches that change their size make epochs of unequal length. Ignite takes all for equal, and
    would count the steps of a run wrongly from them.

    Args:
        engine: Its iterations are the steps.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._clock: Clock | None = None
        self._began = 0
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin)

    def run(self, batches: Batches, total: int | None) -> None:
        """Begin ignite's loop, or go on with it.

        Args:
            batches: Of an epoch.
            total: Steps in all; None where the run is endless.
        """
        epochs = _FOREVER if total is None else -(-total // len(batches))
        if under_way(self._engine):
            epochs = self._engine.state.max_epochs or epochs
        self._engine.run(batches, max_epochs=epochs)

    def follow(self, clock: Clock | None) -> None:
        """Let epochs end when another clock says so; None for all of one length."""
        self._clock = clock
        if clock is not None and under_way(self._engine):
            # Ignite multiplies them with the length of an epoch; the run itself knows its end.
            self._engine.state.max_epochs = _FOREVER
            self._measure()

    def end(self) -> None:
        """Let the loop end at this batch edge: with the epoch, where that is over too."""
        state = self._engine.state
        if state.iteration - self._began == state.epoch_length:
            # Ignite then ends by itself, after EPOCH_COMPLETED.
            state.max_epochs = state.epoch
        else:
            self._engine.terminate()

    def _begin(self) -> None:
        self._began = self._engine.state.iteration
        self._measure()

    def _measure(self) -> None:
        if self._clock is None:
            return
        state = self._engine.state
        taken = state.iteration - self._began
        state.epoch_length = max(1, taken, self._clock.until(state.epoch) - self._began)
