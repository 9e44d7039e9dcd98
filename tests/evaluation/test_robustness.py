import pytest
import torch

from hebblab.data import Images, Vectors
from hebblab.errors import InvalidValue
from hebblab.evaluation import faded, noisy, occluded, shifted


def grey(count=6, size=12, value=128, channels=1):
    pixels = torch.full((count, channels, size, size), value, dtype=torch.uint8)
    return Images(pixels, torch.arange(count) % 2)


def test_noise_has_the_deviation_asked_for_and_repeats():
    images = grey(40, 30)
    worse = noisy(images, 0.2, seed=1)
    assert float(worse.pixels.double().std() / 255) == pytest.approx(0.2, abs=0.005)
    assert torch.equal(worse.pixels, noisy(images, 0.2, seed=1).pixels)
    assert not torch.equal(worse.pixels, noisy(images, 0.2, seed=2).pixels)
    assert torch.equal(noisy(images, 0.0).pixels, images.pixels)
    assert torch.equal(worse.labels, images.labels)


def test_what_is_no_image_and_what_does_not_fit_is_refused():
    with pytest.raises(InvalidValue, match="Images or Vectors"):
        noisy(torch.zeros(2, 3), 0.1)
    with pytest.raises(InvalidValue, match=r"\(1, 8, 8\).*\(1, 12, 12\)"):
        occluded(grey(), 0.5, grey(size=8))


def test_more_noise_is_the_same_noise_larger():
    low, high = (noisy(grey(), level).pixels.double() - 128 for level in (0.05, 0.1))
    assert float((high - 2 * low).abs().max()) <= 2


def test_noise_stays_between_black_and_white():
    for value in (0, 255):
        worse = noisy(grey(value=value), 1.0).pixels
        share = (worse == value).double().mean()
        assert 0.4 < share < 0.6


def test_vectors_get_noise_and_nothing_else():
    vectors = Vectors(torch.zeros(500, 4), torch.arange(500) % 2)
    assert float(noisy(vectors, 2.0).values.std()) == pytest.approx(2, rel=0.05)
    for worse in (lambda: occluded(vectors, 0.5, vectors), lambda: faded(vectors, 0.5)):
        with pytest.raises(InvalidValue, match="plain vectors"):
            worse()


def test_an_occlusion_is_a_square_of_the_training_mean():
    training = grey(value=40, channels=3)
    images = grey(30, 10, 200, channels=3)
    hidden = occluded(images, 0.4, Images(training.pixels[..., :10, :10], training.labels))
    places = hidden.pixels[:, 0] == 40
    assert places.sum(dim=(1, 2)).tolist() == [16] * 30
    assert torch.equal(places, hidden.pixels[:, 2] == 40)
    tops = {int(place.any(1).nonzero()[0]) for place in places}
    assert len(tops) > 3
    for place in places:
        rows, columns = place.any(1).nonzero(), place.any(0).nonzero()
        assert len(rows) == len(columns) == 4
    assert torch.equal(hidden.pixels, occluded(images, 0.4, training_of(10, 40, 3)).pixels)


def training_of(size, value, channels):
    return grey(4, size, value, channels)


def test_nothing_and_everything_can_be_hidden():
    images, training = grey(value=200), grey(value=40)
    assert torch.equal(occluded(images, 0.0, training).pixels, images.pixels)
    assert torch.equal(occluded(images, 1.0, training).pixels, training.pixels)


def test_contrast_fades_towards_each_images_mean():
    pixels = torch.tensor([[[[0, 100], [100, 200]]]], dtype=torch.uint8)
    images = Images(pixels, torch.tensor([0]))
    assert faded(images, 0.5).pixels.flatten().tolist() == [50, 100, 100, 150]
    assert faded(images, 0.0).pixels.flatten().tolist() == [100] * 4
    assert torch.equal(faded(images, 1.0).pixels, pixels)


def test_a_shift_moves_by_so_many_pixels_one_way():
    pixels = torch.zeros(40, 1, 7, 7, dtype=torch.uint8)
    pixels[:, :, 3, 3] = 9
    moved = shifted(Images(pixels, torch.zeros(40).long()), 2).pixels
    places = {tuple((one[0] == 9).nonzero()[0].tolist()) for one in moved}
    assert places == {(1, 3), (5, 3), (3, 1), (3, 5)}
    assert int((moved == 9).sum()) == 40


@pytest.mark.parametrize(
    "worse",
    [
        lambda: noisy(grey(), -0.1),
        lambda: noisy(grey(), float("nan")),
        lambda: occluded(grey(), 1.1, grey()),
        lambda: faded(grey(), 2),
        lambda: shifted(grey(), 12),
        lambda: shifted(grey(), 1.0),
    ],
)
def test_levels_out_of_bounds_are_refused(worse):
    with pytest.raises(InvalidValue, match=r"goes from 0|whole number from 0"):
        worse()
