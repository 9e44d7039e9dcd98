"""Session: one run in one thread, under a person's hands."""

import copy
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch

from hebblab import presets
from hebblab.data import Dataset
from hebblab.errors import InvalidValue, WrongState, shown
from hebblab.evaluation import ProbeResult
from hebblab.knobs import Knob, Value
from hebblab.live import saving, turning
from hebblab.live.driver import Driver
from hebblab.live.edits import Edit, words
from hebblab.live.loop import Loop
from hebblab.live.probing import Probing, start_probe
from hebblab.live.readable import Readable
from hebblab.live.reading import Reader
from hebblab.live.recorder import Recorder
from hebblab.live.run import Run
from hebblab.live.states import RUNNING, require
from hebblab.live.threads import Signal, seconds
from hebblab.recipes import OF_THE_NETWORK, SPEED, Recipe


class Session(Readable):
    """A run that can be started, paused, edited, looked at and probed while it learns.

    It owns its thread, its randomness and its model; nothing else in the process reaches them.
    The thread is a daemon, started when first needed, and ends with the session: stopped, left
    by `with`, or dropped.

    Args:
        preset: A preset's name, or a `Recipe`.
        dataset: Used instead of loading what the recipe names.
        **overrides: Settings of the recipe, `rule="oja"`, knobs such as `delta=0.2`, `n`, `init`.

    Attributes:
        test_opened: How often its test images were scored; `save` writes it down.
        notes: In sentences, what of the preset could not be kept beside the overrides, and which
            of these change nothing as the others are.

    Raises:
        HebblabError: Whatever of the recipe is unknown, refused or missing, before training.

    >>> with Session("mnist-krotov", seed=1) as session:
    ...     session.step(3)
    ...     session.steps, session.state
    (3, 'paused')
    """

    def __init__(
        self,
        preset: str | Recipe = "mnist-krotov",
        *,
        dataset: Dataset | None = None,
        **overrides: Any,
    ) -> None:
        if not isinstance(preset, str | Recipe):
            raise InvalidValue(
                f"A session is made from a preset's name or an hl.Recipe, not {shown(preset)}."
            )
        recipe = presets.get(preset) if isinstance(preset, str) else preset
        speed = overrides.get("speed")
        wanted = recipe.overridden(**overrides)
        moved = wanted.network != recipe.network and "rules" not in overrides
        run = Run(wanted, dataset, OF_THE_NETWORK - overrides.keys() if moved else ())
        idle = turning.idle_everywhere(run, overrides)
        self.notes = (*recipe.left_out(**overrides), *run.notes, *idle)
        with torch.inference_mode(False):
            shadow = copy.deepcopy(run.model)
        recorder = Recorder(Reader(shadow, run.dataset, run.centre))
        self._loop = Loop(run, recorder, words)
        self._driver = Driver(self._loop)
        self._order = threading.Lock()
        self._probings: weakref.WeakSet[Probing] = weakref.WeakSet()
        self.test_opened = 0
        self.speed = speed
        # What it is given must not lead to the session, or the session would never be dropped.
        self._finalizer = weakref.finalize(self, _end, self._loop.signal, recorder, self._probings)
        self._finalizer.atexit = False

    @property
    def speed(self) -> float | None:
        """Steps a second at most; None is as fast as it goes. Changes no weight."""
        return self._loop.speed

    @speed.setter
    def speed(self, value: float | None) -> None:
        checked = None if value is None else float(SPEED.check(value))
        with self._loop.changed:
            self._loop.speed = checked
            self._loop.changed.notify_all()

    def start(self) -> None:
        """Begin, or go on after a pause.

        Raises:
            WrongState: It runs already, or is over.
        """
        self._begin("start()", ("ready", "paused"))

    def resume(self) -> None:
        """Go on after a pause.

        Raises:
            WrongState: It is not paused.
        """
        self._begin("resume()", ("paused",))

    def pause(self) -> None:
        """Hold at the next batch edge; returns when it is held.

        In a handler of the run itself it returns at once, and the run is held after the handlers.

        Raises:
            WrongState: It does not run.
        """
        with self._loop.changed:
            require(self.state, (RUNNING,), "pause()")
            self._loop.ask("paused")
        if not self._loop.inside:
            self.wait()

    def step(self, n: int = 1) -> None:
        """Take n steps and pause; returns when they are taken.

        Raises:
            WrongState: It runs, or is over.
            InvalidValue: n is no whole number from 1.
        """
        self._begin("step()", ("ready", "paused"), int(_STEPS.check(n)))
        self.wait()

    def stop(self) -> None:
        """End the run and its threads, within one batch. Weights and history can still be read."""
        loop = self._loop
        rested = self.state != RUNNING
        for probing in list(self._probings):
            probing.cancel()
        self._driver.quit()
        if loop.inside:
            loop.recorder.hush()
            return
        loop.ask("stopped")
        if self.state != RUNNING:
            loop.at_rest(loop.run.close)
        if not rested:
            loop.recorder.hush()
        loop.recorder.close()
        for probing in list(self._probings):
            probing.join(10.0)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it does not run; False if `timeout` seconds passed first.

        Raises:
            WrongState: A handler or rule of the run itself asks: it would wait for itself.
        """
        loop = self._loop
        if loop.inside and self.state == RUNNING:
            raise WrongState(_FROM_INSIDE.format("wait()"))
        limit = None if (s := seconds("timeout", timeout)) is None else time.monotonic() + s
        with loop.changed:
            while loop.state == RUNNING:
                left = None if limit is None else limit - time.monotonic()
                if left is not None and left <= 0:
                    return False
                loop.changed.wait(left)
        return True

    def restart(self, seed: int | None = None) -> None:
        """Return to step 0, ready, with the recipe's knobs; None keeps the seed.

        Handlers that were attached to the trainer stay. A rule that was defined anew is used.

        Raises:
            WrongState: It was stopped, or a handler of the run itself asks.
            HebblabError: The seed is refused, or a rule of the recipe is gone.
        """
        loop = self._loop
        if loop.inside and self.state == RUNNING:
            raise WrongState(_FROM_INSIDE.format("restart()"))
        recipe = self.recipe
        chosen = recipe.seed if seed is None else recipe.changed(seed=seed).seed
        loop.at_rest(lambda: loop.begin_anew(chosen))

    def _begin(self, call: str, allowed: tuple[str, ...], limit: int | None = None) -> None:
        with self._loop.changed:
            require(self.state, allowed, call)
            self._driver.wake()
            self._loop.begin(call, allowed, limit)

    def edit(
        self,
        changes: Mapping[str, Value] | None = None,
        /,
        *,
        layer: str | None = None,
        gesture: object = None,
        **knobs: Value,
    ) -> Edit:
        """Change knobs: judged now, in force at the next batch edge, in the order of the calls.

        Args:
            changes: Knobs by name, beside those given as keywords.
            layer: Needed where several layers learn, but not for what they share: a batch size,
                a world, and a learning rate without a layer.
            gesture: Edits of one drag share it, and one mark on the curves.
            **knobs: Knobs by name.

        Raises:
            InvalidValue: A value is refused; nothing is changed.
            UnknownName: There is no such knob or layer.
            WrongState: The run is over.
        """
        wanted = turning.asked(changes, knobs)
        if not wanted:
            raise InvalidValue("edit() needs a knob, for example session.edit(delta=0.2).")
        require(self.state, _EDITABLE, "edit()")
        everyone = turning.everyones(self._loop.run, layer, wanted)
        name = self.layers[0] if everyone and layer is None else self._layer(layer)
        with self._order:
            for one in (*(self.layers if everyone else ()), name):
                judged = turning.accepted(self._loop.run, one, self._loop.intended(one), wanted)
            edit = Edit(None if everyone else name, judged, gesture)
            self._loop.accept(edit)
        self._loop.hurry()
        return edit

    def save(self, folder: str | Path) -> Path:
        """Write weights.safetensors, recipe.json (with the edits) and history.csv.

        Raises:
            DataUnavailable: The folder cannot be written; nothing is left half-written.
        """
        loop = self._loop
        about, weights = loop.at_edge(
            lambda: saving.content(loop.run, tuple(loop.edits), loop.state, self.test_opened)
        )
        return saving.write(folder, about, weights, self.history)

    def probe(self, layer: str | None = None, split: str = "validation") -> Probing:
        """Measure what a layer's features are worth, on a worker; training is not touched.

        Returns:
            A future of `ProbeResult`; its `cancel()` works while it runs.
        """
        name = self._layer(layer)
        run = self._loop.run
        model, step = self._loop.at_edge(lambda: (run.copied(), run.steps))
        probing = start_probe(
            model,
            run.dataset,
            layer=name,
            split=split,
            seed=run.recipe.seed,
            step=step,
            starts={one: run.recipe.rules[one]["init"] for one in run.layers},
            centre=run.centre,
        )
        self._probings.add(probing)
        self.test_opened += split == "test"
        return probing

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        name = self.recipe.name or self.recipe.network
        return f"<Session {name}: {self.state}, step {self.steps:,}>"


_STEPS = Knob("n", "n", "steps", 1, 1, 1_000_000_000, "integer", "Steps to take.")
_EDITABLE = ("ready", RUNNING, "paused")
_FROM_INSIDE = (
    "{} was called by a handler or rule of the run itself, which it would wait for. "
    "Call pause(), and this from another thread or the next cell."
)


def _end(signal: Signal, recorder: Recorder, probings: "weakref.WeakSet[Probing]") -> None:
    """End what a dropped session leaves; must not wait for a thread that may be the caller."""
    signal.end()
    recorder.hush()
    for probing in list(probings):
        probing.cancel()


__all__ = ["ProbeResult", "Session"]
