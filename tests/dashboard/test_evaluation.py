"""The Probe screen without a browser: what it measures, says, sends, and leaves alone."""

import gc
import hashlib
import json
import threading
import weakref
from concurrent.futures import CancelledError

import pytest
import torch

from hebblab.dashboard.chart import Chart
from hebblab.dashboard.evaluation import PLOTS, EvaluationPart, Study
from hebblab.dashboard.evaluation import measuring as measurings
from hebblab.dashboard.evaluation import study as studies
from hebblab.dashboard.evaluation.confusions import MOST, Confusion
from hebblab.dashboard.evaluation.measures import CONTROLS, MEASURES, ROWS, spoken
from hebblab.dashboard.parts import Part
from hebblab.data import Dataset, Images, load, worlds
from hebblab.live import Session
from hebblab.live.background import Background
from hebblab.recipes import Recipe

NAMES = ("<b>zero</b>", "one", "two $x$")


def bars(count, seed, channels=1, classes=3):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    pixels = torch.randint(0, 120, (count, channels, 6, 6), dtype=torch.uint8, generator=generator)
    for image, label in zip(pixels, labels.tolist(), strict=True):
        image[:, 2 * label % 6 : 2 * label % 6 + 2] += 100
    return Images(pixels, labels)


def made(train=120, channels=1, names=NAMES):
    parts = (bars(n, seed, channels, len(names)) for n, seed in ((train, 1), (60, 2), (60, 3)))
    return Dataset("bars", *parts, names)


class Desk:
    """A screen, its session, and what it sends."""

    def __init__(self, until, dataset=None, **settings):
        self.until = until
        settings = {"network": "dense-12", "batch_size": 10, "seed": 3, **settings}
        recipe = Recipe(rules={"*": {"rule": settings.pop("rule", "krotov-hopfield")}}, **settings)
        self.session = Session(recipe, dataset=dataset or made(), endless=True)
        self.layer = self.session.layers[0]
        self.part = EvaluationPart()
        self.charts = [Chart(plot()) for plot in PLOTS]
        self.study = Study(self.part, self.charts)
        self.sent = []

    @property
    def view(self):
        self.show()
        return self.part.view

    def show(self):
        self.study.tick(self.layer)
        self.study.show(self.session, self.layer, "images")

    def does(self, do, **fields):
        self.study.hear(self.session, self.layer, {"do": do, **fields})

    def rest(self):
        self.until(lambda: self.study.tick(self.layer) or not self.study.busy, "the measurements")
        self.show()

    def measure(self, *names):
        for name in names:
            self.does("measure", name=name)
        while self.study.busy:
            self.rest()
        return self.view

    def plot(self, name):
        return next(one for one in self.charts if one.panel.name == f"evaluation-{name}")._spec

    def frames(self, kind):
        return [one for one in self.sent if one[0]["type"] == kind]

    def close(self):
        self.study.close()
        self.session.stop()
        for part in (self.part, *self.charts):
            part.layout.close()
            part.close()


@pytest.fixture
def desk(until, monkeypatch):
    made = []

    def make(*given, **settings):
        made.append(Desk(until, *given, **settings))
        one = made[-1]
        monkeypatch.setattr(
            Part, "send", lambda self, content, buffers=None: one.sent.append((content, buffers))
        )
        one.session.step(5)
        one.does("open")
        # What is measured unasked has a test of its own.
        one.does("cancel", name="table")
        return one

    yield make
    for one in made:
        one.close()


def digest(session):
    tensors = session.model().state_dict()
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in tensors.values())).hexdigest()


def test_before_anything_is_measured_every_row_says_what_it_is(desk):
    view = desk().view
    assert view["open"] and view["confusion"] is None and view["query"] is None
    rows = view["table"]["rows"]
    assert [row["name"] for row in rows] == list(ROWS)
    assert all(row["help"] and row["cells"] == [] for row in rows)
    assert [row["measure"] for row in rows if row["measure"]] == list(CONTROLS)
    assert {one["state"] for one in view["measures"].values()} == {"none"}


def test_who_opens_the_screen_gets_the_table_of_a_small_set_unasked(desk, monkeypatch):
    one = desk()
    one.does("open")
    one.rest()
    assert one.view["measures"]["table"]["state"] == "done"
    one.does("close")
    one.does("open")
    assert one.view["measures"]["table"]["state"] == "done"
    monkeypatch.setattr(studies, "_QUICK", 100)
    other = desk()
    other.does("open")
    assert not other.study.busy and other.view["measures"]["table"]["state"] == "none"


def test_the_table_stands_beside_its_controls_with_intervals_and_verdicts(desk):
    one = desk()
    view = one.measure("table", "pca")
    rows = {row["name"]: row["cells"] for row in view["table"]["rows"]}
    for name in ("learned", "pixels", "random", "pca"):
        assert len(rows[name]) == len(view["table"]["columns"])
        for cell in rows[name]:
            assert cell["value"].endswith("%") and "–" in cell["range"]
            assert 0 <= cell["low"] <= cell["at"] <= cell["high"] <= 1
    assert rows["backprop"] == rows["vae"] == []
    others = ("raw pixels", "random features", "principal components")
    assert len(view["table"]["verdicts"]) == 3
    said = [beside for _, beside in view["table"]["verdicts"]]
    assert all(name in words for name, words in zip(others, said, strict=True))
    assert "120 training images" in view["about"] and "60 validation images" in view["about"]
    assert view["measures"]["table"]["mark"] == "at step 5"
    assert not view["measures"]["table"]["stale"]
    assert json.dumps(view, allow_nan=False)


def test_numbers_are_those_of_evaluate(desk):
    from hebblab.evaluation import evaluate

    one = desk()
    view = one.measure("table")
    found = evaluate(one.session, probes=["linear", "ncm"], seed=one.session.recipe.seed)
    learned = view["table"]["rows"][0]["cells"]
    for place, row in zip((0, 2), found.rows[:2], strict=True):
        assert learned[place]["value"].startswith(f"{100 * row.value:.1f}".removesuffix(".0"))


def test_a_result_keeps_its_step_and_says_when_the_network_has_learned_on(desk):
    one = desk()
    one.measure("table")
    one.session.edit(n=2.0)
    state = one.view["measures"]["table"]
    assert (state["mark"], state["stale"]) == ("at step 5, before the last edit", True)
    one.session.step()
    state = one.view["measures"]["table"]
    assert state["mark"] == "at step 5; the network has since learned on" and state["stale"]
    assert one.plot("classes")["subtitle"].startswith("○ step 5 · ")
    state = one.measure("table")["measures"]["table"]
    assert (state["mark"], state["stale"]) == ("at step 6", False)


def test_what_a_control_is_does_not_depend_on_the_step(desk):
    one = desk()
    one.measure("table", "pca")
    one.session.step()
    view = one.view
    assert not view["measures"]["pca"]["stale"] and view["measures"]["table"]["stale"]
    assert len(one.measure("table")["table"]["verdicts"]) == 2


def test_cells_open_their_images_and_an_image_its_neighbours(desk):
    one = desk()
    view = one.measure("table")
    counts = torch.tensor(view["confusion"]["counts"])
    assert counts.sum() == 60 and counts.sum(1).tolist() == [20, 20, 20]
    one.does("cell", row=1, column=1)
    one.rest()
    view = one.view
    assert view["confusion"]["chosen"] == [1, 1]
    assert view["pictures"]["title"] == f"“one” named rightly: {counts[1, 1]} of 20"
    meta, (data,) = one.frames("pictures")[-1]
    assert len(meta["units"]) == counts[1, 1]
    labels = one.session.dataset.validation.labels
    assert set(labels[meta["units"]].tolist()) == {1}
    assert len(data) == len(meta["units"]) * 36
    # Black is the paper, and white the ink.
    pixels = one.session.dataset.validation.pixels[meta["units"][0]].flatten()
    assert list(data[:36]) == [int(128.5 + 127 * value / 255) for value in pixels.tolist()]

    image = meta["units"][3]
    one.does("query", image=image)
    one.rest()
    query = one.view["query"]
    assert query["image"] == image and "“one”" in query["title"]
    assert [row["title"] for row in query["rows"]] == ["by learned features", "by raw pixels"]
    assert [len(row["labels"]) for row in query["rows"]] == [10, 10]
    meta, (data,) = one.frames("neighbours")[-1]
    assert meta["units"][0] == image and len(data) == 21 * 36


def test_neighbours_by_pixels_are_the_nearest_by_cosine(desk):
    one = desk()
    one.measure("table")
    one.does("query", image=7)
    one.rest()
    dataset = one.session.dataset
    train = torch.nn.functional.normalize(dataset.train.pixels.double().flatten(1))
    query = torch.nn.functional.normalize(dataset.validation.pixels[7:8].double().flatten(1))
    best = (train @ query[0]).argsort(descending=True)[:10].tolist()
    assert one.frames("neighbours")[-1][0]["units"][11:] == best


def test_another_image_and_another_mistake(desk):
    one = desk()
    view = one.measure("table")
    wrong = sum(sum(line) for line in view["confusion"]["counts"])
    wrong -= sum(view["confusion"]["counts"][i][i] for i in range(3))
    before = view["query"]
    one.does("another", wrong="wrong")
    one.rest()
    if wrong:
        assert "taken for" in one.view["query"]["title"]
    one.does("another", wrong="any")
    one.rest()
    assert one.view["query"]["title"]
    assert before is None or before["title"] is not None


def test_the_matrix_of_a_control_is_another(desk):
    one = desk()
    one.measure("table")
    one.does("of", name="random")
    view = one.view
    assert view["confusion"]["of"] == "random"
    assert [choice["value"] for choice in view["confusion"]["choices"]] == [
        "learned", "pixels", "random",
    ]  # fmt: skip


def test_charts_say_what_they_show_and_no_name_is_read_as_html(desk):
    one = desk()
    one.measure("table", "labels", "robustness")
    labels = {trace["name"]: trace for trace in one.plot("labels")["data"]}
    assert set(labels) == {"learned features", "raw pixels", "random features"}
    assert len(labels["learned features"]["x"]) >= 4
    noise = {trace["name"]: trace for trace in one.plot("noise")["data"]}
    assert noise["raw pixels"]["x"] == [0.0, 0.1, 0.2, 0.3, 0.5]
    assert len(one.plot("occlusion")["data"][0]["x"]) == 3
    classes = one.plot("classes")
    assert [trace["type"] for trace in classes["data"]] == ["bar", "scatter"]
    assert classes["data"][0]["customdata"][0][0] == "&lt;b&gt;zero&lt;/b&gt;"
    assert "&lt;b&gt;" in str(classes["layout"]["yaxis"]["ticktext"][0])
    assert "$" not in str(classes["data"])
    for name in ("labels", "noise", "occlusion", "classes"):
        assert one.plot(name)["subtitle"].startswith("step 5 · ") and one.plot(name)["words"] == ""
        assert json.dumps(one.plot(name), allow_nan=False)


def test_colour_is_shown_as_colour(desk):
    one = desk(made(channels=3))
    one.measure("table")
    one.does("cell", row=0, column=0)
    one.rest()
    meta, (data,) = one.frames("pictures")[-1]
    assert meta["channels"] == 3 and len(data) == len(meta["units"]) * 3 * 36
    pixels = one.session.dataset.validation.pixels[meta["units"][0]].permute(1, 2, 0).flatten()
    shown = [int(128.5 + 254 * (value / 255 - 0.5)) for value in pixels.tolist()]
    assert max(abs(a - b) for a, b in zip(data[:108], shown, strict=True)) <= 1


@pytest.mark.parametrize("measure", ["table", "labels", "robustness", "kmeans"])
def test_training_is_the_same_bits_with_and_without(desk, until, measure):
    plain = desk()
    plain.session.step(60)
    watched = desk()
    state = torch.get_rng_state()
    threads = torch.get_num_threads()
    watched.session.start()
    watched.does("measure", name=measure)
    while watched.study.busy:
        watched.rest()
    watched.session.pause()
    steps = watched.session.steps
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    if steps > plain.session.steps:
        plain.session.step(steps - plain.session.steps)
    elif steps < plain.session.steps:
        watched.session.step(plain.session.steps - steps)
    assert digest(plain.session) == digest(watched.session)


@pytest.fixture
def endless(monkeypatch):
    """Measurements that go on until they are cancelled; an event for each says that it runs.

    The table runs when the screen opens, so its event says nothing about a test's own.
    """
    entered = {name: threading.Event() for name in MEASURES}

    def work_of(measure, _layer, _taken):
        def work(report, stopped):
            report(1, 4, "under way")
            entered[measure].set()
            while not stopped():
                pass
            raise CancelledError

        return work

    monkeypatch.setattr(measurings, "work_of", work_of)
    return entered


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("learned hidden: retrieval", "learned: search"),
        ("pixels: linear@10%", "pixels: ridge readout, 10 %"),
        ("random conv1: occlusion", "random: hidden square"),
        ("kmeans: making it", "k-means: preparing"),
        ("backprop hidden: knn", "trained end to end: 10 neighbours"),
        ("preparing", "preparing"),
        ("something: else", "something: else"),
    ],
)
def test_what_is_under_way_is_said_in_the_words_of_the_table(status, words):
    assert spoken(status, made()) == words


def test_of_inputs_that_are_no_images_nothing_is_said_of_pixels():
    assert spoken("pixels: linear", worlds.load("cloud-2d")) == "inputs: ridge readout"


def test_a_measurement_says_how_far_it_is_and_is_cancelled(
    desk, endless, threads, until, monkeypatch
):
    monkeypatch.setattr(Background, "left", 30.0)
    one = desk()
    one.does("measure", name="labels")
    one.does("measure", name="robustness")
    assert endless["labels"].wait(20)
    states = one.view["measures"]
    assert (states["labels"]["state"], states["labels"]["share"]) == ("running", 0.25)
    assert (
        states["labels"]["status"] == "under way" and states["labels"]["left"] == "about 30 s left"
    )
    assert states["robustness"]["state"] == "waiting"
    assert [tool["do"] for tool in one.charts[1].view["tools"]] == ["cancel"]
    assert one.charts[1].view["progress"] == 0.25
    one.does("cancel", name="labels")
    assert endless["robustness"].wait(20)
    states = one.view["measures"]
    assert (states["labels"]["state"], states["robustness"]["state"]) == ("none", "running")
    one.does("cancel", name="robustness")
    until(lambda: "hebblab-evaluation" not in threads(), "the end of the thread")
    assert not one.study.busy


@pytest.mark.parametrize("end", ["close", "forget"])
def test_nothing_goes_on_after_the_end(desk, endless, threads, until, end):
    one = desk()
    one.does("measure", name="labels")
    one.does("measure", name="vae")
    assert endless["labels"].wait(20)
    getattr(one.study, end)()
    until(lambda: "hebblab-evaluation" not in threads(), "the end of the thread")
    assert not one.study.busy


def test_what_is_measured_keeps_no_session(desk, endless, until):
    one = desk()
    one.does("measure", name="labels")
    assert endless["labels"].wait(20)
    known = weakref.ref(one.session)
    one.session.stop()
    one.session = None
    until(lambda: gc.collect() >= 0 and known() is None, "the session to go")
    one.study.close()
    one.session = Session("mnist-krotov")


@pytest.mark.parametrize(
    ("dataset", "measure", "words"),
    [
        (made(names=("only",)), "table", "nothing to tell apart"),
        (made(train=4), "labels", "too few training images"),
        (made(train=6), "table", ""),
    ],
    ids=["one-class", "few", "tiny"],
)
def test_what_cannot_be_measured_says_why(desk, dataset, measure, words):
    one = desk(dataset, batch_size=3)
    state = one.measure(measure)["measures"][measure]
    assert words in state["refusal"]
    assert state["state"] == ("none" if words else "done")
    one.session.step()


def test_a_stumble_is_words_and_ends_nothing(desk, monkeypatch):
    one = desk()

    def fail(*_):
        return lambda report, stopped: 1 / 0

    monkeypatch.setattr(measurings, "work_of", fail)
    assert "ZeroDivisionError" in one.measure("labels")["measures"]["labels"]["refusal"]
    assert "ZeroDivisionError" in one.plot("labels")["words"]
    monkeypatch.undo()


def test_points_in_the_plane_are_measured_without_pictures(desk):
    one = desk(worlds.load("clusters-2d", samples=200), network="dense-6", data="clusters-2d")
    view = one.measure("table", "robustness")
    assert view["query"] is None and view["pictures"] is None and view["confusion"]
    assert view["table"]["rows"][1]["title"] == "raw inputs"
    assert "no images" in one.plot("occlusion")["words"]
    assert one.plot("noise")["data"]
    assert one.frames("pictures") == one.frames("neighbours") == []


def test_each_layer_has_its_own_results(desk, deep):
    digits = load("mnist-5k")

    def few(images, count):
        return Images(images.pixels[:count], images.labels[:count])

    train, rest = few(digits.train, 300), few(digits.validation, 100)
    small = Dataset("few", train, rest, rest, digits.classes)
    one = desk(small, network=deep)
    assert one.view["layers"] == ["conv1", "conv2"]
    first = one.measure("table")["table"]["rows"][0]["cells"]
    one.layer = "conv2"
    view = one.view
    assert (view["layer"], view["table"]["rows"][0]["cells"]) == ("conv2", [])
    assert view["confusion"] is None and view["measures"]["table"]["state"] == "none"
    second = one.measure("table")["table"]["rows"][0]["cells"]
    assert second != first
    one.layer = "conv1"
    view = one.view
    assert view["table"]["rows"][0]["cells"] == first
    assert view["confusion"]["chosen"] is not None


def test_of_many_classes_the_most_mistaken_stand_in_the_matrix(desk):
    names = tuple(f"class {number}" for number in range(MOST + 5))
    labels = torch.arange(MOST + 5).repeat_interleave(2)
    answers = labels.clone()
    answers[-6:] = 0
    made = Confusion(labels, answers, names, tuple(range(MOST)))
    assert made.worst() is None or made.worst()[1] == 0
    assert len(made.view("learned", None, ROWS)["classes"]) == MOST
    assert f"{MOST} of {MOST + 5}" in made.view("learned", None, ROWS)["note"]
    assert sorted(made.wrong()) == list(range(len(labels) - 6, len(labels)))


def test_a_screen_that_is_shut_draws_and_sends_nothing(desk):
    one = desk()
    one.does("close")
    one.sent.clear()
    one.measure("table")
    assert [content for content, _ in one.sent if content["type"] in ("pictures", "chart")] == []
    assert not one.part.view["open"]
    one.does("open")
    one.show()
    assert one.frames("pictures")
    assert set(MEASURES) == set(one.part.view["measures"])
