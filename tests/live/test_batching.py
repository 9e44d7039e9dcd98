"""The batch size, turned while a run goes on: which images come, what time means, when it ends."""

import itertools
import json
import math
from fractions import Fraction

import pytest
import torch
from ignite.engine import Events

from hebblab import InvalidValue, Recipe, Session
from hebblab.live import batching
from hebblab.live.streams import stream


def _record(session):
    """Return lists that grow with each step: the images of its batch, its rate."""
    rows, rates = [], []

    def look(trainer):
        rows.append([tuple(one.flatten().tolist()) for one in trainer.state.batch[0]])
        rates.append(session.trainer.optimizer.group("hidden")["lr"])

    session.trainer.add_event_handler(Events.ITERATION_COMPLETED, look)
    return rows, rates


def _images(dataset, order):
    pixels = dataset.train.pixels.double() / 255
    return [tuple(pixels[i].flatten().float().tolist()) for i in order.tolist()]


def test_the_order_of_an_epoch_stays_and_its_rest_is_dropped(make, dataset):
    """Images are taken in the order that the seed drew, whatever the size of the batch."""
    session = make(epochs=3, steps=None)
    rows, _ = _record(session)
    session.step(3)  # 12 images
    session.edit(batch_size=10)
    session.step(4)  # 30 of the remaining 36 and 10 of the next order
    generator = torch.Generator().manual_seed(stream(7, "order"))
    first, second = (torch.randperm(48, generator=generator) for _ in range(2))
    wanted = [_images(dataset, part) for part in torch.split(first[:12], 4)]
    wanted += [_images(dataset, part) for part in torch.split(first[12:42], 10)]
    wanted += [_images(dataset, second[:10])]
    assert [len(batch) for batch in rows] == [4, 4, 4, 10, 10, 10, 10]
    for mine, theirs in zip(rows, wanted, strict=True):
        assert torch.allclose(torch.tensor(mine), torch.tensor(theirs), rtol=1e-6)


def test_an_edit_is_in_force_at_the_next_edge_and_told(make, tmp_path):
    session = make(epochs=3, steps=None)
    assert session.knobs()["batch_size"].high == 48
    assert session.values()["batch_size"] == 4
    session.step(3)
    edit = session.edit(batch_size=6)
    assert edit.wait(1) and edit.applied_at == 3
    assert edit.changes == {"batch_size": (4, 6)}
    assert session.edits == (edit,)
    assert session.frame().values["batch_size"] == session.values()["batch_size"] == 6
    assert [(mark.step, mark.text, mark.old) for mark in session.marks] == [(3, "batch 6", "4")]
    session.save(tmp_path)
    saved = json.loads((tmp_path / "recipe.json").read_text())
    assert saved["recipe"]["batch_size"] == 4
    assert saved["edits"][0]["changes"] == {"batch_size": [4, 6]}


def test_time_does_not_jump_and_a_plan_in_epochs_keeps_its_epochs(make, live):
    """36 steps of 4 images are three epochs of 48; half way through the 2nd they become 8."""
    session = make(epochs=3, steps=None)
    assert (session.total_steps, session.steps_per_epoch) == (36, 12)
    session.step(18)
    assert session.epoch == 1.5
    session.edit(batch_size=8)
    assert (session.epoch, session.total_steps, session.steps_per_epoch) == (1.5, 27, 6)
    session.step(3)
    assert session.epoch == 2.0
    live.finish(session)
    assert (session.steps, session.epoch, session.state) == (27, 3.0, "finished")


def test_a_plan_in_steps_keeps_its_steps(make, live):
    session = make(steps=20)
    session.step(6)
    session.edit(batch_size=24)
    assert (session.total_steps, session.planned_steps, session.epoch) == (20, 20, 0.5)
    live.finish(session)
    assert (session.steps, session.epoch) == (20, 7.5)


def test_an_edit_that_is_taken_back_leaves_the_plan_as_it_was(make):
    session = make(epochs=3, steps=None)
    session.step(5)
    session.edit(batch_size=9)
    session.edit(batch_size=4)
    assert session.total_steps == session.planned_steps == 36
    assert session.epoch == 5 / 12


@pytest.mark.parametrize("plan", [{"epochs": 4, "steps": None}, {"steps": 40}])
@pytest.mark.parametrize("sizes", [(8, 3), (1, 48), (48, 1), (11, 7)])
def test_a_linear_decay_goes_on_where_it_is_and_ends_with_the_run(make, live, plan, sizes):
    session = make(decay="linear", learning_rate=0.2, **plan)
    _, rates = _record(session)
    steepest = 0.2 / session.total_steps
    for size in sizes:
        session.step(3)
        worth = 1 / session.steps_per_epoch
        session.edit(batch_size=size)
        steepest = max(steepest, 0.2 / 4 * max(worth, 1 / session.steps_per_epoch))
    live.finish(session)
    assert session.state == "finished"
    falls = [a - b for a, b in itertools.pairwise(rates)]
    assert min(falls) > 0 and max(falls) <= steepest * (1 + 1e-9)
    assert 0 < rates[-1] <= steepest * (1 + 1e-9)
    if "epochs" in plan:
        assert session.epoch - 1 / session.steps_per_epoch < 4 <= session.epoch


def test_a_run_without_end_has_its_decay_over_the_same_epochs(make):
    session = make(epochs=2, steps=None, endless=True, decay="linear", learning_rate=0.2)
    _, rates = _record(session)
    session.step(12)
    session.edit(batch_size=8)
    assert (session.total_steps, session.planned_steps) == (None, 18)
    session.step(7)
    assert rates[-1] == 0 < rates[-2]
    session.edit(batch_size=2)
    assert session.planned_steps == 18, "what is over is over"
    session.step(5)
    assert rates[-5:] == [0] * 5 and session.steps == 24


def test_epochs_of_ignite_end_with_those_of_the_run(make, live):
    session, seen = make(epochs=4, steps=None), []
    for event in (Events.EPOCH_COMPLETED, Events.TERMINATE, Events.COMPLETED):
        session.trainer.add_event_handler(
            event, lambda _trainer, event=event: seen.append((event.name, session.epoch))
        )
    session.step(6)
    session.edit(batch_size=8)
    session.step(9)
    session.edit(batch_size=48)
    live.finish(session)
    assert [name for name, _ in seen] == ["EPOCH_COMPLETED"] * 4 + ["COMPLETED"]
    assert [epoch for _, epoch in seen] == [1.0, 2.0, 3.0, 4.0, 4.0]
    session.restart()
    seen.clear()
    live.finish(session)
    assert [epoch for _, epoch in seen] == [1.0, 2.0, 3.0, 4.0, 4.0]
    assert session.trainer.state.epoch_length == 12


@pytest.mark.parametrize("event", ["EPOCH_STARTED", "EPOCH_COMPLETED", "GET_BATCH_STARTED",
                                   "GET_BATCH_COMPLETED", "ITERATION_STARTED",
                                   "ITERATION_COMPLETED", "DATALOADER_STOP_ITERATION"])  # fmt: skip
def test_a_handler_of_any_event_may_edit_and_the_replay_has_the_same_bits(
    make, live, dataset, event
):
    session, sizes = make(epochs=6, steps=None, decay="linear"), iter([7, 3, 20, 48, 1, 5] * 100)
    often = {"EPOCH_STARTED": 1, "EPOCH_COMPLETED": 1, "DATALOADER_STOP_ITERATION": 1}
    when = getattr(Events, event)(every=often.get(event, 3))

    @session.trainer.on(when)
    def turn():
        if session.steps < session.total_steps:
            session.edit(batch_size=next(sizes))

    live.finish(session)
    assert session.state == "finished", session.traceback
    assert len(session.edits) >= 4
    assert 6 <= session.epoch < 7
    with live.replay(session, dataset) as again:
        assert live.digest(again) == live.digest(session)
        assert (again.steps, again.epoch) == (session.steps, session.epoch)


def test_a_run_edited_while_it_runs_is_replayed_to_the_bit(make, live, dataset):
    session = make(endless=True)
    session.start()
    for n in range(12):
        assert live.notice(session, session.steps + 3).wait(live.LIMIT)
        session.edit(batch_size=1 + 11 * n % 48, delta=0.1 + 0.05 * n)
    session.pause()
    assert len(session.edits) == 12
    with live.replay(session, dataset) as again:
        assert live.digest(again) == live.digest(session)
        assert again.epoch == session.epoch


def test_a_restart_returns_to_the_recipe(make, live):
    fresh, session = live.finish(make(epochs=3, steps=None)), make(epochs=3, steps=None)
    session.step(5)
    session.edit(batch_size=17)
    session.step(4)
    session.restart()
    assert (session.values()["batch_size"], session.total_steps, session.epoch) == (4, 36, 0.0)
    assert live.digest(live.finish(session)) == live.digest(fresh)


def test_before_the_first_step_it_is_as_if_the_recipe_said_so(make, live):
    session, other = make(epochs=3, steps=None), make(epochs=3, steps=None, batch_size=8)
    session.edit(batch_size=8)
    assert session.total_steps == other.total_steps == 18
    assert live.digest(live.finish(session)) == live.digest(live.finish(other))


@pytest.mark.parametrize("bad", [0, -1, 49, 100_001, 2.5, 4.0, True, None, "8", math.nan, 10**400])
def test_a_batch_that_cannot_be_had_is_refused_in_the_words_of_a_new_run(
    make, recipe, dataset, bad
):
    session = make()
    session.step(2)
    with pytest.raises(InvalidValue) as live_words:
        session.edit(batch_size=bad)
    with pytest.raises(InvalidValue) as words:
        Session(recipe(batch_size=bad), dataset=dataset)
    assert str(live_words.value) == str(words.value)
    session.step(1)
    assert session.edits == () and session.values()["batch_size"] == 4


def test_responses_beyond_memory_are_refused_as_before_a_run(make, monkeypatch):
    monkeypatch.setattr(batching, "_MOST_RESPONSES", 12 * 8 * 20)
    session = make()
    session.edit(batch_size=20)
    with pytest.raises(InvalidValue, match=r"A batch of 21 images needs .* Lower batch_size"):
        session.edit(batch_size=21)


def test_responses_of_a_convolution_come_in_pieces_and_are_not_refused(make, monkeypatch):
    monkeypatch.setattr(batching, "_MOST_RESPONSES", 1)
    session = make(network="small-conv", rule="hard-wta")
    session.edit(batch_size=20)
    session.step(1)
    assert session.values()["batch_size"] == 20 and session.error is None


def test_a_slider_ends_early_and_more_can_be_typed():
    few, many = batching.batch_knob(48), batching.batch_knob(50_000)
    assert (few.high, few.slider_high, few.default) == (48, 48, 48)
    assert (many.high, many.slider_high) == (50_000, 1000)
    assert many.check(50_000) == 50_000 and batching.batch_knob(10**7).high == 100_000


def test_an_edit_that_would_leave_no_step_to_learn_in_is_refused(make, live):
    session = make(epochs=3, steps=None, burn_in=9)
    with pytest.raises(InvalidValue, match="leaves no step to learn in"):
        session.edit(batch_size=24)
    before = session.weights()
    session.edit(batch_size=8)
    session.step(9)
    assert torch.equal(session.weights(), before), "a burn-in is so many steps"
    session.edit(batch_size=24)
    assert not torch.equal(live.finish(session).weights(), before)


def test_layers_that_learn_one_after_another_share_the_epochs_as_planned(make, live):
    session = make(network="two", epochs=4, steps=None, schedule="greedy", burn_in=2)
    start = session.weights("block.second")
    session.step(12)
    session.edit(batch_size=8)
    session.step(6)
    assert session.epoch == 2.0 and torch.equal(session.weights("block.second"), start)
    first = session.weights("first")
    session.step(2)
    assert torch.equal(session.weights("block.second"), start), "burn-in of its own"
    live.finish(session)
    assert torch.equal(session.weights("first"), first)
    assert not torch.equal(session.weights("block.second"), start)


def test_it_is_one_for_all_layers_whichever_is_named(make, live, dataset):
    session = make(network="two", endless=True)
    session.step(2)
    assert session.edit(batch_size=6).layer is None
    assert session.edit(batch_size=8, layer="block.second").layer is None
    mixed = session.edit(batch_size=12, delta=0.2, layer="first")
    assert (mixed.layer, mixed.changes["batch_size"]) == ("first", (8, 12))
    assert session.values("block.second")["batch_size"] == 12
    assert session.values("block.second")["delta"] == 0.4
    both = session.edit(batch_size=5, learning_rate=0.01)
    assert both.layer is None and both.changes["batch_size"] == (12, 5)
    session.step(3)
    with live.replay(session, dataset) as again:
        assert live.digest(again) == live.digest(session)


def test_a_rate_for_all_layers_is_judged_by_the_rule_of_each(dataset):
    rules = {
        "first": {"rule": "krotov-hopfield"},
        "block.second": {"rule": "hebbian-anti-hebbian", "variant": "2015"},
    }
    recipe = Recipe(network="two", rules=rules, batch_size=4, steps=10, learning_rate=0.01)
    with Session(recipe, dataset=dataset) as session:
        with pytest.raises(InvalidValue, match="must be at most 1"):
            session.edit(learning_rate=2.0)
        session.step(1)
        assert session.edits == ()


def test_edits_in_line_know_each_other_across_layers(make, hooked, live):
    gate = live.Gate(at=2)
    hooked.hook = staticmethod(gate)
    session = make(network="two", rule="hooked", endless=True)
    session.start()
    assert gate.reached.wait(live.LIMIT)
    one = session.edit(batch_size=6, gain=0.1, layer="first")
    two = session.edit(batch_size=9, gain=0.2, layer="block.second")
    gate.open.set()
    assert two.wait(live.LIMIT)
    session.pause()
    assert one.changes["batch_size"] == (4, 6)
    assert two.changes["batch_size"] == (6, 9)


def test_patches_of_a_convolution_are_drawn_from_the_batch_at_hand(make, live, dataset):
    rule = {"rule": "hard-wta", "patches_per_batch": 40, "learning_rate": 0.01}
    everything = {"patches_per_batch": 0}
    session = make(network="small-conv", rule=rule, endless=True)
    session.step(3)
    session.edit(batch_size=1)  # 16 patches, all of which are then learnt from
    session.step(3)
    session.edit(batch_size=30)
    session.step(3)
    assert session.state == "paused" and torch.isfinite(session.weights()).all()
    with live.replay(session, dataset) as again:
        assert live.digest(again) == live.digest(session)
    for size, same in ((1, True), (30, False)):
        few, every = (make(network="small-conv", rule=r) for r in (rule, rule | everything))
        for one in (few, every):
            one.edit(batch_size=size)
            one.step(1)
        assert torch.allclose(few.weights(), every.weights(), atol=1e-6) is same


def test_a_world_may_be_moved_and_taken_in_larger_batches_at_once(live):
    with Session("clusters-krotov", endless=True) as session:
        noise = session.knobs()["noise"]
        session.step(3)
        session.edit(noise=(noise.low + noise.high) / 4, batch_size=7)
        session.step(40)
        assert session.values()["batch_size"] == 7
        session.restart()
        assert session.values()["batch_size"] == session.recipe.batch_size
        session.step(2)
        assert session.edit(batch_size=200).wait(live.LIMIT)


def test_a_probe_of_a_run_whose_batches_grew_is_that_of_its_weights(make):
    session = make()
    session.step(4)
    session.edit(batch_size=16)
    session.step(2)
    before = session.probe().result(60)
    session.edit(batch_size=3)
    assert session.probe().result(60).accuracy == before.accuracy


def test_a_reduction_is_turned_for_the_batch_at_hand(make):
    """Steps stay as large: the sum of 24 images is 24 times their mean."""
    session = make()
    session.step(1)
    session.edit(batch_size=24)
    session.edit(reduction="mean")
    rate = session.values()["learning_rate"]
    edit = session.edit(reduction="sum")
    assert edit.changes["learning_rate"] == (rate, pytest.approx(rate / 24))


def test_buffers_change_with_an_edit_and_with_nothing_else(make):
    session = make(endless=True)
    places = []
    session.trainer.add_event_handler(
        Events.ITERATION_COMPLETED,
        lambda trainer: places.append(tuple(one.data_ptr() for one in trainer.state.batch)),
    )
    session.step(30)
    session.edit(batch_size=40)
    session.step(30)
    assert len(set(places[:30])) == 1 and len(set(places[30:])) == 1


def test_the_history_counts_an_epoch_as_the_run_does(make):
    """How far units turned is told an epoch later, however many steps that is."""
    session = make(rule={"rule": "hard-wta", "learning_rate": 0.01}, endless=True)
    session.watch(0.0)
    for _ in range(13):
        session.step(1)
        assert session.history["step"][-1] == session.steps, "asked, it waits until it is read"
    session.edit(batch_size=24)
    for _ in range(4):
        session.step(1)
        turned, epochs = session.history["turned"], session.history["epoch"]
    known = [Fraction(e).limit_denominator(100) for e, t in zip(epochs, turned, strict=True) if t]
    assert epochs[-1] == pytest.approx(13 / 12 + 2)
    assert all(e >= 1 for e in known)
