"""A table of everything that can be asked: its columns, comparisons, JSON and HTML."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

import hebblab as hl
from hebblab.data import Dataset
from hebblab.errors import InvalidValue, UnknownName
from hebblab.evaluation import evaluate, wilson

EVERY = [
    *("linear", "linear@20%", "linear@3/class", "softmax", "knn", "ncm", "retrieval"),
    *("noise", "occlusion", "calibration", "code", "confusion"),
]
CONTROLS = ["pixels", "random", "pca", "kmeans", "backprop"]
COLUMNS = ["representation", "layer", "probe", "value", "low", "high", "n", "seconds"]


@pytest.fixture(scope="module")
def everything():
    """Every probe of every representation of two layers."""
    from tests.evaluation.conftest import fill, spots

    sets = spots(300, 1), spots(90, 2), spots(60, 3)
    dataset = Dataset("spots", *sets, ("top", "<b>middle</b>", "bottom"))
    network = nn.Sequential()
    network.add_module("flatten", nn.Flatten())
    network.add_module("hidden", nn.Linear(81, 6, bias=False))
    network.add_module("activation", nn.ReLU())
    network.add_module("second", nn.Linear(6, 4, bias=False))
    network.add_module("relu", nn.ReLU())
    network.add_module("readout", nn.Linear(4, 3))
    fill(network, 0)
    return evaluate(network, dataset, ["hidden", "second"], EVERY, CONTROLS)


def test_every_number_has_its_interval_and_its_n(everything):
    table = everything.table
    assert list(table.columns[:8]) == COLUMNS
    assert set(table.probe) == {*EVERY, "end to end"}
    assert set(table.representation) == {"learned", *CONTROLS}
    undefined = table[table.value.isna()]
    assert set(undefined.note) <= {"the code has negative values"}
    assert set(undefined.representation) <= {"pca"}
    defined = table[table.value.notna()]
    assert (defined.low <= defined.value + 1e-12).all()
    assert (defined.value <= defined.high + 1e-12).all()
    few = defined.probe.str.startswith("linear@")
    assert (defined[few].n == 5).all()
    assert (defined[~few & (defined.probe != "confusion")].n == 90).all()
    assert (table.seconds >= 0).all()
    accuracies = defined[defined.interval == "Wilson"]
    for row in accuracies.itertuples():
        assert (row.low, row.high) == pytest.approx(wilson(round(row.value * row.n), row.n))


def test_each_layer_has_its_row_and_pixels_one(everything):
    linear = everything.table.query("probe == 'linear'")
    layers = linear.groupby("representation").layer.apply(list).to_dict()
    assert layers.pop("pixels") == [""]
    assert all(found == ["hidden", "second"] for found in layers.values())


def test_the_network_of_backprop_answers_by_itself_too(everything):
    (row,) = [row for row in everything.rows if row.probe == "end to end"]
    assert (row.representation, row.layer, row.n) == ("backprop", "", 90)
    assert (row.low, row.high) == pytest.approx(wilson(round(row.value * 90), 90))
    assert "chosen on these images" in row.note
    answers = everything.answers("backprop", "end to end")
    assert float((answers == everything._labels).double().mean()) == pytest.approx(row.value)
    one = everything.compare("learned@hidden", "backprop", "linear", "end to end")
    values = everything.table.query("representation == 'learned' and layer == 'hidden'")
    linear = values.query("probe == 'linear'").value.item()
    assert one.difference == pytest.approx(linear - row.value)
    assert one.b == "backprop, end to end"
    with pytest.raises(InvalidValue, match="share nothing"):
        everything.compare("learned@hidden", "backprop", "linear@20%", "end to end")


def test_confusion_is_that_of_the_answers(everything):
    matrix = everything.confusion["learned@hidden"]
    assert list(matrix.index) == list(matrix.columns) == list(everything.classes)
    assert matrix.to_numpy().sum() == 90
    rows = everything.table.query("representation == 'learned' and layer == 'hidden'")
    whole = rows.query("probe == 'linear'").value.item()
    assert np.trace(matrix) / 90 == pytest.approx(whole)
    each = rows.query("probe == 'confusion'")
    assert each.value.to_numpy() == pytest.approx(np.diag(matrix) / matrix.to_numpy().sum(1))
    assert each.n.tolist() == matrix.to_numpy().sum(1).tolist()


def test_comparisons_are_paired_by_image_and_by_subset(everything):
    one = everything.compare("learned@hidden", "random@hidden")
    values = everything.table.query("probe == 'linear' and layer == 'hidden'")
    values = values.set_index("representation").value
    assert one.difference == pytest.approx(values["learned"] - values["random"])
    assert one.low <= one.difference <= one.high
    assert one.n == 90
    other = everything.compare("random@hidden", "learned@hidden")
    assert (other.difference, other.p_value) == pytest.approx((-one.difference, one.p_value))
    few = everything.compare("learned@hidden", "pixels", "linear@20%")
    assert few.n == 5
    same = everything.compare("pixels", "pixels")
    assert (same.difference, same.p_value, same.verdict) == (0, 1, "cannot tell at n = 90")
    assert "points" in str(few)


def test_many_comparisons_are_adjusted(everything):
    found = everything.comparisons("learned@hidden")
    assert len(found) == 10
    for one in found:
        assert one.p_value >= everything.compare("learned@hidden", one.b).p_value
        assert ("cannot tell" in one.verdict) or one.p_value < 0.05


def test_names_that_cannot_be_compared_are_refused_in_words(everything):
    with pytest.raises(InvalidValue, match="say learned@hidden or learned@second"):
        everything.compare("learned", "pixels")
    with pytest.raises(UnknownName, match="Did you mean 'pixels'"):
        everything.compare("pixel", "pca@hidden")
    with pytest.raises(UnknownName, match="comparable probe"):
        everything.compare("pixels", "pca@hidden", "retrieval")


def test_json_is_whole_and_html_is_escaped(everything):
    about = json.loads(everything.to_json())
    assert len(about["rows"]) == len(everything.rows)
    assert about["fingerprint"] == everything.fingerprint
    assert about["sizes"] == {"train": 300, "validation": 90, "test": 60}
    assert any(row["value"] is None for row in about["rows"])
    assert set(about["confusion"]) == set(everything.confusion)
    html = everything.to_html()
    assert html == everything._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;middle" in html
    assert html.count("<tr>") == len(everything.rows) + 1
    assert "scored on 90 validation images" in everything.caption
    assert "k-means with the triangle" in str(everything)


def test_reliability_comes_with_calibration(everything):
    found = everything.reliability["learned@hidden"]
    rows = everything.table.query("probe == 'calibration' and layer == 'hidden'")
    assert found.error == rows.query("representation == 'learned'").value.item()
    assert int(found.count.sum()) == 90


def test_reliability_goes_through_json_and_back(everything, dataset, dense):
    told = json.loads(everything.to_json())["reliability"]
    assert set(told) == set(everything.reliability)
    assert {"learned@hidden", "learned@second", "pixels"} <= set(told)
    for key, found in everything.reliability.items():
        bins = told[key]
        assert set(bins) == {"confidence", "accuracy", "count", "error"}
        assert (bins["count"], bins["error"]) == (found.count.tolist(), found.error)
        for name in ("confidence", "accuracy"):
            back = [math.nan if value is None else value for value in bins[name]]
            values = torch.tensor(back, dtype=torch.float64)
            assert torch.equal(values.isnan(), found.count == 0)
            assert torch.equal(values.nan_to_num(), getattr(found, name).nan_to_num())
    without = hl.evaluate(dense, dataset, controls=[])
    assert json.loads(without.to_json())["reliability"] == {}


def test_the_winners_information_stands_beside_what_chance_tells(everything):
    table = everything.table
    rows = table[
        table.measure.str.startswith("winner's inf") & (table.representation == "backprop")
    ]
    for row in rows[rows.value > 0].itertuples():
        assert 0 <= float(row.note.removesuffix(" bits by chance")) < row.value
    assert (rows.value > 0).any()


def test_pixels_go_beside_every_layer(everything):
    assert everything.compare("learned@hidden", "pixels@hidden").b == "pixels@hidden"
