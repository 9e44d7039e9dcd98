"""A session under arbitrary sequences of calls, held against a model of what it promises."""

import gc
import threading
import time
import weakref

import pytest
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from hebblab import InvalidValue, Session, UnknownName, WrongState

TOTAL = 60
LEGAL = {
    "ready": {"ready", "running", "paused", "finished", "failed", "stopped"},
    "running": {"running", "paused", "finished", "failed", "stopped", "ready"},
    "paused": {"paused", "running", "finished", "failed", "stopped", "ready"},
    "finished": {"finished", "ready", "stopped"},
    "failed": {"failed", "ready", "stopped"},
    "stopped": {"stopped"},
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("examples", [8, pytest.param(60, marks=pytest.mark.long)])
def test_any_sequence_of_calls(dataset, recipe, hooked, live, examples):
    class Machine(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.session = Session(recipe(rule="hooked", steps=TOTAL), dataset=dataset)
            self.begin()

        def begin(self):
            hooked.hook = staticmethod(lambda step: None)
            self.seen = ("ready", 0)
            self.accepted = []
            self.probings = []

        def call(self, action, allowed, restarts=False):
            """Do something; legal calls work, others are refused in words and change nothing."""
            before = (self.session.state, self.session.steps)
            edits = self.session.edits
            began = time.monotonic()
            try:
                action()
                done = True
            except WrongState as error:
                done = False
                assert "this one is" in str(error)
            assert time.monotonic() - began < 10
            if before[0] != "running":
                assert done == (before[0] in allowed), before
            if not done and before[0] not in ("running", "paused", "ready"):
                assert (self.session.state, self.session.steps) == before
                assert self.session.edits == edits
            if done and restarts:
                self.accepted = []
                self.seen = ("ready", 0)
            return done

        @rule()
        def start(self):
            self.call(self.session.start, {"ready", "paused"})

        @rule()
        def resume(self):
            self.call(self.session.resume, {"paused"})

        @rule()
        def pause(self):
            if self.call(self.session.pause, {"running"}):
                assert self.session.state in ("paused", "finished", "failed")

        @rule(n=st.integers(1, 7))
        def step(self, n):
            before = self.session.steps
            if self.call(lambda: self.session.step(n), {"ready", "paused"}):
                expected = {"paused": before + n, "finished": TOTAL}
                assert self.session.steps == expected.get(self.session.state, self.session.steps)
                assert self.session.state in ("paused", "finished", "failed")

        @rule(gain=st.floats(0.01, 1.0), rate=st.floats(0.001, 0.5))
        def edit(self, gain, rate):
            resting = self.session.state in ("ready", "paused")
            made = []
            action = lambda: made.append(self.session.edit(gain=gain, learning_rate=rate))  # noqa: E731
            if self.call(action, {"ready", "running", "paused"}):
                self.accepted += made
                if resting:
                    assert made[0].wait(0)
                    assert self.session.values()["gain"] == gain

        @rule(
            bad=st.sampled_from([("gain", -1.0), ("gain", float("nan")), ("gian", 0.5), ("n", "2")])
        )
        def refused_edit(self, bad):
            values = self.session.values()
            settled = not self.accepted or self.accepted[-1].applied_at is not None
            with pytest.raises((InvalidValue, UnknownName, WrongState)):
                self.session.edit({bad[0]: bad[1]})
            assert not settled or self.session.values() == values

        @rule(seed=st.none() | st.integers(0, 99))
        def restart(self, seed):
            hooked.hook = staticmethod(lambda step: None)
            allowed = {"ready", "running", "paused", "finished", "failed"}
            if self.call(lambda: self.session.restart(seed), allowed, restarts=True):
                assert (self.session.state, self.session.steps) == ("ready", 0)
                assert self.session.error is None

        @rule()
        def stop(self):
            self.session.stop()
            assert self.session.state == "stopped"
            assert all(probing.done() for probing in self.probings)

        @rule()
        def probe(self):
            if len(self.probings) < 2:
                self.probings.append(self.session.probe())

        @rule()
        def cancel(self):
            for probing in self.probings:
                probing.cancel()
                assert probing.done()

        @rule()
        def fail_at_the_next_step(self):
            def fail(step):
                raise LookupError("by the test")

            hooked.hook = staticmethod(fail)

        @rule()
        def look_from_another_thread(self):
            seen = []

            def look():
                seen.append(self.session.frame())
                seen.append(self.session.weights())
                seen.append(self.session.history)
                seen.append(self.session.reading())

            looking = threading.Thread(target=look)
            looking.start()
            looking.join(10)
            frame, _, history, reading = seen
            assert frame.step <= self.session.steps
            assert len({len(series) for series in history.values()}) == 1
            assert reading is None or reading.frame.step <= self.session.steps

        @rule()
        def replay(self):
            if self.session.state == "running":
                return
            frame = self.session.frame()
            hook, hooked.hook = hooked.hook, staticmethod(lambda step: None)
            try:
                finished = frame.step == TOTAL
                late = any(edit.applied_at == TOTAL for edit in self.session.edits)
                if not (finished and late):
                    again = live.replay(self.session, dataset)
                    assert torch.equal(again.weights(), frame.weights)
                    again.stop()
            finally:
                hooked.hook = staticmethod(hook)

        @rule()
        def drop(self):
            known = weakref.ref(self.session)
            self.session = Session(recipe(rule="hooked", steps=TOTAL), dataset=dataset)
            self.begin()
            gc.collect()
            assert live.ended()
            gc.collect()
            assert known() is None

        @invariant()
        def transitions_are_legal(self):
            state, steps = self.session.state, self.session.steps
            assert state in LEGAL[self.seen[0]], (self.seen, state)
            assert steps >= self.seen[1]
            assert self.session.total_steps == TOTAL and steps <= TOTAL
            assert (self.session.error is not None) == (state == "failed") or state == "stopped"
            self.seen = (state, steps)

        @invariant()
        def edits_are_applied_once_and_in_order(self):
            applied = [edit for edit in self.accepted if edit.applied_at is not None]
            assert [edit for edit in self.session.edits if edit in applied] == applied
            at = [edit.applied_at for edit in self.session.edits]
            assert at == sorted(at) and len(set(map(id, self.session.edits))) == len(at)
            if self.session.state in ("finished", "failed", "stopped"):
                for edit in self.accepted:
                    edit.wait(10)
                    assert (edit.applied_at is None) == bool(edit.cancelled)

        @invariant()
        def one_thread_of_each_kind(self):
            assert len(live.threads("trainer")) <= 1
            assert len(live.threads("recorder")) <= 1

        def teardown(self):
            hooked.hook = staticmethod(lambda step: None)
            self.session.stop()
            assert live.ended()

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=15,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
