import json

import numpy as np
import pytest

from hebblab.dashboard.fields import Field
from hebblab.dashboard.gallery import Gallery
from hebblab.dashboard.mosaics import encode


@pytest.fixture
def weights():
    return np.random.default_rng(0).normal(0, 0.1, (100, 784)).astype(np.float32)


def as_bytes(picture):
    return np.frombuffer(picture.data, np.uint8)


def test_the_weights_themselves_are_not_changed(weights):
    before = weights.copy()
    Gallery().paint(weights, (1, 28, 28))
    assert np.array_equal(weights, before)


def test_what_is_not_finite_is_painted_without_a_warning():
    values = np.array([np.nan, np.inf, -np.inf, 0.5], np.float32).reshape(1, 1, 2, 2)
    assert list(encode(values, 1.0)) == [128, 255, 1, 192]
    picture = Gallery(scale="unit").paint(values.reshape(1, 4), (1, 2, 2))
    assert len(picture.data) == 4


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


@pytest.fixture
def deep():
    """96 inputs of 3×3 for 12 units."""
    return np.random.default_rng(2).normal(0, 1, (12, 864)).astype(np.float32)


def field(kind="back-projection", units=12, channels=1, step=7):
    rng = np.random.default_rng(3)
    pictures = rng.normal(0, 0.01, (units, channels, 10, 10)).astype(np.float32)
    return Field(kind, step, np.arange(units), pictures)


def test_a_deep_layer_shows_means_and_all_channels_of_the_chosen_unit(deep):
    picture = Gallery().paint(deep, (96, 3, 3), step=9, layer="conv2", deep=True, chosen=5)
    meta = picture.meta
    assert len(picture.data) == 12 * 9
    assert "(means over 96 input channels)" in meta["label"]
    assert meta["label"].endswith("of layer conv2 at step 9")
    assert "mean over 96 input channels" in meta["hint"]
    assert meta["close"] == {"unit": 5, "height": 39, "width": 39, "channels": 1}
    close = np.frombuffer(picture.close, np.uint8).reshape(39, 39)
    apart = deep[5].reshape(96, 3, 3)
    strong = np.abs(apart[11]).max() / np.abs(apart).max()
    assert close[4:7, 4:7].max() > 128 + 60 * strong
    assert (np.sign(close[4:7, 4:7].astype(int) - 128) == np.sign(apart[11])).mean() > 0.8
    # Means over channels are small: the scale is theirs.
    assert float(meta["high"]) < 0.5
    assert Gallery().paint(deep, (96, 3, 3), deep=True).close == b""


def test_what_units_look_for_takes_the_place_of_their_weights(deep):
    asked, gallery = [], Gallery(mode="back-projection", order="wins")
    found = field()

    def look(kind, units):
        asked.append((kind, units.tolist()))
        return found

    wins = np.arange(12)
    picture = gallery.paint(
        deep, (96, 3, 3), step=30, layer="conv2", wins=wins, deep=True, look=look
    )
    assert asked == [("back-projection", list(range(12))[::-1])]
    assert picture.meta["label"] == "Back-projections of 12 of 12 units of layer conv2 at step 7"
    assert (picture.meta["height"], picture.meta["width"]) == (10, 10)
    values = (as_bytes(picture).reshape(12, 10, 10) - 128.0) / 127 * float(picture.meta["high"])
    close = np.abs(values - found.pictures[::-1, 0]) < 0.001
    assert close.mean() > 0.97
    assert "projected straight back" in picture.meta["note"]


def test_as_long_as_nothing_is_found_the_weights_are_shown_and_said(deep):
    gallery = Gallery(mode="patches")
    meta = gallery.paint(deep, (96, 3, 3), deep=True, look=lambda kind, units: None).meta
    assert meta["label"].startswith("Weight images (means over 96 input channels)")
    assert meta["height"] == 3


def test_best_patches_in_colour_are_shown_as_they_are(deep):
    found = field("patches", channels=3)
    found.pictures[:] = 0.0
    found.pictures[0, :, 0, 0] = (1.0, 0.5, 0.0)
    gallery = Gallery(mode="patches")
    picture = gallery.paint(deep, (96, 3, 3), deep=True, look=lambda kind, units: found)
    pixels = as_bytes(picture).reshape(12, 10, 10, 3)
    assert pixels[0, 0, 0].tolist() == [255, 128, 1]
    assert pixels[0, 0, 1].tolist() == [1, 1, 1]
