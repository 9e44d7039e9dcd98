"""The loop on the caller's own thread: what a host without threads would do."""

import threading

import pytest
import torch

from hebblab.live.edits import Edit
from hebblab.live.loop import Loop
from hebblab.live.reading import Reader
from hebblab.live.recorder import Recorder
from hebblab.live.run import Run


@pytest.fixture
def pumped(recipe, dataset, monkeypatch):
    def build(**changes):
        run = Run(recipe(**changes), dataset)
        twin = Run(recipe(**changes), dataset)
        reader = Reader(twin.model, dataset, run.centre)
        return Loop(run, Recorder(reader, threaded=False))

    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    return build


def test_steps_readings_and_edits_need_no_thread(pumped):
    loop = pumped()
    loop.begin("step()", ("ready",), limit=5)
    loop.pump()
    assert (loop.state, loop.run.steps) == ("paused", 5)
    edit = Edit("hidden", {"delta": (0.4, 0.2)})
    loop.accept(edit)
    loop.hurry()
    assert edit.applied_at == 5 and loop.edits == [edit]
    assert loop.at_edge(lambda: loop.frame("hidden")).values["delta"] == 0.2
    loop.begin("start()", ("paused",))
    loop.pump()
    assert (loop.state, loop.run.steps) == ("finished", 40)
    assert loop.recorder.history("hidden")["step"][-1] == 40
    loop.at_rest(lambda: loop.begin_anew(3))
    assert (loop.state, loop.run.steps, loop.run.recipe.seed) == ("ready", 0, 3)


def test_the_bits_are_those_of_a_session(pumped, make, live, monkeypatch):
    loop = pumped()
    loop.begin("start()", ("ready",))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        loop.pump()
    monkeypatch.undo()
    session = live.finish(make())
    assert torch.equal(loop.run.weights("hidden"), session.weights())


def test_the_callers_settings_are_put_back(pumped):
    threads, grad = torch.get_num_threads(), torch.is_grad_enabled()
    loop = pumped(threads=2)
    loop.begin("start()", ("ready",))
    loop.pump()
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == (threads, grad)
    assert float(torch.full((1,), 1e-40).mul_(1.0)) > 0, "denormal numbers again"


def test_a_failure_is_a_state_here_too(pumped, hooked):
    def fail(step):
        raise KeyboardInterrupt

    hooked.hook = staticmethod(fail)
    loop = pumped(rule="hooked")
    loop.begin("start()", ("ready",))
    loop.pump()
    assert loop.state == "failed" and isinstance(loop.error, KeyboardInterrupt)
    assert loop.at_edge(lambda: loop.run.steps) == 0


def test_pumping_what_does_not_run_does_nothing(pumped):
    loop = pumped()
    loop.pump()
    assert (loop.state, loop.run.steps) == ("ready", 0)


def test_a_task_that_raises_tells_who_asked(pumped):
    loop = pumped()
    for error in (TimeoutError("mine"), LookupError("mine"), SystemExit(3), KeyboardInterrupt()):

        def fail(error=error):
            raise error

        with pytest.raises(type(error)) as caught:
            loop.at_edge(fail)
        assert caught.value is error
    assert loop.at_edge(lambda: 7) == 7, "and nobody else"


def test_a_session_that_gets_no_thread_says_so_and_stays_ready(make, monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    session = make()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            session.start()
        assert (session.state, session.steps) == ("ready", 0)
    session.step(2)
    assert session.steps == 2
