"""The loop of a session: states, pace, and what other threads ask for at a batch edge.

Whoever calls `pump` drives it: the session's thread, or a host that has none.
"""

import contextlib
import math
import time
from collections.abc import Callable
from typing import TypeVar

import torch

from hebblab.errors import Diverged
from hebblab.knobs import Value
from hebblab.live import turning
from hebblab.live.edits import Edit
from hebblab.live.failures import account, culprit, explain, forget_frames, said
from hebblab.live.frames import Frame, picture_shape
from hebblab.live.holding import Hold
from hebblab.live.recorder import Recorder
from hebblab.live.run import Run
from hebblab.live.states import ENDS, OVER, RUNNING, require
from hebblab.live.threads import Signal, as_trained
from hebblab.live.trails import trails
from hebblab.nn import networks

Answer = TypeVar("Answer")

_LONGEST_DEBT = 0.25  # seconds; a sleep of the machine is a gap, not a debt to catch up on


class Loop:
    """A run with its state; any thread may ask, one at a time holds the run.

    Args:
        run: What is driven.
        recorder: Gets frames at batch edges.
        text: How an edit is worded.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        run: Run,
        recorder: Recorder,
        text: Callable[[Edit], str] = str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run = run
        self.recorder = recorder
        self.state = "ready"
        self.speed: float | None = None
        self.edits: list[Edit] = []
        self.error: BaseException | None = None
        self.traceback: str | None = None
        self.layer = run.layers[0]
        self.signal = Signal()
        self.changed = self.signal.changed
        self._text = text
        self._clock = clock
        self._hold = Hold(self.signal, run.recipe.threads, self._apply)
        self._asked: str | None = None
        self._limit: int | None = None
        self._last_due = -math.inf
        self._trails = trails(run.views, run.dataset.image_shape)
        run.edge = self._edge
        run.pace = self._pace

    @property
    def inside(self) -> bool:
        """Whether the caller is the thread that holds the run: a handler, a rule, a task."""
        return self._hold.inside

    def frame(self, layer: str) -> Frame:
        """Return a copy of the present; call at a batch edge."""
        run = self.run
        tensors = run.tensors()
        view = run.views[layer]
        return Frame(
            step=run.steps,
            epoch=run.epoch,
            layer=layer,
            weights=tensors[f"{layer}.weight"].reshape(view.units, view.fan_in),
            input_shape=picture_shape(view.unit_shape, run.dataset.image_shape),
            values=turning.values(run, layer),
            seed=run.recipe.seed,
            tensors=tensors,
            norm=run.rules[layer].norm,
            # Deep, because a rule may hold buffers that the next step changes in place.
            rule=run.rules[layer].model_copy(deep=True),
            settings=networks.settings(run.model),
            thresholds=run.thresholds(layer),
            trail=self._trails[layer].steps() if layer in self._trails else None,
        )

    def look(self, layer: str) -> None:
        """Have a layer read from now on, a run at rest at once; call from any thread."""
        before, self.layer = self.layer, layer
        if layer != before and self.recorder.started and self.state in ("paused", "finished"):
            self.at_edge(self._record)

    def begin(self, call: str, allowed: tuple[str, ...], limit: int | None = None) -> None:
        """Become "running", for `limit` steps at the most.

        Raises:
            WrongState: The state is none of `allowed`; nothing is changed.
        """
        with self.changed:
            require(self.state, allowed, call)
            self.state = RUNNING
            self._asked = None
            self._limit = None if limit is None else self.run.steps + limit
            self._last_due = -math.inf
            self.changed.notify_all()

    def ask(self, command: str) -> None:
        """Ask for "paused" or "stopped"; takes effect at the next batch edge, at rest at once."""
        with self.changed:
            if self.state == RUNNING:
                self._asked = "stopped" if self._asked == "stopped" else command
                if self.inside and self.run.between_steps:
                    self.run.interrupt()
            elif command == "stopped":
                self.state = command
            self.changed.notify_all()

    def at_edge(self, task: Callable[[], Answer]) -> Answer:
        """Run a task at the next batch edge, in order, on whichever thread holds the run."""
        return self._hold.served(self._hold.tasks, task)

    def at_rest(self, task: Callable[[], Answer]) -> Answer:
        """Pause, and run a task while ignite's loop is not being run."""
        return self._hold.served(self._hold.resting, task)

    def intended(self, layer: str) -> dict[str, Value]:
        """Return everything of a layer as it will be once every accepted edit is in force."""
        waiting = tuple(self._hold.edits)
        values = turning.everything(self.run, layer)
        shared = turning.shared(self.run)
        for edit in waiting:
            here = edit.layer is None or edit.layer == layer
            for name, (_, new) in edit.changes.items():
                if here or name in shared:
                    values[name] = new
        return values

    def accept(self, edit: Edit) -> None:
        """Put an edit into the line of those that come into force at the next batch edge."""
        self._hold.edits.append(edit)

    def hurry(self) -> None:
        """See that what was accepted is served: at the next batch edge, at rest at once."""
        if self.inside and self.run.between_steps:
            self._hold.drain()
            return
        with self.changed:
            self.changed.notify_all()
        self._hold.drain_if_idle()

    def begin_anew(self, seed: int) -> None:
        """Return to step 0, "ready"; call at rest.

        Raises:
            WrongState: The run was stopped; nothing is changed.
        """
        require(self.state, ("ready", RUNNING, "paused", "finished", "failed"), "restart()")
        dataset = self.run.dataset
        self.run.restart(seed)
        if self.run.dataset is not dataset:
            self.recorder.renew(self.run.dataset, self.run.centre)
        for trail in self._trails.values():
            trail.begin()
        self._hold.cancel_edits("The run was restarted before the edit came into force.")
        self.recorder.forget()
        with self.changed:
            self.edits = []
            self.error = self.traceback = self._asked = self._limit = None
            self.state = "ready"
            self.changed.notify_all()

    def pump(self) -> None:
        """Drive the run until it pauses, ends or fails. Only one thread at a time may."""
        with as_trained(self.run.recipe.threads):
            self._hold.take()
            try:
                end = self._advance() if self.state == RUNNING else None
            except BaseException as worse:  # the account of a failure failed: out of memory, say
                end = "failed", worse.with_traceback(None), type(worse).__name__
            with self.changed:
                # Let go before anybody who waits for the state can see it, so that what is
                # asked next is served at once.
                if end is not None:
                    self.state, self.error, self.traceback = end
                    self._asked = None
                self._hold.leave()
                self.changed.notify_all()
        self._hold.drain_if_idle()

    def _advance(self) -> tuple[str, BaseException | None, str | None]:
        """Take steps; return the state in which they ended, the error, and its traceback."""
        try:
            over = False
            if not self._called_off():
                if not self.recorder.started:
                    self._record()
                over = self.run.advance()
            state = "finished" if over else self._asked or "paused"
            if state == "stopped" or self.signal.ended:
                self.run.close()
                return "stopped", None, None
            self._record()
        except BaseException as error:
            return "failed", *self._failure(culprit(error))
        return state, None, None

    def _failure(self, error: BaseException) -> tuple[BaseException, str]:
        if isinstance(error, Diverged):
            words = explain(error, self.run.steps, tuple(self.edits), self._text)
            error = Diverged(words).with_traceback(error.__traceback__)
        text = account(error)
        forget_frames(error)
        self.run.abandon()
        with contextlib.suppress(Exception):
            self._record()
        return error, text

    def _record(self) -> None:
        began = self._clock()
        frame = self.frame(self.layer)
        if torch.isfinite(frame.weights).all():
            self.recorder.take(frame, self._clock() - began)

    def _called_off(self) -> bool:
        return self._asked is not None or self.signal.ended or bool(self._hold.resting)

    def _edge(self) -> bool:
        """Called by ignite after each step; True asks it to stop here."""
        for trail in self._trails.values():
            trail.take()
        if self._hold.edits or self._hold.tasks:
            self._hold.drain()
        if self.recorder.due():
            self._record()
        if self._limit is not None and self.run.steps >= self._limit:
            self._asked = self._asked or "paused"
        return self._called_off()

    def _pace(self) -> bool:
        """Called by ignite before each step: wait until it is due, awake for what is asked.

        True asks it to stop here.
        """
        while (speed := self.speed) is not None and not self._called_off():
            now = self._clock()
            due = self._last_due + 1 / speed
            if now >= due:
                self._last_due = due if now - due < _LONGEST_DEBT else now
                return False
            with self.changed:
                if not (self._hold.tasks or self._hold.edits or self._called_off()):
                    self.changed.wait(due - now)
            self._hold.drain()
        return self._called_off()

    def _apply(self, edit: Edit) -> None:
        if self.state in OVER:
            edit.cancel(f"The run {ENDS[self.state]} before the edit came into force.")
            return
        dataset = self.run.dataset
        try:
            turning.apply(self.run, edit)
        except BaseException as error:
            edit.cancel(f"It could not be applied: {said(error)}")
            if not isinstance(error, Exception):
                raise
        else:
            if self.run.dataset is not dataset:
                self.recorder.renew(self.run.dataset, self.run.centre)
            self.edits.append(edit)
            edit.settle()
            if self.state == "paused":
                self._record()
