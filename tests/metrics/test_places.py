"""Where units answer most, and what the images show there."""

import pytest
import torch
from torch import nn

from hebblab import InvalidValue, RePU
from hebblab.metrics import best_patches, best_places, receptive_window


@pytest.fixture
def network():
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False), RePU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3, bias=False),
    )  # fmt: skip


@pytest.fixture
def images():
    return torch.rand(20, 2, 12, 14, generator=torch.Generator().manual_seed(4))


def test_the_response_at_the_best_place_is_the_largest_of_its_image(network, images):
    places = best_places(network, "3", images, count=4)
    window = receptive_window(network, "3")
    assert places.size == window.size
    with torch.no_grad():
        responses = network(images)
    for unit in range(5):
        largest = responses[:, unit].flatten(1).amax(1)
        order = largest.argsort(descending=True)[:4]
        assert places.image[unit].tolist() == order.tolist()
        for rank, image in enumerate(order.tolist()):
            row = (places.top[unit, rank] - window.start[0]) // window.stride[0]
            column = (places.left[unit, rank] - window.start[1]) // window.stride[1]
            assert responses[image, unit, row, column] == largest[image]


def test_patches_may_be_those_of_other_images_of_the_same_places(network, images):
    places = best_places(network, "3", images, count=3)
    assert torch.equal(places.patches(images), best_patches(network, "3", images, count=3))
    part = places.patches(images, slice(2, 4))
    assert torch.equal(part, places.patches(images)[2:4])
    brighter = places.patches(images + 1.0)
    inside = places.patches(torch.ones_like(images))
    assert torch.allclose(brighter, places.patches(images) + inside)


def test_only_some_units_and_small_batches_are_the_same(network, images):
    whole = best_places(network, "3", images, count=3)
    some = best_places(network, "3", images, count=3, units=[4, 1], batch=7)
    for name in ("image", "top", "left"):
        assert torch.equal(getattr(some, name), getattr(whole, name)[[4, 1]])


@pytest.mark.parametrize("count", [0, 21, 2.0, True])
def test_an_impossible_count_is_refused(network, images, count):
    with pytest.raises(InvalidValue, match="from 1 to the 20 images"):
        best_places(network, "3", images, count=count)
