import numpy as np
import pytest
import torch

from hebblab import metrics
from hebblab.errors import InvalidValue
from tests.references import metrics as reference


def weights(units, fan_in):
    return torch.randn(units, fan_in, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 2, 5), (2, 3, 3)])
@pytest.mark.parametrize("columns", [1, 3, 7])
def test_pixels_are_where_the_reference_puts_them(shape, columns):
    w = weights(7, int(np.prod(shape)))
    found = metrics.mosaic(w, shape, columns)
    np.testing.assert_array_equal(found.pixels, reference.mosaic(w, shape, columns))
    assert (found.columns, found.rows) == (columns, -(-7 // columns))
    assert found.units == tuple(range(7))
    assert found.image_shape == shape


@pytest.mark.parametrize(("units", "rows", "columns"), [(100, 10, 10), (5, 2, 3), (1, 1, 1)])
def test_the_grid_is_about_square(units, rows, columns):
    found = metrics.mosaic(weights(units, 16), (1, 4, 4))
    assert (found.rows, found.columns) == (rows, columns)
    assert found.pixels.shape == (rows * 4, columns * 4)


def test_shapes_without_channels_or_height_are_pictures_too():
    w = weights(3, 12)
    assert metrics.mosaic(w, (3, 4)).image_shape == (1, 3, 4)
    strip = metrics.mosaic(w, (12,))
    assert strip.image_shape == (1, 1, 12)
    assert torch.equal(strip.pixels, w)


def test_a_convolution_needs_no_flattening():
    w = weights(4, 18).view(4, 2, 3, 3)
    whole, flat = (metrics.mosaic(v, (2, 3, 3)).pixels for v in (w, w.flatten(1)))
    assert torch.equal(whole, flat)


def test_pages_share_the_units_out():
    w = weights(10, 4)
    pages = [metrics.mosaic(w, (1, 2, 2), limit=4, page=page) for page in range(3)]
    assert [page.units for page in pages] == [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9)]
    assert {page.total for page in pages} == {10}
    with pytest.raises(InvalidValue, match="There are 3 pages of 4 units"):
        metrics.mosaic(w, (1, 2, 2), limit=4, page=3)
    with pytest.raises(InvalidValue, match="there is no page 1"):
        metrics.mosaic(w, (1, 2, 2), page=1)


def test_a_sample_depends_on_its_seed_alone():
    w = weights(50, 4)
    state = torch.get_rng_state()
    one, same, other = (metrics.mosaic(w, (1, 2, 2), limit=9, seed=seed) for seed in (1, 1, 2))
    assert one.units == same.units != other.units
    assert list(one.units) == sorted(set(one.units))
    assert len(one.units) == 9
    assert torch.equal(torch.get_rng_state(), state)


def test_an_order_is_kept():
    w = weights(4, 4)
    found = metrics.mosaic(w, (1, 2, 2), columns=2, order=[3, 1, 2, 0], limit=2)
    assert found.units == (3, 1)
    assert torch.equal(found.pixels[:, :2], w[3].view(2, 2))


def test_cells_say_which_unit_they_show():
    found = metrics.mosaic(weights(5, 4), (1, 2, 2), columns=3)
    assert [found.cell(0, 2), found.cell(1, 0), found.cell(1, 2)] == [2, 3, None]
    assert found.cell(0, 3) is None
    assert found.cell(-1, 0) is None


def test_a_gap_stands_between_cells_only():
    found = metrics.mosaic(torch.ones(4, 4), (1, 2, 2), columns=2, gap=1)
    assert found.pixels.tolist() == [[1, 1, 0, 1, 1]] * 2 + [[0] * 5] + [[1, 1, 0, 1, 1]] * 2


@pytest.mark.parametrize(
    "given",
    [
        {"image_shape": (1, 3, 3)},
        {"image_shape": (1, 1, 2, 2)},
        {"image_shape": (-1, -2, 2)},
        {"image_shape": (1, 2, 2), "columns": 0},
        {"image_shape": (1, 2, 2), "columns": 2.0},
        {"image_shape": (1, 2, 2), "limit": 0},
        {"image_shape": (1, 2, 2), "limit": True},
        {"image_shape": (1, 2, 2), "page": -1},
        {"image_shape": (1, 2, 2), "gap": -1},
        {"image_shape": (1, 2, 2), "order": [0, 3]},
        {"image_shape": (1, 2, 2), "order": []},
    ],
)
def test_an_impossible_picture_is_refused(given):
    with pytest.raises(InvalidValue):
        metrics.mosaic(torch.ones(3, 4), **given)
