"""The desk without a browser: what it makes of a page's messages, and what it shows."""

import json
import re
import threading
import time

import pytest
import torch
from safetensors.torch import load

import hebblab
from hebblab import rules
from hebblab.dashboard.bar import Bar
from hebblab.dashboard.chart import Chart
from hebblab.dashboard.controls import Controls
from hebblab.dashboard.desk import Desk, Parts
from hebblab.dashboard.evaluation import PLOTS, EvaluationPart
from hebblab.dashboard.panels import PANELS
from hebblab.dashboard.parts import Part
from hebblab.dashboard.pulse import BEAT, GONE, UNTOUCHED
from hebblab.dashboard.weights import Weights
from hebblab.live import Edit, Session


class Clock:
    """Seconds that pass, and minutes that pass when a test says so."""

    def __init__(self):
        self.skipped = 0.0

    def __call__(self):
        return time.monotonic() + self.skipped

    def skip(self, seconds):
        self.skipped += seconds


class Room:
    """A desk, and the hands of whoever sits before its page."""

    def __init__(self, session, until, owned=True, served=False):
        self.clock, self.until = Clock(), until
        self.parts = Parts(
            Bar(), Controls(), Weights(), tuple(Chart(panel()) for panel in PANELS),
            EvaluationPart(), tuple(Chart(plot()) for plot in PLOTS),
        )  # fmt: skip
        self.desk = Desk(session, owned, self.parts, served, self.clock)
        self.first = session
        self._seq = 0

    @property
    def session(self):
        return self.desk.session

    @property
    def bar(self):
        return self.parts.bar.view

    @property
    def controls(self):
        return self.parts.controls.view

    def says(self, part, **message):
        """A message arrives as ipywidgets brings it."""
        data = {"method": "custom", "content": message}
        part._handle_msg({"content": {"data": data}, "buffers": []})

    def hello(self):
        self.says(self.parts.bar, do="hello", hidden=False)

    def press(self, button):
        self.says(self.parts.bar, do="press", button=button)

    def choose(self, what, name):
        self.says(self.parts.bar, do="choose", what=what, name=name)

    def turn(self, name, value, gesture=0, final=True):
        self._seq += 1
        self.says(self.parts.controls, do="edit", name=name, value=value,
                  gesture=gesture, final=final, seq=self._seq)  # fmt: skip

    def heard(self):
        """Wait until everything said so far was judged, and what came of it was shown."""
        self.turn("delta", "no number")
        seq = self._seq
        self.until(lambda: self.controls["seq"] >= seq, "an answer")

    def runs(self):
        self.press("start")
        self.until(lambda: self.session.steps > 2, "the first steps")

    def error(self):
        self.until(lambda: self.bar["error"], "an error")
        return self.bar["error"]["sentence"]

    def close(self):
        self.desk.close()
        self.first.stop()
        parts = (self.parts.bar, self.parts.controls, self.parts.weights, self.parts.evaluation)
        for part in (*parts, *self.parts.charts, *self.parts.plots):
            part.layout.close()
            part.close()


@pytest.fixture
def room(until):
    """Make rooms; none of them outlives its test."""
    made = []

    def make(preset="mnist-krotov", owned=True, served=False, **settings):
        settings = {"endless": True, "speed": 200.0, **settings}
        made.append(Room(Session(preset, **settings), until, owned, served))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def sent(monkeypatch):
    """What parts put on the wire."""
    messages = []
    monkeypatch.setattr(
        Part, "_send", lambda self, msg, buffers=None: messages.append((msg, buffers or []))
    )
    return messages


def frames(sent, kind):
    return [
        (msg["content"], buffers)
        for msg, buffers in list(sent)
        if msg["method"] == "custom" and msg["content"]["type"] == kind
    ]


def test_buttons_drive_the_run(room, until):
    one = room()
    one.hello()
    one.runs()
    until(lambda: one.bar["state"] == "running", "the page to say so")
    one.press("pause")
    until(lambda: one.bar["state"] == "paused", "a pause")
    held = one.session.steps
    one.press("step")
    until(lambda: one.bar["steps"] == held + 1, "a step")
    assert (one.session.steps, one.session.state) == (held + 1, "paused")
    one.press("restart")
    until(lambda: one.bar["state"] == "ready", "a restart")
    assert (one.session.steps, one.session.recipe.seed) == (0, one.first.recipe.seed)
    one.press("new-seed")
    until(lambda: one.bar["seed"] == str(one.first.recipe.seed), "another seed")
    one.press("stop")
    until(lambda: one.bar["state"] == "stopped", "the end")
    one.press("start")
    one.heard()
    assert one.session.state == "stopped"
    assert json.dumps(one.bar, allow_nan=False)


def test_a_run_that_was_stopped_begins_anew_from_its_recipe(room, until):
    one = room()
    one.hello()
    one.runs()
    before = one.session.weights()
    one.turn("delta", 0.9)
    one.press("stop")
    until(lambda: one.bar["state"] == "stopped", "the end")
    assert "Restart" in one.controls["words"]
    assert one.bar["can"]["restart"] and one.bar["can"]["new-seed"]
    one.press("restart")
    until(lambda: one.bar["state"] == "ready", "a fresh start")
    assert (one.session.steps, one.session.edits) == (0, ())
    assert one.session.recipe == one.first.recipe
    assert not one.bar["back"]
    one.runs()
    assert one.session.weights().shape == before.shape
    one.press("stop")
    until(lambda: one.bar["state"] == "stopped", "the end")
    one.press("new-seed")
    until(lambda: one.bar["state"] == "ready", "a fresh start")
    assert one.session.recipe.seed == one.first.recipe.seed + 1


def test_a_desk_that_nobody_looks_at_says_nothing(room, sent, threads):
    one = room()
    sent.clear()
    one.session.step(5)
    assert sent == []
    assert "hebblab-lab" not in threads()


def test_beats_come_every_two_seconds_and_end_with_the_page(room, sent, until):
    one = room()
    one.hello()
    until(lambda: frames(sent, "beat"), "the first beat")
    one.runs()
    for _ in range(3):
        count = len(frames(sent, "beat"))
        one.clock.skip(BEAT)
        until(lambda count=count: len(frames(sent, "beat")) > count, "the next beat")
    one.clock.skip(GONE)
    steps = one.session.steps
    # What was under way may still be said.
    until(lambda: one.session.steps > steps + 100, "steps without a page")
    sent.clear()
    until(lambda: one.session.steps > steps + 400, "more of them")
    assert sent == []
    one.hello()
    until(lambda: frames(sent, "beat"), "a beat for the page that came back")


def test_one_frame_is_in_flight(room, sent, until):
    one = room()
    one.hello()
    until(lambda: frames(sent, "frame"), "the first frame")
    one.heard()
    before = len(frames(sent, "frame"))
    one.runs()
    until(lambda: one.session.steps > 50, "some steps")
    one.heard()
    shown = frames(sent, "frame")
    # What is pressed shows a whole frame at once; training alone shows none without an answer.
    assert len(shown) <= before + 1
    one.says(one.parts.weights, do="painted", id=shown[-1][0]["id"])
    until(lambda: len(frames(sent, "frame")) > len(shown), "the next frame")
    content, (data,) = frames(sent, "frame")[-1]
    assert len(data) == 100 * 784 == len(content["units"]) * content["height"] * content["width"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (7, "from 0 to 2, not 7"), (-0.1, "not -0.1"), ("abc", "'abc'"), ("٣", "'٣'"),
        ("", "''"), (float("nan"), "nan"), (float("inf"), "inf"), (10**400, "from 0 to 2"),
        (True, "from 0 to 2"), ("9" * 100_000, "from 0 to 2"), ("0.3; import os", "from 0 to 2"),
    ],
)  # fmt: skip
def test_an_impossible_value_is_refused_and_changes_nothing(room, until, value, words):
    one = room()
    before = one.session.values()
    one.turn("delta", value)
    until(lambda: one.controls["refusal"], "a refusal")
    assert one.controls["refusal"]["name"] == "delta"
    assert words in one.controls["refusal"]["text"]
    assert len(one.controls["refusal"]["text"]) < 300
    assert one.session.values() == before
    assert one.session.edits == ()
    one.turn("delta", "0.3")
    until(lambda: one.controls["refusal"] is None, "the next valid value")
    assert one.session.values()["delta"] == 0.3


def test_a_refusal_speaks_of_the_network_at_hand(room, until):
    one = room()
    one.turn("k", 101)
    until(lambda: one.controls["refusal"], "a refusal")
    assert "from 2 to 100, not 101" in one.controls["refusal"]["text"]


@pytest.mark.parametrize("name", ["no-such-knob", "__class__", "session", "Delta", "x" * 10_000])
def test_a_knob_that_is_none_is_ignored(room, name):
    one = room()
    before = one.session.values()
    one.turn(name, 0.5)
    one.heard()
    assert one.session.values() == before
    assert one.bar["error"] is None


def test_a_knob_that_needs_a_fresh_start_is_refused_in_words(room, until):
    one = room()
    fixed = [name for name, knob in one.session.knobs().items() if not knob.live]
    for name in fixed:
        value = one.session.knobs()[name].default
        choices = one.session.knobs()[name].choices
        one.turn(name, next((c for c in choices if c != value), value))
    one.heard()
    assert one.session.edits == ()


def test_a_gesture_is_one_mark_and_default_undoes_it(room, until):
    one = room()
    for value, final in ((0.5, False), (0.6, False), (0.7, True)):
        one.turn("delta", value, gesture=11, final=final)
    until(lambda: one.session.values()["delta"] == 0.7, "the last value")
    until(lambda: [e["text"] for e in one.controls["edits"]] == ["Δ 0.40 → 0.70"], "one entry")
    assert [mark.text for mark in one.session.marks] == ["Δ 0.70"]
    one.says(one.parts.controls, do="default", name="delta", gesture=12, seq=99)
    until(lambda: one.session.values()["delta"] == 0.4, "the default")
    until(lambda: len(one.controls["edits"]) == 2, "two entries")
    one.says(one.parts.controls, do="default", name="delta", gesture=13, seq=100)
    until(lambda: one.controls["seq"] == 100, "an answer")
    assert len(one.session.edits) == 4


@pytest.mark.parametrize(
    ("preset", "settings", "name", "value"),
    [
        ("mnist-krotov", {"rule": "hebb"}, "learning_rate", 0.02),
        ("mnist-krotov", {"rule": "hebb"}, "row_norm", False),
        ("mnist-softhebb", {}, "temperature", 0.3),
        ("mnist-krotov", {"batch_size": 50}, "batch_size", 20),
        ("clusters-som", {}, "noise", 0.2),
    ],
)
def test_back_is_where_the_run_began_whatever_is_declared(
    room, until, preset, settings, name, value
):
    one = room(preset, **settings)
    began = one.session.values()[name]
    assert one.session.knobs()[name].default != began
    one.turn(name, value)
    until(lambda: one.session.values()[name] != began, "the edit")
    one.says(one.parts.controls, do="default", name=name, gesture=12, seq=99)
    until(lambda: one.session.values()[name] == began, "where it began")


def test_the_last_of_two_quick_edits_wins_in_a_slow_run(room, until):
    one = room(speed=1.0)
    one.runs()
    one.turn("delta", 0.8)
    one.turn("delta", 0.4)
    one.turn("k", 3)
    until(lambda: one.session.values()["k"] == 3, "all three to come into force")
    assert one.session.values()["delta"] == 0.4


@pytest.fixture
def gate():
    """A rule whose next step is held until the gate opens: (name, the gate, in a step)."""
    gate, inside = threading.Event(), threading.Event()

    class Held(rules.Rule):
        """Learn nothing, slowly."""

        name = "held"
        equation = "0"
        delta: float = hebblab.knob(0.4, symbol="Δ", low=0, high=2, help="It changes nothing.")

        def update(self, inputs, weights):
            inside.set()
            gate.wait(20)
            return torch.zeros_like(weights)

    rules.register(Held)
    yield "held", gate, inside
    gate.set()
    rules.unregister("held")


def test_a_value_taken_back_within_a_long_step_stays_taken_back(room, until, gate):
    rule, opens, inside = gate
    one = room(rule=rule)
    one.press("start")
    assert inside.wait(20)
    one.turn("delta", 0.8)
    one.turn("delta", 0.4)
    one.heard()
    opens.set()
    until(lambda: len(one.session.edits) == 2, "both edits")
    assert one.session.values()["delta"] == 0.4


def test_a_long_step_does_not_keep_the_page_behind_the_hand(room, gate, monkeypatch):
    rule, _, inside = gate
    waited = []
    wait = Edit.wait
    monkeypatch.setattr(Edit, "wait", lambda edit, limit: waited.append(limit) or wait(edit, limit))
    one = room(rule=rule)
    one.press("start")
    assert inside.wait(20)
    for move in range(10):
        one.turn("delta", 0.5 + move / 10, gesture=3, final=move == 9)
    one.heard()
    assert sum(waited) < 0.5


@pytest.mark.parametrize(
    ("what", "name", "words"),
    [
        ("preset", "mnist-krotof", "mnist-krotov"),
        ("rule", "ojas", "oja"),
        ("network", "dens-100", "dense-100"),
        ("data", "mnist-5", "mnist-5k"),
        ("data", "/etc", "data set"),
        ("data", "../../etc/passwd", "data set"),
        ("data", "C:\\Windows", "data set"),
        ("network", "__import__('os')", "network"),
    ],
)
def test_a_choice_that_is_none_is_answered_in_words_and_the_run_stays(room, what, name, words):
    one = room()
    one.runs()
    one.choose(what, name)
    assert words in one.error()
    assert one.session is one.first
    assert one.session.state == "running"


def test_no_path_of_a_page_is_opened(room, tmp_path, until):
    folder = tmp_path / "images"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        (folder / name / "one.png").write_bytes(b"no image")
    one = room()
    for name in (str(folder), folder.as_uri(), str(folder / "a" / "one.png")):
        one.choose("data", name)
        one.heard()
        assert "data set" in one.error()
        one.press("step")
        until(lambda: one.bar["error"] is None, "the pane to go")
    assert one.session is one.first
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["one.png", "one.png"]


def test_what_is_refused_again_in_the_same_words_is_another_answer(room, until):
    one = room()
    one.hello()
    one.choose("preset", "nothing")
    one.error()
    first = one.bar["error"]
    one.choose("preset", "nothing")
    until(lambda: one.bar["error"] != first, "an answer of its own")
    assert one.bar["error"]["sentence"] == first["sentence"]
    answered = one.bar["error"]
    one.runs()
    one.choose("preset", "nothing")
    until(lambda: one.bar["error"] not in (None, answered), "an answer after a start")


def test_images_that_are_not_at_hand_are_not_fetched(room, monkeypatch, tmp_path):
    monkeypatch.setenv("HEBBLAB_DATA", str(tmp_path / "data"))
    one = room()
    one.runs()
    for what, name in (("data", "fashion-mnist"), ("preset", "fashion-krotov")):
        one.choose(what, name)
        assert "hebblab data get fashion-mnist" in one.error()
    assert one.session is one.first
    assert one.session.state == "running"
    assert not (tmp_path / "data").exists() or not any((tmp_path / "data").iterdir())


def test_what_another_rule_cannot_keep_is_told_in_the_status_line(room, until):
    one = room("mnist-instar")
    one.choose("rule", "sanger")
    until(lambda: "unit-norm rows on is left out" in one.bar["notice"], "a notice")
    assert "'sanger' holds its own norm." in one.bar["notice"]
    one.choose("rule", "hebb")
    until(lambda: one.bar["notice"] == "", "no notice")


def test_a_choice_makes_a_new_run_and_back_returns(room, until):
    one = room()
    one.hello()
    one.runs()
    one.choose("rule", "oja")
    until(lambda: one.bar["choices"]["rule"]["value"] == "oja", "the other rule")
    second = one.session
    assert (second.state, second.steps, one.first.state) == ("ready", 0, "paused")
    assert one.bar["back"] == f"mnist-krotov · step {one.first.steps}"
    until(lambda: "delta" not in {knob["name"] for knob in one.controls["knobs"]}, "its knobs")
    assert one.controls["edits"] == []
    one.runs()
    one.says(one.parts.bar, do="back")
    until(lambda: one.session is one.first, "the way back")
    assert (one.session.state, second.state) == ("paused", "paused")
    # One predecessor: another choice ends the one before it.
    one.choose("network", "dense-400")
    until(lambda: one.session.frame().weights.shape[0] == 400, "another network")
    until(lambda: second.state == "stopped", "the end of the run before the last")
    until(lambda: one.bar["choices"]["preset"]["value"] == "", "a preset of one's own")
    third = one.session
    one.choose("preset", "mnist-soft-wta")
    until(lambda: one.session is not third, "another preset")
    until(lambda: third.state == "stopped", "the end of a run that was never started")


def test_a_session_that_was_given_is_never_stopped(room, until):
    one = room(owned=False)
    one.runs()
    one.choose("rule", "oja")
    until(lambda: one.session is not one.first, "another run")
    one.runs()
    made = one.session
    one.choose("rule", "instar")
    until(lambda: one.session is not made, "a third run")
    one.desk.close()
    assert (one.first.state, made.state) == ("paused", "stopped")
    one.first.step()


def test_unknown_layers_speeds_and_buttons_change_nothing(room):
    one = room()
    speed = one.session.speed
    one.says(one.parts.controls, do="layer", name="conv9")
    one.says(one.parts.bar, do="speed", value="1e9")
    one.says(one.parts.bar, do="press", button="explode")
    one.says(one.parts.weights, do="page", value=10**6)
    one.says(one.parts.weights, do="choose", unit=10**6)
    one.says(one.parts.weights, do="painted", id=10**6)
    one.heard()
    assert (one.session.speed, one.session.state) == (speed, "ready")
    assert one.bar["error"] is None
    assert one.parts.weights.view["chosen"] is None
    one.says(one.parts.bar, do="speed", value="10")
    one.heard()
    assert one.session.speed == 10.0


def conv(room, deep, **more):
    return room(network=deep, rule="hard-wta", batch_size=4, n=1, **more)


def test_another_layer_is_read_and_shown_while_the_run_goes_on(room, until, deep, sent):
    one = conv(room, deep)
    one.hello()
    one.runs()
    assert one.controls["layers"] == ["conv1", "conv2"]
    one.says(one.parts.controls, do="layer", name="conv2")
    until(lambda: one.controls["layer"] == "conv2", "the other layer")
    until(lambda: one.desk.story().reading is not None, "a reading of it")
    story = one.desk.story()
    assert (story.layer, story.reading.frame.layer) == ("conv2", "conv2")
    assert len(story.history["step"]) >= 1
    until(lambda: "of layer conv2" in frames(sent, "frame")[-1][0]["label"], "its images")
    assert one.parts.weights.view["title"] == "What conv2 has learned"
    one.turn("learning_rate", 0.02)
    until(lambda: one.session.values("conv2")["learning_rate"] == 0.02, "an edit of it")
    assert one.session.values("conv1")["learning_rate"] != 0.02
    until(lambda: one.controls["edits"], "an entry")
    assert one.controls["edits"][0]["step"].endswith("· conv2")
    assert one.session.state == "running"


def test_another_layer_of_a_run_at_rest_is_read_at_once(room, until, deep):
    one = conv(room, deep)
    one.hello()
    one.session.step(3)
    one.says(one.parts.controls, do="layer", name="conv2")
    until(lambda: one.controls["layer"] == "conv2", "the other layer")
    until(lambda: one.desk.story().reading is not None, "a reading")
    assert one.desk.story().reading.frame.step == 3
    one.says(one.parts.weights, do="choose", unit=2)
    until(lambda: (one.parts.weights.view["unit"] or {}).get("number") == 2, "the unit's card")
    answers = dict(one.parts.weights.view["unit"]["rows"])["answers to"]
    # A class that is a number must not run into its share.
    assert re.match(r"“[^”]+” \d+ %", answers)


def acknowledge(one, sent, done):
    """Answer every frame, as a page does, until something has come."""
    answered = set()

    def look():
        for content, _ in frames(sent, "frame"):
            if content["id"] not in answered:
                answered.add(content["id"])
                one.says(one.parts.weights, do="painted", id=content["id"])
        return done()

    return look


def test_what_a_deep_layer_looks_for_is_shown_when_asked_for(room, until, deep, sent):
    one = conv(room, deep)
    one.hello()
    one.session.step(2)
    one.says(one.parts.controls, do="layer", name="conv2")

    def newest():
        return frames(sent, "frame")[-1][0]

    for mode, words in (("back-projection", "Back-proj"), ("patches", "Means of the 9 best")):
        one.says(one.parts.weights, do="mode", value=mode)
        arrived = acknowledge(one, sent, lambda w=words: newest()["label"].startswith(w))
        until(arrived, mode)
        assert newest()["label"].endswith("of layer conv2 at step 2")
        assert (newest()["height"], newest()["width"]) == (10, 10)
        assert one.parts.weights.view["mode"] == mode
        until(lambda: one.parts.weights.view["doing"] == "", "nothing more to do")
    one.says(one.parts.weights, do="choose", unit=3)
    until(acknowledge(one, sent, lambda: "close" in newest()), "its nine patches")
    content, (_, close) = frames(sent, "frame")[-1]
    assert content["close"] == {"unit": 3, "height": 32, "width": 32, "channels": 1}
    assert len(close) == 32 * 32
    # A first layer has nothing but its weights.
    one.says(one.parts.controls, do="layer", name="conv1")
    until(acknowledge(one, sent, lambda: "Weight images of 4" in newest()["label"]), "conv1")
    assert one.parts.weights.view["mode"] == "weights"
    assert not one.parts.weights.view["deep"]


def test_weight_images_go_on_while_something_is_computed(room, until, deep, sent, monkeypatch):
    from hebblab.dashboard import fields

    go, compute = threading.Event(), fields._Bench.compute

    def slow(bench, wish):
        assert go.wait(60)
        return compute(bench, wish)

    monkeypatch.setattr(fields._Bench, "compute", slow)
    one = conv(room, deep)
    one.hello()
    one.runs()
    one.says(one.parts.controls, do="layer", name="conv2")
    one.says(one.parts.weights, do="mode", value="patches")
    until(lambda: one.parts.weights.view["doing"].startswith("Looking for"), "words")
    before = len(frames(sent, "frame"))
    until(acknowledge(one, sent, lambda: len(frames(sent, "frame")) > before + 3), "more frames")
    assert frames(sent, "frame")[-1][0]["label"].startswith("Weight images")
    go.set()
    arrived = acknowledge(one, sent, lambda: "best" in frames(sent, "frame")[-1][0]["label"])
    until(arrived, "the patches")
    until(lambda: one.parts.weights.view["doing"] == "", "no words")


def test_a_page_hears_that_the_kernel_lives_during_a_long_step(room, sent, until, monkeypatch):
    one = room()
    one.hello()
    until(lambda: frames(sent, "beat"), "the first beat")
    began, go = threading.Event(), threading.Event()

    def endless(self, *_):
        began.set()
        go.wait(60)

    monkeypatch.setattr("hebblab.dashboard.screen.Screen.show", endless)
    one.says(one.parts.bar, do="touch")
    assert began.wait(60)
    count = len(frames(sent, "beat"))
    one.clock.skip(BEAT)
    until(lambda: len(frames(sent, "beat")) > count, "a beat all the same")
    go.set()


def test_a_served_run_that_nobody_watches_pauses_until_a_page_is_back(room, until):
    one = room(served=True)
    one.hello()
    one.runs()
    one.clock.skip(GONE / 2)
    count = one.session.steps
    until(lambda: one.session.steps > count + 20, "that it goes on")
    one.clock.skip(GONE)
    until(lambda: one.session.state == "paused", "a pause")
    held = one.session.steps
    one.hello()
    until(lambda: one.session.steps > held, "that it goes on")
    assert one.bar["notice"] == ""


def test_a_run_in_a_notebook_goes_on_unwatched(room, until):
    one = room(served=False)
    one.hello()
    one.runs()
    one.clock.skip(10 * UNTOUCHED)
    count = one.session.steps
    until(lambda: one.session.steps > count + 300, "that it goes on")


def test_a_served_run_that_nobody_touches_pauses_and_any_key_goes_on(room, until):
    one = room(served=True)
    one.hello()
    one.runs()
    for _ in range(int(UNTOUCHED // 50)):
        one.says(one.parts.bar, do="beat")
        until(lambda: not one.desk._inbox, "the beat to be heard")
        one.clock.skip(50)
    one.says(one.parts.bar, do="beat")
    until(lambda: one.session.state == "paused", "a pause")
    until(lambda: "five minutes" in one.bar["notice"], "a notice")
    assert one.bar["idle"] is True
    one.says(one.parts.bar, do="touch")
    until(lambda: one.session.state == "running", "that it goes on")
    until(lambda: one.bar["notice"] == "" and not one.bar["idle"], "no notice")


def test_a_key_starts_nothing_that_a_person_paused(room, until):
    one = room(served=True)
    one.hello()
    one.runs()
    one.press("pause")
    until(lambda: one.session.state == "paused", "a pause")
    one.says(one.parts.bar, do="touch")
    one.heard()
    assert one.session.state == "paused"


def test_the_page_says_what_an_edit_did(room, until):
    one = room()
    one.hello()

    def steps(count):
        for _ in range(count // 10):
            one.session.step(10)
            until(lambda: one.session.history["step"][-1] == one.session.steps, "a reading")
            one.clock.skip(0.5)
            one.says(one.parts.bar, do="touch")

    steps(300)
    one.turn("delta", 1.5)
    until(lambda: one.session.values()["delta"] == 1.5, "the edit")
    steps(120)
    until(lambda: one.controls["effect"].startswith("since Δ 1.50"), "the effect")
    assert "→" in one.controls["effect"]
    one.press("restart")
    until(lambda: one.controls["effect"] == "", "a fresh start")


def test_a_run_that_fails_is_said_and_restart_begins_anew(room, until):
    one = room("mnist-hebb-explodes", speed=None)
    one.hello()
    one.press("start")
    until(lambda: one.session.state == "failed", "the failure")
    assert "step" in one.error()
    assert "Traceback" in one.bar["error"]["traceback"]
    until(lambda: all(knob["disabled"] for knob in one.controls["knobs"]), "that no knob acts")
    assert one.controls["words"] == "This run has failed. Restart, and its knobs turn again."
    one.turn("learning_rate", 0.3)
    one.heard()
    assert one.controls["refusal"] is None  # the sentence above says it already
    one.press("restart")
    until(lambda: one.bar["state"] == "ready" and one.bar["error"] is None, "a fresh start")
    assert "failed" not in one.controls["words"]


def test_a_probe_is_cancelled_or_taken_and_shown(room, until):
    # With so many units there is time to cancel.
    one = room(network="dense-2000")
    one.hello()
    one.press("probe")
    until(lambda: not one.bar["can"]["probe"], "a probe under way")
    accuracy = next(chart for chart in one.parts.charts if chart.panel.name == "accuracy")
    until(lambda: accuracy.view["header"]["cancel"], "that it can be cancelled")
    one.says(accuracy, do="cancel-probe")
    until(lambda: accuracy.view["header"]["progress"] is None, "that it is cancelled")
    assert one.desk.story().probes == []
    one.press("probe")
    until(lambda: one.desk.story().probes, "a result")
    until(lambda: "random features" in accuracy.view["header"]["text"], "its words")
    (point,) = one.desk.story().probes
    assert 0.5 < point.accuracy < 1
    for name, other in (("n", 2), ("triangle", True)):
        old = one.session.values()[name]
        one.turn(name, other)
        until(lambda: one.desk.story().probes[0].stale, "that it is overtaken")
        one.turn(name, old)
        until(lambda: not one.desk.story().probes[0].stale, "that it holds again")


def test_what_was_learned_is_sent_as_bytes(room, sent, until):
    one = room()
    one.session.step(30)
    for what in ("history", "weights"):
        one.says(one.parts.bar, do="save", what=what)
    until(lambda: len(frames(sent, "file")) == 2, "two files")
    (history, (table,)), (weights, (tensors,)) = frames(sent, "file")
    assert history["name"].endswith(".csv")
    assert table.startswith(b"step,")
    assert weights["name"] == "mnist-krotov-step-30.safetensors"
    assert load(tensors)["hidden.weight"].shape == (100, 784)


def test_what_cannot_even_be_said_in_full_is_said_and_ends_nothing(room, until, monkeypatch):
    one = room()
    one.hello()
    until(lambda: one.bar.get("state") == "ready", "the page")

    def broken(*_):
        raise AttributeError("nothing of that name")

    monkeypatch.setattr("hebblab.dashboard.views.bar", broken)
    one.press("step")
    assert "nothing of that name" in one.error()
    assert one.bar["error"]["traceback"].count("AttributeError: nothing of that name") == 2
    assert one.bar["choices"]
    monkeypatch.undo()
    one.press("step")
    until(lambda: one.bar["steps"] == 2, "that it listens")


def test_a_stumble_is_said_and_ends_nothing(room, until, monkeypatch):
    one = room()
    one.hello()
    one.runs()

    def stumble(self, story):
        raise ZeroDivisionError("a chart with no width")

    monkeypatch.setattr(Chart, "tell", stumble)
    one.turn("delta", 0.5)
    assert "a chart with no width" in one.error()
    assert "Traceback" in one.bar["error"]["traceback"]
    monkeypatch.undo()
    count = one.session.steps
    until(lambda: one.session.steps > count + 10, "that it goes on")
    one.turn("delta", 0.6)
    until(lambda: one.session.values()["delta"] == 0.6, "that it listens")


def test_a_closed_desk_leaves_no_thread_and_hears_nothing(room, until, threads):
    one = room(network="dense-2000")
    one.hello()
    one.runs()
    one.press("probe")
    until(lambda: "hebblab-probe" in threads(), "a probe")
    one.desk.close()
    until(lambda: threads() == [], "the end of all threads")
    one.hello()
    one.press("start")
    assert threads() == []
    assert one.session.state == "stopped"


def test_whoever_opens_the_card_gets_the_picture_of_the_rule_on_view(room, monkeypatch):
    one = room()
    sent = []
    monkeypatch.setattr(
        one.parts.controls, "frame", lambda content, buffers: sent.append((content, buffers))
    )
    one.says(one.parts.controls, do="picture")
    one.until(lambda: sent, "the picture")
    ((content, (data,)),) = sent
    assert content == {"type": "picture", "rule": "krotov-hopfield"}
    assert data.startswith(b"\x89PNG")
    one.choose("rule", "sanger")
    one.until(lambda: one.controls["title"] == "Sanger", "the other rule")
    assert one.controls["about"]["name"] == "sanger"
    one.says(one.parts.controls, do="picture")
    one.until(lambda: len(sent) == 2, "its picture")
    assert sent[1][0]["rule"] == "sanger"
    assert sent[1][1] != [data]


def test_beside_a_temperature_stands_what_the_winner_has(room, until):
    one = room(rule="softhebb")
    one.hello()
    one.press("step")
    pattern = r"of its share.*\. Of an image the winner has ([\d.]+) % on average\.$"

    def share():
        found = re.search(pattern, one.controls["words"])
        return float(found[1]) if found else None

    until(share, "the winner's share")
    cold = share()
    one.turn("temperature", 10.0)
    one.press("step")
    until(lambda: share() < 0.5 * cold, "a warm reading")
    assert share() == pytest.approx(100 * one.session.reading("hidden").winner_share, abs=0.5)


def test_a_busy_page_hears_of_steps_less_often_except_from_a_hand_on_it(room, until, monkeypatch):
    one = room(speed=None)
    one.hello()
    one.press("start")
    until(lambda: one.bar["steps"] > 5, "steps while a hand is there")
    monkeypatch.setattr("hebblab.dashboard.pulse.Pulse.at_hand", lambda _: False)
    monkeypatch.setattr("hebblab.dashboard.screen.Screen.latency", 9.0)
    told, begun = set(), one.session.steps

    def goes_on():
        told.add(one.bar["steps"])
        return one.session.steps > begun + 600

    until(goes_on, "a run that goes on")
    # What stood there, and at the most one that was on its way.
    assert len(told) <= 2
