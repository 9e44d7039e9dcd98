"""What a viewer sees of one step: a copy of a layer at a batch edge."""

from dataclasses import dataclass

from torch import Tensor

from hebblab.knobs import Value
from hebblab.rules import Rule


@dataclass(frozen=True)
class Frame:
    """A consistent copy of a layer at a batch edge.

    Attributes:
        step: Steps taken.
        epoch: Passes over the training images.
        layer: Its name.
        weights: (units, fan_in), the viewer's own.
        input_shape: Shape of one unit's weights as a picture: (channels, height, width), or
            (fan_in,) where the inputs are no images.
        values: Value of every knob.
        seed: Of the run.
        tensors: Copies of the model's tensors by name, from which activations are read.
        norm: The p of the p-norm that the rule holds at 1, or None.
        rule: A copy of the layer's rule, for what its units are ranked by.
        settings: What is turned at the network's modules; see `networks.settings`.
        thresholds: (units,), subtracted from what units are ranked by, where the layer has them.
        trail: (steps, units, 2), the weights after each of the last steps, oldest first, where
            the layer's inputs are points in the plane; None otherwise.
    """

    step: int
    epoch: float
    layer: str
    weights: Tensor
    input_shape: tuple[int, ...]
    values: dict[str, Value]
    seed: int
    tensors: dict[str, Tensor]
    norm: float | None
    rule: Rule
    settings: dict[str, dict[str, Value]]
    thresholds: Tensor | None = None
    trail: Tensor | None = None


def picture_shape(unit: tuple[int, ...], image: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape in which a unit's weights are a picture of what it is given.

    >>> picture_shape((784,), (1, 28, 28)), picture_shape((1, 5, 5), (1, 28, 28))
    ((1, 28, 28), (1, 5, 5))
    """
    if len(unit) == 3:
        return unit
    size = 1
    for length in image:
        size *= length
    return tuple(image) if len(image) == 3 and size == unit[0] else unit
