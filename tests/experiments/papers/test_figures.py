"""Figures of papers: every number is in them, every gap is said, names do not hide each other."""

import dataclasses
import json
import math
from itertools import pairwise

import pytest
import torch

import hebblab as hl
from hebblab import InvalidValue, UnknownName
from hebblab.evaluation import student_interval
from hebblab.experiments.papers import Cell, Paper, PaperResult, Published, claims, data, drawing
from hebblab.experiments.papers.data import Source

MEASURE, OTHER = "test accuracy, %", "validation accuracy, %"
COPY = Source("mnist-5k", "MNIST, a copy", exact=False)


def paper(layers=("L1", "L2", "L3")):
    return Paper(
        name="drawn-2020",
        title="A drawing",
        citation="Nobody, Nowhere 2020.",
        data=lambda: COPY,
        conditions={"ours": 1.0, "theirs": 1.0, "absent": 1.0},
        layers=layers,
        seeds=(1, 2, 3),
        settings=1,
        measure=lambda *_: iter(()),
        published=(Published("ours", layers[-1], MEASURE, 84.0, 0.5, "the paper, table 1"),),
        claims=(
            hl.papers.Claim("Ours is better.", claims.ordered(MEASURE, ("ours", "L1"), THEIRS)),
            hl.papers.Claim("Ours is 84.", claims.number(MEASURE, ("ours", layers[-1]), 84.0)),
        ),
        deviations=("It is drawn.",),
    )


THEIRS = ("theirs", "L1")


def result(layers=("L1", "L2", "L3"), seeds=(1, 2, 3)):
    drawn = paper(layers)
    outcomes, reasons = {}, {}
    for seed in seeds:
        for depth, layer in enumerate(layers):
            for place, condition in enumerate(("ours", "theirs")):
                value = 80 + 3 * depth - 2 * place + 0.1 * seed * (1 + place)
                number = {"value": value, "low": value - 1, "high": value + 1, "n": 1000}
                outcomes[Cell(condition, layer, seed)] = {
                    "numbers": {MEASURE: number, OTHER: {"value": value + 1}},
                    "about": {"validation": [0.5, 0.6, 0.7, 0.8][: 2 + seed]},
                    "data": {"title": COPY.title, "fingerprint": 64 * "0"},
                    "made": {},
                    "cpu_seconds": 1.0,
                }
            reasons[Cell("absent", layer, seed)] = "its sources are not here"
    return PaperResult(drawn, COPY, outcomes, reasons)


@pytest.fixture(scope="module")
def deep():
    return result()


@pytest.fixture(scope="module")
def flat():
    return result(("L1",))


def texts(figure):
    return [one.text.replace("<br>", " ") for one in figure.layout.annotations]


def points(figure):
    return [(x, y) for trace in figure.data for x, y in zip(trace.x, trace.y, strict=True)]


def test_one_layer_is_a_row_a_condition_with_interval_runs_and_published(flat):
    figure = flat.figure()
    published, singles, means = figure.data
    assert list(published.x) == [84.0]
    assert list(published.error_x.array) == [0.5]
    assert sorted(singles.x) == pytest.approx([78.2, 78.4, 78.6, 80.1, 80.2, 80.3])
    assert list(means.x) == pytest.approx([80.2, 78.4])
    _, low, high = student_interval([80.1, 80.2, 80.3])
    assert means.error_x.array[0] == pytest.approx(high - 80.2)
    assert means.error_x.arrayminus[0] == pytest.approx(80.2 - low)
    assert list(figure.layout.yaxis.ticktext) == ["ours", "theirs", "absent"]
    low, high = figure.layout.xaxis.range
    assert low < 78.2
    assert high > 84.5


def test_what_was_not_run_is_said_where_its_number_would_be(flat, deep):
    assert "not run: its sources are not here" in texts(flat.figure())
    assert "absent (not run: its sources are not here)" in texts(deep.figure())
    rows = texts(deep.differences([("ours", "absent")]))
    assert len([one for one in rows if "its sources are not here" in one]) == 3


def test_several_layers_are_a_curve_a_condition_with_its_name_at_the_end(deep):
    figure = deep.figure()
    curves = {trace.text[0].split(",")[0]: trace for trace in figure.data if trace.text}
    assert list(curves["ours"].y) == pytest.approx([80.2, 83.2, 86.2])
    assert all(bar > 0 for bar in curves["theirs"].error_y.array)
    assert list(figure.layout.xaxis.ticktext) == ["L1", "L2", "L3"]
    assert [round(x) for x in curves["ours"].x] == [0, 1, 2]
    assert 84.0 in [y for _, y in points(figure)]


def test_a_figure_of_some_conditions_has_no_other(deep):
    figure = deep.figure(conditions=["theirs"])
    assert texts(figure) == ["theirs"]


def test_every_heading_names_data_that_are_not_the_papers(deep, flat):
    figures = [deep.figure(), flat.figure(OTHER), deep.differences([("ours", "theirs")])]
    for figure in [*figures, deep.curves()]:
        assert figure.layout.title.text.endswith("· MNIST, a copy</b>")
    assert "not the set of the paper" in deep.paper._repr_markdown_()
    assert "MNIST, a copy" in deep.claim("Ours is better").markdown
    assert "MNIST, a copy" in deep.show("numbers").markdown


def test_differences_are_paired_and_say_whether_zero_is_excluded(flat):
    figure = flat.differences([("ours", "theirs"), ("theirs", "ours")])
    singles, clear, unclear = figure.data
    assert sorted(singles.x) == pytest.approx([-1.9, -1.8, -1.7, 1.7, 1.8, 1.9])
    assert sorted(clear.x) == pytest.approx([-1.8, 1.8])
    assert not unclear.x
    assert texts(figure) == ["+1.80", "−1.80"]
    assert "grey" not in figure.layout.title.subtitle.text
    same = flat.differences([("ours", "theirs"), ("ours", "ours")])
    assert same.layout.title.subtitle.text.endswith("grey: zero is not excluded")


def test_two_runs_have_no_interval_and_no_verdict():
    figure = result(("L1",), seeds=(1, 2)).differences([("ours", "theirs")])
    _, clear, unclear = figure.data
    assert not clear.x
    assert list(unclear.error_x.array) == [None]
    assert "no bar: under three pairs" in figure.layout.title.subtitle.text
    single = result(("L1",), seeds=(1,)).figure()
    assert "Wilson, 1,000 images" in single.layout.title.subtitle.text
    assert single.data[2].error_x.array[0] == pytest.approx(1.0)


def test_curves_are_means_as_far_as_all_seeds_go(deep):
    figure = deep.curves()
    long = [trace for trace in figure.data if trace.line.width > 2]
    assert [list(trace.y) for trace in long] == [[50, 60, 70], [50, 60, 70]]
    assert texts(figure) == ["ours", "theirs"]
    with pytest.raises(InvalidValue, match="kept 'loss' by epoch"):
        deep.curves("loss")


def test_names_that_are_none_name_the_nearest(deep):
    with pytest.raises(UnknownName, match="Did you mean 'test accuracy, %'"):
        deep.figure("test accuracy")
    with pytest.raises(UnknownName, match="Did you mean 'theirs'"):
        deep.differences([("ours", "their")])
    with pytest.raises(UnknownName, match="Did you mean 'theirs'"):
        deep.figure(conditions=["their"])
    with pytest.raises(UnknownName, match="L1, L2, L3"):
        deep.curves(layer="conv")
    with pytest.raises(InvalidValue, match="at least one pair"):
        deep.differences([])
    for beginning in ("Ours", "Theirs", ""):
        with pytest.raises(UnknownName, match=r"Ours is 84\."):
            deep.claim(beginning)
    with pytest.raises(UnknownName, match="deviations"):
        deep.show("deviation")


def test_a_result_without_numbers_has_no_figure():
    empty = PaperResult(paper(), COPY, {}, {})
    for draw in (empty.figure, empty.curves, lambda: empty.differences([("ours", "theirs")])):
        with pytest.raises(InvalidValue, match="drawn-2020"):
            draw()


def test_a_claim_and_a_part_are_shown_as_they_stand_on_the_page(deep):
    shown = deep.claim("Ours is better")
    assert "> Ours is better." in str(shown)
    assert f"**{deep.claims[0][1]}**" in repr(shown)
    assert deep.show("deviations").markdown == "### Deviations · MNIST, a copy\n\n- It is drawn."
    assert deep.show("not run").markdown.count("its sources are not here") == 1
    page = deep.to_markdown()
    for part in ("claims", "numbers", "made"):
        assert deep.show(part).markdown.partition("\n\n")[2] in page
    assert deep._repr_markdown_() == page


def test_a_paper_says_before_it_runs_what_it_claims_and_compares(deep):
    page = deep.paper._repr_markdown_()
    for part in ("1. Ours is better.", "- theirs", "seeds 1, 2, 3", "L1, L2, L3", "Nobody"):
        assert part in page
    missing = dataclasses.replace(deep.paper, data=data.exact("mnist", "MNIST"))
    assert "not here" not in page
    assert Source("mnist", "MNIST") == missing.data()


def test_missing_data_are_one_sentence_with_a_command(tmp_path, monkeypatch):
    monkeypatch.setenv("HEBBLAB_DATA", str(tmp_path))
    told = data.absent(Source("mnist", "MNIST"))
    assert told.startswith(f"MNIST is not in {tmp_path}")
    assert "hebblab data get mnist" in told
    assert data.absent(Source(str(tmp_path), "A folder", exact=False)) == ""


def test_names_at_the_ends_of_curves_stand_apart():
    placed = drawing.apart([5.0, 5.0, 5.1, 9.0, 1.0], 1.0)
    assert placed[4] == 1.0
    assert placed[3] == 9.0
    close = sorted(placed[:3])
    assert [b - a for a, b in pairwise(close)] == pytest.approx([1.0, 1.0])
    assert sum(close) / 3 == pytest.approx(5.0333, abs=1e-3)
    assert drawing.apart([], 1.0) == []


def test_hostile_names_are_drawn_as_they_are_written():
    assert drawing.wrapped("<b>$x$</b>") == "&lt;b&gt;&#36;x&#36;&lt;/b&gt;"
    assert drawing.span([math.nan]) == (0.0, 1.0)
    assert drawing.span([3.0, 3.0]) == (2.0, 4.0)


def test_pictures_of_weights_carry_what_they_measure():
    noise = torch.randn(30, 64, generator=torch.Generator().manual_seed(0))
    smooth = torch.linspace(-1, 1, 8).outer(torch.linspace(-1, 1, 8)).flatten().repeat(30, 1)
    figure = hl.papers.weights({"noise": noise, "one": smooth}, (1, 8, 8), units=9, title="Two")
    assert [trace.type for trace in figure.data] == ["heatmap", "heatmap"]
    assert len(figure.data[0].z) == 3 * 9 - 1
    shown = texts(figure)
    assert "<b>noise</b>" in shown
    assert "effective rank 1.0 of 30" in shown
    assert f"total variation {hl.metrics.total_variation(noise, (8, 8)):.2f}" in shown
    assert figure.layout.title.text == "<b>Two</b>"
    assert len(figure.to_json()) < 100_000


def test_three_channels_are_colours_with_zero_grey():
    kernels = torch.zeros(4, 3, 5, 5)
    kernels[0, 0] = 1.0
    figure = hl.papers.weights({"conv": kernels}, (3, 5, 5), units=4)
    pixels = json.loads(figure.to_json())["data"][0]["z"]
    assert figure.data[0].type == "image"
    assert {tuple(pixel) for row in pixels for pixel in row} == {(255, 128, 128), (128, 128, 128)}


def test_what_makes_no_picture_is_refused():
    with pytest.raises(InvalidValue, match="at least one network"):
        hl.papers.weights({}, (1, 2, 2))
    with pytest.raises(InvalidValue, match="1 or 3, height, width"):
        hl.papers.weights({"deep": torch.ones(2, 16)}, (4, 2, 2))
    with pytest.raises(InvalidValue, match="do not make a picture"):
        hl.papers.weights({"a": torch.ones(2, 5)}, (2, 2))


def test_the_bar_shows_one_page_that_changes(monkeypatch):
    shown = []

    class Handle:
        def display(self, bundle, raw):
            shown.append(bundle)

        update = display

    monkeypatch.setattr("IPython.get_ipython", lambda: object())
    monkeypatch.setattr("IPython.display.DisplayHandle", Handle)
    bar = hl.papers.Bar()
    for done in (0.0, 1.0, 2.0, 10.0):
        bar(done, 10.0, f"{done:g} of 10 <cells>")
    assert [bundle["text/plain"] for bundle in shown] == ["0 of 10 <cells>", "10 of 10 <cells>"]
    assert 'value="10.000" max="10.000"' in shown[-1]["text/html"]
    assert "&lt;cells&gt;" in shown[-1]["text/html"]


def test_the_bar_is_silent_where_nobody_sees_it(capsys):
    hl.papers.Bar()(1.0, 2.0, "half")
    assert capsys.readouterr() == ("", "")
