"""What finds its place and what is left out where room is short, with a stand-in for the kernel."""

import pytest

from tests.browser.test_parts import HOSTILE, bar, controls, frame

pytestmark = pytest.mark.browser

LONG = "100 of 100 units · “hidden”"
NAMES = {
    "preset": "mnist-hebb-explodes",
    "rule": "Self-organising map",
    "data": "fashion-mnist",
    "network": "softhebb-mini",
}
# Each piece of a text: "in" its box, "out" of it, or "cut".
PIECES = """(box) => {
  const edge = document.querySelector(box).getBoundingClientRect();
  return [...document.querySelectorAll(`${box} > span`)].map((piece) => {
    const { left, right, top, bottom } = piece.getBoundingClientRect();
    if (top > edge.bottom - 3) return "out";
    const whole = left > edge.left - 1 && right < edge.right + 1 && bottom < edge.bottom + 3;
    return whole && top > edge.top - 3 ? "in" : "cut";
  });
}"""
BOX = """(name) => {
  const { left, right, top, bottom, width } = document.querySelector(name).getBoundingClientRect();
  return { left, right, top, bottom, width };
}"""


def box(stage, name):
    return stage.page.evaluate(BOX, name)


def chosen(**names):
    return {name: {"value": one, "options": [one, "a"]} for name, one in names.items()}


def paint(stage, **more):
    content, data = frame(units=100, columns=10, **more)
    stage.tell("weights", content, data)
    stage.wait("sent.some((m) => m.do === 'painted')")


@pytest.mark.parametrize(("height", "kept"), [(800, ["in", "in"]), (600, ["in", "out"])])
def test_a_caption_without_room_loses_a_piece_and_no_letters(stage, height, kept):
    stage.page.set_viewport_size({"width": 1280, "height": height})
    stage.mount("bar", bar())
    stage.mount("controls", controls())
    stage.mount("weights", {})
    paint(stage, caption=LONG)
    assert stage.page.evaluate(PIECES, ".hl-caption") == kept
    assert stage.page.locator(".hl-caption").text_content() == LONG
    assert stage.page.get_attribute(".hl-caption", "title") == LONG


@pytest.mark.parametrize("width", [1280, 1400, 1920])
def test_the_way_back_names_its_run_whole_and_the_link_stays_on_one_line(stage, width):
    stage.page.clock.install()
    stage.page.set_viewport_size({"width": width, "height": 800})
    back = "mnist-softhebb-warm · step 21,345"
    view = bar("running", back=back, steps=21345, epoch="1,234.5", choices=chosen(**NAMES))
    stage.mount("bar", view)
    assert "cut" not in stage.page.evaluate(PIECES, ".hl-back > .hl-pieces")
    stage.page.clock.run_for(6000)
    assert stage.page.locator(".hebblab-link").inner_text() == "connection lost"
    link = box(stage, ".hebblab-link")
    assert link["bottom"] - link["top"] < 26
    assert "cut" not in stage.page.evaluate(PIECES, ".hl-back > .hl-pieces")
    assert stage.page.evaluate("document.documentElement.scrollWidth") <= width


def test_names_of_what_runs_are_read_whole_beside_the_transport(stage):
    stage.mount("bar", bar("running", choices=chosen(**NAMES)))
    widths = stage.page.evaluate(
        """() => {
          const context = document.createElement('canvas').getContext('2d');
          return [...document.querySelectorAll('.hl-choices select')].map((one) => {
            context.font = getComputedStyle(one).font;
            return one.clientWidth - context.measureText(one.value).width;
          });
        }"""
    )
    # The text, and beside it the arrow of the drop-down.
    assert min(widths) > 14
    top, probe = box(stage, ".hl-choices"), box(stage, ".hebblab-start")
    assert top["right"] <= probe["left"]


@pytest.mark.parametrize(("width", "across"), [(380, 2), (568, 2), (848, 4)])
def test_choices_stand_in_full_rows(stage, width, across):
    stage.page.set_viewport_size({"width": width, "height": 800})
    stage.mount("bar", bar("running", choices=chosen(**NAMES)))
    tops = stage.page.evaluate(
        "[...document.querySelector('.hl-choices').children].map((e) => e.offsetTop)"
    )
    assert [tops.count(top) for top in sorted(set(tops))] == [across] * (4 // across)
    if width > 500:
        speed, keys = box(stage, ".hebblab-speed"), box(stage, ".hl-help-button")
        assert keys["top"] < speed["bottom"]


def test_the_longest_numbers_of_the_scale_leave_the_foot_on_one_line(stage):
    stage.page.set_viewport_size({"width": 1280, "height": 600})
    stage.mount("bar", bar())
    stage.mount("controls", controls())
    stage.mount("weights", {})
    paint(stage, low="−3.9e+29", high="+3.9e+29")
    tops = stage.page.evaluate(
        """[...document.querySelectorAll('.hl-card-foot > :not(.hl-legend)')].map((e) => {
          const { top, bottom } = e.getBoundingClientRect();
          return Math.round(top + bottom);
        })"""
    )
    assert len(tops) == 3 and max(tops) - min(tops) <= 2
    card, foot = box(stage, ".hl-images"), box(stage, ".hl-card-foot")
    assert foot["right"] <= card["right"] and card["bottom"] <= 600


def test_what_an_edit_did_stands_over_the_edits_with_numbers_unbroken(stage):
    stage.mount("bar", bar())
    edits = [{"step": f"step {i}", "text": f"Δ 0.{i}"} for i in range(20, 30)]
    effect = "since Δ 0.80: active responses of units 100 % → 98 %, negative weight 2.5 % → 13 %"
    stage.mount("controls", controls(edits=edits, effect=effect))
    said, log = box(stage, ".hebblab-effect"), box(stage, ".hebblab-log")
    assert said["bottom"] <= log["top"]
    assert stage.page.locator(".hebblab-effect").inner_text() == effect
    whole = stage.page.locator(".hebblab-effect .hl-whole")
    assert whole.all_inner_texts() == ["100 %", "98 %", "2.5 %", "13 %"]
    assert all(one["height"] < 22 for one in (n.bounding_box() for n in whole.all()))


def test_a_message_is_closed_and_the_next_one_is_shown(stage):
    error = {"sentence": HOSTILE, "advice": HOSTILE, "traceback": HOSTILE}
    stage.mount("bar", bar("failed", error=error))
    pane = stage.page.locator(".hebblab-error")
    sentence, shut = box(stage, ".hl-sentence"), box(stage, ".hebblab-error .hl-shut")
    assert (
        shut["top"] < sentence["bottom"] and shut["right"] <= box(stage, ".hebblab-error")["right"]
    )
    stage.page.focus(".hebblab-error .hl-shut")
    stage.page.keyboard.press("Enter")
    assert not pane.is_visible()
    stage.show("bar", bar("failed", error=error, frames="9"))
    assert not pane.is_visible()
    stage.show("bar", bar("failed", error=error | {"sentence": "Another."}))
    assert pane.is_visible()
    assert stage.page.locator(".hebblab-lab img").count() == 0


def test_one_step_a_second_is_one_step(stage):
    stage.mount("bar", bar("running", rate="1", frames="1"))
    said = stage.page.locator(".hl-status").inner_text()
    assert "1 step/s" in said and "1 frame/s" in said
    stage.show("bar", bar("running", rate="60", frames="10"))
    said = stage.page.locator(".hl-status").inner_text()
    assert "60 steps/s" in said and "10 frames/s" in said


LUMINANCE = """(name) => {
  const said = getComputedStyle(document.querySelector(name)).outlineColor;
  const parts = said.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255);
  const [r, g, b] = parts.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}"""


@pytest.mark.parametrize("light", ["true", "false"])
def test_the_frame_of_the_chosen_unit_is_seen_on_its_paper(stage, light):
    stage.page.evaluate("light => (document.body.dataset.jpThemeLight = light)", light)
    stage.mount("weights", {"chosen": 2})
    paint(stage)
    paper = 0.93  # the images' own, in both themes
    for name in (".hl-outline", ".hl-hover"):
        own = stage.page.evaluate(LUMINANCE, name)
        assert (paper + 0.05) / (own + 0.05) >= 3, name


def test_the_probe_screen_takes_its_ink_from_the_lab_not_from_the_notebook(stage):
    stage.page.add_style_tag(content=".jupyter-widgets { color: rgb(0, 0, 0); font: 30px serif }")
    stage.page.evaluate(
        """() => {
          document.body.dataset.jpThemeLight = 'false';
          document.querySelector('.hebblab-lab').classList.add('hl-studying');
          for (const e of document.querySelectorAll('.hl-study, .hl-study > *')) {
            e.classList.add('jupyter-widgets');
            e.append(Object.assign(document.createElement('b'), { className: 'said' }));
          }
        }"""
    )
    found = stage.page.evaluate(
        """[...document.querySelectorAll('.said')].map((e) => {
          const { color, fontSize } = getComputedStyle(e);
          return [color, fontSize];
        })"""
    )
    own = stage.page.evaluate("getComputedStyle(document.querySelector('.hebblab-lab')).color")
    assert found == [[own, "14px"]] * 2
