"""ZCA against an independent reading, and whole images whitened by it."""

import numpy as np
import pytest
import torch

from hebblab import InvalidValue
from hebblab.nn import Whitening, zca


def rows(samples=200, size=6, seed=0):
    """Correlated rows, not centred."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=(samples, size)) @ generator.normal(size=(size, size)) + 3


def by_hand(x, epsilon):
    """W = C^(-1/2) by the singular values of the centred data, not by eigenvectors of C."""
    centred = x - x.mean(0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=True)
    variance = np.zeros(x.shape[1])
    variance[: len(singular)] = singular**2 / (len(x) - 1)
    return x.mean(0), directions.T @ np.diag(1 / np.sqrt(variance + epsilon)) @ directions


@pytest.mark.parametrize("epsilon", [1e-6, 1e-3, 1.0])
@pytest.mark.parametrize("samples", [2, 5, 200])
def test_zca_is_the_inverse_root_of_the_covariance(samples, epsilon):
    x = rows(samples)
    mean, matrix = zca(torch.from_numpy(x), epsilon)
    expected = by_hand(x, epsilon)
    assert np.allclose(mean, expected[0], rtol=1e-12)
    assert np.allclose(matrix, expected[1], rtol=1e-6, atol=1e-8 * expected[1].max())
    assert torch.allclose(matrix, matrix.T)


def test_whitened_rows_are_uncorrelated_and_of_variance_one():
    x = torch.from_numpy(rows(3000))
    mean, matrix = zca(x, 1e-6)
    whitened = (x - mean) @ matrix
    assert torch.allclose(whitened.mean(0), torch.zeros(6, dtype=torch.float64), atol=1e-10)
    assert torch.allclose(torch.cov(whitened.T), torch.eye(6, dtype=torch.float64), atol=1e-3)


def test_chunks_do_not_show(monkeypatch):
    x = torch.from_numpy(rows(50))
    mean, matrix = zca(x, 1e-3)
    monkeypatch.setattr("hebblab.nn.whitening._CHUNK", 20)
    again = zca(x, 1e-3)
    assert torch.allclose(again[0], mean, rtol=1e-13)
    assert torch.allclose(again[1], matrix, rtol=1e-9)
    assert zca(x.float(), 1e-3)[1].dtype is torch.float64


def test_what_cannot_be_whitened_is_refused():
    x = torch.from_numpy(rows(5))
    with pytest.raises(InvalidValue, match="at least 2 samples"):
        zca(x[:1])
    with pytest.raises(InvalidValue, match="at least 2 samples"):
        zca(x[:0])
    with pytest.raises(InvalidValue, match=r"8,192 numbers, not 8,193"):
        zca(torch.zeros(2, 8193))
    with pytest.raises(InvalidValue, match="two dimensions"):
        zca(torch.zeros(2, 3, 4))
    for bad in (float("nan"), float("inf")):
        with pytest.raises(InvalidValue, match="finite"):
            zca(torch.tensor([[1.0, 2.0], [bad, 1.0]]))
    knob = Whitening.knob()
    assert (knob.default, knob.low, knob.high) == (1e-3, 1e-6, 1)
    for value in knob.invalid_values():
        with pytest.raises(InvalidValue, match="must be a number from 1e-06 to 1"):
            zca(x, value)


class TestImages:
    def images(self, count=40, dtype=torch.float64):
        generator = torch.Generator().manual_seed(0)
        return torch.rand(count, 2, 3, 4, generator=generator, dtype=dtype)

    def test_are_left_alone_until_it_is_fitted(self):
        whiten, images = Whitening(), self.images()
        assert whiten(images) is images
        assert whiten.state_dict() == {}
        assert repr(whiten) == "Whitening(identity)"
        assert Whitening(standardise=True)(images) is images

    def test_are_whitened_as_rows(self):
        images = self.images()
        x = images.numpy().reshape(40, -1)
        mean, matrix = by_hand(x, 1e-2)
        whiten = Whitening()
        assert whiten.fit(images, 1e-2) is whiten
        expected = ((x - mean) @ matrix).reshape(images.shape)
        assert np.allclose(whiten(images), expected, atol=1e-8)
        strided = images.to(memory_format=torch.channels_last)
        assert np.allclose(whiten(strided), expected, atol=1e-8)
        assert repr(whiten) == "Whitening(numbers=24)"

    def test_are_standardised_first_where_it_says_so(self):
        images = self.images()
        x = images.numpy().reshape(40, -1)
        x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True, ddof=1)
        mean, matrix = by_hand(x, 1e-2)
        whitened = Whitening(standardise=True).fit(images, 1e-2)(images)
        assert np.allclose(whitened, ((x - mean) @ matrix).reshape(images.shape), atol=1e-7)

    def test_a_state_brings_it_and_takes_it_away(self):
        images = self.images(dtype=torch.float32)
        whiten, other = Whitening().fit(images), Whitening()
        other.load_state_dict(whiten.state_dict())
        assert torch.equal(other(images), whiten(images))
        other.load_state_dict(Whitening().fit(images[:, :1]).state_dict())
        assert other.matrix.shape == (12, 12)
        other.load_state_dict({})
        assert other(images) is images
        with pytest.raises(RuntimeError, match="matrix"):
            other.load_state_dict({"mean": torch.zeros(3)})
        with pytest.raises(RuntimeError, match="matrix"):
            other.load_state_dict({"mean": torch.zeros(3), "matrix": torch.zeros(3, 4)})

    def test_of_another_size_are_refused(self):
        whiten = Whitening().fit(self.images())
        with pytest.raises(InvalidValue, match="of 24 numbers; these have 12"):
            whiten(self.images()[:, :1])

    def test_that_cannot_be_whitened_leave_it_as_it_was(self):
        whiten = Whitening().fit(self.images())
        before = whiten.matrix
        for images in (self.images(1), self.images() * float("nan"), torch.zeros(3, dtype=int)):
            with pytest.raises(InvalidValue):
                whiten.fit(images)
        assert whiten.matrix is before

    def test_may_be_fitted_in_inference_mode(self):
        with torch.inference_mode():
            whiten = Whitening().fit(self.images())
        assert not whiten.matrix.is_inference()
