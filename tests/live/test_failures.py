"""What goes wrong in a run: it is kept, said, and can be begun again."""

import math

import pytest
import torch

from hebblab import HebblabError, Session
from hebblab.data import Dataset, Vectors
from hebblab.errors import Diverged, InvalidValue


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("cannot even be said")

    __repr__ = __str__


class Own(BaseException):
    pass


@pytest.mark.parametrize("at", [1, 2, 17])
@pytest.mark.parametrize(
    "error",
    [
        ValueError("the user's own"),
        Own("not even an Exception"),
        SystemExit(3),
        KeyboardInterrupt(),
        MemoryError(),
        RecursionError("deep"),
        StopIteration(),
        GeneratorExit(),
        TimeoutError("looks like ours"),
        Unprintable(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_rule_raises_fails_the_run_and_keeps_everything(make, hooked, live, at, error):
    def fail(step):
        if step == at:
            raise error

    hooked.hook = staticmethod(fail)
    session = make(rule="hooked")
    live.finish(session)
    assert (session.state, session.steps) == ("failed", at - 1)
    kind = RuntimeError if isinstance(error, StopIteration | GeneratorExit) else type(error)
    assert isinstance(session.error, kind | type(error))
    assert type(error).__name__ in session.traceback
    assert "conftest.py" in session.traceback, "it says where"
    assert session.error.__traceback__ is None, "frames would keep the run alive"
    hooked.hook = staticmethod(lambda step: None)
    assert live.digest(session) == live.digest(live.replay(session, session.dataset))
    assert len(session.history["step"]) > 0
    assert session.frame().step == at - 1


def test_a_failed_run_can_be_begun_again(make, hooked, live):
    hooked.hook = staticmethod(lambda step: 1 / 0 if step == 5 else None)
    session = live.finish(make(rule="hooked"))
    assert isinstance(session.error, ZeroDivisionError)
    session.restart()
    assert (session.state, session.steps, session.error, session.traceback) == (
        "ready",
        0,
        None,
        None,
    )
    live.finish(session)
    assert session.state == "finished"
    hooked.hook = staticmethod(lambda step: None)
    assert live.digest(session) == live.digest(live.finish(make(rule="hooked")))


def test_a_step_that_fails_returns(make, hooked):
    hooked.hook = staticmethod(lambda step: 1 / 0 if step == 3 else None)
    session = make(rule="hooked")
    session.step(10)
    assert (session.state, session.steps) == ("failed", 2)


def test_a_rule_of_the_wrong_shape_fails_at_the_first_step(make, hooked, live, monkeypatch):
    monkeypatch.setattr(hooked, "update", lambda self, inputs, weights: torch.zeros(3))
    session = live.finish(make(rule="hooked"))
    assert (session.state, session.steps) == ("failed", 0)
    assert isinstance(session.error, InvalidValue)
    assert "must be (units, fan_in), here (8, 36)" in str(session.error)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", ["weight", "input"])
@pytest.mark.parametrize("rule", ["krotov-hopfield", "hebb", "oja", "instar", "soft-wta"])
def test_one_number_that_is_not_finite_stops_the_run_before_it_spreads(make, rule, place, bad):
    vectors = [
        Vectors(torch.rand(n, 20, generator=torch.Generator().manual_seed(n)), torch.arange(n) % 3)
        for n in (24, 12, 13)
    ]
    session = make(dataset=Dataset("numbers", *vectors, ("a", "b", "c")), rule=rule)
    session.step(3)
    session.edit(learning_rate=0.05)
    session.step(1)
    if place == "weight":
        session._loop.run.model.hidden.weight.data[2, 5] = bad
    else:
        vectors[0].values[:, 7] = bad
    before = session.weights()
    session.step(2)
    assert (session.state, session.steps) == ("failed", 4)
    assert isinstance(session.error, Diverged) and isinstance(session.error, HebblabError)
    assert "step 5" in str(session.error)
    assert "1 steps after the edit" in str(session.error) and "0.05" in str(session.error)
    assert torch.equal(session.weights(), before) or place == "weight"
    finite = torch.isfinite(before)
    assert torch.equal(session.weights()[finite], before[finite]), "nothing else was touched"
    assert session.history["step"], "what was measured before can still be read"


GROWING = {"rule": "hebb", "competition": "none", "row_norm": False, "init": "normal(0, 0.02)"}


def test_a_rate_that_diverges_keeps_the_last_finite_weights_exactly(make, live, dataset):
    session = make(rule=GROWING, steps=4000, learning_rate=0.01)
    session.step(3)
    session.edit(learning_rate=10.0)
    live.finish(session)
    assert session.state == "failed"
    assert f"step {session.steps + 1:,}, {session.steps - 3} steps after" in str(session.error)
    assert "η 0.01 → 10.0" in str(session.error) and "learning rate" in str(session.error)
    kept = session.weights()
    assert torch.isfinite(kept).all() and kept.abs().max() > 1e6
    assert live.digest(live.replay(session, dataset)) == live.digest(session)


def test_without_an_edit_it_says_so(make, live):
    session = live.finish(make(rule=GROWING, steps=4000, learning_rate=10.0))
    assert session.state == "failed"
    assert "without any edit" in str(session.error)


def test_the_preset_that_explodes_does(digits):
    with Session("mnist-hebb-explodes", dataset=digits) as session:
        session.start()
        assert session.wait(60)
        assert session.state == "failed" and isinstance(session.error, Diverged)
        assert torch.isfinite(session.weights()).all()
