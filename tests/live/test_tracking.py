"""The cheap probe while a run goes on, and copies of a run at a batch edge."""

import threading
import time

import pytest
import torch

from hebblab import InvalidValue, Session, UnknownName, evaluate
from hebblab.data import Dataset, Images
from hebblab.live import snapshot
from hebblab.live.neighbours import Neighbourhood
from hebblab.live.tracking import Track, cheap


@pytest.fixture
def track():
    made = []

    def make(*given, **named):
        made.append(Track(*given, **named))
        return made[-1]

    yield make
    for one in made:
        one.close()


def followed(track, session, points, live):
    """Ask again and again, as a page does, until there are so many points."""
    end, pause = time.monotonic() + live.LIMIT, threading.Event()
    while len(track.points) < points and not track.refusal:
        assert time.monotonic() < end, f"{len(track.points)} points of {points}"
        track.follow(session)
        pause.wait(0.002)


def test_the_cheap_probe_is_the_ncm_of_the_table(make):
    session = make()
    session.step(20)
    found = evaluate(session, probes=["ncm"], controls=[])
    score = cheap(snapshot(session), "hidden")
    row = found.rows[0]
    assert (float(score), score.low, score.n) == (row.value, row.low, row.n)
    assert 0 < cheap(snapshot(session), "hidden", "ridge") <= 1


def test_a_line_grows_while_the_run_goes_on_and_no_faster_than_it_may(make, live, track):
    session, now = make(endless=True), [0.0]
    one = track("ncm", "hidden", clock=lambda: now[0])
    followed(one, session, 1, live)
    session.step(5)
    assert not one.follow(session) and one._task is None
    now[0] += 60
    followed(one, session, 2, live)
    assert [point.step for point in one.points] == [0, 5]
    now[0] += 60
    # At rest there is nothing new to find.
    assert not one.follow(session) and one._task is None
    session.restart()
    session.step(2)
    end = time.monotonic() + live.LIMIT
    while [point.step for point in one.points] != [2] and time.monotonic() < end:
        one.follow(session)
    assert [point.step for point in one.points] == [2]


def test_training_is_the_same_bits_under_a_line(make, live, track):
    plain, watched = make(endless=True), make(endless=True)
    one = track("ridge", "hidden", clock=iter(range(0, 10**9, 60)).__next__)
    state = torch.get_rng_state()
    watched.start()
    followed(one, watched, 5, live)
    watched.pause()
    plain.step(watched.steps)
    assert live.digest(plain) == live.digest(watched)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_line_that_cannot_be_says_why(make, live, track):
    images = Images(torch.randint(0, 255, (20, 1, 6, 6), dtype=torch.uint8), torch.zeros(20).long())
    session = make(dataset=Dataset("one", images, images, images, ("only",)))
    one = track("ncm", "hidden")
    followed(one, session, 1, live)
    assert "nothing to tell apart" in one.refusal and one.points == ()
    with pytest.raises(UnknownName, match="ncm"):
        Track("mcn", "hidden")


def test_a_snapshot_is_a_moment_that_no_step_and_no_edit_changes(make, dataset):
    session = make()
    session.step(3)
    taken = snapshot(session)
    weights = taken.network.hidden.weight.clone()
    assert taken.steps == 3 and taken.stands(session) and taken.dataset is dataset
    session.edit(n=2.0).wait(5)
    assert not taken.stands(session)
    session.step()
    assert torch.equal(taken.network.hidden.weight, weights) and not taken.stands(session)


def test_points_of_a_world_are_copied(live):
    with Session("clusters-hard-wta") as session:
        taken = snapshot(session)
        before = taken.dataset.train.values.clone()
        knob = next(iter(session.recipe.world), None) or "elongation"
        if knob in session.knobs():
            session.edit({knob: session.knobs()[knob].high}).wait(5)
        assert torch.equal(taken.dataset.train.values, before)
        assert taken.dataset.train.values is not session.dataset.train.values
        assert taken.dataset.fingerprint


def test_neighbours_are_the_nearest_by_features_and_by_pixels(make, dataset):
    session = make()
    session.step(10)
    near = Neighbourhood(snapshot(session), "hidden").of(4, lambda *_: None, k=5)
    pixels = torch.nn.functional.normalize(dataset.train.pixels.double().flatten(1))
    query = torch.nn.functional.normalize(dataset.validation.pixels[4:5].double().flatten(1))
    assert near.pixels.tolist() == (pixels @ query[0]).argsort(descending=True)[:5].tolist()
    model = session.model()
    with torch.no_grad():
        unit = torch.nn.functional.normalize(dataset.train.pixels.float().flatten(1))
        features = model.activation(model.hidden(unit))
        own = model.activation(model.hidden(query.float()))
        cosines = torch.nn.functional.normalize(features) @ torch.nn.functional.normalize(own)[0]
    assert near.learned.tolist() == cosines.argsort(descending=True, stable=True)[:5].tolist()
    with pytest.raises(InvalidValue, match="30 validation images"):
        Neighbourhood(snapshot(session), "hidden").of(30, lambda *_: None)
