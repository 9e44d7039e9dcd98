"""Batch norm that keeps relative variance."""

import numpy as np
import pytest
import torch

from hebblab.nn.norms import RelativeBatchNorm1d, RelativeBatchNorm2d


@pytest.mark.parametrize(
    ("made", "shape"), [(RelativeBatchNorm1d, (50, 3)), (RelativeBatchNorm2d, (10, 3, 4, 5))]
)
def test_channels_keep_their_relative_variance(made, shape):
    generator = torch.Generator().manual_seed(0)
    wide = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64).view(1, 3, *[1] * (len(shape) - 2))
    x = torch.randn(shape, generator=generator, dtype=torch.float64) * wide + 4
    norm = made(3, momentum=1.0, eps=1e-12).double()
    answer = norm(x).detach().numpy()
    axes = (0, *range(2, len(shape)))
    plain = x.numpy() - x.numpy().mean(axes, keepdims=True)
    unbiased = x.numpy().var(axes, ddof=1)
    biased = x.numpy().var(axes)
    scale = np.sqrt(unbiased / unbiased.mean() / biased)
    expected = plain * scale.reshape(wide.shape)
    assert np.allclose(answer, expected, atol=1e-10)
    variance = answer.var(axes)
    assert variance.mean() == pytest.approx(1, rel=1e-10)
    assert variance[2] / variance[0] == pytest.approx(biased[2] / biased[0])
    norm.eval()
    assert np.allclose(norm(x).detach(), plain / np.sqrt(unbiased.mean()), atol=1e-10)


def test_fresh_it_is_the_identity_in_evaluation():
    x = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(RelativeBatchNorm2d(3).eval()(x), x, atol=1e-4)
