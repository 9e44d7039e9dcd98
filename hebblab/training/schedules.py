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
