"""Frames of the plane: which dots and arrows a page is sent, and what is said of them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hebblab import presets
from hebblab.dashboard import plane, views
from hebblab.dashboard.plane import EDGE, Plane
from hebblab.data import Dataset, Vectors, worlds


class Sheeted:
    """A rule with a sheet of units."""

    def __init__(self, sheet):
        self.sheet_of = lambda units: sheet


def frame(weights, trail=None, step=7, rule=None):
    weights = torch.as_tensor(weights, dtype=torch.float32)
    trail = weights[None] if trail is None else torch.as_tensor(trail, dtype=torch.float32)
    return SimpleNamespace(step=step, layer="hidden", weights=weights, trail=trail, rule=rule)


def read(picture):
    """The parts of a picture's bytes, by the numbers that its meta gives."""
    meta = picture.meta
    count, steps, dots = len(meta["units"]), meta["steps"], meta["dots"]
    floats = 2 * (count + steps * count + dots)
    assert len(picture.data) == 4 * floats + dots
    numbers = np.frombuffer(picture.data[: 4 * floats], "<f4").reshape(-1, 2)
    labels = np.frombuffer(picture.data[4 * floats :], np.uint8)
    return (
        numbers[:count],
        numbers[count : count + steps * count].reshape(steps, count, 2),
        numbers[count + steps * count :],
        labels,
    )


@pytest.fixture
def clusters():
    return worlds.load("clusters-2d")


def test_a_picture_holds_weights_their_way_and_the_inputs(clusters):
    way = [[[0.0, 0.5], [1.0, 1.0]], [[0.5, 0.5], [1.0, 2.0]]]
    weights, trail, dots, labels = read(
        picture := Plane().paint(frame(way[-1], trail=way), clusters)
    )
    assert weights.tolist() == way[-1]
    assert trail.tolist() == way
    assert np.array_equal(dots, clusters.train.values.numpy())
    assert np.array_equal(labels, clusters.train.labels.numpy())
    meta = picture.meta
    assert (meta["plane"], meta["edge"], meta["units"]) == (True, 4.0, [0, 1])
    assert (meta["classes"], meta["tinted"], meta["left"]) == (5, True, "")


def test_two_ends_of_one_cloud_are_not_tinted():
    assert not Plane().paint(frame([[1.0, 0.0]]), worlds.load("cloud-2d")).meta["tinted"]


def test_the_label_says_what_is_shown_and_the_step(clusters):
    weights = [[0.0, 1.0], [-1.02, 0.0], [3.0, 6.0]]
    meta = Plane().paint(frame(weights, step=1200), clusters).meta
    assert meta["label"] == (
        "3 arrows among 1,000 inputs of layer hidden at step 1,200; norms 1 to 6.71; "
        "Unit 2 has left the picture: norm 6.71"
    )
    assert meta["caption"] == "3 arrows, 1,000 inputs · “hidden”"
    one = Plane().paint(frame([[0.6, 0.8]]), clusters).meta
    assert one["label"] == "1 arrow among 1,000 inputs of layer hidden at step 7; norm 1"


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([[EDGE, -EDGE]], ""),
        ([[4.1, 0.0]], "The unit has left the picture: norm 4.1."),
        ([[0.0, -3e9]], "The unit has left the picture: norm 3e+09."),
        ([[0.0, 1.0], [6.0, 8.0]], "Unit 1 has left the picture: norm 10."),
        ([[5.0, 0.0], [6.0, 8.0]], "Both units have left the picture: norms 5 to 10."),
        ([[5.0, 0.0]] * 3, "All 3 units have left the picture: norm 5."),
        ([[5.0, 0.0], [0, 0], [0, 5.0]], "2 of 3 units have left the picture: norm 5."),
    ],
)
def test_who_left_is_said_with_the_norm(clusters, weights, words):
    assert Plane().paint(frame(weights), clusters).meta["left"] == words


def test_what_left_long_ago_stays_a_number_that_a_canvas_can_draw(clusters):
    far = [[3e30, 4e30], [1.0, 0.0]]
    weights, trail, _, _ = read(Plane().paint(frame(far, trail=[far, far]), clusters))
    assert np.isfinite(trail).all()
    assert abs(trail).max() < 1001
    # In its own direction.
    assert trail[0, 0, 1] / trail[0, 0, 0] == pytest.approx(4 / 3)
    assert trail[0, 1].tolist() == weights[1].tolist() == [1.0, 0.0]


def test_at_most_a_thousand_inputs_are_drawn_always_the_same_and_of_every_class():
    many = worlds.load("clusters-2d", samples=5000, number=5)
    painter = Plane()
    picture = painter.paint(frame([[1.0, 0.0]]), many)
    _, _, dots, labels = read(picture)
    assert len(dots) == 1000
    assert np.bincount(labels).min() > 150
    assert "1,000 of 5,000 inputs" in picture.meta["label"]
    assert painter.paint(frame([[1.0, 0.0]]), many).data == picture.data
    worlds.deform(many, "clusters-2d", samples=5000, number=5, noise=0.05)
    moved = painter.paint(frame([[1.0, 0.0]]), many)
    assert np.array_equal(read(moved)[3], labels)
    assert read(moved)[2].std() < dots.std()


def test_dots_stand_where_the_layer_sees_them():
    apart = worlds.load("cloud-2d", centring=False)
    _, _, dots, _ = read(Plane().paint(frame([[1.0, 0.0]]), apart, centred=True))
    assert dots.mean(axis=0) == pytest.approx([0, 0], abs=1e-5)
    _, _, dots, _ = read(Plane().paint(frame([[1.0, 0.0]]), apart))
    assert dots.mean(axis=0) == pytest.approx([2, 1], abs=1e-5)


def test_units_that_win_nothing_are_grey(clusters):
    greyed = np.array([False, True, False])
    meta = Plane().paint(frame(np.eye(3, 2)), clusters, greyed=greyed).meta
    assert meta["greyed"] == [1]


@pytest.mark.parametrize(
    ("rule", "sheet"),
    [
        (None, None),
        (Sheeted(None), None),
        (Sheeted((1, 3, True)), [1, 3, True]),
        (Sheeted((3, 1, False)), [3, 1, False]),
    ],
)
def test_a_sheet_of_units_is_told(clusters, rule, sheet):
    meta = Plane().paint(frame(np.eye(3, 2), rule=rule), clusters).meta
    assert meta["sheet"] == sheet


def test_a_map_tells_its_sheet(clusters):
    from hebblab.rules import create

    rule = create("som", rows=1, sheet="torus")
    assert Plane().paint(frame(np.eye(6, 2), rule=rule), clusters).meta["sheet"] == [1, 6, True]


def test_many_units_come_in_pages(clusters):
    weights = np.arange(1800).reshape(900, 2) / 900
    painter = Plane(page=2)
    picture = painter.paint(frame(weights, rule=Sheeted((30, 30, False))), clusters)
    assert picture.meta["units"] == list(range(800, 900))
    assert (picture.meta["page"], picture.meta["pages"]) == (2, 3)
    assert picture.meta["label"].startswith("100 of 900 arrows among")
    assert read(picture)[0] == pytest.approx(weights[800:])
    # Neighbours on other pages could not be joined.
    assert picture.meta["sheet"] is None


def test_images_have_no_plane(clusters):
    assert plane.shows(frame([[1.0, 0.0]]))
    assert not plane.shows(SimpleNamespace(trail=None))


def test_a_person_s_own_points_are_shown_too():
    values = torch.tensor([[0.5, -3.0], [1.0, 2.0]])
    own = Vectors(values, torch.tensor([0, 1]))
    dataset = Dataset("own", own, own, own, ("a", "b"))
    picture = Plane().paint(frame([[1.0, 0.0]]), dataset)
    assert read(picture)[2].tolist() == values.tolist()


@pytest.mark.parametrize(
    ("units", "words"),
    [
        (1, "This arrow is what 1 unit has learned so far: nothing. Press Start."),
        (6, "These 6 arrows are what 6 units have learned so far: nothing. Press Start."),
    ],
)
def test_the_opening_speaks_of_arrows(units, words):
    assert views.sentence(units, arrows=True) == words


def test_a_preset_says_what_to_see_and_a_changed_one_does_not():
    words = views.expected(presets.get("cloud-sanger"))
    assert words == (
        "What to see: Two arrows of length one: the first along the cloud, the second across it."
    )
    assert views.expected(presets.get("cloud-sanger").changed(seed=7, endless=True)) == words
    assert views.expected(presets.get("cloud-sanger").overridden(rule="hpca")) == ""
    assert views.expected(presets.get("cloud-hebb")).startswith("Goes wrong on purpose: the arrow")


def test_the_opening_counts_the_squares_that_are_there():
    words = "These 400 squares are what 400 of 1,536 units have learned so far: nothing."
    assert views.sentence(1536) == f"{words} Press Start."
    assert views.sentence(400).startswith("These 400 squares are what 400 units")


class Sent:
    """A part that keeps what it is told."""

    def __init__(self):
        self.views, self.frames = [], []

    def show(self, view):
        self.views.append(view)

    def frame(self, content, buffers):
        self.frames.append((content, buffers))


def test_the_screen_shows_the_plane_where_inputs_are_points():
    from hebblab import Recipe, Session
    from hebblab.dashboard.screen import Screen

    rules = {"hidden": {"rule": "oja", "init": "normal(0, 0.3)", "learning_rate": 0.1}}
    recipe = Recipe(data="cloud-2d", network="dense-6", rules=rules, steps=50)
    with Session(recipe) as session:
        part = Sent()
        screen = Screen(part, clock=lambda: 0.0)
        screen.show(session, "hidden", None, whole=True)
        assert part.views[-1]["title"] == "Where the units point"
        assert part.views[-1]["sentence"].startswith("These 6 arrows")
        session.step(50)
        session.history  # noqa: B018 - waits for the reading
        screen.hear({"do": "painted", "id": 1})
        screen.hear({"do": "choose", "unit": 2})
        screen.show(session, "hidden", session.reading())
        content, (data,) = part.frames[-1]
        assert content["plane"] is True
        assert (content["step"], content["steps"], content["units"]) == (50, 51, list(range(6)))
        assert np.frombuffer(data, "<f4", 12).reshape(6, 2) == pytest.approx(session.weights())
        card = dict(part.views[-1]["unit"]["rows"])
        assert part.views[-1]["chosen"] == 2
        x, y = session.weights()[2].tolist()
        degrees = round(np.degrees(np.arctan2(y, x)))
        assert card["norm ‖w‖₂"].endswith(f", at {degrees}°".replace("-", "−"))


def test_charts_speak_of_points():
    import hebblab as hl

    recipe = hl.Recipe(data="ring-2d", network="dense-6", rules={"*": {"rule": "oja"}}, steps=5)
    with hl.Session(recipe) as session:
        lab = hl.Lab(session)
        assert lab._desk.story().noun == "points"
        lab.close()
