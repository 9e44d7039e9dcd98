"""Learning rates that fall with the steps taken."""

from ignite.engine import Engine, Events
from ignite.engine.events import RemovableEventHandle

from hebblab.errors import InvalidValue
from hebblab.training.local import Local

DECAYS = ("none", "linear")


def decay_factor(decay: str, step: int, steps: int | None, floor: float = 0.0) -> float:
    """Return what the learning rate is multiplied with in the step after `step` steps.

    Args:
        decay: "none", or "linear" for max(floor, 1 - step/steps).
        step: Steps taken so far.
        steps: Steps of the whole run; None where it has no end, and then nothing decays.
        floor: Smallest factor, as a share of the rate.

    >>> decay_factor("linear", 50, 100), decay_factor("linear", 100, 100, floor=0.1)
    (0.5, 0.1)
    """
    if decay == "none" or steps is None:
        return 1.0
    return max(floor, 1 - step / steps)


def greedy_phase(step: int, steps: int, layers: int) -> tuple[int, int, int]:
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


def shrunk(start: float, end: float, step: int, steps: int) -> float:
    """Return a radius that falls geometrically, start·(end/start)^(step/steps), and stays there.

    Source: Kohonen 1990; a map unfolds under a wide radius and takes up detail under a narrow one.

    >>> shrunk(4.0, 1.0, 50, 100)
    2.0
    """
    return float(start * (end / start) ** min(1.0, step / steps))


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
