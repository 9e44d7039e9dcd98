"""Nothing of a session outlives it: no thread, no model, no memory."""

import gc
import threading
import time
import weakref

import pytest
from ignite.engine import Events

from hebblab import Session


def _know(session):
    session.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: session.steps)


def _await(loop, state, limit):
    with loop.changed:
        assert loop.changed.wait_for(lambda: loop.state == state, limit)


def _parts(session):
    run = session._loop.run
    parts = (session, session._loop, run, run.model, run.trainer, session._loop.recorder)
    return [weakref.ref(part) for part in parts]


def _gone(parts, live):
    """Collect until all is gone: a thread may be on its way to rest, with the run in its hands."""
    limit = time.monotonic() + live.LIMIT
    while True:
        gc.collect()
        left = [type(part()).__name__ for part in parts if part() is not None]
        left += [thread.name for thread in live.threads()]
        if not left or time.monotonic() > limit:
            return left
        for thread in live.threads():
            thread.join(0.05)


@pytest.mark.parametrize("state", ["ready", "running", "paced", "paused", "finished", "failed"])
def test_a_dropped_session_goes_with_all_it_has(dataset, recipe, hooked, live, state):
    hooked.hook = staticmethod(lambda step: 1 / 0 if state == "failed" and step == 3 else None)
    session = Session(recipe(rule="hooked", endless=state in ("running", "paced")), dataset=dataset)
    if state == "paced":
        session.speed = 0.1
    if state in ("running", "paced"):
        taken = live.notice_weakly(session)
        session.start()
        assert taken.wait(live.LIMIT)
    elif state == "paused":
        session.step(3)
    elif state != "ready":
        live.finish(session)
        assert session.state == state
    parts = _parts(session)
    del session
    assert _gone(parts, live) == []


@pytest.mark.parametrize("state", ["ready", "paused", "finished"])
def test_a_handler_that_knows_its_session_does_not_keep_it(dataset, recipe, live, state):
    session = Session(recipe(), dataset=dataset)
    _know(session)
    if state == "paused":
        session.step(3)
    elif state == "finished":
        live.finish(session)
    parts = _parts(session)
    del session
    assert _gone(parts, live) == []


def test_a_running_session_with_such_a_handler_goes_once_it_rests(dataset, recipe, hooked, live):
    gate = live.Gate(at=5)
    hooked.hook = staticmethod(gate)
    session = Session(recipe(rule="hooked", steps=10), dataset=dataset)
    _know(session)
    session.start()
    assert gate.reached.wait(live.LIMIT)
    loop, parts = session._loop, _parts(session)
    del session
    gc.collect()
    assert parts[0]() is not None
    gate.open.set()
    _await(loop, "finished", live.LIMIT)
    del loop
    assert _gone(parts, live) == []


def test_what_a_session_gave_away_does_not_keep_it(dataset, recipe, live):
    session = Session(recipe(), dataset=dataset)
    live.finish(session)
    kept = (
        session.frame(), session.reading(), session.model(), session.history,
        session.edits, session.recipe, session.rule(), session.knobs(),
    )  # fmt: skip
    parts = _parts(session)
    del session
    assert _gone(parts, live) == []
    assert kept[0].step == 40


def test_an_error_that_is_kept_does_not_keep_the_run(dataset, recipe, hooked, live):
    def fail(step):
        try:
            raise ValueError("first")
        except ValueError as error:
            raise LookupError("second") from error

    hooked.hook = staticmethod(fail)
    session = Session(recipe(rule="hooked"), dataset=dataset)
    live.finish(session)
    error, text = session.error, session.traceback
    assert "first" in text and "second" in text
    parts = _parts(session)
    del session
    assert _gone(parts, live) == []
    assert isinstance(error.__cause__, ValueError)


def test_with_leaves_no_thread(dataset, recipe, live):
    with Session(recipe(endless=True), dataset=dataset) as session:
        session.start()
        session.probe()
        assert live.threads()
    assert session.state == "stopped"
    assert live.threads() == [], "nobody had to wait for them"


def test_with_leaves_no_thread_after_an_error(dataset, recipe, live):
    with (
        pytest.raises(ZeroDivisionError),
        Session(recipe(endless=True), dataset=dataset) as session,
    ):
        session.start()
        1 / 0  # noqa: B018
    assert live.threads() == []


def test_a_dropped_session_cancels_its_probes(dataset, recipe, live, monkeypatch):
    from hebblab.live import probing

    entered = threading.Event()

    def slow(*arguments, **options):
        from concurrent.futures import CancelledError

        cancelled = arguments[6]
        entered.set()
        while not cancelled():
            pass
        raise CancelledError

    monkeypatch.setattr(probing, "linear_probe", slow)
    session = Session(recipe(), dataset=dataset)
    asked = session.probe()
    assert entered.wait(live.LIMIT)
    parts = _parts(session)
    del session
    assert _gone(parts, live) == []
    assert asked.cancelled()


def test_many_sessions_leave_nothing(dataset, recipe, live):
    live.finish(Session(recipe(), dataset=dataset))
    gc.collect()
    assert live.ended()
    threads = threading.active_count()
    # A refusal that another test keeps may hold a session that was never made whole.
    before = sum(type(one) is Session for one in gc.get_objects())
    for _ in range(20):
        session = Session(recipe(), dataset=dataset)
        session.step(2)
        session.stop()
    del session
    gc.collect()
    alive = sum(type(one) is Session for one in gc.get_objects())
    assert alive <= before and threading.active_count() == threads


def test_a_session_refused_at_birth_leaves_nothing(dataset, recipe, live):
    from hebblab import InvalidValue

    with pytest.raises(InvalidValue, match="batch"):
        Session(recipe(batch_size=4000), dataset=dataset)
    assert live.threads() == []
