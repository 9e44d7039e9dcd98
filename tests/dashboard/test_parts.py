import gc
import json
import threading
import weakref

import pytest

from hebblab.dashboard.bar import Bar
from hebblab.dashboard.chart import Chart
from hebblab.dashboard.controls import Controls, knob_view
from hebblab.dashboard.evaluation import PLOTS, EvaluationPart
from hebblab.dashboard.hands import Parts
from hebblab.dashboard.layout import compose
from hebblab.dashboard.panels import PANELS
from hebblab.dashboard.parts import Part, accepted, knob_value
from hebblab.dashboard.weights import Weights
from hebblab.knobs import Knob

HUGE = "9" * 1_000_000


@pytest.fixture
def sent(monkeypatch):
    """What parts put on the wire, as (part, message)."""
    messages = []
    monkeypatch.setattr(Part, "_send", lambda self, msg, buffers=None: messages.append(msg))
    return messages


@pytest.fixture
def bar():
    made = Bar()
    yield made
    made.close()


def arrive(part, content):
    """A custom message from a page, by the road that ipywidgets uses."""
    part._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})


def updates(messages):
    return [
        m["state"]["view"] for m in messages if m["method"] == "update" and "view" in m["state"]
    ]


def test_a_view_is_sent_once(bar, sent):
    assert bar.show({"state": "ready", "steps": 0})
    assert not bar.show({"steps": 0, "state": "ready"})
    assert bar.show({"state": "running", "steps": 1})
    assert updates(sent) == [{"state": "ready", "steps": 0}, {"state": "running", "steps": 1}]


def test_what_the_caller_changes_later_is_a_change(bar, sent):
    view = {"state": "ready", "can": {"start": True}}
    bar.show(view)
    view["can"]["start"] = False
    assert bar.show(view)
    assert updates(sent)[0]["can"] == {"start": True}


def test_a_reloaded_page_finds_the_view(bar):
    bar.show({"state": "ready"})
    assert bar.get_state("view") == {"view": {"state": "ready"}}


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_no_browser_reads_never_leave(bar, sent, bad):
    with pytest.raises(ValueError, match="not JSON compliant"):
        bar.show({"rate": bad})
    with pytest.raises(TypeError):
        bar.show({"rate": object()})
    assert updates(sent) == []


def test_what_a_page_writes_into_traits_is_dropped(bar, sent):
    bar.show({"state": "ready"})
    data = {"method": "update", "state": {"view": {"state": "owned"}, "_esm": "x", "layout": "x"}}
    bar._handle_msg({"content": {"data": data}, "buffers": []})
    assert bar.view == {"state": "ready"}
    assert bar._esm == Bar._esm
    assert not bar.show({"state": "ready"})


def test_frames_carry_bytes_and_are_not_kept(sent):
    part = Weights()
    calls = []
    part.send = lambda content, buffers: calls.append((content, buffers))
    part.frame({"type": "frame", "id": 1}, [b"bytes of a frame"])
    assert calls == [({"type": "frame", "id": 1}, [b"bytes of a frame"])]
    assert "bytes of a frame" not in json.dumps(part.get_state(), default=str)
    part.close()


def test_events_reach_every_callback_until_it_ends(bar):
    first, second = [], []
    end = bar.on_event(first.append)
    bar.on_event(second.append)
    arrive(bar, {"do": "press", "button": "start"})
    end()
    arrive(bar, {"do": "press", "button": "pause"})
    assert first == [{"do": "press", "button": "start"}]
    assert [e["button"] for e in second] == ["start", "pause"]


@pytest.mark.parametrize(
    "message",
    [
        None, "press", 3, [], {}, {"do": None}, {"do": ["press"]}, {"do": "press"},
        {"do": "press", "button": "explode"}, {"do": "press", "button": ["start"]},
        {"do": "choose", "what": "preset"}, {"do": "choose", "what": "folder", "name": "/etc"},
        {"do": "hello", "hidden": "yes"}, {"do": "save", "what": "/etc/passwd"},
        {"do": "__init__"}, {"do": "edit", "name": "delta", "value": 1},
    ],
)  # fmt: skip
def test_messages_without_sense_end_here(bar, message):
    events = []
    bar.on_event(events.append)
    arrive(bar, message)
    assert events == []


EDIT = {"do": "edit", "name": "delta", "value": 0.5, "gesture": 1, "final": True, "seq": 2}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 3), ("name", None), ("value", None), ("value", [1]), ("value", {"a": 1}),
        ("gesture", -1), ("gesture", 1.5), ("gesture", True), ("seq", 2**60), ("seq", "1"),
        ("final", 1), ("final", None),
    ],
)  # fmt: skip
def test_an_edit_of_the_wrong_shape_is_dropped(field, value):
    assert accepted(EDIT, Controls.events) == EDIT
    assert accepted(EDIT | {field: value}, Controls.events) is None


def test_unknown_fields_are_left_out():
    assert accepted(EDIT | {"layer": "x", "high": 1e9}, Controls.events) == EDIT


@pytest.mark.parametrize("value", [0.4, 3, True, "0.4", "∞"])
def test_values_of_knobs_pass_as_they_are(value):
    passed = knob_value(value)
    assert passed == value
    assert type(passed) is type(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, HUGE, "٣"])
def test_impossible_values_are_left_to_the_session_to_refuse(value):
    knob = Knob("delta", "Δ", "anti-Hebbian", 0.4, 0, 2, "linear", "How hard.")
    passed = knob_value(value)
    assert isinstance(passed, str)
    assert len(passed) <= 200
    from hebblab.errors import InvalidValue

    with pytest.raises(InvalidValue):
        knob.parse(passed)


def test_events_from_many_threads_all_arrive(bar):
    events, lock = [], threading.Lock()

    def hear(event):
        with lock:
            events.append(event)

    def page(number):
        for i in range(200):
            arrive(bar, {"do": "speed", "value": f"{number}:{i}"})
            # Callbacks that come and go meanwhile disturb nobody.
            bar.on_event(lambda _: None)()

    bar.on_event(hear)
    threads = [threading.Thread(target=page, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({e["value"] for e in events}) == len(events) == 800


def test_views_from_many_threads_end_with_one_that_was_shown(bar, sent):
    def publish(number):
        for i in range(100):
            bar.show({"state": f"{number}:{i}"})

    threads = [threading.Thread(target=publish, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert bar.view == updates(sent)[-1]
    assert not bar.show(dict(bar.view))


def test_a_closed_part_says_nothing_and_breaks_nothing():
    part = Controls()
    part.close()
    part.show({"title": "late"})
    part.frame({"type": "beat"})


def test_a_part_that_nobody_holds_goes():
    part = Bar()
    part.on_event(lambda event: None)
    watched = weakref.ref(part)
    part.close()
    del part
    gc.collect()
    assert watched() is None


def test_a_knob_is_shown_with_its_declaration():
    knob = Knob("delta", "Δ", "anti-Hebbian", 0.4, 0, 2, "linear", "How hard.", slider_high=1)
    view = knob_view(knob, 0.4, group="probe", disabled=True, reason="not now")
    assert view["text"] == knob.text(0.4)
    assert (view["slider_low"], view["slider_high"], view["low"], view["high"]) == (0, 1, 0, 2)
    assert (view["group"], view["disabled"], view["reason"]) == ("probe", True, "not now")
    assert json.loads(json.dumps(view, allow_nan=False)) == view


def test_the_lab_is_one_box_around_one_grid():
    chart, plot = Chart(PANELS[0]()), Chart(PLOTS[0]())
    parts = Parts(Bar(), Controls(), Weights(), (chart,), EvaluationPart(), (plot,))
    lab = compose(parts)
    (grid,) = lab.children
    assert "hebblab-lab" in lab._dom_classes
    assert grid.children[:3] == (parts.bar, parts.controls, parts.weights)
    assert grid.children[3].children == (chart,)
    assert grid.children[4].children == (parts.evaluation, plot)
    for widget in (*grid.children, grid, lab, chart, plot, parts.evaluation):
        widget.close()


def test_parts_use_no_name_that_the_widget_protocol_has():
    for part in (Bar, Controls, Weights, EvaluationPart):
        own = set(vars(part)) | set(vars(Part))
        assert not own & {"log", "keys", "comm", "close", "model_id", "open", "send"}
