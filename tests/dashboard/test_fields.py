"""What deep layers look for is computed aside: exact, bounded, and nothing waits for it."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

from hebblab import Session, networks
from hebblab.dashboard import fields
from hebblab.dashboard.fields import PACE, Fields
from hebblab.data import as_floats, mean_image
from hebblab.metrics import back_projection, best_patches


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def aside(clock):
    made = Fields(clock)
    yield made
    made.close()


@pytest.fixture
def session(deep):
    with Session("mnist-krotov", network=deep, rule="hard-wta", batch_size=4, n=1) as made:
        yield made


def found(aside, session, until, kind, units, layer="conv2"):
    """Ask until there is an answer, as a screen does."""
    answers = []

    def ask():
        answers.append(aside.ask(session, session.frame(layer), kind, np.asarray(units)))
        field, words = answers[-1]
        return field is not None or (words and not words.endswith("…"))

    until(ask, f"{kind} of {layer}")
    return answers[-1]


def test_nothing_is_there_at_once_and_what_is_done_is_said(aside, session, threads):
    assert "hebblab-fields" not in threads()
    frame = session.frame("conv2")
    field, words = aside.ask(session, frame, "back-projection", np.arange(6))
    assert field is None
    assert words == "Projecting 6 units back to the image …"
    _, words = aside.ask(session, frame, "patches", np.arange(1))
    assert words == "Looking for the patches that excite 1 unit most …"
    aside.close()
    assert "hebblab-fields" not in threads()


def test_a_back_projection_is_that_of_the_weights_on_view(aside, session, until):
    session.step(2)
    field, words = found(aside, session, until, "back-projection", [4, 1, 2])
    expected = back_projection(session.model(), "conv2", (1, 28, 28))
    assert (field.kind, field.step, words) == ("back-projection", 2, "")
    assert np.array_equal(field.of(np.array([1, 2, 4])), expected[[1, 2, 4]].numpy())
    assert field.best(4) is None


def test_best_patches_are_those_of_training_images(aside, session, until, monkeypatch):
    monkeypatch.setattr(fields, "IMAGES", 60)
    session.step(1)
    field, _ = found(aside, session, until, "patches", range(6))
    images = as_floats(session.dataset.train, limit=60)
    expected = best_patches(session.model(), "conv2", images, 9)
    assert field.images == 60
    assert np.array_equal(field.best(3), expected[3].numpy())
    assert field.pictures == pytest.approx(expected.mean(1).numpy(), abs=1e-6)
    assert field.best(17) is None


def test_patches_of_centred_images_are_shown_as_the_images_are(deep, clock, until, monkeypatch):
    monkeypatch.setattr(fields, "IMAGES", 40)
    monkeypatch.setattr(fields, "_NUMBERS", 5000)  # one unit after the other
    aside = Fields(clock)
    overrides = dict(network=deep, rule="hard-wta", batch_size=4, n=1, centre=True)
    with Session("mnist-krotov", **overrides) as session:
        session.step(1)
        field, _ = found(aside, session, until, "patches", range(6))
        train = session.dataset.train
        count = field.images
        seen = as_floats(train, limit=count, centre=mean_image(train))
        places = fields.metrics.best_places(session.model(), "conv2", seen, min(9, count))
    aside.close()
    assert count == max(9, 5000 // 784)
    expected = places.patches(as_floats(train, limit=count))
    assert field.pictures == pytest.approx(expected.mean(1).numpy(), abs=1e-6)
    assert field.pictures.min() >= 0


def test_a_run_that_goes_on_is_asked_seldom_and_one_at_rest_at_once(
    aside, session, until, clock, monkeypatch
):
    session.step(1)
    first, _ = found(aside, session, until, "back-projection", range(6))
    assert not aside.due
    session.step(1)
    monkeypatch.setattr(type(session), "state", "running")
    frame = session.frame("conv2")
    for clock.now in (0.0, PACE["back-projection"] - 0.01):
        assert aside.ask(session, frame, "back-projection", np.arange(6)) == (first, "")
        assert not aside.working
    clock.now = 60.0
    assert aside.due
    assert aside.ask(session, frame, "back-projection", np.arange(6))[0] is first
    until(lambda: aside.news, "the next one")
    second, _ = aside.ask(session, frame, "back-projection", np.arange(6))
    assert (first.step, second.step) == (1, 2)
    monkeypatch.undo()
    aside.ask(session, session.frame("conv2"), "back-projection", np.arange(6))
    assert not aside.working, "of the same step nothing is made twice"
    session.step(1)
    assert not aside.due
    until(lambda: found(aside, session, until, "back-projection", range(6))[0].step == 3, "rest")


def test_other_units_or_another_layer_are_another_field(aside, session, until):
    session.step(1)
    field, _ = found(aside, session, until, "back-projection", range(6))
    frame = session.frame("conv2")
    same, _ = aside.ask(session, frame, "back-projection", np.arange(6)[::-1])
    assert same is field, "another order of the same units is none"
    assert aside.ask(session, frame, "back-projection", np.arange(3))[0] is None
    first, _ = found(aside, session, until, "back-projection", range(4), "conv1")
    assert first.pictures.reshape(4, -1) == pytest.approx(session.weights("conv1").numpy())


def test_what_cannot_be_followed_is_said(clock, until):
    class Odd(nn.Module):
        def forward(self, x):
            return x

    def build(image_shape, classes):
        return nn.Sequential(
            nn.Conv2d(1, 3, 5, bias=False), Odd(), nn.Conv2d(3, 4, 3, bias=False),
            nn.Flatten(), nn.Linear(4 * 22 * 22, classes),
        )  # fmt: skip

    networks.register("odd", build)
    aside = Fields(clock)
    try:
        with Session("mnist-krotov", network="odd", rule="hard-wta", batch_size=4) as session:
            field, words = found(aside, session, until, "back-projection", range(4), "2")
            assert field is None
            assert "cannot be followed through '1', a Odd" in words
    finally:
        aside.close()
        networks.unregister("odd")


def test_what_comes_too_late_is_not_heard(aside, session, until, monkeypatch):
    began, go = threading.Event(), threading.Event()
    compute = fields._Bench.compute

    def slow(bench, wish):
        began.set()
        assert go.wait(60)
        return compute(bench, wish)

    monkeypatch.setattr(fields._Bench, "compute", slow)
    session.step(1)
    aside.ask(session, session.frame("conv2"), "back-projection", np.arange(6))
    assert began.wait(60)
    aside.forget()
    go.set()
    layer = session.frame("conv1")
    until(lambda: aside.ask(session, layer, "back-projection", np.arange(4))[0], "the other")
    field, _ = aside.ask(session, layer, "back-projection", np.arange(4))
    assert field.pictures.shape == (4, 1, 5, 5)


def test_a_stumble_is_an_answer(aside, session, until, monkeypatch):
    def stumble(bench, wish):
        raise ZeroDivisionError("nothing to see")

    monkeypatch.setattr(fields._Bench, "compute", stumble)
    field, words = found(aside, session, until, "patches", range(6))
    assert field is None
    assert "ZeroDivisionError: nothing to see" in words


def test_torch_is_left_as_it_was(aside, session, until):
    before = torch.get_num_threads()
    found(aside, session, until, "back-projection", range(6))
    assert torch.get_num_threads() == before
