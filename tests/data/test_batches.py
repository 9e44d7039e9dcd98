import pytest
import torch

from hebblab.data import Batches, Images, Vectors, as_floats, mean_image
from hebblab.errors import InvalidValue


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> Images:
    pixels = torch.randint(0, 256, (25, 3, 4, 5), dtype=torch.uint8, generator=generator(9))
    pixels[0, 0, 0, 0], pixels[0, 0, 0, 1] = 0, 255
    return Images(pixels, torch.arange(25))


@pytest.fixture
def vectors() -> Vectors:
    return Vectors(torch.randn(25, 7, generator=generator(8)), torch.arange(25))


def epoch(batches: Batches) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(inputs.clone(), labels.clone()) for inputs, labels in batches]


def test_a_batch_holds_its_own_images_scaled(images):
    batches = Batches(images, 10, generator())
    seen = []
    assert len(batches) == 2
    for inputs, labels in batches:
        assert inputs.shape == (10, 3, 4, 5)
        assert inputs.dtype is torch.float32
        assert labels.dtype is torch.int64
        wanted = images.pixels[labels].double() / 255
        torch.testing.assert_close(inputs.double(), wanted, rtol=1e-6, atol=0)
        assert inputs.min() >= 0
        assert inputs.max() <= 1
        seen += labels.tolist()
    assert len(set(seen)) == 20


def test_epochs_differ_and_the_seed_decides_all_of_them(images):
    once, again, other = (Batches(images, 5, generator(seed)) for seed in (1, 1, 2))
    first, second = epoch(once), epoch(once)
    assert not torch.equal(first[0][1], second[0][1])
    for (inputs, labels), (same, same_labels) in zip(
        first + second, epoch(again) + epoch(again), strict=True
    ):
        assert torch.equal(inputs, same)
        assert torch.equal(labels, same_labels)
    assert not torch.equal(first[0][1], epoch(other)[0][1])


def test_the_order_is_randperm_of_the_generator(images):
    order = torch.randperm(25, generator=generator(3))
    labels = torch.cat([labels for _, labels in epoch(Batches(images, 5, generator(3)))])
    assert torch.equal(labels, order)


def test_buffers_are_reused_and_the_data_is_not_touched(images, vectors):
    for data, content in ((images, images.pixels), (vectors, vectors.values)):
        before = content.clone()
        batches = Batches(data, 5, generator(), centre=mean_image(data))
        places = {(i.data_ptr(), own.data_ptr()) for _ in range(2) for i, own in batches}
        assert len(places) == 1
        assert torch.equal(content, before)


def test_centre_is_subtracted(images, vectors):
    for data in (images, vectors):
        centre = mean_image(data)
        plain = epoch(Batches(data, 5, generator()))
        centred = epoch(Batches(data, 5, generator(), centre=centre))
        for (inputs, _), (moved, _) in zip(plain, centred, strict=True):
            assert torch.equal(moved, inputs - centre)


def test_vectors_come_as_they_are(vectors):
    for inputs, labels in Batches(vectors, 25, generator()):
        assert torch.equal(inputs, vectors.values[labels])


def test_global_randomness_is_left_alone(images):
    before = torch.get_rng_state()
    epoch(Batches(images, 5, generator()))
    assert torch.equal(torch.get_rng_state(), before)


def test_buffers_made_under_inference_mode_work_outside_it(images):
    with torch.inference_mode():
        batches = Batches(images, 5, generator())
        epoch(batches)
    assert len(epoch(batches)) == 5


def test_the_default_dtype_does_not_matter(images):
    torch.set_default_dtype(torch.float64)
    try:
        inputs, _ = next(iter(Batches(images, 5, generator(), centre=mean_image(images))))
        assert inputs.dtype is as_floats(images).dtype is mean_image(images).dtype is torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("size", [0, -1, 26, 10**9, 10**40, 2.0, "5", True, None, float("nan")])
def test_batch_sizes_that_do_not_fit_are_refused_with_the_bounds(images, size):
    with pytest.raises(InvalidValue, match="from 1 to 25, the number of inputs"):
        Batches(images, size, generator())


def test_other_arguments_that_do_not_fit_are_refused(images):
    with pytest.raises(InvalidValue, match="Images or Vectors"):
        Batches(images.pixels, 5, generator())
    with pytest.raises(InvalidValue, match=r"torch\.Generator"):
        Batches(images, 5, 0)
    for centre in (torch.zeros(4, 5), torch.zeros(1), 0.5):
        with pytest.raises(InvalidValue, match=r"\(3, 4, 5\) like one input"):
            Batches(images, 5, generator(), centre=centre)


def test_mean_image_is_exact(images, vectors):
    wanted = images.pixels.double().mean(0) / 255
    torch.testing.assert_close(mean_image(images).double(), wanted, rtol=1e-7, atol=1e-8)
    torch.testing.assert_close(mean_image(vectors), vectors.values.mean(0))


def test_as_floats_equals_what_batches_give(images):
    centre = mean_image(images)
    all_floats = as_floats(images, centre=centre)
    for inputs, labels in Batches(images, 25, generator(), centre=centre):
        assert torch.equal(inputs, all_floats[labels])


def test_as_floats_takes_evenly_spaced_samples_of_its_own(images, vectors):
    assert torch.equal(as_floats(images, limit=5), as_floats(images)[::5])
    assert len(as_floats(images, limit=1000)) == 25
    as_floats(vectors).zero_()
    assert vectors.values.abs().sum() > 0
    for limit in (0, -1, 2.5, True):
        with pytest.raises(InvalidValue, match="limit must be a whole number from 1"):
            as_floats(images, limit=limit)


def test_a_size_may_change_within_an_epoch_whose_order_stays(images):
    order = torch.randperm(25, generator=generator(3))
    batches = Batches(images, 5, generator(3))
    epoch_under_way = iter(batches)
    first = next(epoch_under_way)[1].clone()
    batches.resize(8)
    rest = [labels.clone() for _, labels in epoch_under_way]
    assert [len(one) for one in (first, *rest)] == [5, 8, 8]
    assert torch.equal(torch.cat([first, *rest]), order[:21])
    assert len(batches) == 3 and [len(labels) for _, labels in batches] == [8, 8, 8]


def test_a_batch_that_was_handed_out_outlives_a_resize(images):
    batches = Batches(images, 5, generator())
    inputs, _ = next(iter(batches))
    before = inputs.clone()
    batches.resize(5)
    next(iter(batches))
    assert torch.equal(inputs, before)


def test_a_resize_that_does_not_fit_changes_nothing(images):
    batches = Batches(images, 5, generator())
    with pytest.raises(InvalidValue, match="26 is more than the data holds"):
        batches.resize(26)
    assert batches.batch_size == 5 and len(next(iter(batches))[1]) == 5
