"""The states of a session, calls out of turn, and how soon a command acts."""

import threading
import time

import pytest

from hebblab import InvalidValue, Session, UnknownName, WrongState


def _reach(session, state, hooked):
    if state == "failed":
        hooked.hook = staticmethod(lambda step: 1 / 0)
        session.step()
    elif state == "running":
        session.start()
    elif state == "paused":
        session.step(2)
    elif state == "finished":
        session.step(40)
    elif state == "stopped":
        session.step(2)
        session.stop()
    assert session.state == state


LEGAL = {
    "start": {"ready", "paused"},
    "resume": {"paused"},
    "pause": {"running"},
    "step": {"ready", "paused"},
    "edit": {"ready", "running", "paused"},
    "restart": {"ready", "running", "paused", "finished", "failed"},
}
CALLS = {
    "start": lambda session: session.start(),
    "resume": lambda session: session.resume(),
    "pause": lambda session: session.pause(),
    "step": lambda session: session.step(),
    "edit": lambda session: session.edit(gain=0.25),
    "restart": lambda session: session.restart(),
}


@pytest.mark.parametrize("state", ["ready", "running", "paused", "finished", "failed", "stopped"])
@pytest.mark.parametrize("call", CALLS)
def test_a_call_out_of_turn_says_so_and_changes_nothing(make, hooked, live, state, call):
    session = make(rule="hooked", endless=state == "running")
    _reach(session, state, hooked)
    hooked.hook = staticmethod(lambda step: None)
    if state in LEGAL[call]:
        CALLS[call](session)
        return
    before = (session.state, session.edits, session.values(), session.error)
    weights = None if state == "running" else live.digest(session)
    with pytest.raises(WrongState, match=f"this one is {state}"):
        CALLS[call](session)
    assert (session.state, session.edits, session.values(), session.error) == before
    assert weights is None or live.digest(session) == weights


def test_states_in_the_order_of_a_life(make, live):
    session = make()
    assert (session.state, session.steps, session.total_steps) == ("ready", 0, 40)
    session.step(3)
    assert (session.state, session.steps) == ("paused", 3)
    session.resume()
    assert session.wait(live.LIMIT)
    assert (session.state, session.steps) == ("finished", 40)
    session.restart()
    assert (session.state, session.steps, session.edits) == ("ready", 0, ())
    session.stop()
    assert session.state == "stopped"
    assert session.weights().shape == (8, 36), "what was learned can still be read"


def test_stop_is_always_allowed_and_twice(make, hooked):
    for state in ("ready", "running", "paused", "finished", "failed"):
        session = make(rule="hooked", endless=state == "running")
        _reach(session, state, hooked)
        hooked.hook = staticmethod(lambda step: None)
        session.stop()
        session.stop()
        assert session.state == "stopped", state


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "3", None, float("nan"), 10**30])
def test_steps_that_are_no_number_are_refused(make, n):
    session = make()
    with pytest.raises(InvalidValue, match="whole number"):
        session.step(n)
    assert (session.state, session.steps) == ("ready", 0)


def test_more_steps_than_are_left_finish_the_run(make):
    session = make()
    session.step(1000)
    assert (session.state, session.steps) == ("finished", 40)


def test_stepping_equals_running(make, live):
    stepped, ran = make(), make()
    for n in (1, 2, 9, 1, 27):
        stepped.step(n)
    assert live.digest(live.finish(ran)) == live.digest(stepped)


def test_wait_says_whether_it_was_in_vain(make, live):
    session = make(endless=True)
    assert session.wait(0.01)
    session.start()
    assert not session.wait(0.02)
    session.pause()
    assert session.wait(0)


def test_pause_holds_the_step_that_is_under_way(make, hooked, live):
    gate = live.Gate(at=3)
    hooked.hook = staticmethod(gate)
    session = make(rule="hooked", endless=True)
    session.start()
    assert gate.reached.wait(live.LIMIT)
    pausing = threading.Thread(target=session.pause)
    pausing.start()
    while session._loop._asked is None:
        assert session.state == "running"
    gate.open.set()
    pausing.join(live.LIMIT)
    assert (session.state, session.steps) == ("paused", 3)


def test_stop_takes_the_step_that_is_under_way_and_no_other(make, hooked, live):
    gate = live.Gate(at=3)
    hooked.hook = staticmethod(gate)
    session = make(rule="hooked", endless=True)
    session.start()
    assert gate.reached.wait(live.LIMIT)
    stopping = threading.Thread(target=session.stop)
    stopping.start()
    while session._loop._asked is None:
        assert session.state == "running"
    gate.open.set()
    stopping.join(live.LIMIT)
    assert (session.state, session.steps, hooked.step) == ("stopped", 3, 3)


def test_a_pause_asked_before_the_first_step_takes_none(make):
    session = make(endless=True)
    loop = session._loop
    loop.begin("start()", ("ready",))
    loop.ask("paused")
    loop.pump()
    assert (session.state, session.steps) == ("paused", 0)


def test_a_pause_that_comes_after_the_end_is_out_of_turn(make, live):
    session = live.finish(make())
    with pytest.raises(WrongState):
        session.pause()
    assert session.state == "finished"


def test_pausing_at_the_very_last_step_finishes(make, hooked, live):
    gate = live.Gate(at=40)
    hooked.hook = staticmethod(gate)
    session = make(rule="hooked")
    session.start()
    assert gate.reached.wait(live.LIMIT)
    pausing = threading.Thread(target=session.pause)
    pausing.start()
    while session._loop._asked is None:
        assert session.state == "running"
    gate.open.set()
    pausing.join(live.LIMIT)
    assert (session.state, session.steps) == ("finished", 40)


def test_commands_from_many_threads_at_once_leave_one_story(make, live):
    session = make(endless=True)
    wrong = []
    go = threading.Barrier(6)

    def meddle(which):
        go.wait(live.LIMIT)
        for _ in range(15):
            try:
                (session.start, session.pause, session.step, session.restart, session.resume)[
                    which % 5
                ]()
            except WrongState:
                pass
            except BaseException as error:
                wrong.append(error)

    threads = [threading.Thread(target=meddle, args=(which,)) for which in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(live.LIMIT)
        assert not one.is_alive()
    assert not wrong
    if session.state == "running":
        session.pause()
    assert session.state in ("ready", "paused")
    assert len(live.threads("trainer")) <= 1
    assert live.digest(session) == live.digest(live.replay(session, session.dataset))


def test_restart_from_another_thread_while_it_runs(make, live):
    session = make(endless=True)
    for seed in range(8, 14):
        session.start()
        assert live.notice(session, 5).wait(live.LIMIT)
        other = threading.Thread(target=session.restart, args=(seed,))
        other.start()
        other.join(live.LIMIT)
        assert (session.state, session.steps, session.recipe.seed) == ("ready", 0, seed)


def test_restart_equals_a_fresh_session(make, live):
    for network, rule in (("tiny", "krotov-hopfield"), ("small-conv", "oja"), ("two", "oja")):
        session = make(network=network, rule=rule)
        session.step(5)
        layer = session.layers[-1]
        session.edit(n=3.0, learning_rate=0.5, layer=layer)
        session.step(10)
        session.restart(11)
        assert session.values(layer)["n"] == 1.0
        fresh = make(network=network, rule=rule, seed=11)
        assert live.digest(session) == live.digest(fresh)
        assert live.digest(live.finish(session)) == live.digest(live.finish(fresh))


def test_twenty_restarts_leave_one_thread(make, live):
    session = make()
    for _ in range(20):
        live.finish(session)
        session.restart()
    session.step()
    assert len(live.threads("trainer")) == 1
    assert len(live.threads("recorder")) == 1


def test_a_refused_seed_restarts_nothing(make):
    session = make()
    session.step(4)
    for seed in (-1, 1.5, "x", True):
        with pytest.raises(InvalidValue):
            session.restart(seed)
    assert (session.state, session.steps) == ("paused", 4)


def test_an_interrupt_of_the_waiting_leaves_the_run_usable(make, monkeypatch, live):
    session = make(endless=True)
    wait = threading.Condition.wait

    def interrupted(self, timeout=None):
        if self is session._loop.changed and threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        return wait(self, timeout)

    monkeypatch.setattr(threading.Condition, "wait", interrupted)
    for call in (lambda: session.step(10_000_000), session.wait):
        with pytest.raises(KeyboardInterrupt):
            call()
        assert session.state == "running"
    monkeypatch.undo()
    session.pause()
    steps = session.steps
    session.step(2)
    assert session.steps == steps + 2


def test_bad_arguments_are_refused_in_words():
    with pytest.raises(InvalidValue, match="preset's name"):
        Session(3)
    with pytest.raises(UnknownName, match="Did you mean 'mnist-krotov'"):
        Session("mnist-krotow")
    with pytest.raises(UnknownName, match="setting or knob"):
        Session("mnist-krotov", dleta=0.2)


def test_answers_are_prompt_while_it_rests(make):
    session = make()
    session.step()
    began = time.monotonic()
    for _ in range(40):
        session.frame()
    assert time.monotonic() - began < 2.0, "each would take 50 ms, were somebody polling"
