import json
import math
import re
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest

from hebblab import charts
from hebblab.dashboard.panels import (
    PANELS,
    Accuracy,
    Activations,
    Convergence,
    Histogram,
    LiveLine,
    ProbePoint,
    Story,
)

METRICS = ("convergence", "never_win", "turned", "win_entropy", "likeness")


def history(until=560, every=10):
    steps = list(range(0, until + 1, every))
    columns = {name: [min(1.0, s / 300) for s in steps] for name in METRICS}
    columns["never_win"] = [0.02] * len(steps)
    return {"step": steps, **columns}


def reading(units=100, convergence=1.0, reach=0.13, count=78_400):
    share = np.linspace(2, 0, units)
    counts, edges = np.histogram(np.linspace(-reach, reach, count), bins=64, range=(-reach, reach))
    return SimpleNamespace(
        convergence=convergence,
        histogram=SimpleNamespace(counts=counts, edges=edges),
        activations=SimpleNamespace(
            mean=3.1, std=1.4, share_active=0.97, win_entropy=0.957, wins=(10 * share).astype(int)
        ),
        sample=1000,
    )


PROBES = (
    ProbePoint(90, 0.862, 0.84, 0.882, raw=0.894, random=0.831, stale=True),
    ProbePoint(250, 0.927, 0.91, 0.942, raw=0.894, random=0.831),
    ProbePoint(560, 0.932, 0.915, 0.946, raw=0.894, random=0.831),
)
STORY = Story(
    history=history(),
    marks=[(300, "Δ 0.20"), (420, "Δ 0.40")],
    reading=reading(),
    probes=PROBES,
    layer="hidden",
    step=560,
    noun="digits",
)
LONG = replace(STORY, history=history(25_000, 1), step=25_000)
STORIES = {
    "empty": Story(),
    "first steps": replace(STORY, history=history(2, 1), step=2, probes=(), marks=()),
    "whole": STORY,
    "long": LONG,
    "tail": replace(LONG, window="last"),
    "no norm": replace(STORY, norm_p=None, reading=reading(convergence=None)),
    "collapsed": replace(STORY, reading=reading(convergence=0.0)),
    "probing": replace(STORY, probe_status=(0.4, "random features")),
}


def trace(spec, name):
    return next(t for t in spec["data"] if t["name"] == name)


def labels(spec, name):
    return [a["text"] for a in spec["layout"]["annotations"] if a["name"] == name]


@pytest.mark.parametrize("panel", PANELS, ids=lambda p: p.name)
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_every_panel_makes_plain_json_of_every_story(panel, story):
    spec = panel().spec(story)
    json.dumps(spec, allow_nan=False)
    assert spec["title"] and spec["subtitle"] and spec["description"]
    assert spec["layout"]["xaxis"]["title"]["text"] and spec["layout"]["yaxis"]["title"]["text"]
    assert all(len(t["x"]) == len(t["y"]) <= 1000 for t in spec["data"])
    assert all("hovertemplate" in t for t in spec["data"])


@pytest.mark.parametrize("panel", PANELS, ids=lambda p: p.name)
def test_every_chart_is_the_same_as_a_plotly_figure_in_the_light_theme(panel):
    figure = charts.figure(panel().spec(STORY))
    drawn = figure.to_json()
    assert not re.search(r'"@\w+"', drawn)
    assert panel.title in figure.layout.title.text
    assert figure.layout.xaxis.title.text
    assert len(figure.data) == len(panel().spec(STORY)["data"])


@pytest.mark.parametrize("panel", PANELS, ids=lambda p: p.name)
def test_one_more_step_moves_no_axis(panel):
    made = panel()
    before = made.spec(STORY)["layout"]
    longer = replace(STORY, history=history(570), step=570, reading=reading(reach=0.135))
    after = made.spec(longer)["layout"]
    assert before["xaxis"]["range"] == after["xaxis"]["range"]
    assert before["yaxis"]["range"] == after["yaxis"]["range"]
    assert before["margin"] == after["margin"]


def test_convergence_draws_both_shares_in_per_cent():
    spec = Convergence().spec(STORY)
    assert trace(spec, "converged")["x"][:3] == [0, 10, 20]
    assert trace(spec, "converged")["y"][15] == pytest.approx(50)
    assert set(trace(spec, "never win")["y"]) == {2.0}
    assert sorted(labels(spec, "end")) == ["<b>converged 100 %</b>", "never win 2 %"]
    assert spec["subtitle"] == "share of units, ‖w‖₂ within 10 % of 1"
    assert spec["words"] == "in use 95 % · winners’ entropy 0.96"


def test_the_norm_at_hand_is_named():
    assert "‖w‖₂.₅" in Convergence().spec(replace(STORY, norm_p=2.5))["subtitle"]


def test_without_a_norm_the_first_chart_is_another_and_says_so():
    spec = Convergence().spec(STORIES["no norm"])
    assert spec["title"] == "Units that turned under 1°"
    assert "last epoch" in spec["subtitle"]
    assert trace(spec, "settled")["y"]
    assert not any(t["name"] == "converged" for t in spec["data"])


def test_undefined_values_are_gaps():
    columns = history()
    columns["convergence"][3:5] = [None, math.nan]
    spec = Convergence().spec(replace(STORY, history=columns))
    assert trace(spec, "converged")["y"][3:5] == [None, None]


@pytest.mark.parametrize("panel", [Convergence, Accuracy])
def test_edits_are_marked_on_every_curve(panel):
    spec = panel().spec(STORY)
    lines = [s for s in spec["layout"]["shapes"] if s["name"] == "edit"]
    assert [s["x0"] for s in lines] == [300, 420]
    assert labels(spec, "mark") == ["Δ 0.20", "Δ 0.40"]
    assert trace(spec, "edit")["text"] == ["Δ 0.20", "Δ 0.40"]


def test_a_name_that_is_markup_is_drawn_as_it_is_written():
    story = replace(STORY, marks=[(300, "<a href='x'>$k$</a>")], layer="<i>&")
    spec = Convergence().spec(story)
    drawn = labels(spec, "mark") + trace(spec, "edit")["text"]
    assert not any("<" in text or "$" in text for text in drawn)
    assert all("&lt;a" in text for text in drawn)
    # Words outside the plot are set as text, so they are not escaped twice.
    assert "“<i>&”" in Histogram().spec(story)["subtitle"]
    assert "&lt;i&gt;&amp;" in charts.figure(Histogram().spec(story)).layout.title.subtitle.text


def test_long_runs_are_thinned_evenly_and_keep_their_ends():
    spec = Convergence().spec(LONG)
    x = trace(spec, "converged")["x"]
    assert 500 < len(x) <= 1000
    assert (x[0], x[-1]) == (0, 25_000)
    assert len(set(np.diff(x[:-1]))) == 1


def test_the_last_thousand_steps_from_step_2000_on():
    x = trace(Convergence().spec(STORIES["tail"]), "converged")["x"]
    low, high = Convergence().spec(STORIES["tail"])["layout"]["xaxis"]["range"]
    assert low + 200 >= 24_000 and 1000 <= high - low <= 1200
    assert low <= x[0] and x[-1] == 25_000
    early = replace(STORY, history=history(1990), step=1990, window="last")
    assert Convergence().spec(early)["layout"]["xaxis"]["range"][0] == 0


def test_probes_stand_with_intervals_beside_two_baselines():
    spec = Accuracy().spec(STORY)
    probe = trace(spec, "probe")
    assert probe["x"] == [90, 250, 560]
    assert probe["y"] == [86.2, 92.7, 93.2]
    assert probe["error_y"]["array"][-1] == pytest.approx(1.4)
    assert probe["error_y"]["arrayminus"][-1] == pytest.approx(1.7)
    assert trace(spec, "raw pixels")["y"] == [89.4, 89.4]
    assert trace(spec, "random features")["y"] == [83.1, 83.1]
    assert labels(spec, "base") == ["raw pixels 89.4 %", "random features 83.1 %"]
    assert spec["subtitle"] == "linear readout, 1,000 validation digits"
    assert spec["layout"]["yaxis"]["range"][0] < 83.1 < 100 < spec["layout"]["yaxis"]["range"][1]


def test_points_from_before_an_edit_of_n_are_hollow_and_say_so():
    probe = trace(Accuracy().spec(STORY), "probe")
    assert probe["marker"]["color"] == ["@paper", "@accent", "@accent"]
    assert "before this edit" in probe["text"][0]
    assert "before this edit" not in probe["text"][1]


def test_a_second_probe_at_one_step_takes_the_place_of_the_first():
    again = replace(PROBES[-1], accuracy=0.95)
    probe = trace(Accuracy().spec(replace(STORY, probes=(*PROBES, again))), "probe")
    assert probe["x"] == [90, 250, 560] and probe["y"][-1] == 95.0


def test_the_header_says_result_or_progress():
    panel = Accuracy()
    assert panel.header(Story()).text == ""
    done = panel.header(STORY)
    assert done.text == "93.2 % · raw pixels 89.4 % · random features 83.1 %"
    assert done.progress is None and not done.cancel
    busy = panel.header(STORIES["probing"])
    assert (busy.progress, busy.cancel, busy.status) == (0.4, True, "random features")
    assert panel.header(replace(STORY, probe_status=(7.0, ""))).progress == 1.0
    assert Convergence().header(STORY) is None


def test_no_probe_yet_says_what_to_press():
    spec = Accuracy().spec(Story())
    assert spec["words"].startswith("Press Probe")
    assert spec["place"] == "centre"


def test_wins_are_sorted_with_their_statistics_in_words():
    spec = Activations().spec(STORY)
    bars = trace(spec, "wins")
    assert bars["y"] == sorted(bars["y"], reverse=True)
    assert bars["x"] == list(range(1, 101))
    words = spec["words"].replace("\N{NO-BREAK SPACE}", " ")
    assert words == "entropy 0.96 of 1 · active 97 % · mean 3.1 ± 1.4"
    assert spec["subtitle"] == "wins per unit on 1,000 validation digits"


def test_two_thousand_units_are_at_most_400_bars():
    bars = trace(Activations().spec(replace(STORY, reading=reading(units=2000))), "wins")
    assert len(bars["x"]) <= 400
    assert (bars["x"][0], bars["x"][-1]) == (1, 2000)


def test_tensors_are_read_like_arrays():
    torch = pytest.importorskip("torch")
    found = reading()
    found.activations.wins = torch.tensor([3, 0, 9])
    found.histogram = SimpleNamespace(
        counts=torch.tensor([4, 9]), edges=torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    )
    story = replace(STORY, reading=found)
    assert trace(Activations().spec(story), "wins")["y"] == [9, 3, 0]
    assert trace(Histogram().spec(story), "weights")["y"] == [2.0, 3.0]


def test_the_histogram_has_root_heights_and_true_numbers_beside_them():
    found = reading()
    spec = Histogram().spec(STORY)
    bars = trace(spec, "weights")
    assert bars["y"] == pytest.approx(np.sqrt(found.histogram.counts), abs=1e-3)
    assert [c for c, _, _ in bars["customdata"]] == found.histogram.counts.tolist()
    axis = spec["layout"]["yaxis"]
    assert axis["tickvals"][-1] ** 2 == pytest.approx(2000)
    assert axis["ticktext"] == ["0", "500", "2 k"]
    low, high = spec["layout"]["xaxis"]["range"]
    assert -low == high == 0.2
    assert spec["subtitle"] == "all 78,400 weights of “hidden”"


def test_a_range_grows_at_once_and_shrinks_only_when_it_stands_empty():
    panel = Histogram()

    def reach(value):
        made = panel.spec(replace(STORY, reading=reading(reach=value)))
        return made["layout"]["xaxis"]["range"][1]

    assert [reach(v) for v in (1.0, 0.6, 0.9, 1.1, 0.9, 0.3)] == [1, 1, 1, 2, 2, 0.5]


def test_panels_read_what_a_live_reading_has():
    read = pytest.importorskip("hebblab.live.reading")
    known = {f.name for f in fields(read.Reading)}
    assert set(vars(reading())) <= known


def test_a_live_line_stands_beside_the_probes_and_says_what_it_is():
    ends = ([0.4] * 3, [0.8] * 3, 1000)
    line = LiveLine("ncm", "nearest class mean", [0, 100, 200], [0.5, 0.62, 0.7], *ends)
    spec = Accuracy().spec(Story(step=200, live=line))
    (trace,) = [one for one in spec["data"] if one["name"] == "live line"]
    assert (trace["x"], trace["y"]) == ([0, 100, 200], [50.0, 62.0, 70.0])
    assert any("nearest class mean 70.0 % (validation)" in a["text"]
               for a in spec["layout"]["annotations"])  # fmt: skip
    assert spec["words"] == "" and "nearest class mean: 70 %" in spec["description"]
    refused = Accuracy().spec(Story(live=LiveLine("ncm", refusal="There is but one class.")))
    assert refused["words"] == "There is but one class."
    tools = Accuracy().tools(Story(live=line))
    assert [tool.do for tool in tools] == ["evaluation", "live-line"]
    assert tools[1].value == "ncm" and "off" in dict(tools[1].options)
