"""The pure functions of `static/`, run where they will run."""

import itertools

import pytest

pytestmark = pytest.mark.browser

DELTA = {"scale": "linear", "slider_low": 0, "slider_high": 1, "step": 0.01}
RATE = {"scale": "log", "slider_low": 0.001, "slider_high": 1, "step": 1.1}
RANK = {"scale": "integer", "slider_low": 2, "slider_high": 20, "step": 1}
BATCH = {
    "scale": "integer",
    "slider_log": True,
    "slider_low": 1,
    "slider_high": 4321,
    "step": 10**0.05,
}


@pytest.fixture
def page(one_page):
    return one_page


@pytest.fixture
def call(page):
    """Call a function of a module with plain values."""

    def called(module, name, *values):
        script = "async ([m, n, a]) => (await import('/' + m))[n](...a)"
        return page.evaluate(script, [module, name, list(values)])

    return called


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (" 0.4 ", "0.4"),
        ("0,4", "0.4"),
        (",5", ".5"),
        ("−1,5", "-1.5"),
        ("1,000", "1,000"),
        ("12,345,678", "12,345,678"),
        ("0,400", "0.400"),
        ("1e-3", "1e-3"),
        ("two", "two"),
        ("1,2,3", "1,2,3"),
    ],
)
def test_typed_numbers_take_a_comma_only_where_it_is_a_decimal_one(call, text, read):
    assert call("numbers.js", "typed", text) == read


@pytest.mark.parametrize(
    ("value", "knob", "text"),
    [
        (0.4, DELTA, "0.40"),
        (0.413, DELTA, "0.413"),
        (4.5, DELTA | {"step": 0.5}, "4.5"),
        (0.0123, RATE, "0.0123"),
        (7, RANK, "7"),
        (0, DELTA, "0"),
    ],
)
def test_a_dragged_value_is_written_as_python_writes_it(call, value, knob, text):
    from hebblab.knobs import Knob

    declared = Knob("x", "x", "x", value, 0, 100, knob["scale"], "", step=knob["step"])
    assert call("numbers.js", "shown", value, knob) == text
    own = value if knob["scale"] == "integer" else float(value)
    assert declared.text(own) == text


def test_slider_positions_and_values_undo_each_other(call):
    for knob, values in (
        (DELTA, [0, 0.07, 0.4, 1]),
        (RATE, [0.001, 0.012, 0.5, 1]),
        (RANK, [2, 9]),
        (BATCH, [1, 7, 100, 950, 4321]),
    ):
        for value in values:
            at = call("numbers.js", "position", value, knob)
            assert call("numbers.js", "valueAt", at, knob) == pytest.approx(value, rel=1e-12)


def test_values_beyond_the_slider_stand_at_its_end(call):
    assert call("numbers.js", "position", 1.7, DELTA) == 1
    assert call("numbers.js", "position", 0, RATE) == -3
    assert call("numbers.js", "filled", 1.7, DELTA) == 1
    assert call("numbers.js", "filled", 0.5, DELTA) == pytest.approx(0.5)
    assert call("numbers.js", "filled", 10, BATCH | {"slider_high": 1000}) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("value", "knob", "steps", "result"),
    [
        (0.4, DELTA, 1, 0.41),
        (0.1, DELTA, 2, 0.12),
        (0.95, DELTA, 10, 1),
        (0.05, DELTA, -10, 0),
        (1.7, DELTA, 1, 1.7),
        (1.7, DELTA, -1, 1.69),
        (0.01, RATE, 1, 0.011),
        (0, RATE, 1, 0.001),
        (0.9, RATE, 10, 1),
        (2, RANK, 10, 12),
        (1, BATCH, 1, 2),
        (5, BATCH, -1, 4),
        (100, BATCH, 1, 112),
        (100, BATCH, 10, 316),
        (4000, BATCH, 10, 4321),
        (1, BATCH, -10, 1),
    ],
)
def test_steps_are_exact_and_end_where_the_slider_ends(call, value, knob, steps, result):
    assert call("numbers.js", "stepped", value, knob, steps) == result


@pytest.mark.parametrize(("value", "knob"), [(0.01, RATE), (0.3, RATE), (100, BATCH), (0.4, DELTA)])
@pytest.mark.parametrize("steps", [1, 10])
def test_as_many_steps_back_lead_back(call, value, knob, steps):
    there = call("numbers.js", "stepped", value, knob, steps)
    start = call("numbers.js", "stepped", there, knob, -steps)
    again = call("numbers.js", "stepped", start, knob, steps)
    assert again == there > start
    # What stood between two places goes to the nearest of them.
    assert start == pytest.approx(value, rel=0.06)


def test_a_row_of_single_steps_there_and_back_ends_where_it_began(call):
    value = 0.01
    for steps in [1] * 15 + [-1] * 15:
        value = call("numbers.js", "stepped", value, RATE | {"step": 1.122}, steps)
    assert value == 0.01


def test_ink_is_paper_at_zero_warm_above_and_blue_below(call):
    zero, plus, minus = (call("colours.js", "ink", w) for w in (0, 1, -1))
    assert min(zero) > 240
    assert plus[0] > 2 * plus[2]
    assert minus[2] > 2 * minus[0]
    assert call("colours.js", "ink", 9) == plus
    assert call("colours.js", "ink", float("-inf")) == minus


def test_ink_darkens_steadily_on_both_sides(call):
    def light(weight):
        red, green, blue = call("colours.js", "ink", weight)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for sign in (1, -1):
        values = [light(sign * i / 16) for i in range(17)]
        assert all(a > b for a, b in itertools.pairwise(values))


def test_faded_colours_are_nearly_grey(call):
    red, green, blue = call("colours.js", "faded", [106, 34, 10])
    assert max(red, green, blue) - min(red, green, blue) <= 2


FRAME = {"count": 100, "columns": 10, "height": 28, "width": 28}


@pytest.mark.parametrize("across", [320, 410, 486, 972, 640])
def test_a_mosaic_fills_its_column_with_equal_images(call, across):
    place = call("mosaic.js", "arrange", FRAME, across, 1)
    assert place["x"][0] == 0
    assert place["x"][-1] + place["wide"] == across
    gaps = [b - a - place["wide"] for a, b in zip(place["x"], place["x"][1:], strict=False)]
    assert min(gaps) >= 1
    assert max(gaps) - min(gaps) <= 2
    assert place["down"] == 10 * place["high"] + 9 * place["gap"]


def test_one_unit_and_an_incomplete_last_row(call):
    one = call("mosaic.js", "arrange", FRAME | {"count": 1, "columns": 1}, 200, 1)
    assert (one["across"], one["down"]) == (200, 200)
    seven = call("mosaic.js", "arrange", FRAME | {"count": 7, "columns": 3}, 100, 1)
    assert seven["rows"] == 3
    beyond = (seven["x"][2] + 3, seven["y"][2] + 3)
    assert call("mosaic.js", "imageAt", seven, *beyond) == -1
    assert call("mosaic.js", "imageAt", seven, 3, seven["y"][2] + 3) == 6


def test_every_image_is_found_where_it_was_put(call):
    place = call("mosaic.js", "arrange", FRAME, 486, 1)
    for index in (0, 9, 10, 55, 99):
        x, y = place["x"][index % 10], place["y"][index // 10]
        assert call("mosaic.js", "imageAt", place, x, y) == index
        assert call("mosaic.js", "imageAt", place, x + 44, y + 44) == index
    assert call("mosaic.js", "imageAt", place, -1, 5) == -1
    assert call("mosaic.js", "imageAt", place, 5, 5000) == -1


@pytest.mark.parametrize(
    ("index", "key", "to"),
    [
        (-1, "ArrowDown", 0),
        (14, "ArrowUp", 4),
        (14, "ArrowRight", 15),
        (4, "ArrowUp", 4),
        (99, "ArrowRight", 99),
        (50, "Home", 0),
        (50, "End", 99),
    ],
)
def test_arrow_keys_walk_over_the_images(call, index, key, to):
    assert call("mosaic.js", "moved", index, key, 10, 100) == to


PAINT = """async ({bytes, height, width, channels, greyed, across, only}) => {
  const m = await import('/mosaic.js'), c = await import('/colours.js');
  const count = bytes.length / (height * width * channels);
  const place = m.arrange({ count, columns: count, height, width }, across, 1);
  const pixels = new Uint32Array(place.across * place.down);
  const frame = { bytes: Uint8Array.from(bytes), height, width, channels, greyed: new Set(greyed) };
  m.paint(pixels, frame, place, c.tables(), only ?? -1);
  return { place, pixels: [...new Uint8Array(pixels.buffer)] };
}"""


def test_pixels_are_nearest_neighbours_and_never_mixed(page):
    # Two units of 1 x 2 pixels: full ink and paper, then paper and full blue.
    drawn = page.evaluate(
        PAINT,
        {
            "bytes": [255, 128, 128, 1],
            "height": 1,
            "width": 2,
            "channels": 1,
            "greyed": [],
            "across": 41,
        },
    )
    place, pixels = drawn["place"], drawn["pixels"]
    row = [tuple(pixels[4 * x : 4 * x + 4]) for x in range(place["across"])]
    first, second = row[: place["wide"]], row[place["x"][1] :]
    assert first[0] == (0x6A, 0x22, 0x0A, 255)
    assert first[-1] == second[0] == (0xF8, 0xF8, 0xF5, 255)
    assert second[-1] == (0x13, 0x3A, 0x66, 255)
    assert len(set(first)) == 2
    # Between images nothing is painted.
    assert row[place["wide"]] == (0, 0, 0, 0)


def test_colour_images_are_painted_as_they_are_and_greyed_units_grey(page):
    request = {
        "bytes": [200, 20, 30, 10, 120, 250],
        "height": 1,
        "width": 1,
        "channels": 3,
        "across": 20,
    }
    plain = page.evaluate(PAINT, request | {"greyed": []})["pixels"]
    assert plain[:4] == [200, 20, 30, 255]
    grey = page.evaluate(PAINT, request | {"greyed": [0]})["pixels"]
    assert grey[0] == grey[1] == grey[2]


GESTURE = """async (moves) => {
  const { Gesture } = await import('/gesture.js');
  let now = 0, timers = [], sent = [];
  const clock = { now: () => now, forget: (t) => (timers = timers.filter((x) => x !== t)),
    later: (act, wait) => { const t = { act, at: now + wait }; timers.push(t); return t; } };
  const send = (value, number, final) => sent.push({ value, number, final, at: now });
  const gesture = new Gesture(send, 100, clock);
  const until = (end) => {
    for (;;) {
      const due = timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      now = due.at;
      timers = timers.filter((t) => t !== due);
      due.act();
    }
    now = end;
  };
  for (const [at, kind, value] of moves) { until(at); gesture[kind](value); }
  until(now + 1000);
  return sent;
}"""


def test_a_long_drag_sends_ten_a_second_and_the_last_value(page):
    moves = [[10 * i, "move", i] for i in range(101)] + [[1005, "finish", 100]]
    sent = page.evaluate(GESTURE, moves)
    assert len(sent) <= 12
    assert [s["final"] for s in sent] == [False] * (len(sent) - 1) + [True]
    assert sent[-1]["value"] == 100
    assert len({s["number"] for s in sent}) == 1
    spaces = [b["at"] - a["at"] for a, b in itertools.pairwise(sent[:-1])]
    assert min(spaces) >= 100


def test_two_drags_are_two_gestures_with_growing_numbers(page):
    moves = [[0, "move", 1], [20, "finish", 2], [500, "move", 3], [520, "finish", 4]]
    numbers = [s["number"] for s in page.evaluate(GESTURE, moves)]
    assert numbers[0] == numbers[1] < numbers[2] == numbers[3]


def test_a_movement_without_an_end_is_still_sent(page):
    sent = page.evaluate(GESTURE, [[0, "move", 1], [5, "move", 2]])
    assert [s["value"] for s in sent] == [1, 2]


def test_the_link_is_lost_within_five_seconds_of_silence(page):
    script = """async () => {
      const { Link } = await import('/link.js');
      let now = 0;
      const link = new Link(() => now), seen = [link.state];
      now = 1000; link.hear(); seen.push(link.state);
      now = 5200; seen.push(link.state);
      now = 5900; seen.push(link.state);
      link.hear(); seen.push(link.state);
      return seen;
    }"""
    seen = page.evaluate(script)
    assert seen == ["connecting", "connected", "connected", "lost", "connected"]


ASKED = """async ([html, event]) => {
  const { asked } = await import('/keys.js');
  document.body.innerHTML = html;
  const plain = { ctrlKey: false, metaKey: false, altKey: false };
  return asked({ ...plain, ...event }, document.body.firstChild);
}"""


@pytest.mark.parametrize(
    ("html", "key", "wish"),
    [
        ("<div></div>", " ", "toggle"),
        ("<canvas></canvas>", " ", "toggle"),
        ("<input type=range>", " ", "toggle"),
        ("<button></button>", " ", None),
        ("<input type=checkbox>", " ", None),
        ("<input type=text>", " ", None),
        ("<input type=text>", "p", None),
        ("<textarea></textarea>", ".", None),
        ("<div contenteditable></div>", "?", None),
        ("<select></select>", "p", None),
        ("<button></button>", "p", "probe"),
        ("<div></div>", ".", "step"),
        ("<div></div>", "?", "help"),
        ("<div></div>", "a", None),
    ],
)
def test_keys_act_except_while_typing_or_where_they_press(page, html, key, wish):
    assert page.evaluate(ASKED, [html, {"key": key}]) == wish


def test_keys_with_ctrl_belong_to_the_browser(page):
    assert page.evaluate(ASKED, ["<div></div>", {"key": "p", "ctrlKey": True}]) is None


def test_mathml_is_copied_element_by_allowed_element(page):
    script = """async (line) => {
      const { equations } = await import('/dom.js');
      document.body.replaceChildren(...equations([line]));
      return document.body.innerHTML;
    }"""
    space = 'xmlns="http://www.w3.org/1998/Math/MathML"'
    good = page.evaluate(script, f'<math {space}><mi data-symbol="k">k</mi></math>')
    assert good == '<math><mi data-symbol="k">k</mi></math>'
    bad = page.evaluate(
        script,
        f'<math {space} onclick="x()"><mi>k</mi><script>window.bad = 1</script>'
        '<mtext><img xmlns="http://www.w3.org/1999/xhtml" src="x" onerror="window.bad=1"/></mtext>'
        '<maction actiontype="x"><mi href="javascript:x()">w</mi></maction></math>',
    )
    assert bad == "<math><mi>k</mi><mtext></mtext></math>"
    assert page.evaluate(script, "<b>no mathematics") == ""
    assert page.evaluate("window.bad") is None
