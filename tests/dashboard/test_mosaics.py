import numpy as np
import pytest

from hebblab.dashboard.mosaics import by_similarity, encode, pictures, tiled


@pytest.fixture
def weights():
    return np.random.default_rng(0).normal(0, 0.1, (100, 784)).astype(np.float32)


def test_bytes_are_linear_with_zero_in_the_middle():
    values = np.array([0, 0.5, -0.5, 1, -1, 2, -2, 0.001], np.float32).reshape(1, 1, 2, 4)
    assert list(encode(values, 1.0)) == [128, 192, 65, 255, 1, 255, 1, 128]


def test_bytes_are_within_half_a_step_of_the_weights(weights):
    data = np.frombuffer(encode(pictures(weights, (1, 28, 28)), 0.5), np.uint8)
    again = (data.astype(np.float64) - 128) / 127 * 0.5
    assert np.abs(again - weights.ravel()).max() <= 0.5 / 127 * 0.501


def test_three_channels_are_colours_around_grey():
    values = np.zeros((1, 3, 1, 2), np.float32)
    values[0, 0, 0, 0] = 1
    values[0, 2, 0, 1] = -1
    assert list(encode(values, 1.0)) == [255, 128, 128, 128, 128, 1]


def test_each_unit_may_have_its_own_scale():
    values = np.array([[1.0, -0.5], [0.01, 0.0], [0.0, 0.0]], np.float32).reshape(3, 1, 1, 2)
    data = encode(values, np.array([1, 0.01, 0], np.float32))
    assert list(data) == [255, 65, 255, 128, 128, 128]


def test_similar_units_stand_beside_each_other():
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(10), 10)
    prototypes = rng.normal(size=(10, 50))
    shuffled = rng.permutation(100)
    rows = (prototypes[groups] + 0.05 * rng.normal(size=(100, 50)))[shuffled].astype(np.float32)
    order = by_similarity(rows)
    assert sorted(order) == list(range(100))
    assert np.count_nonzero(np.diff(groups[shuffled][order])) == 9


def test_many_units_are_ordered_without_a_chain():
    line = np.linspace(-1, 1, 2100)[np.random.default_rng(0).permutation(2100)]
    rows = np.stack([np.cos(line), np.sin(line)], 1).astype(np.float32)
    along = line[by_similarity(rows)]
    assert np.all(np.diff(along) >= -1e-6) or np.all(np.diff(along) <= 1e-6)


@pytest.mark.parametrize(
    ("shape", "picture"),
    [((1, 5, 5), (1, 5, 5)), ((3, 5, 5), (3, 5, 5)), ((25,), (1, 5, 5)), ((7,), (1, 1, 7))],
)
def test_any_fan_in_has_a_picture_that_holds_all_of_it(shape, picture):
    weights = np.random.default_rng(0).normal(size=(4, int(np.prod(shape)))).astype(np.float32)
    images = pictures(weights, shape)
    assert images.shape == (4, *picture)
    assert np.array_equal(images.reshape(4, -1), weights)


def test_channels_that_are_no_colours_are_averaged():
    weights = np.random.default_rng(1).normal(size=(4, 3 * 3 * 96)).astype(np.float32)
    images = pictures(weights, (96, 3, 3))
    assert images[2, 0, 1, 2] == pytest.approx(weights.reshape(4, 96, 3, 3)[2, :, 1, 2].mean())
    three = weights[:, :27]
    assert pictures(three, (3, 3, 3)).shape == (4, 3, 3, 3)
    assert pictures(three, (3, 3, 3), deep=True).shape == (4, 1, 3, 3)


def test_tiles_stand_side_by_side_with_nothing_between():
    images = np.arange(3, dtype=np.float32).reshape(3, 1, 1, 1) * np.ones((1, 1, 2, 2), np.float32)
    whole = tiled(images, 2.0)[:, :, 0]
    assert whole.shape == (5, 5)
    assert whole[:2, :2].tolist() == [[128, 128], [128, 128]]
    assert whole[:2, 3:].tolist() == [[192, 192], [192, 192]]
    assert whole[3:, :2].tolist() == [[255, 255], [255, 255]]
    assert not whole[2].any()
    assert not whole[:, 2].any()
    assert not whole[3:, 3:].any()
    assert tiled(np.zeros((9, 3, 4, 5), np.float32), 1.0).shape == (14, 17, 3)
