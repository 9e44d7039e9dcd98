"""Activations whose exponent a person may turn while the network learns."""

import torch
from torch import Tensor, nn

from hebblab.knobs import Knob, Knobbed, knob


class _Power(Knobbed):
    n: float = knob(
        1.0,
        symbol="n",
        title="RePU power",
        low=0.1,
        high=12.0,
        slider=(0.5, 8.0),
        step=0.1,
        help="Changes activations, not weights.",
    )


class RePU(nn.Module):
    r"""Rectified polynomial unit: \(\max(0, u)^n\).

    Source: Krotov and Hopfield, PNAS 2019; Talloen et al., PyTorch-Hebbian.

    Args:
        n: Exponent, 0.1 to 12.

    Raises:
        InvalidValue: The exponent is out of bounds or no number.

    >>> import torch
    >>> RePU(2.0)(torch.tensor([-1.0, 3.0]))
    tensor([0., 9.])
    """

    def __init__(self, n: float = 1.0) -> None:
        super().__init__()
        self._power = _Power(n=n)

    @property
    def n(self) -> float:
        """The exponent; assignment is validated."""
        return self._power.n

    @n.setter
    def n(self, value: float) -> None:
        self._power.n = value

    @staticmethod
    def knob() -> Knob:
        """Return the declaration of the exponent."""
        return _Power.declared()["n"]

    def forward(self, responses: Tensor) -> Tensor:
        """Return the activations, of the shape of `responses`."""
        rectified = torch.relu(responses)
        if self.n == 1.0:
            return rectified
        # In place only where no gradient will ask for what was there.
        return rectified.pow(self.n) if rectified.requires_grad else rectified.pow_(self.n)

    def extra_repr(self) -> str:
        """Return the exponent for the printed network."""
        return f"n={self.n:g}"
