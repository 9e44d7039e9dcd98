"""Where units that inhibit each other come to rest: what their lateral weights are solved for."""

import torch
from torch import Tensor

_JITTER = 1e-6  # added to the diagonal of lateral weights that are about to become singular


def at_rest(lateral: Tensor, driven: Tensor) -> Tensor:
    """Return M⁻¹ of a drive (units, anything), for an M that is symmetric and positive."""
    matrix = _wide(lateral, driven)
    factor, failed = torch.linalg.cholesky_ex(matrix)
    weak = (failed != 0) | ~(factor.diagonal().square().amin() > _JITTER)
    # On a device the branch would wait for its answer; there both factors are made.
    if weak.is_cuda or bool(weak):
        factor, _ = torch.linalg.cholesky_ex(_lifted(matrix, weak))
    return torch.cholesky_solve(driven.to(matrix.dtype), factor).to(driven.dtype)


def at_rest_of_any(lateral: Tensor, driven: Tensor) -> Tensor:
    """Return M⁻¹ of a drive (units, anything), for an M of which nothing is known."""
    matrix = _wide(lateral, driven)
    factor, pivots, _ = torch.linalg.lu_factor_ex(matrix)
    weak = ~(factor.diagonal().abs().amin() > _JITTER)
    if weak.is_cuda or bool(weak):
        factor, pivots, _ = torch.linalg.lu_factor_ex(_lifted(matrix, weak))
    found: Tensor = torch.linalg.lu_solve(factor, pivots, driven.to(matrix.dtype))
    return found.to(driven.dtype)


def _wide(lateral: Tensor, driven: Tensor) -> Tensor:
    # Half precision has no factors.
    return lateral.to(torch.promote_types(driven.dtype, torch.float32))


def _lifted(matrix: Tensor, weak: Tensor) -> Tensor:
    return matrix + torch.diag((weak * _JITTER).to(matrix).expand(len(matrix)))
