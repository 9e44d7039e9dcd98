"""Time in epochs while batches change their size, beside a count of steps one by one."""

import math
from fractions import Fraction

import pytest

from hebblab import Recipe
from hebblab.live.clock import Clock

# Batches of an epoch, each with the steps that are taken with it.
TURNS = [((30, 45), (60, 7), (7, 11)), ((12, 5), (5, 0), (9, 4)), ((1, 2), (48, 3), (11, 100))]
PLANS = [Recipe(epochs=10), Recipe(steps=70), Recipe(epochs=2)]


def counted(turns):
    """Yield after each step: the steps, the length, and the epochs that passed, exactly."""
    steps, passed = 0, Fraction(0)
    for length, count in turns:
        for _ in range(count):
            steps, passed = steps + 1, passed + Fraction(1, length)
            yield steps, length, passed


def after(turns, recipe):
    clock, steps = Clock.of(recipe, turns[0][0]), turns[0][1]
    for length, count in turns[1:]:
        clock = clock.turned(steps, length)
        steps += count
    return clock


@pytest.mark.parametrize("recipe", PLANS, ids=["10 epochs", "70 steps", "2 epochs"])
@pytest.mark.parametrize("turns", TURNS, ids=str)
class TestTurned:
    def test_each_step_is_worth_its_share_of_an_epoch(self, turns, recipe):
        for many in range(1, len(turns) + 1):
            clock, began = after(turns[:many], recipe), sum(n for _, n in turns[: many - 1])
            for steps, length, passed in counted(turns[:many]):
                if steps > began:
                    assert (clock.length, clock.epoch(steps)) == (length, float(passed))

    def test_epochs_end_at_the_first_step_that_fills_them(self, turns, recipe):
        clock = after(turns, recipe)
        *_, (steps, length, passed) = counted(turns)
        for epochs in range(math.ceil(passed), math.ceil(passed) + 3):
            more = 0
            while passed + Fraction(more, length) < epochs:
                more += 1
            assert clock.until(epochs) == steps + more

    def test_a_plan_keeps_its_steps_or_its_epochs(self, turns, recipe):
        clock, wanted = after(turns, recipe), None
        if recipe.steps is not None:
            wanted = recipe.steps
        elif clock.epoch(sum(n for _, n in turns)) < recipe.epochs:
            wanted = clock.until(recipe.epochs)
        if wanted is not None:
            assert clock.planned == wanted

    def test_a_place_in_the_plan_is_the_share_of_it_that_has_passed(self, turns, recipe):
        clock = after(turns, recipe)
        *_, (steps, _, passed) = counted(turns)
        place = steps if recipe.steps is not None else float(passed * turns[0][0])
        assert clock.at(steps) == pytest.approx(place, rel=1e-12)


def test_what_is_over_is_over():
    clock = Clock.of(Recipe(epochs=2), 12).turned(24, 6)
    assert clock.planned == 24
    assert clock.turned(30, 3).planned == 24
