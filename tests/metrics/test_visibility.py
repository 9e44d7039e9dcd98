import pytest
import torch

from hebblab import metrics
from hebblab.errors import InvalidValue
from tests.references import metrics as reference


def blobs(count, seed=0):
    """Smooth spots at random places."""
    generator = torch.Generator().manual_seed(seed)
    at = torch.arange(12.0)
    middles = torch.rand(count, 2, generator=generator) * 8 + 2
    down = torch.exp(-((at - middles[:, :1]) ** 2) / 6)
    across = torch.exp(-((at - middles[:, 1:]) ** 2) / 6)
    return (down[:, :, None] * across[:, None, :])[:, None]


def test_pictures_are_visible_and_noise_is_not():
    images = blobs(40)
    generator = torch.Generator().manual_seed(1)
    noise = torch.rand(5, 144, generator=generator)
    smooth_but_unlike = torch.linspace(1, -1, 144).repeat(2, 1)
    w = torch.cat([images[:6].flatten(1) + 0.01 * torch.rand(6, 144, generator=generator), noise])
    assert metrics.visible(w, images).tolist() == [True] * 6 + [False] * 5
    assert not metrics.visible(smooth_but_unlike - 1, images).any()


def test_visibility_agrees_with_the_reference():
    generator = torch.Generator().manual_seed(2)
    images = (blobs(30, seed=5) * 255).to(torch.uint8)
    mix = torch.linspace(0, 1, 25)[:, None]
    noise = torch.rand(25, 144, generator=generator)
    w = mix * noise + (1 - mix) * blobs(25, seed=6).flatten(1)
    found = metrics.visible(w, images)
    assert found.tolist() == reference.visible(w.numpy(), images.numpy()).tolist()
    assert 0 < found.double().mean() < 1


def test_chunks_of_images_do_not_show(monkeypatch):
    images = blobs(30)
    w = blobs(8, seed=3).flatten(1)
    whole = metrics.visible(w, images)
    monkeypatch.setattr("hebblab.metrics.visibility._CHUNK", 7)
    assert torch.equal(metrics.visible(w, images), whole)


def test_a_negative_or_flat_or_empty_picture_is_not_visible():
    images = blobs(10)
    picture = images[:1].flatten(1)
    assert metrics.visible(picture, images).all()
    for w in (-picture, torch.ones(1, 144), torch.zeros(1, 144)):
        assert not metrics.visible(w, images).any()


def test_weights_of_another_size_are_refused():
    with pytest.raises(InvalidValue, match="do not fit images"):
        metrics.visible(torch.ones(2, 100), blobs(3))
    with pytest.raises(InvalidValue, match="do not fit images"):
        metrics.visible(torch.ones(2, 144), blobs(3)[:0])
