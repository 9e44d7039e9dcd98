"""Every rule as one writes it down: correct, and as slow as that is."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Update = Callable[[Tensor, Tensor], Tensor]


def krotov_hopfield(k: int, p: float, delta: float = 0.4) -> Update:
    """The strongest unit learns, the k-th unlearns."""

    def update(x: Tensor, w: Tensor) -> Tensor:
        u = x @ (w.sign() * w.abs() ** (p - 1)).T
        best = u.topk(k, dim=1).indices
        g = torch.zeros_like(u)
        g.scatter_(1, best[:, -1:], -delta)
        g.scatter_(1, best[:, :1], 1.0)
        change = g.T @ x - (g * u).sum(0)[:, None] * w
        return change / change.abs().max()

    return update


def _pulled(r: Tensor, x: Tensor, w: Tensor) -> Tensor:
    return r.T @ x - r.sum(0)[:, None] * w


def _cosine(x: Tensor, w: Tensor) -> Tensor:
    return F.normalize(x, dim=1) @ F.normalize(w, dim=1).T


def hard_wta(x: Tensor, w: Tensor) -> Tensor:
    """The best unit by cosine moves towards a sample, by its share."""
    r = F.one_hot(_cosine(x, w).argmax(1), len(w)).to(x.dtype)
    return _pulled(r, x, w) / r.sum(0).clamp_min(1e-12)[:, None]


def instar(x: Tensor, w: Tensor) -> Tensor:
    """The best unit by response moves towards a sample."""
    r = F.one_hot((x @ w.T).argmax(1), len(w)).to(x.dtype)
    return _pulled(r, x, w) / len(x)


def hebb(x: Tensor, w: Tensor) -> Tensor:
    """The best unit by response adds a sample."""
    r = F.one_hot((x @ w.T).argmax(1), len(w)).to(x.dtype)
    return r.T @ x / len(x)


def oja(x: Tensor, w: Tensor) -> Tensor:
    """Hebb with forgetting by the squared response."""
    u = x @ w.T
    return (u.T @ x - (u * u).sum(0)[:, None] * w) / len(x)


def soft_wta(x: Tensor, w: Tensor) -> Tensor:
    """All units move towards a sample, by the softmax of their cosines."""
    r = torch.softmax(_cosine(x, w) / 0.02, dim=1)
    return _pulled(r, x, w) / r.sum(0).clamp_min(1e-12)[:, None]


def softhebb(x: Tensor, w: Tensor) -> Tensor:
    """Softmax, positive for the winner and negative for all others."""
    u = x @ w.T
    y = torch.softmax(u, dim=1)
    s = torch.where(F.one_hot(u.argmax(1), len(w)).bool(), y, -y)
    change = s.T @ x - (s * u).sum(0)[:, None] * w
    return change / change.abs().max()


def sanger(x: Tensor, w: Tensor) -> Tensor:
    """Each unit sees what those before it have left."""
    u = x @ w.T
    return (u.T @ x - torch.tril(u.T @ u) @ w) / len(x)


def hpca(x: Tensor, w: Tensor) -> Tensor:
    """Sanger's rule on rectified responses."""
    u = torch.relu(x @ w.T)
    return (u.T @ x - torch.tril(u.T @ u) @ w) / len(x)


def oja_subspace(x: Tensor, w: Tensor) -> Tensor:
    """Every unit sees what all have left."""
    u = x @ w.T
    return (u.T @ x - (u.T @ u) @ w) / len(x)


UPDATES: dict[str, Update] = {
    "krotov-hopfield": krotov_hopfield(2, 2),
    "hard-wta": hard_wta,
    "instar": instar,
    "hebb": hebb,
    "oja": oja,
    "soft-wta": soft_wta,
    "softhebb": softhebb,
    "sanger": sanger,
    "hpca": hpca,
    "oja-subspace": oja_subspace,
}


def patches(images: Tensor, layer: torch.nn.Conv2d) -> Tensor:
    """Return the patches of images as rows, by torch's own unfold."""
    left, right, top, bottom = layer._reversed_padding_repeated_twice
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = F.pad(images, (left, right, top, bottom), mode=mode)
    return F.unfold(padded, layer.kernel_size).transpose(1, 2).reshape(-1, layer.weight[0].numel())
