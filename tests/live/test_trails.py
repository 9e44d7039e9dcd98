"""The way of the weights among inputs of two numbers."""

import pytest
import torch

from hebblab import Recipe, Session
from hebblab.live.trails import STEPS


@pytest.fixture
def plane():
    """A session of three units in the plane."""
    made = []

    def build(units=3, **settings):
        rules = {"hidden": {"rule": "oja", "init": "normal(0, 0.3)", "learning_rate": 0.1}}
        recipe = Recipe(data="cloud-2d", network=f"dense-{units}", rules=rules, steps=1000)
        made.append(Session(recipe, **settings))
        return made[-1]

    yield build
    for session in made:
        session.stop()


def test_a_trail_begins_with_the_start_and_misses_no_step(plane):
    session = plane()
    alone = session.frame()
    assert torch.equal(alone.trail, alone.weights[None])
    seen = [session.weights()]
    for _ in range(7):
        session.step()
        seen.append(session.weights())
    frame = session.frame()
    assert frame.trail.shape == (8, 3, 2)
    assert torch.equal(frame.trail, torch.stack(seen))


def test_it_keeps_the_last_steps_in_order(plane):
    session, other = plane(), plane()
    session.step(STEPS + 50)
    trail = session.frame().trail
    assert trail.shape == (STEPS + 1, 3, 2)
    assert torch.equal(trail[-1], session.weights())
    other.step(50)
    assert torch.equal(trail[0], other.weights())


def test_a_frame_of_a_running_session_ends_with_its_own_weights(plane):
    session = plane()
    session.start()
    for _ in range(20):
        frame = session.frame()
        assert torch.equal(frame.trail[-1], frame.weights)
        assert len(frame.trail) == min(frame.step, STEPS) + 1
    session.wait(60)


def test_a_frame_keeps_what_it_was(plane):
    session = plane()
    session.step(STEPS + 5)
    frame = session.frame()
    kept = frame.trail.clone()
    session.step(100)
    assert torch.equal(frame.trail, kept)


def test_a_restart_forgets_the_way(plane):
    session = plane()
    first = session.weights()
    session.step(10)
    session.restart()
    assert torch.equal(session.frame().trail, first[None])
    session.restart(seed=9)
    assert not torch.equal(session.frame().trail, first[None])


def test_many_units_keep_fewer_steps(plane):
    session = plane(units=2000)
    session.step(30)
    trail = session.frame().trail
    assert trail.shape == (11, 2000, 2)
    assert torch.equal(trail[-1], session.weights())


def test_other_inputs_have_none(make):
    session = make()
    session.step(3)
    assert session.frame().trail is None
