"""Edits: judged at once, in force at a batch edge, in order, stamped, repeatable."""

import threading
from itertools import pairwise

import pytest
import torch

from hebblab import InvalidValue, UnknownName, WrongState, metrics
from hebblab.live import turning


def test_an_edit_says_what_it_changes_and_when(make):
    session = make()
    session.step(3)
    edit = session.edit(delta=0.2, k=3)
    assert edit.changes == {"delta": (0.4, 0.2), "k": (2, 3)}
    assert (edit.layer, edit.applied_at, edit.wait(0)) == ("hidden", 3, True)
    assert session.values()["delta"] == 0.2
    assert session.edits == (edit,)


def test_an_edit_of_a_running_session_acts_at_the_next_batch_edge(make, hooked, live):
    gate = live.Gate(at=5)
    hooked.hook = staticmethod(gate)
    session = make(rule="hooked", endless=True)
    session.start()
    assert gate.reached.wait(live.LIMIT)
    edit = session.edit(gain=0.25)
    assert not edit.wait(0) and session.edits == ()
    assert session.values()["gain"] == 0.5, "the step under way goes on with the old value"
    gate.open.set()
    assert edit.wait(live.LIMIT)
    assert (edit.applied_at, session.values()["gain"]) == (5, 0.25)


def test_edits_come_into_force_in_the_order_of_the_calls(make, hooked, live):
    gate = live.Gate(at=2)
    hooked.hook = staticmethod(gate)
    session = make(rule="hooked", endless=True)
    session.start()
    assert gate.reached.wait(live.LIMIT)
    edits = [session.edit(gain=float(n)) for n in range(1, 20)]
    assert [edit.changes["gain"] for edit in edits[:3]] == [(0.5, 1.0), (1.0, 2.0), (2.0, 3.0)]
    gate.open.set()
    assert edits[-1].wait(live.LIMIT)
    assert session.edits == tuple(edits)
    assert {edit.applied_at for edit in edits} == {2}
    assert session.values()["gain"] == 19.0


def test_edits_of_many_threads_form_one_chain_that_can_be_replayed(make, live, dataset):
    session = make(endless=True)
    session.start()
    go = threading.Barrier(4)

    def turn(which):
        go.wait(live.LIMIT)
        for n in range(25):
            session.edit(delta=(which * 25 + n) / 100)

    threads = [threading.Thread(target=turn, args=(which,)) for which in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(live.LIMIT)
    last = session.edit(k=4)
    assert last.wait(live.LIMIT)
    session.pause()
    edits = session.edits
    assert len(edits) == 101
    chain = [edit.changes["delta"] for edit in edits[:-1]]
    assert chain[0][0] == 0.4
    assert all(before[1] == after[0] for before, after in pairwise(chain))
    assert [edit.applied_at for edit in edits] == sorted(edit.applied_at for edit in edits)
    assert live.digest(live.replay(session, dataset)) == live.digest(session)


@pytest.mark.parametrize("running", [False, True])
def test_whatever_a_knob_refuses_changes_nothing(make, running):
    session = make(endless=True)
    if running:
        session.start()
    values, judged = session.values(), 0
    for name, knob in session.knobs().items():
        for bad in knob.invalid_values():
            judged += 1
            with pytest.raises(InvalidValue):
                session.edit({name: bad})
            with pytest.raises(InvalidValue):
                session.edit({"delta": 0.111, name: bad})
    assert judged > 40
    assert session.values() == values and session.edits == ()
    assert session.state == ("running" if running else "ready")


def test_unknown_names_are_answered_with_the_known_ones(make):
    session = make()
    with pytest.raises(UnknownName, match="Did you mean 'delta'"):
        session.edit(dleta=0.2)
    with pytest.raises(UnknownName, match="Known: hidden"):
        session.edit(delta=0.2, layer="hiden")
    with pytest.raises(InvalidValue, match="needs a knob"):
        session.edit()
    with pytest.raises(InvalidValue, match=r"k .*from 2 to 8, not 9"):
        session.edit(k=9)
    assert session.edits == ()


def test_a_knob_that_is_not_live_needs_a_fresh_start(make, hooked):
    session = make(rule="hooked")
    with pytest.raises(InvalidValue, match="fresh start"):
        session.edit(still=0.1)
    assert session.edits == ()


def test_a_rule_that_refuses_a_combination_refuses_it_at_once(make, recipe):
    from pydantic import model_validator

    from hebblab import knob
    from hebblab.rules import Rule, register, unregister

    @register
    class Ordered(Rule):
        """Its two knobs have an order."""

        name = "ordered"
        small: float = knob(0.2, low=0, high=1)
        large: float = knob(0.4, low=0, high=1)

        @model_validator(mode="after")
        def _order(self):
            if self.small > self.large:
                raise InvalidValue("small must not be above large.")
            return self

        def update(self, inputs, weights):
            return self.small * weights

    try:
        session = make(rule="ordered")
        with pytest.raises(InvalidValue, match="must not be above"):
            session.edit(small=0.5)
        assert session.values()["small"] == 0.2 and session.edits == ()
        session.edit(small=0.7, large=0.9)
        session.edit(large=0.3, small=0.1)
        assert (session.values()["small"], session.values()["large"]) == (0.1, 0.3)
    finally:
        unregister("ordered")


def test_another_p_rescales_the_rows(make):
    session = make()
    session.step(10)
    before = session.weights()
    edit = session.edit(p=3.0)
    after = session.weights()
    assert "rescaled" in edit.note
    assert torch.allclose(metrics.norms(after, 3.0), metrics.norms(before, 2.0), rtol=1e-5)
    cosine = torch.nn.functional.cosine_similarity(before, after)
    assert torch.allclose(cosine, torch.ones(8)), "directions stay"


def test_another_reduction_keeps_the_size_of_steps(make):
    session = make()
    session.step(10)
    run = session._loop.run
    before = turning.change_size(run, "hidden") * session.values()["learning_rate"]
    edit = session.edit(reduction="mean")
    after = turning.change_size(run, "hidden") * session.values()["learning_rate"]
    assert after == pytest.approx(before, rel=1e-5)
    assert edit.changes["reduction"] == ("max", "mean")
    assert edit.changes["learning_rate"] == (0.1, session.values()["learning_rate"])
    following = session.edit(learning_rate=0.5)
    assert following.changes["learning_rate"][0] == edit.changes["learning_rate"][1]


def test_a_reduction_beside_a_rate_takes_the_rate_that_is_given(make):
    session = make()
    session.edit(reduction="sum", learning_rate=0.03)
    assert session.values()["learning_rate"] == 0.03


def test_unit_rows_are_put_to_length_one_at_once(make):
    session = make(rule="hebb")
    session.step(2)
    session.edit(row_norm=True)
    assert torch.allclose(session.weights().norm(dim=1), torch.ones(8), atol=1e-5)


def test_the_exponent_changes_the_network_and_no_weight(make):
    session = make()
    session.step(4)
    before = session.weights()
    session.edit(n=4.5)
    assert session.model().activation.n == 4.5
    assert torch.equal(session.weights(), before)


def test_a_rate_without_a_layer_is_everyones(make):
    session = make(network="two", rule="oja")
    assert session.layers == ("first", "block.second")
    with pytest.raises(InvalidValue, match="say layer="):
        session.edit(n=2.0)
    edit = session.edit(learning_rate=0.3)
    assert edit.layer is None
    assert [session.values(name)["learning_rate"] for name in session.layers] == [0.3, 0.3]
    session.edit(learning_rate=0.2, layer="first")
    assert [session.values(name)["learning_rate"] for name in session.layers] == [0.2, 0.3]


def test_the_rate_acts_in_the_next_step(make):
    session = make(rule="krotov-hopfield")
    session.step()
    before = session.weights()
    session.edit(learning_rate=0.25)
    session.step()
    assert float((session.weights() - before).abs().max()) == pytest.approx(0.25, rel=1e-5)


def test_a_decay_goes_on_from_the_edited_base(make):
    session = make(decay="linear")
    session.step(19)
    before = session.weights()
    session.edit(learning_rate=0.4)
    session.step()
    moved = float((session.weights() - before).abs().max())
    assert moved == pytest.approx(0.4 * (1 - 19 / 40), rel=1e-5)


def test_a_drag_leaves_every_edit_and_one_mark(make):
    session = make()
    session.step(5)
    session.edit({"delta": 0.5}, gesture=1)
    session.step(3)
    for value in (0.6, 0.7):
        session.edit({"delta": value}, gesture=1)
    session.step(2)
    session.edit({"delta": 0.2}, gesture=2)
    session.edit(delta=0.3)
    session.edit(delta=0.4)
    assert len(session.edits) == 6
    assert [(mark.step, mark.text, mark.old) for mark in session.marks] == [
        (8, "Δ 0.70", "0.40"),
        (10, "Δ 0.20", "0.70"),
        (10, "Δ 0.30", "0.20"),
        (10, "Δ 0.40", "0.30"),
    ]
    assert [mark.began for mark in session.marks] == [5, 10, 10, 10]


def test_an_edit_that_changes_nothing_is_kept_and_leaves_no_mark(make):
    session = make()
    session.step()
    session.edit(delta=0.4)
    assert session.edit(delta=0.4).wait(0)
    session.edit(delta=0.5)
    assert len(session.edits) == 3
    assert [mark.text for mark in session.marks] == ["Δ 0.50"]


def test_an_edit_that_meets_a_stop_is_answered(make, hooked, live):
    gate = live.Gate(at=1)
    hooked.hook = staticmethod(gate)
    session = make(rule="hooked", endless=True)
    session.start()
    assert gate.reached.wait(live.LIMIT)
    session._loop.ask("stopped")
    in_time = session.edit(gain=0.1)
    gate.open.set()
    assert session.wait(live.LIMIT)
    assert in_time.wait(live.LIMIT) and in_time.applied_at == 1
    late = type(in_time)("hidden", {"gain": (0.1, 0.2)})
    session._loop.accept(late)
    session._loop.hurry()
    assert not late.wait(live.LIMIT)
    assert "was stopped" in late.cancelled and session.values()["gain"] == 0.1


def test_an_edit_is_cancelled_when_the_run_fails_first(make, hooked, live):
    gate = live.Gate(at=3)

    def fail(step):
        gate(step)
        if step == 3:
            raise RuntimeError("no more")

    hooked.hook = staticmethod(fail)
    session = make(rule="hooked", endless=True)
    session.start()
    assert gate.reached.wait(live.LIMIT)
    edit = session.edit(gain=0.1)
    gate.open.set()
    assert not edit.wait(live.LIMIT)
    assert "failed" in edit.cancelled and session.edits == ()
    with pytest.raises(WrongState):
        session.edit(gain=0.1)


def test_a_replay_of_a_live_run_has_the_same_bits(make, live, dataset):
    session = make(endless=True, network="tiny")
    session.start()
    for number, changes in enumerate(
        [
            {"delta": 0.1},
            {"p": 3.0},
            {"reduction": "mean"},
            {"learning_rate": 0.05, "k": 5},
            {"p": 2.5, "n": 2.0},
            {"reduction": "max"},
        ]
    ):
        assert live.notice(session, session.steps + 3 + number).wait(live.LIMIT)
        session.edit(changes).wait(live.LIMIT)
    assert live.notice(session, session.steps + 5).wait(live.LIMIT)
    session.pause()
    assert live.digest(live.replay(session, dataset)) == live.digest(session)


def test_an_edit_at_rest_leaves_the_bits_of_one_under_way(make, live, dataset, monkeypatch):
    """The caller's own threads, modes and handling of denormal numbers must not matter."""
    session = make(endless=True)
    session.start()
    assert live.notice(session, 30).wait(live.LIMIT)
    assert session.edit(p=3.0).wait(live.LIMIT)
    assert session.edit(reduction="mean").wait(live.LIMIT)
    assert live.notice(session, session.steps + 10).wait(live.LIMIT)
    session.pause()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        torch.set_flush_denormal(False)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            again = live.replay(session, dataset)
            assert torch.get_num_threads() == 2
            assert float(torch.full((1,), 1e-40).mul_(1.0)) > 0, "put back"
    finally:
        torch.set_num_threads(threads)
    assert live.digest(again) == live.digest(session)
