"""Handlers of ignite that a person attaches to the session's trainer."""

import threading

import pytest
from ignite.engine import Events

from hebblab import WrongState


def test_every_event_of_a_run_is_fired(make, live):
    session = make(steps=36)  # three epochs of twelve batches
    count = dict.fromkeys(
        (
            Events.STARTED,
            Events.EPOCH_STARTED,
            Events.ITERATION_STARTED,
            Events.ITERATION_COMPLETED,
            Events.EPOCH_COMPLETED,
            Events.COMPLETED,
            Events.TERMINATE,
        ),
        0,
    )
    for event in count:
        session.trainer.add_event_handler(
            event, lambda _trainer, event=event: count.update({event: count[event] + 1})
        )
    session.step(12)
    assert count[Events.EPOCH_COMPLETED] == 0, "fired when the run goes on"
    live.finish(session)
    assert list(count.values()) == [1, 3, 36, 36, 3, 1, 0]
    assert (session.trainer.state.iteration, session.trainer.state.max_epochs) == (36, 3)
    session.restart()
    live.finish(session)
    assert count[Events.ITERATION_COMPLETED] == 72 and count[Events.EPOCH_COMPLETED] == 6


def test_a_run_that_ends_inside_an_epoch_terminates_there(make, live):
    session = make(steps=17)
    seen = []
    for event in (Events.EPOCH_COMPLETED, Events.TERMINATE, Events.COMPLETED):
        session.trainer.add_event_handler(event, lambda _trainer, event=event: seen.append(event))
    live.finish(session)
    assert seen == [Events.EPOCH_COMPLETED, Events.TERMINATE, Events.COMPLETED]
    assert session.steps == 17


def test_handlers_see_the_step_they_are_called_after(make, live):
    session, seen = make(), []
    session.trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda: seen.append((session.steps, session.frame().step))
    )
    live.finish(session)
    assert seen == [(n, n) for n in range(1, 41)]


@pytest.mark.parametrize("event", [Events.ITERATION_COMPLETED, Events.ITERATION_STARTED])
def test_a_handler_that_raises_fails_the_run(make, live, event):
    session = make()

    @session.trainer.on(event(every=6))
    def fail():
        raise LookupError("the handler's own")

    live.finish(session)
    assert session.state == "failed" and isinstance(session.error, LookupError)
    session.trainer.remove_event_handler(fail, event(every=6))
    session.restart()
    assert live.finish(session).state == "finished"


@pytest.mark.parametrize("event", [Events.ITERATION_COMPLETED, Events.EPOCH_COMPLETED])
def test_a_handler_may_pause_and_the_run_is_held_there(make, live, event):
    session = make(endless=True)

    @session.trainer.on(event(once=1))
    def hold():
        session.pause()

    session.start()
    assert session.wait(live.LIMIT)
    assert session.state == "paused"
    assert session.steps == (1 if event is Events.ITERATION_COMPLETED else 12)
    session.step(3)
    assert session.state == "paused"


def test_a_handler_before_the_step_pauses_after_it(make, live, dataset):
    session = make(endless=True)
    session.trainer.add_event_handler(Events.ITERATION_STARTED(once=4), session.pause)
    session.start()
    assert session.wait(live.LIMIT)
    assert (session.state, session.steps) == ("paused", 4)
    session.edit(learning_rate=0.3)
    session.step(2)
    assert live.digest(live.replay(session, dataset)) == live.digest(session)


@pytest.mark.parametrize("event", [Events.ITERATION_STARTED, Events.ITERATION_COMPLETED])
def test_a_handler_may_stop(make, live, event):
    session = make(endless=True)
    session.trainer.add_event_handler(event(once=4), session.stop)
    session.start()
    assert session.wait(live.LIMIT)
    assert (session.state, session.steps) == ("stopped", 4)
    assert live.ended()


def test_a_handler_may_edit(make, live, dataset):
    session, edits = make(steps=43), []

    @session.trainer.on(Events.ITERATION_COMPLETED(every=5))
    def after():
        edits.append(session.edit(delta=0.01 * session.steps))
        assert edits[-1].wait(live.LIMIT), "in force at once: this is a batch edge"

    @session.trainer.on(Events.ITERATION_STARTED(every=7))
    def before():
        edits.append(session.edit(learning_rate=0.001 * (session.steps + 1)))

    live.finish(session)
    assert session.state == "finished", session.traceback
    assert session.edits == tuple(edits)
    assert [edit.applied_at for edit in edits if "delta" in edit.changes] == list(range(5, 41, 5))
    assert [edit.applied_at for edit in edits if "learning_rate" in edit.changes] == [
        7, 14, 21, 28, 35, 42,
    ]  # fmt: skip
    assert live.digest(live.replay(session, dataset)) == live.digest(session)


def test_a_handler_that_would_wait_for_itself_is_told(make, live):
    session, said = make(), []

    @session.trainer.on(Events.ITERATION_COMPLETED(once=3))
    def wait():
        for call in (session.wait, session.restart, session.step, session.start):
            try:
                call()
            except WrongState as error:
                said.append(str(error))

    live.finish(session)
    assert session.state == "finished"
    assert len(said) == 4 and "it would wait for" in said[0]


def test_a_handler_may_look_at_everything(make, live, tmp_path):
    session, seen = make(), []

    @session.trainer.on(Events.ITERATION_COMPLETED(once=5))
    def look():
        session.history, session.reading(), session.values(), session.marks
        seen.append(session.weights().shape)
        session.model()
        session.save(tmp_path / "run")

    live.finish(session)
    assert session.state == "finished", session.traceback
    assert seen and (tmp_path / "run" / "recipe.json").exists()


def test_a_handler_may_end_the_run_as_ignite_does(make, live):
    session = make()
    session.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=9), session.trainer.terminate)
    live.finish(session)
    assert (session.state, session.steps) == ("finished", 9)
    session.restart()
    assert live.finish(session).steps == 9, "its handler is still there"


def test_a_handler_of_the_end_that_raises_does_not_hinder_a_restart(make, live):
    session = make()
    session.step(3)
    session.trainer.add_event_handler(Events.TERMINATE, lambda: 1 / 0)
    session.restart()
    assert (session.state, session.steps) == ("ready", 0)
    session.step(2)
    session.stop()
    assert session.state == "stopped"


def test_what_ends_a_run_is_told_when_it_is_stopped_at_rest(make):
    session, seen = make(), []
    session.trainer.add_event_handler(Events.TERMINATE, lambda: seen.append("terminate"))
    session.step(3)
    session.stop()
    assert seen == ["terminate"]


def test_handlers_of_an_ended_run_may_speak_to_the_session(make, live):
    """They are called by restart() in the caller's thread; nothing is locked meanwhile."""
    session, answers = make(), []

    @session.trainer.on(Events.TERMINATE)
    def speak():
        other = threading.Thread(target=lambda: answers.append(session.edit(delta=0.1)))
        other.start()
        other.join(live.LIMIT)
        answers.append(session.frame().step)

    session.step(3)
    session.restart()
    assert answers[1] == 3
    assert session.values()["delta"] == 0.4
