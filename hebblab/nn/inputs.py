"""What may be done to each sample before a layer sees it."""

import math

import torch
from torch import Tensor, nn

from hebblab.knobs import Knob, Knobbed, Value, knob

_FLOOR = 1e-10  # Miconi's, added to the deviation


class Mode(Knobbed):
    """What is done to an input, as a knob."""

    mode: str = knob(
        "none",
        symbol="‖x‖",
        title="input norm",
        choices=("none", "unit", "standardise"),
        help="What is done to each input before the layer sees it.",
    )


class InputNorm(nn.Module):
    """Brings each sample to length one, or to mean 0 and deviation 1, before a layer learns it.

    - "none": nothing.
    - "unit": x/‖x‖ over all the numbers of a sample; a sample of zeros stays zeros.
    - "standardise": (x - mean) / (std + 1e-10) over all the numbers of a sample, that is over
      (channels, height, width) of an image. std divides by one less than their number, as the
      author's code does. A sample of one value throughout becomes zeros.

    Source: Krotov and Hopfield, PNAS 2019 (unit); Miconi 2021 (standardise, before every layer).

    Args:
        mode: "none", "unit" or "standardise".

    Raises:
        InvalidValue: There is no such mode.

    >>> import torch
    >>> norm = InputNorm("unit")
    >>> norm(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    >>> norm.mode = "standardise"
    >>> norm(torch.tensor([[3.0, 4.0]]))
    tensor([[-0.7071,  0.7071]])
    """

    def __init__(self, mode: str = "none") -> None:
        super().__init__()
        self._mode = Mode(mode=mode)

    @property
    def mode(self) -> str:
        """What is done; assignment is validated."""
        return self._mode.mode

    @mode.setter
    def mode(self, value: str) -> None:
        self._mode.mode = value

    @staticmethod
    def knob() -> Knob:
        """Return the declaration of the mode."""
        return Mode.declared()["mode"]

    def values(self) -> dict[str, Value]:
        """Return the present value of each knob."""
        return self._mode.values()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the samples, of the shape of `inputs`: (batch, numbers) or (batch, C, H, W)."""
        return normed(inputs, self._mode.mode)

    def extra_repr(self) -> str:
        """Return the mode for the printed network."""
        return f"mode={self.mode}"


def normed(inputs: Tensor, mode: str, out: Tensor | None = None) -> Tensor:
    """Return the samples as an `InputNorm` of a mode does, into `out` if given."""
    if mode == "none":
        return inputs
    if mode == "standardise":
        return standardised(inputs, out)
    length = lengths(inputs, tuple(range(1, inputs.dim())))
    return inputs / length if out is None else torch.div(inputs, length, out=out)


def standardised(inputs: Tensor, out: Tensor | None = None) -> Tensor:
    """Return each sample with mean 0 and deviation 1 over all its numbers; see `InputNorm`."""
    mean, scale = spread(inputs, tuple(range(1, inputs.dim())))
    return (inputs - mean) * scale if out is None else torch.sub(inputs, mean, out=out).mul_(scale)


def lengths(inputs: Tensor, numbers: tuple[int, ...]) -> Tensor:
    """Return the length over some dimensions, which stay at size 1; 1 in the place of 0."""
    length: Tensor = torch.linalg.vector_norm(inputs, dim=numbers, keepdim=True)
    return torch.where(length > 0, length, 1)


def spread(inputs: Tensor, numbers: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return the mean over some dimensions, which stay at size 1, and one over the deviation.

    The latter is 0 where all numbers are one value.
    """
    count = math.prod(inputs.shape[dimension] for dimension in numbers)
    # Over one less than the numbers, as the author's torch.std; of one number alone there is none.
    less = min(1, count - 1) if inputs.numel() else 0
    deviation, mean = torch.std_mean(inputs, dim=numbers, correction=less, keepdim=True)
    # What is left of a sample of one value is rounding, which would be blown up to size one.
    rounding = 4 * torch.finfo(inputs.dtype).eps * mean.abs()
    return mean, torch.where(deviation > rounding, 1 / (deviation + _FLOOR), 0)


__all__ = ["InputNorm", "normed", "standardised"]
