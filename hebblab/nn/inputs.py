"""What may be done to each sample before a layer sees it."""

import torch
from torch import Tensor, nn

from hebblab.knobs import Knob, Knobbed, Value, knob

_FLOOR = 1e-10  # Miconi's, added to the deviation


class _Mode(Knobbed):
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
        self._mode = _Mode(mode=mode)

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
        return _Mode.declared()["mode"]

    def values(self) -> dict[str, Value]:
        """Return the present value of each knob."""
        return self._mode.values()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the samples, of the shape of `inputs`: (batch, numbers) or (batch, C, H, W)."""
        mode = self._mode.mode
        if mode == "none":
            return inputs
        if mode == "unit":
            numbers = tuple(range(1, inputs.dim()))
            length = torch.linalg.vector_norm(inputs, dim=numbers, keepdim=True)
            return inputs / torch.where(length > 0, length, 1)
        return standardised(inputs)

    def extra_repr(self) -> str:
        """Return the mode for the printed network."""
        return f"mode={self.mode}"


def standardised(inputs: Tensor) -> Tensor:
    """Return each sample with mean 0 and deviation 1 over all its numbers; see `InputNorm`."""
    numbers = tuple(range(1, inputs.dim()))
    # Over one less than the numbers, as the author's torch.std; of one number alone there is none.
    less = min(1, inputs[0].numel() - 1) if len(inputs) else 0
    deviation, mean = torch.std_mean(inputs, dim=numbers, correction=less, keepdim=True)
    # What is left of a sample of one value is rounding, which would be blown up to size one.
    rounding = 4 * torch.finfo(inputs.dtype).eps * mean.abs()
    scale = torch.where(deviation > rounding, 1 / (deviation + _FLOOR), 0)
    return (inputs - mean) * scale


__all__ = ["InputNorm", "standardised"]
