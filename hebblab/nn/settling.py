"""Units that inhibit each other and answer nothing below zero: where they come to rest."""

from typing import Any

import torch
from torch import Tensor

SWEEPS = 10
_BLOCK = 64  # units: what is looked at one by one stays in a core's cache
LEAST = 1e-6  # what a unit inhibits itself by, at the least


def settled(drive: Tensor, lateral: Tensor, sweeps: int = SWEEPS) -> Tensor:
    r"""Return the answers \(y \ge 0\) that least \(\frac12 y^\top M y - y^\top d\) asks for.

    By coordinate descent from zero: unit after unit takes
    \(\max(0, d_i - \sum_{j \ne i} M_{ij} y_j) / M_{ii}\), all samples at once. At rest each unit
    that answers has \((M y)_i = d_i\), and each that does not \((M y)_i \ge d_i\). Where M is not
    symmetric these conditions are what is solved, as there is nothing that falls.

    It costs `sweeps` products of (units, units) and (units, samples), each in as many small steps
    as there are units: time rises with the square of the units, and no faster with two threads.

    Source: Pehlevan and Chklovskii, Asilomar 2014; Bahroun and Soltoggio, ICANN 2017, whose
    lateral weights have no diagonal, so that M is the identity and those.

    Args:
        drive: d, (units, samples).
        lateral: M, (units, units); its diagonal counts as at least 1e-6.
        sweeps: How often each unit is looked at.

    Returns:
        (units, samples), of the drive's dtype.

    >>> lateral = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 2.0]])
    >>> settled(torch.tensor([[1.0], [0.5], [2.0]]), lateral)
    tensor([[0.5000],
            [0.0000],
            [1.0000]])
    """
    if torch.is_grad_enabled() and drive.requires_grad:
        # Not all versions of torch declare what it returns.
        settle: Any = _Settled.apply
        found: Tensor = settle(drive, lateral, sweeps)
        return found
    return _descended(drive, lateral, sweeps, None)


def _descended(drive: Tensor, lateral: Tensor, sweeps: int, free: Tensor | None) -> Tensor:
    """Return the answers; where `free` is given, those of the units it names, of any sign."""
    # Half precision would add up its rounding from sweep to sweep.
    wide = torch.promote_types(drive.dtype, torch.float32)
    matrix = lateral.detach().to(wide)
    own = matrix.diagonal().clamp_min(LEAST)[:, None]
    others = (matrix / own).fill_diagonal_(0)
    aim = drive.detach().to(wide) / own
    found = torch.zeros_like(aim)
    # What others leave to a block of units is one product; units of a block follow each other.
    blocks = [slice(first, first + _BLOCK) for first in range(0, len(found), _BLOCK)]
    within = [others[block, block].clone() for block in blocks]
    for block in blocks:
        others[block, block] = 0
    for _ in range(sweeps):
        for block, inner in zip(blocks, within, strict=True):
            left, own = torch.addmm(aim[block], others[block], found, alpha=-1), found[block]
            for unit in range(len(own)):
                rest = left[unit] - inner[unit] @ own
                if free is None:
                    torch.clamp_min(rest, 0, out=own[unit])
                else:
                    torch.mul(rest, free[block][unit], out=own[unit])
    return found.to(drive.dtype)


class _Settled(torch.autograd.Function):
    """`settled`, whose gradient flows back through the units that answer."""

    @staticmethod
    def forward(ctx: Any, drive: Tensor, lateral: Tensor, sweeps: int) -> Tensor:
        found = _descended(drive, lateral, sweeps, None)
        ctx.save_for_backward(found, lateral)
        ctx.sweeps = sweeps
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        found, lateral = ctx.saved_tensors
        free = (found > 0).to(torch.promote_types(found.dtype, torch.float32))
        return _descended(gradient, lateral.T, ctx.sweeps, free), None, None
