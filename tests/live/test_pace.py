"""The speed limit, under a clock that the test holds."""

import threading
from itertools import pairwise

import pytest
from ignite.engine import Events

from hebblab import InvalidValue


class Clock:
    """Moves only when somebody waits."""

    def __init__(self, loop):
        self.now = 100.0
        self.waits = []
        self._changed = loop.changed
        self._wait = loop.changed.wait

    def __call__(self):
        return self.now

    def wait(self, timeout=None):
        self.waits.append(timeout)
        self.now += timeout


@pytest.fixture
def paced(make, monkeypatch):
    """A session whose steps take no time, and the moments at which they were taken."""

    def build(speed, **changes):
        session = make(**changes)
        loop = session._loop
        clock = Clock(loop)
        loop._clock = clock
        monkeypatch.setattr(loop.changed, "wait", clock.wait)
        session.speed = speed
        moments = []
        session.trainer.add_event_handler(
            Events.ITERATION_COMPLETED, lambda: moments.append(clock.now - 100.0)
        )

        def run(steps):
            loop.begin("start()", ("ready", "paused"), steps)
            loop.pump()

        return session, clock, moments, run

    return build


def test_steps_are_evenly_spaced_and_the_first_comes_at_once(paced):
    session, _, moments, run = paced(10.0)
    run(5)
    assert moments == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert session.state == "paused"


def test_no_limit_never_waits(paced):
    session, clock, _, run = paced(None)
    run(20)
    assert clock.waits == [] and session.steps == 20


def test_a_slow_step_is_made_up_for_and_a_sleep_is_not(paced):
    session, clock, moments, run = paced(10.0)

    def slow():
        if session.steps == 3:
            clock.now += 0.15
        if session.steps == 6:
            clock.now += 8 * 3600  # the lid was closed

    session.trainer.add_event_handler(Events.ITERATION_COMPLETED, slow)
    run(12)
    gaps = [after - before for before, after in pairwise(moments)]
    assert gaps[2:5] == pytest.approx([0.15, 0.05, 0.1])
    assert gaps[5] == pytest.approx(8 * 3600, rel=1e-3)
    assert gaps[6:] == pytest.approx([0.1] * 5), "no burst after it"


def test_another_speed_acts_at_once(make, live):
    session = make(endless=True)
    session.speed = 0.1
    taken = live.notice(session, 1)
    session.start()
    assert taken.wait(live.LIMIT), "the first step does not wait"
    session.speed = None
    assert live.notice(session, 50).wait(live.LIMIT)
    session.pause()


@pytest.mark.parametrize("call", ["pause", "stop", "restart", "frame", "edit"])
def test_whatever_is_asked_between_slow_steps_is_served_at_once(make, live, call):
    session = make(endless=True)
    session.speed = 0.1
    taken = live.notice(session, 1)
    session.start()
    assert taken.wait(live.LIMIT)
    calls = {
        "pause": session.pause,
        "stop": session.stop,
        "restart": session.restart,
        "frame": session.frame,
        "edit": lambda: session.edit(delta=0.1).wait(live.LIMIT),
    }
    asking = threading.Thread(target=calls[call])
    asking.start()
    asking.join(5.0)
    assert not asking.is_alive(), "it waited for the next step, ten seconds away"
    assert session.steps == (0 if call == "restart" else 1)


def test_a_restart_after_a_slow_step_does_not_wait_for_the_next(make):
    for end in ("restart", "stop"):
        session = make(endless=True)
        session.speed = 0.1
        session.step()
        ending = threading.Thread(target=getattr(session, end))
        ending.start()
        ending.join(5.0)
        assert not ending.is_alive()


def test_an_edit_between_slow_steps_is_in_force_for_the_next(make, live, dataset):
    session = make(endless=True)
    session.speed = 0.1
    session.start()
    assert live.notice(session, 1).wait(live.LIMIT)
    edit = session.edit(learning_rate=0.3)
    assert edit.wait(live.LIMIT) and edit.applied_at == 1
    session.speed = None
    assert live.notice(session, 20).wait(live.LIMIT)
    session.pause()
    assert live.digest(live.replay(session, dataset)) == live.digest(session)


@pytest.mark.parametrize("speed", [0, -1, True, "60", float("nan"), float("inf"), 1e9])
def test_speeds_that_are_none_are_refused(make, speed):
    session = make()
    session.speed = 60
    with pytest.raises(InvalidValue, match="speed"):
        session.speed = speed
    assert session.speed == 60.0


def test_speed_is_no_edit(make):
    session = make()
    session.step(2)
    session.speed = 30
    session.step(2)
    assert session.edits == () and session.marks == ()
