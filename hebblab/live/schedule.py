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
        step: How far their turn is, in steps as the recipe counts them.
        planned: Steps of their turn.
        factor: What their rates are multiplied with.
        begins: Whether a layer's own turn begins here.
    """

    learning: tuple[str, ...]
    step: float
    planned: int
    factor: float
    begins: bool


class Schedule:
    """What falls, and whose turn it is, as the steps of a run go by.

    Args:
        recipe: Its layers named.
        planned: Steps over which a decay goes, as the recipe has them.

    Raises:
        InvalidValue: No step is left to learn in.
    """

    def __init__(self, recipe: Recipe, planned: int) -> None:
        self._recipe, self._planned = recipe, planned
        self._layers = tuple(recipe.rules)
        self._greedy = recipe.schedule == "greedy" and len(self._layers) > 1
        self._phase: int | None = None
        self._began = 0
        self._held: set[str] = set()
        self.judge(planned)

    def judge(self, planned: int) -> None:
        """Refuse a plan of so many steps, none of which would be left to learn in.

        Raises:
            InvalidValue: With how many steps a layer would have.
        """
        burn_in = self._recipe.burn_in
        steps = planned // len(self._layers) if self._greedy else planned
        if burn_in >= steps and not self._recipe.endless:
            raise InvalidValue(
                f"burn_in = {burn_in:,} leaves no step to learn in: each layer has "
                f"{steps:,}. Lower burn_in, or take more steps."
            )

    def at(self, step: int, place: float | None = None) -> Moment:
        """Return what the step after `step` has; call once a step.

        Args:
            step: Steps taken.
            place: Where in the plan that is, in steps as the recipe counts them; `step` itself,
                unless the batches have changed their size.
        """
        recipe, planned, learning, begins = self._recipe, self._planned, self._layers, False
        place = step if place is None else place
        if self._greedy:
            phase, place, planned = greedy_phase(place, planned, len(self._layers))
            begins, self._phase = phase != self._phase, phase
            learning = self._layers[phase : phase + 1]
        if begins:
            self._began = step
        factor = decay_factor(recipe.decay, place, planned, recipe.decay_floor)
        if step - self._began < recipe.burn_in:
            factor = 0.0
        return Moment(learning, place, planned, factor, begins)

    def hold_radius(self, layer: str) -> None:
        """Leave the radius of a layer's map where it is from now on."""
        self._held.add(layer)

    def radius(self, layer: str, end: float, now: Moment) -> float | None:
        """Return the radius of a layer's map, on its way to `end`; None where it stays."""
        start = self._recipe.rules[layer].get("radius")
        if start is None or layer not in now.learning or layer in self._held:
            return None
        return shrunk(float(start), end, now.step, now.planned)
