"""The plane on a page: its arithmetic, and what is drawn of inputs, arrows and their ways."""

import math

import numpy as np
import pytest

pytestmark = pytest.mark.browser

ACCENT, WARM, MARK = (11, 110, 117), (169, 80, 31), (151, 161, 171)


@pytest.fixture
def call(one_page):
    """Call a function of plane.js with plain values."""
    script = "async ([n, a]) => (await import('/plane.js'))[n](...a)"
    return lambda name, *values: one_page.evaluate(script, [name, list(values)])


def test_both_axes_have_one_scale(call):
    place = call("planePlace", 400, 4)
    (x0, y0), (x1, y1) = (call("pixelAt", place, *at) for at in ((-4, -4), (4, 4)))
    assert x1 - x0 == pytest.approx(y0 - y1)
    assert (x0, y1) == (place["left"], place["top"])
    assert x1 < place["across"]
    assert y0 < place["down"]
    middle = call("pixelAt", place, 0, 0)
    assert middle == pytest.approx([(x0 + x1) / 2, (y0 + y1) / 2])
    larger = call("planePlace", 400, 4, 1.25)
    assert larger["left"] == 1.25 * place["left"]


@pytest.mark.parametrize(
    ("x", "y", "tip"),
    [
        (1, -2, [1, -2, False]),
        (4, 4, [4, 4, False]),
        (8, 2, [4, 1, True]),
        (0, -40, [0, -4, True]),
        (-3e30, 4e30, [-3, 4, True]),
    ],
)
def test_an_arrow_that_leaves_ends_at_the_edge_in_its_own_direction(call, x, y, tip):
    found = call("tipWithin", x, y, 4)
    assert found[:2] == pytest.approx(tip[:2])
    assert found[2] is tip[2]


@pytest.mark.parametrize(
    ("edge", "ticks"), [(4, [-4, -2, 0, 2, 4]), (1.5, [-1, 0, 1]), (10, [-10, -5, 0, 5, 10])]
)
def test_ticks_are_whole_numbers_about_zero(call, edge, ticks):
    assert call("ticksTo", edge) == ticks


def test_an_arrows_head_is_no_longer_than_the_arrow(call):
    tip, one, two = call("arrowHead", [0, 0], [30, 40], 10)
    assert tip == [30, 40]
    base = np.add(one, two) / 2
    assert base.tolist() == pytest.approx([24, 32])
    tip, one, two = call("arrowHead", [0, 0], [3, 4], 10)
    assert (np.add(one, two) / 2).tolist() == pytest.approx([0, 0])
    assert call("arrowHead", [5, 5], [5, 5], 10) == [[5, 5]] * 3


@pytest.mark.parametrize(
    ("sheet", "pairs"),
    [
        ((1, 4, False), {(0, 1), (1, 2), (2, 3)}),
        ((1, 4, True), {(0, 1), (1, 2), (2, 3), (0, 3)}),
        ((2, 2, True), {(0, 1), (2, 3), (0, 2), (1, 3)}),
        ((3, 1, True), {(0, 1), (1, 2), (0, 2)}),
        ((1, 1, True), set()),
    ],
)
def test_neighbours_on_a_sheet_are_joined_once(call, sheet, pairs):
    found = [tuple(sorted(pair)) for pair in call("sheetPairs", *sheet)]
    assert len(found) == len(set(found))
    assert set(found) == pairs


def test_a_torus_joins_every_unit_to_four(call):
    joined = np.bincount(np.ravel(call("sheetPairs", 4, 5, True)))
    assert joined.tolist() == [4] * 20


@pytest.mark.parametrize("classes", range(2, 13))
def test_clusters_that_are_neighbours_have_different_tints(call, classes):
    tints = [call("tintOf", label, classes) for label in range(classes)]
    assert all(a != b for a, b in zip(tints, tints[1:] + tints[:1], strict=True))


def test_the_nearest_tip_is_chosen_and_only_near_it(call):
    place = {"tips": [[100, 100], [110, 100], [300, 20]], "scale": 1}
    assert call("tipAt", place, 103, 100) == 0
    assert call("tipAt", place, 107, 100) == 1
    assert call("tipAt", place, 300, 33) == 2
    assert call("tipAt", place, 300, 60) == -1
    assert call("tipAt", {"tips": [], "scale": 1}, 0, 0) == -1


def test_a_frame_whose_bytes_do_not_fit_is_no_frame(call, one_page):
    script = """async ([meta, bytes]) => {
      const { framedPlane } = await import('/plane.js');
      const found = framedPlane(meta, new DataView(Uint8Array.from(bytes).buffer));
      return found && { weights: [...found.weights], trail: [...found.trail],
        points: [...found.points], labels: [...found.labels] };
    }"""
    meta, data = frame([[1.5, -2]], trail=[[[0.5, 0.25]]], dots=[[3, 4], [5, 6]], labels=[1, 0])
    found = one_page.evaluate(script, [meta, list(data)])
    assert found == {
        "weights": [1.5, -2], "trail": [0.5, 0.25], "points": [3, 4, 5, 6], "labels": [1, 0]
    }  # fmt: skip
    assert one_page.evaluate(script, [meta, list(data[:-1])]) is None
    assert one_page.evaluate(script, [meta | {"dots": 1}, list(data)]) is None


def frame(weights, trail=None, dots=(), labels=None, number=1, **more):
    """A frame as Python sends it."""
    weights = np.asarray(weights, "<f4").reshape(-1, 2)
    trail = np.empty((0, len(weights), 2)) if trail is None else np.asarray(trail)
    dots = np.asarray(dots, "<f4").reshape(-1, 2)
    labels = np.zeros(len(dots), np.uint8) if labels is None else np.asarray(labels, np.uint8)
    meta = {
        "type": "frame", "id": number, "run": 1, "edit": 0, "plane": True, "edge": 4,
        "units": list(range(len(weights))), "steps": len(trail), "dots": len(dots),
        "classes": 5, "tinted": False, "greyed": [], "sheet": None, "left": "",
        "caption": "arrows", "label": "Arrows at step 1", "page": 0, "pages": 1,
    }  # fmt: skip
    data = b"".join(np.ascontiguousarray(part, "<f4").tobytes() for part in (weights, trail, dots))
    return meta | more, data + labels.tobytes()


CANVAS = ".hebblab-weights canvas"


class Drawn:
    """The plane of a stage: colours at places of the plane."""

    def __init__(self, stage):
        self.stage, self.page, self.number = stage, stage.page, 0

    def show(self, weights, **more):
        self.number += 1
        content, data = frame(weights, number=self.number, **more)
        self.stage.tell("weights", content, data)
        self.stage.wait(f"sent.some((m) => m.do === 'painted' && m.id === {self.number})")

    def place(self, x, y):
        """Where a point of the plane lies on the canvas, in CSS pixels."""
        script = """async ([x, y]) => {
          const canvas = document.querySelector('.hebblab-weights canvas');
          const across = canvas.clientWidth, size = across - 39;
          return [30 + size * (x + 4) / 8, 9 + size * (4 - y) / 8];
        }"""
        return self.page.evaluate(script, [x, y])

    def around(self, x, y, reach=2):
        """The colours within so many pixels of a point of the plane, (n, 3)."""
        script = """([x, y, r]) => {
          const canvas = document.querySelector('.hebblab-weights canvas');
          const side = 2 * r + 1;
          return [...canvas.getContext('2d')
            .getImageData(Math.round(x) - r, Math.round(y) - r, side, side).data];
        }"""
        found = self.page.evaluate(script, [*self.place(x, y), reach])
        return np.reshape(found, (-1, 4))[:, :3]

    def has(self, colour, x, y, reach=2):
        return bool((abs(self.around(x, y, reach) - colour).max(axis=1) < 12).any())

    def blank(self, x, y, reach=2):
        return bool((self.around(x, y, reach) == 255).all())


@pytest.fixture
def drawn(stage):
    stage.mount("weights", {"title": "Where the units point"})
    return Drawn(stage)


def test_an_arrow_goes_from_the_origin_to_its_weights(drawn):
    drawn.show([[2.5, 1.5], [-1.2, -3.1]])
    for x, y in ((2.5, 1.5), (-1.2, -3.1)):
        assert drawn.has(ACCENT, 0.97 * x, 0.97 * y)
        assert drawn.has(ACCENT, x / 2, y / 2)
        assert drawn.blank(1.2 * x, 1.2 * y)
    assert drawn.blank(2.5, -1.5)
    box = drawn.page.locator(CANVAS).bounding_box()
    assert box["height"] == pytest.approx(box["width"], abs=10)


def test_the_way_is_drawn_fainter_the_longer_ago(drawn):
    angles = np.linspace(0, math.pi / 2, 120)
    way = 3 * np.stack((np.cos(angles), np.sin(angles)), axis=1)[:, None]
    drawn.show(way[-1], trail=way)

    def darkest(angle):
        return drawn.around(3 * math.cos(angle), 3 * math.sin(angle)).sum(axis=1).min()

    late, middle, early = (darkest(angle) for angle in (1.4, 0.8, 0.1))
    assert late < middle < early < 3 * 255
    assert drawn.blank(3 * math.cos(-0.3), 3 * math.sin(-0.3))


def test_inputs_are_dots_and_classes_lightly_tinted(drawn):
    dots = [[1.3, 3.0], [2.7, 3.0], [-1.3, 3.0]]
    drawn.show([[0.0, -1.0]], dots=dots, labels=[0, 1, 2], tinted=True)
    grey, warm, green = (drawn.around(*dot, reach=0)[0].astype(int) for dot in dots)
    assert len({tuple(colour) for colour in (grey, warm, green)}) == 3
    assert warm[0] > warm[2] + 20
    assert green[2] > green[0] + 20
    assert min(map(min, (grey, warm, green))) > 100
    drawn.show([[0.0, -1.0]], dots=dots, labels=[0, 1, 2], tinted=False)
    same = {tuple(drawn.around(*dot, reach=0)[0]) for dot in dots}
    assert len(same) == 1


def test_the_unit_circle_and_the_ticks_are_there(drawn):
    drawn.show([[0.1, 0.0]])
    angles = np.linspace(0.2, 1.3, 40)
    circle = np.array([drawn.around(math.cos(a), math.sin(a), 1).min() for a in angles])
    # Dashed: mostly drawn, with gaps.
    assert 0.4 < (circle < 200).mean() <= 1
    inside = [drawn.blank(0.6 * math.cos(a), 0.6 * math.sin(a), 1) for a in angles]
    assert all(inside)
    for tick in (-2, 2):
        x, _ = drawn.place(tick, 0)
        script = """([x]) => {
          const canvas = document.querySelector('.hebblab-weights canvas');
          const { data } = canvas.getContext('2d')
            .getImageData(Math.round(x) - 6, canvas.height - 18, 12, 10);
          return data.some((value, i) => i % 4 < 3 && value < 180);
        }"""
        assert drawn.page.evaluate(script, [x])


def test_who_left_the_picture_is_said_in_words_and_drawn_at_the_edge(drawn):
    words = "Unit 0 has left the picture: norm 12.3."
    drawn.show([[12.0, 2.7], [1.0, 0.0]], left=words, label=f"Arrows at step 1; {words}")
    assert drawn.page.locator(".hl-left").inner_text() == words
    assert words in drawn.page.get_attribute(CANVAS, "aria-label")
    assert drawn.has(ACCENT, 3.9, 0.88)
    # Nothing is drawn outside the axes.
    assert drawn.blank(4.09, 0.91)
    drawn.show([[1.0, 0.0], [0.0, 1.0]])
    assert not drawn.page.locator(".hl-left").is_visible()


def test_a_click_near_a_tip_chooses_and_escape_lets_go(drawn):
    drawn.show([[2.0, 1.0], [-2.0, 1.0]])
    x, y = drawn.place(-2.0, 1.0)
    drawn.page.locator(CANVAS).click(position={"x": x + 6, "y": y - 5})
    assert [m["unit"] for m in drawn.stage.sent("choose")] == [1]
    drawn.page.wait_for_timeout(50)
    assert drawn.has(WARM, -1, 0.5)
    assert drawn.has(ACCENT, 1, 0.5)
    card = drawn.page.locator(".hebblab-unit")
    assert card.locator("dd").first.inner_text() == "1"
    ink = card.locator("canvas").evaluate(
        """(c) => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let warm = 0; for (let i = 0; i < d.length; i += 4) warm += d[i] > d[i + 2] + 100;
        return warm; }"""
    )
    assert ink > 20
    drawn.page.keyboard.press("Escape")
    assert [m["unit"] for m in drawn.stage.sent("choose")] == [1, None]
    drawn.page.wait_for_timeout(50)
    assert drawn.has(ACCENT, -1, 0.5)
    drawn.page.locator(CANVAS).click(position={"x": 60, "y": 40})
    assert len(drawn.stage.sent("choose")) == 2


def test_arrow_keys_go_from_unit_to_unit(drawn):
    drawn.show([[2.0, 1.0], [-2.0, 1.0], [0.0, 3.0]])
    drawn.page.focus(CANVAS)
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "End"):
        drawn.page.keyboard.press(key)
    assert [m["unit"] for m in drawn.stage.sent("choose")] == [0, 1, 0, 2]
    drawn.page.wait_for_function(
        "document.querySelector('.hebblab-weights canvas').ariaLabel.includes('unit 2 is chosen')"
    )


def test_hovering_says_which_unit_and_where_it_points(drawn):
    drawn.show([[0.0, -2.0], [2.0, 1.0]], greyed=[0])
    x, y = drawn.place(0.0, -2.0)
    drawn.page.locator(CANVAS).hover(position={"x": x, "y": y})
    tip = drawn.page.locator(".hl-tip")
    assert tip.inner_text() == "unit 0: norm 2, −90°, wins nothing"
    drawn.page.locator(CANVAS).hover(position={"x": 60, "y": 40})
    assert not tip.is_visible()


def test_units_that_win_nothing_are_grey(drawn):
    drawn.show([[2.0, 1.0], [-2.0, 1.0]], greyed=[1])
    assert drawn.has(ACCENT, 1, 0.5)
    assert drawn.has(MARK, -1, 0.5)


def test_neighbours_on_a_sheet_are_joined(drawn):
    corners = [[2.0, 2.0], [-2.0, 2.0], [-2.0, -2.0]]
    drawn.show(corners)
    assert drawn.blank(0.7, 2.2, reach=1)
    before = drawn.around(0.5, 2.0).min()
    drawn.show(corners, sheet=[1, 3, False])
    assert drawn.around(0.5, 2.0).min() < 60 < before
    # The ends of an open chain are not neighbours.
    assert drawn.blank(-0.5, -0.8, reach=1)
    drawn.show(corners, sheet=[1, 3, True])
    assert not drawn.blank(-0.6, -0.6, reach=2)


def test_controls_of_images_give_way_to_a_legend(drawn):
    drawn.show([[2.0, 1.0]])
    page = drawn.page
    for hidden in (
        "label:has-text('scale')",
        "label:has-text('order')",
        ".hl-colours",
        ".hl-modes",
    ):
        assert not page.locator(hidden).is_visible(), hidden
    assert "length 1" in page.locator(".hl-legend").inner_text()
    meta = {
        "type": "frame", "id": 99, "run": 2, "edit": 0, "units": [0], "columns": 1, "height": 2,
        "width": 2, "channels": 1, "greyed": [], "low": "−1", "high": "+1", "caption": "1 of 1",
        "label": "Weight images",
    }  # fmt: skip
    drawn.stage.tell("weights", meta, bytes(4))
    drawn.stage.wait("sent.some((m) => m.do === 'painted' && m.id === 99)")
    assert page.locator("label:has-text('scale')").is_visible()
    assert not page.locator(".hl-legend").is_visible()


def test_the_plane_follows_the_theme(drawn):
    drawn.show([[2.0, 1.0]])
    assert drawn.blank(-3, -3)
    drawn.page.evaluate("document.body.setAttribute('data-jp-theme-light', 'false')")
    drawn.page.wait_for_timeout(100)
    assert drawn.around(-3, -3, 0)[0].max() < 60
    assert drawn.has((88, 184, 190), 1, 0.5)


def test_a_frame_that_cannot_be_read_is_answered_too(drawn):
    drawn.show([[2.0, 1.0]])
    content, data = frame([[1.0, 1.0]], number=50)
    drawn.stage.tell("weights", content, data[:-2])
    drawn.stage.wait("sent.some((m) => m.do === 'painted' && m.id === 50)")
    assert drawn.has(ACCENT, 1, 0.5)


def test_a_hundred_arrows_with_their_ways_are_painted_and_answered_once(drawn):
    draw = np.random.default_rng(0)
    way = np.cumsum(draw.normal(0, 0.03, (201, 100, 2)), axis=0)
    dots, labels = draw.normal(0, 1, (1000, 2)), np.arange(1000) % 5
    drawn.show(way[-1], trail=way, dots=dots, labels=labels, tinted=True)
    assert len(drawn.stage.sent("painted")) == 1
    assert drawn.around(0, 0, 40).std() > 20
