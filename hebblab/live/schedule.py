"""What a run has in its coming step: whose turn it is, the share of the rates, the radius."""

from dataclasses import dataclass

from hebblab.errors import InvalidValue
from hebblab.recipes import Recipe
from hebblab.training import decay_factor, greedy_phase, shrunk


@dataclass(frozen=True)
class Moment:
    """What the coming step has.

    Attributes:
        learning: Names of the layers whose turn it is.
        step: Steps taken, of those of their turn.
        planned: Steps of their turn.
        factor: What their rates are multiplied with.
        begins: Whether a layer's own turn begins here.
    """

    learning: tuple[str, ...]
    step: int
    planned: int
    factor: float
    begins: bool


class Schedule:
    """What falls, and whose turn it is, as the steps of a run go by.

    Args:
        recipe: Its layers named.
        planned: Steps over which a decay goes.

    Raises:
        InvalidValue: No step is left to learn in.
    """

    def __init__(self, recipe: Recipe, planned: int) -> None:
        self._recipe, self._planned = recipe, planned
        self._layers = tuple(recipe.rules)
        self._greedy = recipe.schedule == "greedy" and len(self._layers) > 1
        self._phase: int | None = None
        self._held: set[str] = set()
        steps = planned // len(self._layers) if self._greedy else planned
        if recipe.burn_in >= steps and not recipe.endless:
            raise InvalidValue(
                f"burn_in = {recipe.burn_in:,} leaves no step to learn in: each layer has "
                f"{steps:,}. Lower burn_in, or take more steps."
            )

    def at(self, step: int) -> Moment:
        """Return what the step after `step` has; call once a step."""
        recipe, planned, learning, begins = self._recipe, self._planned, self._layers, False
        if self._greedy:
            phase, step, planned = greedy_phase(step, planned, len(self._layers))
            begins, self._phase = phase != self._phase, phase
            learning = self._layers[phase : phase + 1]
        factor = decay_factor(recipe.decay, step, planned, recipe.decay_floor)
        if step < recipe.burn_in:
            factor = 0.0
        return Moment(learning, step, planned, factor, begins)

    def hold_radius(self, layer: str) -> None:
        """Leave the radius of a layer's map where it is from now on."""
        self._held.add(layer)

    def radius(self, layer: str, end: float, now: Moment) -> float | None:
        """Return the radius of a layer's map, on its way to `end`; None where it stays."""
        start = self._recipe.rules[layer].get("radius")
        if start is None or layer not in now.learning or layer in self._held:
            return None
        return shrunk(float(start), end, now.step, now.planned)
