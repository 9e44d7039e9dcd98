"""Session: one run in one thread, under a person's hands."""

import copy
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from ignite.engine import Engine
from torch import Tensor, nn

from hebblab import presets
from hebblab.data import Dataset
from hebblab.errors import InvalidValue, WrongState, shown, unknown
from hebblab.evaluation import ProbeResult
from hebblab.knobs import Knob, Value
from hebblab.live import saving, turning
from hebblab.live.driver import Driver
from hebblab.live.edits import Edit, Mark, marks
from hebblab.live.frames import Frame
from hebblab.live.loop import Loop
from hebblab.live.probing import Probing, start_probe
from hebblab.live.reading import Reader, Reading
from hebblab.live.recorder import USUAL_PACE, Recorder
from hebblab.live.run import Run
from hebblab.live.states import RUNNING, require
from hebblab.live.threads import Signal
from hebblab.recipes import OPTIONS, SPEED, Recipe
from hebblab.rules import Rule


class Session:
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
        run = Run(recipe.overridden(**overrides), dataset)
        with torch.inference_mode(False):
            shadow = copy.deepcopy(run.model)
        recorder = Recorder(Reader(shadow, run.dataset, run.centre, len(run.batches)))
        self._loop = Loop(run, recorder, self._words)
        self._driver = Driver(self._loop)
        self._order = threading.Lock()
        self._probings: weakref.WeakSet[Probing] = weakref.WeakSet()
        self.test_opened = 0
        self.speed = speed
        # What it is given must not lead to the session, or the session would never be dropped.
        self._finalizer = weakref.finalize(self, _end, self._loop.signal, recorder, self._probings)
        self._finalizer.atexit = False

    @property
    def recipe(self) -> Recipe:
        """What the run was made from, its layers named."""
        return self._loop.run.recipe

    @property
    def dataset(self) -> Dataset:
        """The images it learns from."""
        return self._loop.run.dataset

    @property
    def trainer(self) -> Engine:
        """The ignite engine: handlers attached to it fire in this session's loop."""
        return self._loop.run.trainer

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that learn."""
        return self._loop.run.layers

    def rule(self, layer: str | None = None) -> Rule:
        """Return a copy of a layer's rule, with the values in force."""
        return self._loop.run.rules[self._layer(layer)].model_copy()

    @property
    def planned_steps(self) -> int:
        """Steps over which a decay goes, endless or not."""
        return self._loop.run.planned

    @property
    def state(self) -> str:
        """One of ready, running, paused, finished, failed, stopped."""
        return self._loop.state

    @property
    def steps(self) -> int:
        """Steps taken."""
        return self._loop.run.steps

    @property
    def total_steps(self) -> int | None:
        """Steps in all; None where the run is endless."""
        return self._loop.run.total

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the training images."""
        return len(self._loop.run.batches)

    @property
    def epoch(self) -> float:
        """Passes over the training images."""
        return self._loop.run.epoch

    @property
    def error(self) -> BaseException | None:
        """What went wrong, after "failed"."""
        return self._loop.error

    @property
    def traceback(self) -> str | None:
        """Where it went wrong, after "failed"."""
        return self._loop.traceback

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

    @property
    def reading_error(self) -> BaseException | None:
        """Why the latest frame could not be measured; None where it was. Training goes on."""
        return self._loop.recorder.error

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
        limit = None if timeout is None else time.monotonic() + timeout
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
            layer: Needed where several layers learn; without it a learning rate is everyone's.
            gesture: Edits of one drag share it, and one mark on the curves.
            **knobs: Knobs by name.

        Raises:
            InvalidValue: A value is refused; nothing is changed.
            UnknownName: There is no such knob or layer.
            WrongState: The run is over.
        """
        wanted = {**(changes or {}), **knobs}
        if not wanted:
            raise InvalidValue("edit() needs a knob, for example session.edit(delta=0.2).")
        require(self.state, _EDITABLE, "edit()")
        everyone = layer is None and len(self.layers) > 1 and set(wanted) == {"learning_rate"}
        name = self.layers[0] if everyone else self._layer(layer)
        with self._order:
            edit = Edit(None if everyone else name, self._accept(name, wanted), gesture)
            self._loop.accept(edit)
        self._loop.hurry()
        return edit

    def _accept(self, layer: str, wanted: Mapping[str, Value]) -> dict[str, tuple[Value, Value]]:
        knobs = turning.declared(self._loop.run, layer)
        present = self._loop.intended(layer)
        accepted = {}
        for key, value in wanted.items():
            if key not in knobs:
                raise unknown(f"knob of layer {layer!r}", key, self.knobs(layer))
            if not knobs[key].live:
                raise InvalidValue(
                    f"{knobs[key].label} cannot change while a run is under way: it needs a fresh "
                    f"start. Make hl.Session(..., {key}={shown(value)})."
                )
            accepted[key] = (present[key], knobs[key].check(value))
        changes = {key: new for key, (_, new) in accepted.items()}
        turning.judge(self._loop.run, layer, present, changes)
        return accepted

    @property
    def edits(self) -> tuple[Edit, ...]:
        """Edits in the order in which they came into force."""
        return tuple(self._loop.edits)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """One mark for each gesture, as the curves show it."""
        known = {key: knob for layer in self.layers for key, knob in self.knobs(layer).items()}
        return marks(self.edits, known)

    def knobs(self, layer: str | None = None) -> dict[str, Knob]:
        """Return what can be turned at a layer (the only one by default)."""
        return turning.knobs(self._loop.run, self._layer(layer))

    def values(self, layer: str | None = None) -> dict[str, Value]:
        """Return the values in force."""
        return turning.values(self._loop.run, self._layer(layer))

    def frame(self, layer: str | None = None) -> Frame:
        """Return a consistent copy at a batch edge."""
        name = self._layer(layer)
        return self._loop.at_edge(lambda: self._loop.frame(name))

    def reading(self, layer: str | None = None) -> Reading | None:
        """Return the latest reading of a layer (the watched one); None before the first step."""
        name = self._loop.layer if layer is None else self._layer(layer)
        return self._loop.recorder.latest(name)

    def watch(self, pace: float | None, layer: str | None = None) -> None:
        """Ask for readings every `pace` seconds at the most; None returns to twice a second.

        Args:
            pace: Seconds; what reading costs may stretch them.
            layer: Which layer is read from now on; None leaves it, which begins as the first. At
                rest it is read at once.
        """
        if layer is not None:
            self._loop.look(self._layer(layer))
        self._loop.recorder.watch(USUAL_PACE if pace is None else pace)

    @property
    def history(self) -> dict[str, list[Any]]:
        """Series of the watched layer by name, all of one length; None where not defined."""
        return self._loop.recorder.history(self._loop.layer)

    def weights(self, layer: str | None = None) -> Tensor:
        """Return a copy of a layer's weights at a batch edge, (units, fan_in)."""
        name = self._layer(layer)
        return self._loop.at_edge(lambda: self._loop.run.weights(name))

    def model(self) -> nn.Sequential:
        """Return a copy of the network at a batch edge."""
        return self._loop.at_edge(self._copied)

    def _copied(self) -> nn.Sequential:
        return self._loop.run.copied()

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
        model, step = self._loop.at_edge(lambda: (self._copied(), run.steps))
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

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        name = self.recipe.name or self.recipe.network
        return f"<Session {name}: {self.state}, step {self.steps:,}>"

    def _layer(self, layer: str | None) -> str:
        if layer is None:
            if len(self.layers) == 1:
                return self.layers[0]
            raise InvalidValue(f"Several layers learn here: say layer= one of {self.layers}.")
        if layer not in self.layers:
            raise unknown("layer that learns", layer, self.layers)
        return layer

    @staticmethod
    def _words(edit: Edit) -> str:
        known = OPTIONS
        return ", ".join(
            f"{known[name].symbol if name in known else name} {old} → {new}"
            for name, (old, new) in edit.changes.items()
        )


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
