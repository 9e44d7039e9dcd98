"""The parts in a browser, with a stand-in for the kernel."""

import pytest

from hebblab import rules
from hebblab.dashboard.about import about, picture
from hebblab.dashboard.controls import knob_view
from hebblab.dashboard.parts import accepted
from hebblab.knobs import Knob
from hebblab.rules.equations import mathml

pytestmark = pytest.mark.browser

DELTA = Knob(
    "delta", "Δ", "anti-Hebbian", 0.4, 0, 2, "linear", "How hard.", slider_high=1, step=0.01
)
RATE = Knob(
    "learning_rate", "η", "learning rate", 0.01, 0, 1, "log", "How fast.", slider_low=1e-4, step=1.1
)
KIND = Knob("kind", "", "kind", "max", None, None, "choice", "Which.", choices=("max", "mean"))
EVEN = Knob("even", "", "even", False, None, None, "switch", "Whether.", advanced=True)
ROW = ("symbol", "title", "help", "accepts", "default", "turned")
HOSTILE = "<img src=x onerror='window.bad=1'>"


def controls(value=0.4, seq=0, **more):
    return {
        "title": "Krotov-Hopfield",
        "equation": mathml(r"\Delta w = g - \Delta", ["Δ"]),
        "knobs": [
            knob_view(DELTA, value),
            knob_view(RATE, 0.01),
            knob_view(KIND, "max"),
            knob_view(EVEN, False),
        ],
        "seq": seq,
        **more,
    }


def card(name="krotov-hopfield"):
    rule = rules.create(name)
    return about(rule, rule.knobs())


def bar(state="ready", **more):
    run = state == "running"
    can = dict.fromkeys(("restart", "new-seed", "stop", "probe"), True)
    return {
        "choices": {
            name: {"value": "a", "options": ["a", "b"]}
            for name in ("preset", "rule", "data", "network")
        },
        "can": can | {"start": not run, "pause": run, "step": not run},
        "state": state,
        "steps": 560,
        "epoch": "18.7",
        "rate": "60",
        "left": "runs until you stop it",
        "speed": {"value": "60", "options": ["1", "60"]},
        "frames": "10",
        "seed": "1",
        **more,
    }


def frame(number=1, units=4, edit=0, value=200, **more):
    meta = {
        "type": "frame", "id": number, "run": 1, "edit": edit, "units": list(range(units)),
        "columns": 2, "height": 2, "width": 2, "channels": 1, "greyed": [], "low": "−0.1",
        "high": "+0.1", "caption": f"{units} of {units} units", "label": "Weight images",
    }  # fmt: skip
    return meta | more, bytes([value]) * (4 * units)


def test_each_class_of_the_contract_stands_on_one_element(stage):
    stage.mount("bar", bar())
    stage.mount("controls", controls())
    stage.mount("weights", {})
    names = {
        *("start", "pause", "step", "restart", "new-seed", "stop", "probe", "speed"),
        *("preset", "data", "network", "rule", "layer", "refusal", "error", "log", "effect"),
        *("state", "steps", "epoch", "rate", "left", "equation", "weights", "unit", "link"),
        *("knob-delta", "knob-learning-rate"),
    }
    counts = {n: stage.page.locator(f".hebblab-{n}").count() for n in names}
    assert counts == dict.fromkeys(names, 1)
    for name in ("preset", "rule", "data", "network", "speed"):
        assert stage.page.locator(f".hebblab-{name} select").count() == 1
    assert stage.page.locator(".hebblab-steps").inner_text() == "560"
    assert stage.page.locator(".hebblab-error").inner_text() == ""
    knob = stage.page.locator(".hebblab-knob-delta")
    assert knob.locator("input[type=range]").count() == 1
    assert knob.locator("input[type=text][inputmode=decimal]").count() == 1
    # What is on the page once by contract may not be there twice by accident.
    repeated = stage.page.evaluate(
        """() => { const seen = {};
        for (const e of document.querySelectorAll('[class*=hebblab-]'))
          for (const c of e.classList) if (c.startsWith('hebblab-')) seen[c] = (seen[c] || 0) + 1;
        return Object.keys(seen).filter((c) => seen[c] > 1); }"""
    )
    assert repeated == []


def test_every_message_of_the_page_is_one_that_python_accepts(stage):
    stage.mount("bar", bar(back="a run"))
    stage.mount(
        "controls", controls(layers=["a", "b"], layer="a", about=card(), **{"try": "a temperature"})
    )
    stage.mount("weights", {"change": True, "pages": 3, "page": 1})
    content, data = frame()
    stage.tell("weights", content, data)
    stage.wait("sent.some((m) => m.do === 'painted')")
    page = stage.page
    stage.tell("bar", {"type": "beat"})
    for name in ("start", "step", "restart", "new-seed", "stop", "probe"):
        page.click(f".hebblab-{name}")
    page.click(".hl-back")
    page.click(".hl-projector-switch")
    for name in ("preset", "rule", "data", "network"):
        page.select_option(f".hebblab-{name} select", "b")
    page.select_option(".hebblab-speed select", "1")
    page.click(".hl-menu summary")
    page.click("text=history (CSV)")
    page.fill(".hebblab-knob-delta input[type=text]", "0.5")
    page.select_option(".hebblab-knob-kind select", "mean")
    page.click("summary:has-text('more')")
    page.check(".hebblab-knob-even input")
    page.dblclick(".hebblab-knob-delta .hl-symbol")
    page.click(".hl-try")
    page.select_option(".hebblab-layer select", "b")
    page.click(".hebblab-weights canvas", position={"x": 20, "y": 20})
    page.select_option("label:has-text('scale') select", "unit")
    page.select_option("label:has-text('order') select", "wins")
    page.click("button[aria-label='next units']")
    page.click("button[data-mode=change]")
    page.click(".hl-about")
    page.keyboard.press("Escape")
    kinds = set()
    for message in stage.sent():
        part = stage.parts[message.pop("part")]
        known = {"hello": {"hidden": lambda v: v}} | dict(part.events)
        assert accepted(message, known) == message
        kinds.add(message["do"])
    every = {"hello"}.union(*(stage.parts[name].events for name in ("bar", "controls", "weights")))
    assert kinds == every - {"visibility"}


def test_a_drag_sends_numbers_of_one_gesture_and_lights_the_term(stage):
    stage.mount("controls", controls())
    page = stage.page
    box = page.locator(".hebblab-knob-delta input[type=range]").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.4 * box["width"], y)
    page.mouse.down()
    for share in (0.5, 0.6, 0.7):
        page.mouse.move(box["x"] + share * box["width"], y)
    # The Δ of Δw is a difference: only the knob's own symbol lights.
    assert page.locator(".hl-lit").count() == 1
    stage.show("controls", controls(value=0.1))
    page.mouse.up()
    stage.wait("sent.some((m) => m.final)")
    edits = stage.sent("edit")
    assert {e["name"] for e in edits} == {"delta"}
    assert len({e["gesture"] for e in edits}) == 1
    assert [e["final"] for e in edits].count(True) == 1
    assert edits[-1]["final"]
    assert edits[-1]["value"] == pytest.approx(0.7, abs=0.05)
    assert [e["seq"] for e in edits] == sorted({e["seq"] for e in edits})
    assert page.locator(".hl-lit").count() == 0
    # The view that came during the drag did not pull the slider from under the hand.
    assert float(page.input_value(".hebblab-knob-delta input[type=range]")) > 0.6


def test_an_older_view_waits_for_the_answer_and_the_answer_moves_the_slider(stage):
    stage.mount("controls", controls())
    slider = ".hebblab-knob-delta input[type=range]"
    stage.page.fill(slider, "0.8")
    stage.wait("sent.some((m) => m.final)")
    seq = stage.sent("edit")[-1]["seq"]
    stage.show("controls", controls(value=0.4, seq=seq - 1))
    assert float(stage.page.input_value(slider)) == 0.8
    stage.show("controls", controls(value=0.75, seq=seq))
    assert float(stage.page.input_value(slider)) == 0.75
    assert stage.page.input_value(".hebblab-knob-delta input[type=text]") == "0.75"
    # Moved by code: no echo goes back.
    assert len(stage.sent("edit")) == 1 + sum(not e["final"] for e in stage.sent("edit"))


def test_typing_is_committed_by_enter_and_never_clamped(stage):
    stage.mount("controls", controls())
    field = ".hebblab-knob-delta input[type=text]"
    stage.page.fill(field, "999")
    assert stage.sent("edit") == []
    stage.page.press(field, "Enter")
    assert [e["value"] for e in stage.sent("edit")] == ["999"]
    stage.page.locator(field).blur()
    assert len(stage.sent("edit")) == 1
    text = "Δ (delta) must be a number from 0 to 2, not 999."
    seq = stage.sent("edit")[-1]["seq"]
    stage.show("controls", controls(seq=seq, refusal={"name": "delta", "text": text}))
    assert stage.page.locator(".hebblab-knob-delta .hebblab-refusal").inner_text() == text
    assert stage.page.input_value(field) == "999"
    assert stage.page.get_attribute(field, "aria-invalid") == "true"
    stage.show("controls", controls(value=0.5, seq=seq))
    assert stage.page.locator(".hebblab-refusal").inner_text() == ""
    assert stage.page.input_value(field) == "0.50"


def test_a_huge_text_is_sent_short_but_stays_no_number(stage):
    stage.mount("controls", controls())
    field = ".hebblab-knob-delta input[type=text]"
    stage.page.evaluate("f => (document.querySelector(f).value = '1'.repeat(1e6))", field)
    stage.page.press(field, "Enter")
    value = stage.sent("edit")[-1]["value"]
    assert len(value) == 200
    assert value.endswith("…")


def test_escape_takes_back_what_was_typed(stage):
    stage.mount("controls", controls())
    field = ".hebblab-knob-delta input[type=text]"
    stage.page.fill(field, "7")
    stage.page.press(field, "Escape")
    stage.page.locator(field).blur()
    assert stage.page.input_value(field) == "0.40"
    assert stage.sent("edit") == []


def test_keys_on_a_slider_step_and_delete_asks_for_the_default(stage):
    stage.mount("controls", controls())
    slider = ".hebblab-knob-delta input[type=range]"
    stage.page.press(slider, "ArrowRight")
    stage.page.press(slider, "PageUp")
    stage.page.press(slider, "Delete")
    finals = [e["value"] for e in stage.sent("edit") if e["final"]]
    assert finals == [0.41, 0.51]
    assert [m["name"] for m in stage.sent("default")] == ["delta"]


def test_a_logarithmic_slider_counts_in_decades(stage):
    stage.mount("controls", controls())
    slider = ".hebblab-knob-learning-rate input[type=range]"
    assert float(stage.page.get_attribute(slider, "min")) == -4
    assert float(stage.page.input_value(slider)) == pytest.approx(-2)
    stage.page.fill(slider, "-1")
    stage.wait("sent.some((m) => m.final)")
    assert stage.sent("edit")[-1]["value"] == 0.1


def test_texts_from_outside_stay_texts(stage):
    hostile = Knob("x", HOSTILE, HOSTILE, 0.4, 0, 2, "linear", HOSTILE, slider_high=1, step=0.01)
    options = [{"value": HOSTILE, "label": HOSTILE}]
    stage.mount("bar", bar(
        notice=HOSTILE, back=HOSTILE, left=HOSTILE, state=HOSTILE,
        choices={"data": {"value": HOSTILE, "options": options}},
        error={"sentence": HOSTILE, "advice": HOSTILE, "traceback": HOSTILE},
    ))  # fmt: skip
    stage.mount("controls", {
        "title": HOSTILE, "words": HOSTILE, "knobs": [knob_view(hostile, 0.4)],
        "equation": [HOSTILE], "effect": HOSTILE, "refusal": {"name": "x", "text": HOSTILE},
        "edits": [{"step": HOSTILE, "text": HOSTILE, "note": HOSTILE}], "layers": [HOSTILE, "b"],
        "about": {"title": HOSTILE, "summary": HOSTILE, "equation": [HOSTILE], "turned": HOSTILE,
                  "lead": [{"heading": HOSTILE, "texts": [HOSTILE]}],
                  "rest": [{"heading": HOSTILE, "texts": [HOSTILE, HOSTILE]}],
                  "knobs": [dict.fromkeys(ROW, HOSTILE)]},
    })  # fmt: skip
    stage.mount("weights", {"title": HOSTILE, "sentence": HOSTILE, "chosen": 1,
                            "unit": {"number": 1, "rows": [[HOSTILE, HOSTILE]]}})  # fmt: skip
    content, data = frame(caption=HOSTILE, label=HOSTILE, low=HOSTILE)
    stage.tell("weights", content, data)
    stage.wait("sent.some((m) => m.do === 'painted')")
    stage.page.click(".hl-about")
    assert stage.page.locator(".hebblab-lab img").count() == 0
    assert HOSTILE in stage.page.locator(".hebblab-effect").inner_text()
    assert stage.page.evaluate("window.bad") is None


@pytest.mark.parametrize(("width", "height"), [(1280, 600), (400, 800)])
def test_the_card_of_a_rule_is_read_without_scrolling_sideways(stage, width, height):
    page = stage.page
    page.set_viewport_size({"width": width, "height": height})
    stage.mount("bar", bar())
    stage.mount("controls", controls(about=card("som")))
    page.focus(".hl-about")
    page.keyboard.press("Enter")
    dialog = page.locator("dialog[open]")
    said = dialog.inner_text()
    for heading in ("History", "Where it settles", "At its limits", "Knobs", "With momentum"):
        assert heading in said
    for text in ("Kohonen, Biological", "a number from 0.1 to 50", "restart", "What all 24 units"):
        assert text in said
    assert dialog.locator("math").count() == 2
    box = dialog.bounding_box()
    assert (box["x"] >= 0, box["y"] >= 0) == (True, True)
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= height
    assert dialog.evaluate("d => d.scrollWidth <= d.clientWidth && d.scrollHeight > d.clientHeight")
    page.keyboard.press("End")
    stage.wait("document.querySelector('dialog').scrollTop > 100")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert page.evaluate("document.activeElement.classList.contains('hl-about')")


def test_the_picture_of_a_rule_comes_when_its_card_is_open(stage):
    page = stage.page
    stage.mount("bar", bar())
    stage.mount("controls", controls(about=card()))
    assert stage.sent("picture") == []
    page.click(".hl-about")
    assert stage.sent("picture") == [{"part": "controls", "do": "picture"}]
    image = page.locator("dialog img")
    assert image.get_attribute("alt").startswith("What the first 24 of 100 units learned")
    # A late answer to another question changes nothing.
    content, (data,) = picture(rules.create("som"))
    stage.tell("controls", content, data)
    assert image.get_attribute("src") is None
    content, (data,) = picture(rules.create("krotov-hopfield"))
    before = image.bounding_box()
    stage.tell("controls", content, data)
    stage.wait("document.querySelector('dialog img').naturalWidth === 178")
    assert image.bounding_box() == before
    assert (before["width"], before["height"]) == (356, 236)
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    stage.tell("controls", content, data)
    assert page.locator("img").count() == 0


def test_a_rule_without_a_picture_asks_for_none(stage):
    stage.mount("controls", controls(about=card() | {"picture": None}))
    stage.page.click(".hl-about")
    assert stage.page.locator("dialog[open]").count() == 1
    assert stage.page.locator("dialog img").count() == 0
    assert stage.sent("picture") == []


def test_a_heartbeat_is_answered_at_once_and_silence_is_said(stage):
    stage.page.clock.install()
    stage.mount("bar", bar("running"))
    stage.tell("bar", {"type": "beat"})
    assert stage.sent("beat") == [{"part": "bar", "do": "beat"}]
    assert stage.page.locator(".hebblab-link").inner_text() == "connected"
    stage.page.clock.run_for(4000)
    assert stage.page.locator(".hebblab-link").inner_text() == "connected"
    stage.page.clock.run_for(1000)
    assert stage.page.locator(".hebblab-link").inner_text() == "connection lost"
    assert stage.page.locator(".hebblab-state").inner_text() == "not connected"
    assert stage.page.locator(".hebblab-pause").is_disabled()
    stage.tell("bar", {"type": "beat"})
    assert stage.page.locator(".hebblab-state").inner_text() == "running"
    assert stage.page.locator(".hebblab-pause").is_enabled()


def test_what_cannot_be_pressed_is_disabled_and_the_focus_moves_on(stage):
    stage.mount("bar", bar("ready"))
    assert stage.page.locator(".hebblab-pause").is_disabled()
    stage.page.focus(".hebblab-start")
    stage.page.keyboard.press("Space")
    assert [m["button"] for m in stage.sent("press")] == ["start"]
    stage.show("bar", bar("running"))
    assert stage.page.evaluate("document.activeElement.classList.contains('hebblab-pause')")
    stage.page.keyboard.press("Space")
    assert [m["button"] for m in stage.sent("press")] == ["start", "pause"]


def test_keys_act_in_the_lab_only(stage):
    stage.mount("bar", bar("ready"))
    page = stage.page
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('button'), {id: 'out'}))"
    )
    page.focus("#out")
    page.keyboard.press(".")
    assert stage.sent("press") == []
    page.focus(".hebblab-lab")
    for key in (".", "p", "Space"):
        page.keyboard.press(key)
    assert [m["button"] for m in stage.sent("press")] == ["step", "probe", "start"]
    page.keyboard.press("?")
    assert page.locator("dialog[open]").count() == 1
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert page.get_attribute(".hebblab-lab", "data-lm-suppress-shortcuts") == "true"


def test_keys_that_were_handled_go_no_further(stage):
    stage.mount("bar", bar("ready"))
    stage.page.evaluate("window.heard = []; addEventListener('keydown', (e) => heard.push(e.key))")
    stage.page.focus(".hebblab-lab")
    stage.page.keyboard.press(".")
    stage.page.keyboard.press("x")
    assert stage.page.evaluate("heard") == ["x"]


def test_an_error_stands_over_the_charts_with_its_traceback_folded(stage):
    error = {"sentence": "It failed.", "advice": "Restart.", "traceback": "Traceback …"}
    stage.mount("bar", bar("failed", error=error))
    pane = stage.page.locator(".hebblab-error")
    assert "It failed." in pane.inner_text()
    assert not stage.page.locator(".hebblab-error pre").is_visible()
    charts = stage.page.locator(".hl-charts").bounding_box()
    assert pane.bounding_box()["x"] == pytest.approx(charts["x"], abs=1)
    stage.show("bar", bar("ready"))
    assert stage.page.locator(".hebblab-error").inner_text() == ""
    assert not stage.page.locator(".hebblab-error").is_visible()


def test_a_choice_stays_until_it_is_answered(stage):
    stage.mount("bar", bar("running"))
    select = ".hebblab-preset select"
    stage.page.select_option(select, "b")
    stage.show("bar", bar("running", steps=561))
    assert stage.page.input_value(select) == "b"
    refusal = {"sentence": "No.", "advice": "", "traceback": ""}
    stage.show("bar", bar("running", steps=562, error=refusal))
    assert stage.page.input_value(select) == "a"


def test_words_said_again_open_the_pane_again_and_answer_another_choice(stage):
    error = {"sentence": "No.", "advice": "", "traceback": "", "said": "1"}
    stage.mount("bar", bar("running", error=error))
    pane, select = stage.page.locator(".hebblab-error"), ".hebblab-preset select"
    pane.get_by_label("close this message").click()
    stage.show("bar", bar("running", steps=561, error=error))
    assert not pane.is_visible()
    stage.page.select_option(select, "b")
    stage.show("bar", bar("running", steps=562, error=error | {"said": "2"}))
    assert pane.is_visible()
    assert stage.page.input_value(select) == "a"


def test_the_first_touch_of_an_idle_run_is_reported_at_once(stage):
    stage.mount("bar", bar("running"))
    stage.page.focus(".hebblab-lab")
    for _ in range(3):
        stage.page.keyboard.press("x")
    assert len(stage.sent("touch")) == 1
    stage.show("bar", bar("paused", idle=True))
    stage.page.keyboard.press("x")
    assert len(stage.sent("touch")) == 2


def pixel(stage, x=4, y=4):
    script = """([x, y]) => [...document.querySelector('.hebblab-weights canvas').getContext('2d')
      .getImageData(x, y, 1, 1).data]"""
    return stage.page.evaluate(script, [x, y])


def test_a_frame_is_painted_and_then_acknowledged(stage):
    stage.mount("weights", {"sentence": "These 4 squares"})
    assert stage.page.locator(".hl-opening").inner_text() == "These 4 squares"
    content, data = frame(7, value=255)
    stage.tell("weights", content, data)
    stage.wait("sent.some((m) => m.id === 7)")
    assert pixel(stage) == [0x6A, 0x22, 0x0A, 255]
    assert "4 of 4 units" in stage.page.locator(".hebblab-weights").inner_text()
    label = stage.page.get_attribute(".hebblab-weights canvas", "aria-label")
    assert label == "Weight images"
    stage.show("weights", {"sentence": ""})
    assert not stage.page.locator(".hl-opening").is_visible()


def test_a_frame_that_cannot_be_read_is_acknowledged_all_the_same(stage):
    stage.mount("weights", {})
    content, data = frame(8)
    stage.tell("weights", content, data[:-1])
    stage.wait("sent.some((m) => m.id === 8)")


def test_a_hidden_page_acknowledges_without_painting_once_a_second(stage):
    stage.page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")
    stage.mount("weights", {})
    assert stage.sent("hello") == [{"part": "weights", "do": "hello", "hidden": True}]
    content, data = frame(1)
    stage.tell("weights", content, data)
    stage.wait("sent.some((m) => m.id === 1)")
    began = stage.page.evaluate("performance.now()")
    content, data = frame(2)
    stage.tell("weights", content, data)
    stage.wait("sent.some((m) => m.id === 2)")
    assert stage.page.evaluate("performance.now()") - began > 900
    assert stage.page.evaluate("document.querySelector('.hebblab-weights canvas').width") == 300


def test_units_are_chosen_by_click_and_keys_and_let_go(stage):
    stage.mount("bar", bar())
    stage.mount("weights", {})
    content, data = frame()
    stage.tell("weights", content, data)
    stage.wait("sent.some((m) => m.do === 'painted')")
    canvas = ".hebblab-weights canvas"
    stage.page.hover(canvas, position={"x": 10, "y": 10})
    assert stage.page.locator(".hl-tip").inner_text() == "unit 0"
    stage.page.click(canvas, position={"x": 10, "y": 10})
    for key in ("ArrowRight", "ArrowDown", "Escape"):
        stage.page.keyboard.press(key)
    assert [m["unit"] for m in stage.sent("choose")] == [0, 1, 3, None]
    stage.page.click(canvas, position={"x": 10, "y": 10})
    card = stage.page.locator(".hebblab-unit")
    assert "unit" in card.inner_text()
    stage.show("weights", {"chosen": 0, "unit": {"number": 0, "rows": [["wins", "13 of 1,000"]]}})
    assert "13 of 1,000" in card.inner_text()
    stage.page.click(".hl-status", position={"x": 600, "y": 10})
    assert stage.sent("choose")[-1]["unit"] is None


def test_an_enlarged_unit_has_whole_pixels(stage):
    stage.mount("weights", {"chosen": 2})
    content, data = frame(units=4)
    stage.tell("weights", content, data)
    stage.wait("sent.some((m) => m.do === 'painted')")
    width = stage.page.evaluate("document.querySelector('.hebblab-unit canvas').width")
    assert width == 84


def test_holding_b_shows_the_images_before_the_last_edit(stage):
    stage.mount("bar", bar())
    stage.mount("weights", {})
    for number, edit, value in ((1, 0, 128), (2, 0, 255), (3, 1, 1), (4, 1, 1)):
        content, data = frame(number, edit=edit, value=value)
        stage.tell("weights", content, data)
        stage.wait(f"sent.some((m) => m.id === {number})")
    blue, ink = [0x13, 0x3A, 0x66, 255], [0x6A, 0x22, 0x0A, 255]
    assert pixel(stage) == blue
    read = (
        "document.querySelector('.hebblab-weights canvas').getContext('2d')"
        ".getImageData(4, 4, 1, 1).data[0]"
    )
    stage.page.focus(".hebblab-weights canvas")
    stage.page.keyboard.down("b")
    stage.wait(f"{read} === {ink[0]}")
    stage.page.keyboard.up("b")
    stage.wait(f"{read} === {blue[0]}")


def test_parts_leave_nothing_behind(stage):
    stage.mount("bar", bar("running", guard=True))
    stage.mount("weights", {})
    stage.page.evaluate("models.bar.end(); models.weights.end(); sent.length = 0")
    stage.tell("bar", {"type": "beat"})
    stage.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    stage.page.focus(".hebblab-lab")
    stage.page.keyboard.press(".")
    assert stage.sent() == []
    left = "Object.values(models.bar.acts).flat().length"
    assert stage.page.evaluate(left) == 0


@pytest.mark.parametrize("width", [380, 500, 760, 848, 900, 1100, 1280, 1399, 1700, 1920])
def test_nothing_scrolls_sideways(stage, width):
    stage.page.set_viewport_size({"width": width, "height": 800})
    stage.mount("bar", bar("running", notice="paused: nobody touched it for five minutes"))
    stage.mount("controls", controls(effect="since Δ 0.80: " + "likeness 0.76 → 0.54, " * 4))
    stage.mount(
        "weights", {"chosen": 1, "pages": 3, "unit": {"number": 1, "rows": [["a", "b"]] * 5}}
    )
    content, data = frame()
    stage.tell("weights", content, data)
    stage.wait("sent.some((m) => m.do === 'painted')")
    assert stage.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_projector_of_600_px_shows_everything_a_run_needs(stage):
    stage.page.set_viewport_size({"width": 1280, "height": 600})
    stage.mount("bar", bar("running"))
    stage.mount("controls", controls())
    stage.mount("weights", {})
    content, data = frame(units=100, columns=10)
    stage.tell("weights", content, data)
    stage.wait("sent.some((m) => m.do === 'painted')")
    for name in (".hl-top", ".hl-status", ".hl-images", ".hl-charts", ".hl-knob-card"):
        box = stage.page.locator(name).bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 600, name


def test_a_narrow_cell_in_a_wide_window_is_laid_out_by_the_cell(stage):
    stage.mount("controls", controls())
    stage.mount("weights", {})

    def beside():
        knobs = stage.page.locator(".hl-knob-card").bounding_box()
        images = stage.page.locator(".hl-images").bounding_box()
        return images["x"] > knobs["x"] + 100

    assert beside()
    stage.page.evaluate("document.querySelector('.hebblab-lab').style.width = '500px'")
    assert not beside()


def test_text_is_never_smaller_than_twelve_pixels(stage):
    stage.mount("bar", bar("running"))
    stage.mount("controls", controls(words="the winner learns"))
    stage.mount("weights", {"chosen": 1})
    smallest = stage.page.evaluate(
        """() => Math.min(...[...document.querySelectorAll('.hebblab-lab *')]
        .filter((e) => !e.closest('math, svg'))
        .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
        .map((e) => Number.parseFloat(getComputedStyle(e).fontSize)))"""
    )
    assert smallest >= 12


@pytest.mark.parametrize("name", ["krotov-hopfield", "soft-krotov", "softhebb", "som"])
def test_the_widest_equations_stand_whole_in_their_box(stage, name):
    rule = rules.create(name)
    stage.mount("controls", controls(equation=mathml(rule.equation)))
    stage.wait("document.querySelector('.hebblab-equation math')")
    outside = stage.page.evaluate(
        """() => {
        const box = document.querySelector('.hebblab-equation'), edge = box.getBoundingClientRect();
        return [...box.querySelectorAll('math *')].map((part) => part.getBoundingClientRect())
          .filter((part) => part.left < edge.left || part.right > edge.right).length;
        }"""
    )
    assert not outside
    scrolls = "e => e.scrollWidth > e.clientWidth"
    assert not stage.page.locator(".hebblab-equation").evaluate(scrolls)


def test_a_slider_in_the_hand_is_ringed_and_no_word_is_cut(stage):
    stage.mount("controls", controls())
    stage.wait("document.querySelector('input[type=range]')")
    knob = stage.page.locator(".hebblab-knob-delta")
    before = knob.screenshot()
    knob.locator("input[type=text]").focus()
    stage.page.keyboard.press("Tab")
    slider = knob.locator("input[type=range]")
    assert slider.evaluate("e => e.matches(':focus-visible')")
    assert slider.evaluate("e => getComputedStyle(e).outlineStyle") == "none"
    assert knob.screenshot() != before


def test_on_a_phone_the_caption_of_the_images_is_read_whole(stage):
    stage.page.set_viewport_size({"width": 380, "height": 800})
    stage.mount("weights", {"title": "What the units have learned"})
    caption = stage.page.locator(".hl-caption")
    caption.evaluate("e => e.append('100 of 100 units · “hidden”')")
    assert not caption.evaluate("e => e.scrollWidth > e.clientWidth")


def test_a_high_window_shows_more_of_what_was_done(stage):
    edits = [{"step": f"step {i}", "text": "Δ 0.40 → 0.50", "note": ""} for i in range(40)]
    stage.mount("controls", controls(edits=edits))
    stage.wait("document.querySelector('.hebblab-log li')")
    log = stage.page.locator(".hebblab-log")
    usual = log.bounding_box()["height"]
    stage.page.set_viewport_size({"width": 1920, "height": 1080})
    assert log.bounding_box()["height"] == pytest.approx(usual + 180, abs=2)
