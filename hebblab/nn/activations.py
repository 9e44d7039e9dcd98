"""Activations whose form a person may turn while the network learns."""

from typing import Any

import torch
from torch import Tensor, nn

from hebblab.knobs import Knob, Knobbed, Value, knob
from hebblab.nn.buffers import adopt
from hebblab.nn.settling import settled


class _Form(Knobbed):
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
    triangle: bool = knob(
        False,
        symbol="▲",
        title="triangle",
        help="Let units answer only above the mean of all units at the same place.",
    )


class RePU(nn.Module):
    r"""Rectified polynomial unit, \(\max(0, u)^n\), or with `triangle` \(\max(0, v - \bar v)^n\).

    \(\bar v\) is the mean of a position's responses over all units, so that about half of them
    pass, whatever their offset. There \(v = u\), or \(v = u - \theta\) once the buffer
    `thresholds` is set; the plain unit never sees thresholds.

    Once the buffer `lateral` is set, units first come to rest against each other, without an answer
    below zero (see `hebblab.nn.settling.settled`), and what follows is done to their answers.

    Source: Krotov and Hopfield, PNAS 2019; Talloen et al., PyTorch-Hebbian. The triangle: Coates,
    Ng and Lee, AISTATS 2011; Miconi 2021 (n = 1, with thresholds); SoftHebb (n of 0.7 to 1.4).

    Args:
        n: Exponent, 0.1 to 12.
        triangle: Subtract the mean over units first.

    Attributes:
        thresholds: None, or what is subtracted from each unit's responses, (units,). A state
            dictionary holds them once they are set; one without them takes them away.
        lateral: None, or by how much units inhibit each other, (units, units); of units in groups,
            each group's own below the other's, (groups · units, units). Held as thresholds are.

    Raises:
        InvalidValue: The exponent is out of bounds or no number; `triangle` is no switch.

    >>> import torch
    >>> RePU(2.0)(torch.tensor([-1.0, 3.0]))
    tensor([0., 9.])
    >>> activation = RePU(2.0, triangle=True)
    >>> activation(torch.tensor([[1.0, 2.0, 6.0]]))
    tensor([[0., 0., 9.]])
    >>> activation.thresholds = torch.tensor([0.0, -5.0, 3.0])
    >>> activation(torch.tensor([[1.0, 2.0, 6.0]]))
    tensor([[ 0.0000, 11.1111,  0.0000]])
    """

    thresholds: Tensor | None
    lateral: Tensor | None

    def __init__(self, n: float = 1.0, triangle: bool = False) -> None:
        super().__init__()
        self._form = _Form(n=n, triangle=triangle)
        self.register_buffer("thresholds", None)
        self.register_buffer("lateral", None)

    @property
    def n(self) -> float:
        """The exponent; assignment is validated."""
        return self._form.n

    @n.setter
    def n(self, value: float) -> None:
        self._form.n = value

    @property
    def triangle(self) -> bool:
        """Whether the mean over units is subtracted first; assignment is validated."""
        return self._form.triangle

    @triangle.setter
    def triangle(self, value: bool) -> None:
        self._form.triangle = value

    @staticmethod
    def knob(name: str = "n") -> Knob:
        """Return the declaration of the exponent, or of the `triangle`."""
        return _Form.declared()[name]

    def values(self) -> dict[str, Value]:
        """Return the present value of each knob."""
        return self._form.values()

    def forward(self, responses: Tensor) -> Tensor:
        """Return the activations, of the shape of `responses`: (batch, units) or with positions."""
        form = self._form
        if self.lateral is not None:
            responses = self.at_rest(responses)
        if form.triangle:
            return self._triangle(responses, form.n)
        rectified = torch.relu(responses)
        if form.n == 1.0:
            return rectified
        # In place only where no gradient will ask for what was there.
        return rectified.pow(form.n) if rectified.requires_grad else rectified.pow_(form.n)

    def at_rest(self, responses: Tensor) -> Tensor:
        """Return what units answer once they inhibit each other; `responses` where none does."""
        if self.lateral is None:
            return responses
        by_unit = responses.transpose(0, 1)
        units = self.lateral.shape[1]
        drives, own = (torch.split(one, units) for one in (by_unit.flatten(1), self.lateral))
        groups = zip(drives, own, strict=True)
        found = torch.cat([settled(drive, lateral) for drive, lateral in groups])
        return found.view(by_unit.shape).transpose(0, 1)

    def _triangle(self, responses: Tensor, n: float) -> Tensor:
        if self.thresholds is not None:
            places = (1,) * (responses.dim() - 2)
            responses = responses - self.thresholds.view(-1, *places)
        above = responses - responses.mean(dim=1, keepdim=True)
        if above.requires_grad:
            return torch.relu(above) if n == 1.0 else torch.relu(above).pow(n)
        return above.relu_() if n == 1.0 else above.relu_().pow_(n)

    def extra_repr(self) -> str:
        """Return the form for the printed network."""
        return f"n={self.n:g}, triangle=True" if self.triangle else f"n={self.n:g}"

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in ("thresholds", "lateral"):
            given = state_dict.get(f"{prefix}{name}")
            adopt(self, state_dict, prefix, **{name: getattr(given, "shape", None)})
        super()._load_from_state_dict(state_dict, prefix, *rest)


# What acts on each number alone and has no weights.
ACTIVATIONS: tuple[type[nn.Module], ...] = (
    RePU,
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.GELU,
    nn.SiLU,
    nn.Softplus,
    nn.Tanh,
    nn.Sigmoid,
    nn.Hardtanh,
)
