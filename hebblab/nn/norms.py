"""Batch normalisation that keeps which channels vary more than others."""

import torch
from torch import Tensor, nn


class RelativeBatchNorm2d(nn.BatchNorm2d):
    r"""Batch norm whose channels keep their relative variance, and have variance one on average.

    What batch norm gives, times \(\sqrt{(v_i + \epsilon)/(\bar v + \epsilon)}\), with \(v\) the
    running variances and \(\bar v\) their mean over channels. PCA-like layers give components of
    falling variance; plain batch norm would blow the last of them up to the size of the first.

    Source: `modified_bn` in Lagani et al., HebbianPCA, layers 3 to 5.

    >>> import torch
    >>> norm = RelativeBatchNorm2d(2, eps=0.0).eval()
    >>> norm.running_var.copy_(torch.tensor([1.0, 3.0]))
    tensor([1., 3.])
    >>> norm(torch.ones(1, 2, 1, 1)).flatten().detach()
    tensor([0.7071, 0.7071])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return (batch, channels, height, width)."""
        return super().forward(input) * relative(self).view(-1, 1, 1)


class RelativeBatchNorm1d(nn.BatchNorm1d):
    """`RelativeBatchNorm2d` for rows (batch, units)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return (batch, units)."""
        return super().forward(input) * relative(self)


def relative(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> Tensor:
    """Return each channel's running deviation over that of the mean variance, (channels,)."""
    variance = norm.running_var
    assert variance is not None
    return torch.sqrt((variance + norm.eps) / (variance.mean() + norm.eps))


__all__ = ["RelativeBatchNorm1d", "RelativeBatchNorm2d", "relative"]
