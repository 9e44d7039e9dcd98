"""How far a run is, in steps and in epochs, while its batches may change their size."""

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Self

from hebblab.recipes import Recipe


@dataclass(frozen=True)
class Clock:
    """What one step is worth, and when the plan is fulfilled.

    A step is 1 / length of an epoch, by the length that holds when it is taken; so an epoch is as
    many images as ever, and no edit of the batch size makes time jump. A plan in steps keeps its
    steps. A plan in epochs keeps its epochs: the steps to come are counted anew, and what falls
    over the run falls by the share of the epochs that has passed.

    Attributes:
        length: Batches of an epoch, now.
        planned: Steps over which the plan goes.
        epochs: That the recipe plans; None where it plans steps.
        first: Batches of an epoch as the recipe has it.
        shift: What to add to the steps taken to have them as if all had been of this length.

    >>> clock = Clock.of(Recipe(epochs=10), length=30)
    >>> clock.epoch(45), clock.planned
    (1.5, 300)
    >>> slower = clock.turned(45, length=60)
    >>> slower.epoch(45), slower.planned, slower.at(45), slower.at(47)
    (1.5, 555, 45.0, 46.0)
    """

    length: int
    planned: int
    epochs: int | None
    first: int
    shift: Fraction | int = 0

    @classmethod
    def of(cls, recipe: Recipe, length: int) -> Self:
        """Return the clock of a run at its beginning.

        Args:
            recipe: What it is made from.
            length: Batches of an epoch.
        """
        epochs = None if recipe.steps is not None else recipe.epochs
        return cls(length, recipe.planned_steps(length), epochs, length)

    def turned(self, step: int, length: int) -> Self:
        """Return the clock after an edit that comes into force once `step` steps are taken.

        Args:
            step: Steps taken.
            length: Batches of an epoch from now on.
        """
        passed = Fraction(step + self.shift) / self.length
        shift = passed * length - step
        planned = self.planned
        # What is over, in a run without end, is over.
        if self.epochs is not None and passed < self.epochs:
            planned = math.ceil(self.epochs * length - shift)
        return replace(self, length=length, planned=planned, shift=shift)

    def epoch(self, step: int) -> float:
        """Return the epochs that have passed after so many steps."""
        return float((step + self.shift) / self.length)

    def at(self, step: int) -> float:
        """Return where in the plan of the recipe, counted in its own steps, a step stands."""
        if self.epochs is None or (self.shift == 0 and self.length == self.first):
            return step
        return float((step + self.shift) * self.first / self.length)

    def until(self, epochs: int) -> int:
        """Return the step at which so many epochs have passed."""
        return math.ceil(epochs * self.length - self.shift)
