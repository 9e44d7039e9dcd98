import gzip
import threading

import pytest

from hebblab.charts import LIGHT
from hebblab.dashboard import chart as charts
from hebblab.dashboard.chart import Chart
from hebblab.dashboard.esm import read
from hebblab.dashboard.panels import Accuracy, Histogram, ProbePoint, Story


class Clock:
    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(charts, "time", made)
    return made


@pytest.fixture
def chart(monkeypatch, clock):
    sent = []
    monkeypatch.setattr(
        Chart, "send", lambda self, content, buffers=None: sent.append((content, buffers))
    )
    made = Chart(Accuracy())
    made.sent = sent
    yield made
    made.close()


def spec(value):
    return {"data": [{"y": [value]}], "layout": {}, "config": {}}


def hear(chart, **content):
    chart._receive(chart, content, [])


def drawn(chart):
    return [content["spec"]["data"][0]["y"][0] for content, _ in chart.sent if "spec" in content]


def test_only_what_changed_is_sent(chart):
    assert chart.draw(spec(1))
    hear(chart, do="drawn", id=1)
    assert not chart.draw(spec(1))
    assert chart.draw(spec(2))
    assert drawn(chart) == [1, 2]


def test_one_in_flight_and_only_the_newest_waits(chart):
    chart.draw(spec(1))
    assert not chart.idle
    assert not chart.draw(spec(2))
    assert not chart.draw(spec(3))
    hear(chart, do="drawn", id=1)
    assert drawn(chart) == [1, 3]
    hear(chart, do="drawn", id=2)
    assert chart.idle


def test_an_acknowledgement_of_something_else_frees_nothing(chart):
    chart.draw(spec(1))
    chart.draw(spec(2))
    hear(chart, do="drawn", id=7)
    assert drawn(chart) == [1]


def test_a_lost_acknowledgement_does_not_silence_the_chart(chart, clock):
    chart.draw(spec(1))
    assert not chart.draw(spec(2))
    clock.now += charts.PATIENCE + 1
    assert chart.draw(spec(2))
    assert drawn(chart) == [1, 2]


def test_a_page_that_says_hello_gets_the_newest_again(chart):
    hear(chart, do="hello", hidden=False)
    assert drawn(chart) == []
    chart.draw(spec(1))
    chart.draw(spec(2))
    hear(chart, do="hello", hidden=False)
    assert drawn(chart) == [1, 2]
    hear(chart, do="drawn", id=2)
    hear(chart, do="hello", hidden=True)
    assert drawn(chart) == [1, 2, 2]


def test_plotly_is_given_gzipped_and_not_to_everyone_at_once(chart, clock):
    hear(chart, do="plotly")
    hear(chart, do="plotly")
    answers = [(c, b) for c, b in chart.sent if c["type"] == "plotly"]
    assert len(answers) == 1
    assert b"window.Plotly" in gzip.decompress(answers[0][1][0])
    clock.now += 10
    hear(chart, do="plotly")
    assert len([c for c, _ in chart.sent if c["type"] == "plotly"]) == 2


def test_events_are_passed_on_and_nonsense_is_dropped(chart):
    heard = []
    chart.on_event(heard.append)
    chart.draw(spec(1))
    for content in (
        None,
        [],
        {"do": ["drawn"]},
        {"do": "exec"},
        {"do": "drawn", "id": "1"},
        {"do": "drawn", "id": True},
        {"do": "drawn", "id": -1},
    ):
        chart._receive(chart, content, [])
    assert heard == []
    assert not chart.idle
    hear(chart, do="cancel-probe", extra="<b>")
    assert heard == [{"do": "cancel-probe"}]


def test_the_header_is_state_that_survives_a_reload(chart):
    assert chart.view["header"]["text"] == ""
    chart.header("93.2 %", 0.5, True, "raw pixels")
    assert chart.view["header"] == {
        "text": "93.2 %",
        "progress": 0.5,
        "cancel": True,
        "status": "raw pixels",
    }
    other = Chart(Histogram())
    assert other.view["header"] is None
    other.close()


def test_a_page_cannot_write_what_python_shows(chart):
    before = dict(chart.view)
    chart.set_state({"view": {"title": "<script>"}})
    assert chart.view == before


def test_a_story_becomes_chart_and_header(chart):
    story = Story(step=5, probes=[ProbePoint(5, 0.9, 0.88, 0.92)])
    assert chart.tell(story)
    assert chart.view["header"]["text"] == "90.0 %"
    assert not chart.tell(story)


def test_any_thread_may_draw_and_the_newest_arrives(chart):
    def draw(base):
        for i in range(50):
            chart.draw(spec(base + i))
            hear(chart, do="drawn", id=chart._number)

    threads = [threading.Thread(target=draw, args=(1000 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chart.draw(spec("last"))
    hear(chart, do="drawn", id=chart._number)
    assert drawn(chart)[-1] == "last"


def test_the_colours_are_the_same_in_python_page_and_style_sheet():
    script, sheet = read("spec.js"), read("lab.css")
    for name, value in LIGHT.items():
        assert f'{name}: "{value}"' in script
        assert f"--hebblab-{name}: {value};" in sheet


def test_the_module_is_small_and_loads_nothing_at_its_top():
    module = Chart(Histogram())
    assert len(module._esm) < 40_000
    assert "import " not in "\n".join(
        line for line in module._esm.splitlines() if line.startswith("import")
    )
    module.close()
