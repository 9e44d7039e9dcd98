"""What can be read of a session while its run goes on; every copy is one of a batch edge."""

from typing import Any

from ignite.engine import Engine
from torch import Tensor, nn

from hebblab.data import Dataset
from hebblab.errors import InvalidValue, unknown
from hebblab.knobs import Knob, Value
from hebblab.live import turning
from hebblab.live.edits import Edit, Mark, marks
from hebblab.live.frames import Frame
from hebblab.live.loop import Loop
from hebblab.live.reading import Reading
from hebblab.live.recorder import USUAL_PACE
from hebblab.live.threads import seconds
from hebblab.recipes import Recipe
from hebblab.rules import Rule


class Readable:
    """The side of a session that is read: any thread may, and nothing of the run changes."""

    _loop: Loop

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
        return self._loop.run.clock.planned

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
    def reading_error(self) -> BaseException | None:
        """Why the latest frame could not be measured; None where it was. Training goes on."""
        return self._loop.recorder.error

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

    def starting_values(self, layer: str | None = None) -> dict[str, Value]:
        """Return what can be turned with the values it had when the run began, before any edit."""
        run, name = self._loop.run, self._layer(layer)
        recipe = run.recipe
        begun: dict[str, Value] = {
            **recipe.rule(name).values(),
            **recipe.options(name, run.around[name].built).values(),
            "batch_size": recipe.batch_size,
        }
        if run.world is not None:
            begun |= type(run.world)(**recipe.world).values()
        return {key: begun[key] for key in turning.knobs(run, name)}

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
        checked = seconds("pace", pace)
        if layer is not None:
            self._loop.look(self._layer(layer))
        self._loop.recorder.watch(USUAL_PACE if checked is None else checked)

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
        return self._loop.at_edge(lambda: self._loop.run.copied())

    def _layer(self, layer: str | None) -> str:
        if layer is None:
            if len(self.layers) == 1:
                return self.layers[0]
            raise InvalidValue(f"Several layers learn here: say layer= one of {self.layers}.")
        if not isinstance(layer, str) or layer not in self.layers:
            raise unknown("layer that learns", layer, self.layers)
        return layer
