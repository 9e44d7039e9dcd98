"""Deep layers, worlds and groups on a page, with a stand-in for the kernel."""

import pytest

from hebblab import Session
from hebblab.dashboard import views
from hebblab.dashboard.choices import preset_options
from tests.browser.pages import faults

pytestmark = pytest.mark.browser

CANVAS = ".hebblab-weights canvas"


def frame(number=1, close=None, **more):
    meta = {
        "type": "frame", "id": number, "run": 1, "edit": 0, "units": [0, 1, 2, 3],
        "columns": 2, "height": 2, "width": 2, "channels": 1, "greyed": [], "low": "−0.1",
        "high": "+0.1", "caption": "4 of 4 units · “conv2”", "label": "Weight images",
        "hint": "Each square is a mean.", "note": "", "close": close,
    }  # fmt: skip
    return meta | more, bytes([200]) * 16


def show(stage, *buffers, **more):
    content, data = frame(**more)
    stage.tell("weights", content, data, *buffers)
    stage.wait(f"sent.some((m) => m.do === 'painted' && m.id === {content['id']})")


def pixels(stage, part):
    return stage.page.evaluate(
        """(part) => { const c = document.querySelector('.hebblab-' + part + ' canvas');
        const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
        return { width: c.width, height: c.height, data: [...data] }; }""",
        part,
    )


def controls(preset, layer=None, **more):
    with Session(preset, **more) as session:
        shown = {"seq": 0, "refusal": None, "effect": ""}
        return views.controls(session, layer or session.layers[0], shown)


def test_a_deep_layer_is_seen_four_ways_and_a_first_one_two(stage):
    stage.mount("weights", {"deep": True, "mode": "weights", "change": False})
    select = stage.page.locator("select.hl-mode")
    assert select.is_visible()
    assert not stage.page.locator(".hl-modes").is_visible()
    words = ["weights", "change (ΔW)", "back-projection", "best patches"]
    assert select.locator("option").all_inner_texts() == words
    assert select.locator("option:disabled").all_inner_texts() == ["change (ΔW)"]
    for mode in ("back-projection", "patches"):
        select.select_option(mode)
    assert [m["value"] for m in stage.sent("mode")] == ["back-projection", "patches"]
    stage.show("weights", {"deep": True, "mode": "patches", "change": True})
    assert select.input_value() == "patches"
    assert select.locator("option:disabled").count() == 0
    stage.show("weights", {"deep": False, "mode": "weights"})
    assert not select.is_visible()
    assert stage.page.locator(".hl-modes").is_visible()


def test_what_is_being_computed_is_said_over_the_images(stage):
    words = "Projecting 4 units back to the image …"
    stage.mount("weights", {"deep": True, "mode": "back-projection", "doing": words})
    show(stage)
    said = stage.page.locator(".hl-doing")
    assert said.inner_text() == words
    assert said.get_attribute("role") == "status"
    box, images = said.bounding_box(), stage.page.locator(CANVAS).bounding_box()
    assert images["x"] <= box["x"]
    assert box["x"] + box["width"] <= images["x"] + images["width"]
    stage.show("weights", {"deep": True, "mode": "back-projection", "doing": ""})
    assert not said.is_visible()


def test_the_chosen_unit_may_have_a_picture_of_its_own(stage):
    stage.mount("weights", {"deep": True, "chosen": 2, "title": "What conv2 has learned"})
    show(stage)
    card = stage.page.locator(".hebblab-unit")
    assert pixels(stage, "unit")["width"] == 84
    assert card.locator(".hl-unit-note").inner_text() == ""
    close = {"unit": 2, "height": 3, "width": 5, "channels": 1}
    picture = bytes([255, 255, 0, 1, 1] * 3)
    show(stage, picture, number=2, close=close, note="the 2 patches that excite it most")
    large = pixels(stage, "unit")
    assert (large["width"], large["height"]) == (80, 48)

    def at(x, y):
        start = 4 * (y * large["width"] + x)
        return large["data"][start : start + 4]

    assert at(8, 8) == [0x6A, 0x22, 0x0A, 255]
    assert at(40, 24) == [0, 0, 0, 0], "between pictures there is nothing"
    assert at(72, 40) == [0x13, 0x3A, 0x66, 255]
    assert card.inner_text().endswith("the 2 patches that excite it most")
    # The picture of another unit is not passed off as this one's.
    stage.page.click(CANVAS, position={"x": 10, "y": 10})
    assert pixels(stage, "unit")["width"] == 84
    assert card.locator(".hl-unit-note").inner_text() == ""
    stage.page.keyboard.press("Escape")
    stage.page.focus(".hebblab-lab") if stage.page.locator(".hebblab-lab[tabindex]").count() else 0
    assert stage.page.locator("h2:has-text('What conv2 has learned')").is_visible()


def test_the_bar_is_of_the_colours_in_the_pictures(stage):
    stage.mount("weights", {"deep": True})
    show(stage)
    bar = "getComputedStyle(document.querySelector('.hl-colours')).backgroundImage"
    inks = stage.page.evaluate(bar)
    content, _ = frame(number=2, channels=3)
    stage.tell("weights", content, bytes([200]) * 48)
    stage.wait("sent.some((m) => m.do === 'painted' && m.id === 2)")
    assert stage.page.evaluate(bar) == "linear-gradient(to right, rgb(0, 0, 0), rgb(255, 255, 255))"
    show(stage, number=3)
    assert stage.page.evaluate(bar) == inks != ""


@pytest.mark.parametrize("height", [800, 600])
def test_pages_and_what_stands_on_them_are_said_whole(stage, height):
    stage.page.set_viewport_size({"width": 1280, "height": height})
    view = {"deep": True, "mode": "back-projection", "title": "What conv3 has learned"}
    stage.mount("weights", view | {"page": 1, "pages": 4})
    show(stage, caption="400 of 1,536 units, from 400 · “conv3”")
    caption = stage.page.locator(".hl-caption")
    pieces = caption.locator("span")
    edge = caption.evaluate("e => e.getBoundingClientRect().right")
    assert pieces.first.evaluate("e => e.getBoundingClientRect().right") <= edge
    assert caption.evaluate("e => e.scrollHeight <= e.clientHeight + 1")
    pager = stage.page.get_by_label("next units").bounding_box()
    title = stage.page.locator("h2:has-text('conv3')").bounding_box()
    mode = stage.page.locator("select.hl-mode").bounding_box()
    assert title["y"] + title["height"] <= pager["y"] + 1
    assert mode["y"] < pager["y"]
    assert pager["x"] + pager["width"] == pytest.approx(mode["x"] + mode["width"], abs=2)


def test_long_names_of_classes_are_said_whole(stage):
    stage.page.set_viewport_size({"width": 1280, "height": 800})
    rows = [["wins", "7 of 4,608"], ["nearest unit", "266 (cos 0.12)"], ["norm ‖w‖₂", "11.84"]]
    rows += [["share active", "43.8 %"], ["answers to", "“automobile” 57 %, “airplane” 29 %"]]
    card = {"number": 2, "rows": rows}
    stage.mount("weights", {"deep": True, "chosen": 2, "unit": card})
    show(stage)
    for fact in stage.page.locator(".hl-unit-facts dd").all():
        assert fact.evaluate("e => e.scrollWidth <= e.clientWidth"), fact.inner_text()
        assert fact.get_attribute("title") == fact.inner_text()


@pytest.mark.parametrize(("side", "seen"), [(98, 98), (224, 168)])
def test_a_picture_with_many_pixels_stays_within_the_card(stage, side, seen):
    stage.mount("weights", {"deep": True, "chosen": 2})
    close = {"unit": 2, "height": side, "width": side, "channels": 1}
    show(stage, bytes([200]) * side**2, close=close)
    picture = stage.page.locator(".hebblab-unit canvas").bounding_box()
    card = stage.page.locator(".hebblab-unit").bounding_box()
    words = stage.page.locator(".hl-unit-words").bounding_box()
    assert picture["width"] == picture["height"] == seen
    assert picture["y"] >= card["y"]
    assert picture["y"] + seen <= card["y"] + card["height"]
    assert picture["x"] + seen <= words["x"]


def test_without_a_chosen_unit_the_card_says_what_a_square_is(stage):
    stage.mount("weights", {"deep": True})
    show(stage)
    assert stage.page.locator(".hebblab-unit").inner_text() == "Each square is a mean."


def test_before_the_first_step_the_card_says_what_will_be_seen(stage):
    words = "What to see: two arrows of length one."
    stage.mount("weights", {"deep": True, "expect": words})
    show(stage)
    card = stage.page.locator(".hebblab-unit")
    assert card.inner_text() == words
    stage.show("weights", {"deep": True, "expect": ""})
    assert card.inner_text() == "Each square is a mean."
    stage.show("weights", {"deep": True, "expect": words, "chosen": 2})
    assert words not in card.inner_text()


def test_presets_stand_in_groups_and_are_chosen_by_name(stage):
    options = preset_options()
    choices = {name: {"value": "a", "options": ["a", "b"]} for name in ("rule", "data", "network")}
    choices["preset"] = {"value": "ring-som", "options": options}
    stage.mount("bar", {"choices": choices, "can": {}, "state": "ready"})
    select = stage.page.locator(".hebblab-preset select")
    assert select.count() == 1
    groups = select.locator("optgroup")
    labels = [groups.nth(i).get_attribute("label") for i in range(groups.count())]
    assert labels == [group["label"] for group in options]
    assert select.input_value() == "ring-som"
    wrong = stage.page.locator("optgroup[label='Goes wrong on purpose'] option")
    assert "mnist-hebb-explodes" in wrong.all_inner_texts()
    assert all(wrong.nth(i).get_attribute("title") for i in range(wrong.count()))
    select.select_option("mnist-krotov")
    assert stage.sent("choose")[-1]["name"] == "mnist-krotov"


def test_the_world_stands_apart_from_the_rule(stage):
    stage.mount("controls", controls("clusters-krotov"))
    page = stage.page
    assert page.locator("h3:has-text('The world')").is_visible()
    assert not page.locator("h3:has-text('For the probe')").is_visible()
    world = page.locator(".hl-world-knobs")
    for name in ("number", "elongation", "noise"):
        assert world.locator(f".hebblab-knob-{name} input[type=range]").is_visible()
    assert page.locator(".hl-rule-knobs .hebblab-knob-delta").is_visible()
    assert page.locator(".hl-knob:visible").count() == 7
    page.click("summary:has-text('more')")
    assert page.locator(".hl-more .hebblab-knob-centring input[type=checkbox]").is_visible()
    samples = page.locator(".hl-more .hebblab-knob-samples")
    assert samples.locator("input:enabled").count() == 0
    assert "Fixed in a run: hl.Session(…, samples=1000)" in samples.inner_text()
    stage.show("controls", controls("mnist-krotov"))
    assert not page.locator("h3:has-text('The world')").is_visible()
    assert page.locator("h3:has-text('For the probe')").is_visible()


def test_nothing_hangs_out_of_the_column_when_more_is_open(stage):
    stage.mount("controls", controls("ring-som"))
    stage.page.click("summary:has-text('more')")
    card = stage.page.locator(".hl-knob-card").bounding_box()
    for knob in stage.page.locator(".hl-knob").all():
        box = knob.bounding_box()
        assert card["x"] <= box["x"]
        assert box["x"] + box["width"] <= card["x"] + card["width"]
        for control in knob.locator("input, select").all():
            box = control.bounding_box()
            assert box["x"] + box["width"] <= card["x"] + card["width"], knob.inner_text()


def test_a_long_number_is_read_whole(stage):
    view = controls("mnist-krotov")
    for knob in view["knobs"]:
        if knob["name"] == "learning_rate":
            knob |= {"value": 0.00075, "text": "0.00075"}
    stage.mount("controls", view)
    field = stage.page.locator(".hebblab-knob-learning-rate input[type=text]")
    assert field.input_value() == "0.00075"
    assert field.evaluate("e => e.scrollWidth <= e.clientWidth")


def test_an_option_that_appears_takes_no_focus_and_no_hand_away(stage):
    plain = controls("mnist-krotov", rule="instar")
    stage.mount("controls", plain)
    page = stage.page
    page.click("summary:has-text('more')")
    box = ".hebblab-knob-thresholds input"
    page.focus(box)
    page.keyboard.press("Space")
    assert stage.sent("edit")[-1]["value"] is True
    stage.show("controls", controls("mnist-krotov", rule="instar", thresholds=True))
    assert page.locator(".hebblab-knob-threshold-rate input[type=range]").is_visible()
    assert page.evaluate("document.activeElement === document.querySelector(arguments[0])".replace(
        "arguments[0]", f"'{box}'"))  # fmt: skip
    names = page.locator(".hl-more .hl-knob").evaluate_all("all => all.map((e) => e.className)")
    assert names.index("hl-knob hebblab-knob-threshold-rate") == 1 + names.index(
        "hl-knob hebblab-knob-thresholds"
    )
    stage.show("controls", plain)
    assert page.locator(".hebblab-knob-threshold-rate").count() == 0


def test_a_knob_that_moves_by_itself_does_not_fight_a_hand(stage):
    def radius(value):
        view = controls("mnist-som")
        for knob in view["knobs"]:
            if knob["name"] == "radius":
                knob |= {"value": value, "text": f"{value:.3g}"}
        return view

    stage.mount("controls", radius(5.0))
    page, slider = stage.page, ".hebblab-knob-radius input[type=range]"
    field = page.locator(".hebblab-knob-radius input[type=text]")
    high = float(page.input_value(slider))
    stage.show("controls", radius(2.0))
    assert float(page.input_value(slider)) < high
    assert field.input_value() == "2"
    box = page.locator(slider).bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.5 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], middle)
    held = page.input_value(slider)
    for value in (1.8, 1.5, 1.2):
        stage.show("controls", radius(value))
        assert page.input_value(slider) == held
    page.mouse.up()
    field.fill("4.2")
    stage.show("controls", radius(1.0))
    assert field.input_value() == "4.2"


def test_a_word_for_a_symbol_is_not_said_twice(stage):
    stage.mount("controls", controls("mnist-som"))
    stage.page.click("summary:has-text('more')")
    head = stage.page.locator(".hebblab-knob-neighbourhood .hl-knob-head")
    assert head.inner_text().count("neighbourhood") == 1
    rows = stage.page.locator(".hebblab-knob-sheet .hl-knob-name")
    rows.dblclick()
    assert stage.sent("default")[-1]["name"] == "sheet"


@pytest.mark.parametrize("preset", ["ring-som", "mnist-instar"])
def test_the_column_has_no_serious_fault(stage, preset):
    stage.mount("controls", controls(preset))
    stage.page.click("summary:has-text('more')")
    stage.mount("weights", {"deep": True, "doing": "Projecting …", "chosen": 1})
    show(stage)
    assert faults(stage.page, ".hebblab-lab") == {}


@pytest.mark.parametrize("width", [380, 848, 1280, 1920])
def test_nothing_scrolls_sideways(stage, width):
    stage.page.set_viewport_size({"width": width, "height": 800})
    stage.mount("controls", controls("ring-som"))
    stage.page.click("summary:has-text('more')")
    view = {
        "deep": True, "mode": "back-projection", "title": "What conv2 has learned", "chosen": 1,
        "doing": "Looking for the patches that excite 400 units most …", "pages": 3,
        "unit": {"number": 1, "rows": [["a", "b"]] * 5},
    }  # fmt: skip
    stage.mount("weights", view)
    show(stage, note="the 9 patches of 500 training images that excite it most")
    assert stage.page.evaluate("document.documentElement.scrollWidth") <= width


def test_in_a_notebooks_width_choices_stand_beside_their_names(stage):
    stage.page.set_viewport_size({"width": 848, "height": 800})
    choices = {name: {"value": "a", "options": ["a", "b"]} for name in ("rule", "data", "network")}
    choices["preset"] = {"value": "ring-som", "options": preset_options()}
    stage.mount("bar", {"choices": choices, "can": {}, "state": "ready"})
    gaps = stage.page.evaluate(
        """() => [...document.querySelectorAll('.hl-choices .hl-choice')].map((one) => {
        const words = document.createRange();
        words.selectNodeContents(one.querySelector('span'));
        const left = one.querySelector('select').getBoundingClientRect().left;
        return left - words.getBoundingClientRect().right; })"""
    )
    assert len(gaps) == 4
    assert all(0 < gap < 12 for gap in gaps)
