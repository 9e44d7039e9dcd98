"""What falls with the steps taken: learning rates, and the radius of a map."""

from ignite.engine import Engine, Events
from ignite.engine.events import RemovableEventHandle

from hebblab.errors import InvalidValue
from hebblab.rules import Rule
from hebblab.training.local import Local

DECAYS = ("none", "linear")


def decay_factor(decay: str, step: float, steps: int | None, floor: float = 0.0) -> float:
    """Return what the learning rate is multiplied with in the step after `step` steps.

    Args:
        decay: "none", or "linear" for max(floor, 1 - step/steps).
        step: Steps taken so far; between two, where steps have changed their worth.
        steps: Steps of the whole run; None where it has no end, and then nothing decays.
        floor: Smallest factor, as a share of the rate.

    >>> decay_factor("linear", 50, 100), decay_factor("linear", 100, 100, floor=0.1)
    (0.5, 0.1)
    """
    if decay == "none" or steps is None:
        return 1.0
    return max(floor, 1 - step / steps)


def greedy_phase(step: float, steps: int, layers: int) -> tuple[int, float, int]:
    """Return which layer learns in a step when layers learn one after another.

    Returns:
        The layer's place, the step within its part of the run, and the steps of that part. After
        the last step the last layer goes on.

    >>> [greedy_phase(step, 7, 2) for step in (0, 3, 4, 6)]
    [(0, 0, 3), (1, 0, 4), (1, 1, 4), (1, 3, 4)]
    """
    ends = [steps * (place + 1) // layers for place in range(layers)]
    place = next((place for place, end in enumerate(ends) if step < end), layers - 1)
    start = ends[place - 1] if place else 0
    return place, step - start, max(1, ends[place] - start)


def shrunk(start: float, end: float, step: float, steps: int) -> float:
    """Return a radius that falls geometrically, start·(end/start)^(step/steps), and stays there.

    Source: Kohonen 1990; a map unfolds under a wide radius and takes up detail under a narrow one.

    >>> shrunk(4.0, 1.0, 50, 100)
    2.0
    """
    return float(start * (end / start) ** min(1.0, step / steps))


class FallingRadius:
    """The radius of a map on its way to an end; see `shrunk`.

    Whoever sets the rule's radius on the way holds it there.

    Args:
        rule: With a `radius`, from which it falls.
        end: Where it arrives.

    >>> from hebblab.rules import create
    >>> rule = create("som", radius=4.0)
    >>> FallingRadius(rule, 1.0).fall(50, 100)
    >>> rule.radius
    2.0
    """

    def __init__(self, rule: Rule, end: float) -> None:
        self._rule, self._end = rule, end
        self._start = self._last = float(rule.values()["radius"])

    def fall(self, step: int, steps: int) -> None:
        """Set the radius for the step after `step` of `steps`."""
        if self._rule.values()["radius"] != self._last:
            return
        self._last = shrunk(self._start, self._end, step, steps)
        # Rounding may leave it a hair outside its bounds.
        self._rule.__dict__["radius"] = self._last


def attach_linear_decay(
    trainer: Engine, optimizer: Local, steps: int, floor: float = 0.0
) -> RemovableEventHandle:
    """Let every rate of `optimizer` fall linearly to `floor` of itself over `steps` steps.

    Args:
        trainer: Engine whose iterations are the steps.
        optimizer: Its rates now are the starting rates.
        steps: Steps until the floor is reached.
        floor: 0 to 1.

    Raises:
        InvalidValue: `steps` is below 1 or `floor` outside 0 to 1.
    """
    if steps < 1 or not 0 <= floor <= 1:
        raise InvalidValue(
            f"A decay needs steps ≥ 1 and a floor from 0 to 1, not {steps}, {floor}."
        )
    starts = [group["lr"] for group in optimizer.param_groups]

    def fall(engine: Engine) -> None:
        factor = decay_factor("linear", engine.state.iteration - 1, steps, floor)
        for group, start in zip(optimizer.param_groups, starts, strict=True):
            group["lr"] = start * factor

    return trainer.add_event_handler(Events.ITERATION_STARTED, fall)
