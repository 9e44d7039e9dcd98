"""Float32 products by the quicker of the two libraries that torch has."""

from functools import cache

import torch
from torch import Tensor

_WORTH = 20_000_000  # multiplications below which oneDNN's preparations cost what it saves
_LEAST = 50_000  # entries of a result below which a product over many samples gains nothing
_PAGES = 250_000  # entries from which a result that is no kept buffer costs a system call a page
_MANY = 400  # samples from which it gains all the same


@cache
def quicker() -> bool:
    """Return whether oneDNN multiplies float32 quicker here than MKL, which favours Intel.

    By the processor's name and not by a measurement, so that runs repeat bit by bit.
    """
    capable = torch.backends.mkldnn.is_available() and torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    if not capable or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    able = torch.cpu.get_capabilities()
    return "AMD" in str(able.get("cpu_name", "")) and bool(able.get("avx512_f"))


def times(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    """Return left rightᵀ (m, n), in `out` or, where that is quicker, in a tensor of its own.

    Args:
        left: (m, k).
        right: (n, k).
        out: (m, n).
    """
    if left.numel() * len(right) >= _WORTH and _by_onednn(left):
        return _onednn(left, right)
    return torch.mm(left, right.T, out=out)


def over_samples(
    left: Tensor, right: Tensor, total: Tensor | None, out: Tensor, sign: int = 1
) -> Tensor:
    """Return ± leftᵀ right (m, n) on top of a total, summed over samples.

    Args:
        left: (samples, m).
        right: (samples, n).
        total: (m, n), changed in place; None for nothing.
        out: (m, n), filled where there is no total and oneDNN, which takes none, is not quicker.
        sign: 1 or -1.
    """
    fits = out.numel() >= _LEAST and (out.numel() < _PAGES or len(left) >= _MANY)
    if fits and _by_onednn(left):
        found = _onednn(left.T, right.T)
        if total is not None:
            return total.add_(found, alpha=sign)
        return found if sign > 0 else found.neg_()
    if total is not None:
        return total.addmm_(left.T, right, alpha=sign)
    torch.mm(left.T, right, out=out)
    return out if sign > 0 else out.neg_()


def _by_onednn(one: Tensor) -> bool:
    return one.dtype == torch.float32 and one.device.type == "cpu" and quicker()


def _onednn(left: Tensor, right: Tensor) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], "")  # type: ignore[no-any-return]
