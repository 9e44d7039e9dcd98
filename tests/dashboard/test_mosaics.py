import itertools
import json

import numpy as np
import pytest

from hebblab.dashboard.mosaics import (
    Gallery,
    SteadyBound,
    by_similarity,
    encode,
    pictures,
    robust_bound,
    rung,
)


@pytest.fixture
def weights():
    return np.random.default_rng(0).normal(0, 0.1, (100, 784)).astype(np.float32)


def as_bytes(picture):
    return np.frombuffer(picture.data, np.uint8)


def test_bytes_are_linear_with_zero_in_the_middle():
    values = np.array([0, 0.5, -0.5, 1, -1, 2, -2, 0.001], np.float32).reshape(1, 1, 2, 4)
    assert list(encode(values, 1.0)) == [128, 192, 65, 255, 1, 255, 1, 128]


def test_bytes_are_within_half_a_step_of_the_weights(weights):
    data = np.frombuffer(encode(pictures(weights, (1, 28, 28)), 0.5), np.uint8)
    again = (data.astype(np.float64) - 128) / 127 * 0.5
    assert np.abs(again - weights.ravel()).max() <= 0.5 / 127 * 0.501


def test_the_weights_themselves_are_not_changed(weights):
    before = weights.copy()
    Gallery().paint(weights, (1, 28, 28))
    assert np.array_equal(weights, before)


def test_three_channels_are_colours_around_grey():
    values = np.zeros((1, 3, 1, 2), np.float32)
    values[0, 0, 0, 0] = 1
    values[0, 2, 0, 1] = -1
    assert list(encode(values, 1.0)) == [255, 128, 128, 128, 128, 1]


def test_each_unit_may_have_its_own_scale():
    values = np.array([[1.0, -0.5], [0.01, 0.0], [0.0, 0.0]], np.float32).reshape(3, 1, 1, 2)
    data = encode(values, np.array([1, 0.01, 0], np.float32))
    assert list(data) == [255, 65, 255, 128, 128, 128]


def test_what_is_not_finite_is_painted_without_a_warning():
    values = np.array([np.nan, np.inf, -np.inf, 0.5], np.float32).reshape(1, 1, 2, 2)
    assert list(encode(values, 1.0)) == [128, 255, 1, 192]
    picture = Gallery(scale="unit").paint(values.reshape(1, 4), (1, 2, 2))
    assert len(picture.data) == 4


def test_the_shared_scale_is_read_from_units_that_win(weights):
    weights = weights.copy()
    weights[7] *= 100
    winning = np.ones(100, bool)
    winning[7] = False
    assert robust_bound(weights, winning) == pytest.approx(0.257, rel=0.05)
    alone = robust_bound(weights[winning])
    assert robust_bound(weights, winning) == pytest.approx(alone, rel=0.02)
    nobody = robust_bound(weights, np.zeros(100, bool))
    assert nobody == robust_bound(weights)


def test_a_sample_of_a_large_layer_has_the_same_bound():
    large = np.random.default_rng(1).normal(0, 0.1, (2000, 784)).astype(np.float32)
    exact = np.quantile(np.abs(large), 0.99)
    assert robust_bound(large) == pytest.approx(exact, rel=0.03)


def test_the_bound_does_not_breathe():
    rng = np.random.default_rng(0)
    for level in (0.001, 0.1, 0.149, 0.151, 0.22, 3, 100):
        bound = SteadyBound()
        first = bound(level)
        seen = {bound(level * factor) for factor in rng.uniform(0.85, 1.04, 300)}
        assert seen == {first}
        assert level <= first * 1.0001


def test_the_bound_follows_what_really_changes():
    bound = SteadyBound()
    bound(0.2)
    assert bound(0.05) < 0.07
    assert bound(2.0) >= 2.0
    assert SteadyBound()(0.0) == 1.0


def test_rungs_are_round_and_about_a_fifth_apart():
    rungs = [rung(1.0)]
    while rungs[-1] < 1000:
        rungs.append(rung(rungs[-1] * 1.001))
    ratios = [b / a for a, b in itertools.pairwise(rungs)]
    assert 1.15 < min(ratios) <= max(ratios) < 1.3
    assert rung(float("nan")) == 1.0


def test_meta_is_plain_json_and_fits_the_bytes(weights):
    dead = np.zeros(100, bool)
    dead[[3, 50]] = True
    picture = Gallery().paint(weights, (1, 28, 28), step=1560, layer="hidden", greyed=dead)
    meta = json.loads(json.dumps(picture.meta, allow_nan=False))
    assert len(picture.data) == 100 * 784
    assert meta["units"] == list(range(100))
    assert (meta["columns"], meta["height"], meta["width"], meta["channels"]) == (10, 28, 28, 1)
    assert meta["greyed"] == [3, 50]
    assert meta["caption"] == "100 of 100 units · “hidden”"
    assert meta["label"] == "Weight images of 100 of 100 units of layer hidden at step 1,560"
    assert meta["low"] == "−0.27"
    assert meta["high"] == "+0.27"


def test_large_layers_come_in_pages_that_say_so():
    weights = np.arange(2000, dtype=np.float32)[:, None] * np.ones((1, 4), np.float32)
    gallery = Gallery(page=2)
    meta = gallery.paint(weights, (1, 2, 2)).meta
    assert meta["units"] == list(range(800, 1200))
    assert meta["caption"] == "400 of 2,000 units, from 800"
    assert (meta["page"], meta["pages"]) == (2, 5)
    gallery.page = 99
    assert gallery.paint(weights, (1, 2, 2)).meta["units"][-1] == 1999
    gallery.page = 0
    assert gallery.paint(weights, (1, 2, 2)).meta["caption"] == "400 of 2,000 units"


def test_greyed_units_are_named_by_their_place_in_the_picture(weights):
    dead = np.zeros(100, bool)
    dead[42] = True
    wins = np.arange(100)
    meta = Gallery(order="wins").paint(weights, (1, 28, 28), wins=wins, greyed=dead).meta
    assert meta["units"][0] == 99
    assert [meta["units"][i] for i in meta["greyed"]] == [42]


def test_the_bytes_follow_the_order(weights):
    wins = np.random.default_rng(3).permutation(100)
    picture = Gallery(order="wins").paint(weights, (1, 28, 28), wins=wins)
    plain = as_bytes(Gallery().paint(weights, (1, 28, 28))).reshape(100, 784)
    assert np.array_equal(as_bytes(picture).reshape(100, 784), plain[picture.meta["units"]])


def test_an_order_holds_until_it_is_asked_for_again(weights):
    gallery = Gallery(order="wins")
    first = gallery.paint(weights, (1, 28, 28), step=1, wins=np.arange(100)).meta["units"]
    later = dict(step=2, wins=np.arange(100)[::-1])
    assert gallery.paint(weights, (1, 28, 28), **later).meta["units"] == first
    assert gallery.paint(weights, (1, 28, 28), **later, resort=True).meta["units"] == first[::-1]
    gallery.order = "norm"
    norms = np.linalg.norm(weights, axis=1)
    by_norm = gallery.paint(weights, (1, 28, 28), step=3).meta["units"]
    assert np.all(np.diff(norms[by_norm]) <= 0)


def test_before_anything_was_counted_the_order_by_wins_is_that_of_numbers(weights):
    gallery = Gallery(order="wins")
    assert gallery.paint(weights, (1, 28, 28)).meta["units"] == list(range(100))
    counted = gallery.paint(weights, (1, 28, 28), step=1, wins=np.arange(100)).meta["units"]
    assert counted == list(range(100))[::-1]


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


def test_the_change_has_a_scale_of_its_own(weights):
    gallery = Gallery()
    gallery.paint(weights, (1, 28, 28), step=5)
    gallery.mode = "change"
    same = gallery.paint(weights, (1, 28, 28), step=6, reference=weights)
    assert set(as_bytes(same)) == {128}
    moved = gallery.paint(weights + 0.011, (1, 28, 28), step=7, reference=weights).meta
    assert moved["high"] == "+0.012"
    assert moved["label"].startswith("Change of the weights")
    gallery.mode = "weights"
    assert gallery.paint(weights, (1, 28, 28), step=8).meta["high"] == "+0.27"


def test_the_change_without_a_reference_shows_the_weights(weights):
    picture = Gallery(mode="change").paint(weights, (1, 28, 28))
    assert picture.data == Gallery().paint(weights, (1, 28, 28)).data


def test_a_new_run_takes_a_new_scale(weights):
    gallery = Gallery()
    gallery.paint(10 * weights, (1, 28, 28), step=100)
    assert gallery.paint(8 * weights, (1, 28, 28), step=101).meta["high"] == "+2.7"
    assert gallery.paint(8 * weights, (1, 28, 28), step=0).meta["high"] == "+2.2"


@pytest.mark.parametrize(
    ("shape", "picture"),
    [
        ((1, 5, 5), (1, 5, 5)),
        ((3, 5, 5), (3, 5, 5)),
        ((25,), (1, 5, 5)),
        ((7,), (1, 1, 7)),
        ((96, 3, 3), (1, 30, 30)),
    ],
)
def test_any_fan_in_has_a_picture(shape, picture):
    weights = np.random.default_rng(0).normal(size=(4, int(np.prod(shape)))).astype(np.float32)
    images = pictures(weights, shape)
    assert images.shape == (4, *picture)
    assert np.sort(images[images != 0]) == pytest.approx(np.sort(weights.ravel()))


def test_channels_are_tiles_in_reading_order():
    weights = np.arange(2 * 2 * 2, dtype=np.float32).reshape(1, 8)
    assert pictures(weights, (2, 2, 2))[0, 0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7]]


def test_one_unit_alone():
    meta = Gallery(order="similarity").paint(np.ones((1, 4), np.float32), (1, 2, 2)).meta
    assert (meta["units"], meta["columns"]) == ([0], 1)


def test_units_of_a_sheet_are_laid_out_as_they_lie(weights):
    meta = Gallery().paint(weights, (1, 28, 28), columns=20).meta
    assert (meta["columns"], meta["units"]) == (20, list(range(100)))
    by_wins = Gallery(order="wins").paint(weights, (1, 28, 28), wins=np.arange(100), columns=20)
    assert by_wins.meta["columns"] == 10, "in another order there is no sheet"


def test_pages_of_a_sheet_end_with_a_line():
    weights = np.ones((2000, 4), np.float32)
    gallery = Gallery(page=1, limit=130)
    meta = gallery.paint(weights, (1, 2, 2), columns=50).meta
    assert (meta["units"][0], len(meta["units"]), meta["pages"]) == (100, 100, 20)
    assert meta["caption"] == "100 of 2,000 units, from 100"
    gallery.limit = 30
    assert len(gallery.paint(weights, (1, 2, 2), columns=50).meta["units"]) == 50
