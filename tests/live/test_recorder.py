"""Readings and the history: off the training thread, of one length, never in its way."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

from hebblab import Session, metrics, networks
from hebblab.data import as_floats
from hebblab.live.recorder import Recorder
from hebblab.nn import PatchConv2d, RePU


def test_the_history_has_one_length_and_rising_steps(make, live):
    session = make(steps=300)
    session.watch(0.0)
    live.finish(session)
    history = session.history
    assert {len(series) for series in history.values()} == {len(history["step"])}
    assert history["step"][0] == 0 and history["step"][-1] == 300
    assert history["step"] == sorted(set(history["step"]))
    assert history["epoch"] == [step / 12 for step in history["step"]]


def test_the_last_point_is_there_when_the_run_is_over(make, live, dataset, recipe):

    with Session(recipe(), dataset=dataset) as session:
        live.finish(session)
    assert session.history["step"][-1] == 40
    assert session.reading().frame.step == 40


def test_every_step_by_hand_is_a_point(make):
    session = make()
    for _ in range(5):
        session.step()
        assert session.history["step"][-1] == session.steps
        assert session.reading().frame.step == session.steps


def _read(session):
    """Return the reading of the present, once it is there."""
    assert session.history["step"][-1] == session.steps
    return session.reading()


def test_convergence_is_undefined_where_no_norm_is_held(make):
    instar, krotov = make(rule="instar"), make()
    for session in (instar, krotov):
        session.step(30)
    assert set(instar.history["convergence"]) == {None}
    assert instar.reading().convergence is None and instar.reading().norm_p == 2.0
    assert None not in krotov.history["convergence"]
    assert set(krotov.history["turned"]) == {None}


def test_turned_is_known_after_an_epoch(make):
    session = make(rule="instar")
    for _ in range(4):
        session.step(6)
    turned = session.history["turned"]
    assert turned[:2] == [None, None], "steps 0 and 6 of an epoch of 12"
    assert all(share is not None for share in turned[2:]) and len(turned) == 5


def test_a_restart_clears_history_and_reading(make):
    session = make()
    session.step(20)
    session.restart()
    assert session.reading() is None
    assert {len(series) for series in session.history.values()} == {0}
    session.step(3)
    assert session.history["step"] == [0, 3]


@pytest.mark.parametrize("network", ["tiny", "two", "small-conv"])
def test_a_reading_says_what_the_measures_say(make, dataset, network):
    session = make(network=network, rule={"rule": "krotov-hopfield", "p": 3.0})
    layer = session.layers[-1]
    session.watch(None, layer=layer)
    session.step(8)
    session.edit(n=2.5, layer=layer)
    session.step(4)
    reading, weights, model = _read(session), session.weights(layer), session.model().eval()
    assert reading.frame.step == 12 and reading.frame.layer == layer
    assert torch.equal(reading.frame.weights, weights)
    assert reading.convergence == metrics.convergence(weights, 3.0).converged
    assert reading.norms.tolist() == metrics.norms(weights, 3.0).tolist()
    assert reading.effective_rank == metrics.effective_rank(weights)
    assert reading.likeness == pytest.approx(metrics.likeness(weights))
    assert reading.near_duplicates == metrics.near_duplicates(weights)
    inputs, outputs = [], []
    target = model.get_submodule(layer)
    target.register_forward_pre_hook(lambda _module, given: inputs.append(given[0]))
    activation = {"tiny": "activation", "two": "block.two", "small-conv": "activation"}[network]
    model.get_submodule(activation).register_forward_hook(
        lambda _module, _given, out: outputs.append(out.clone())
    )
    with torch.no_grad():
        model(as_floats(dataset.validation))
    active = outputs[0].gt(0).float()
    samples = active if active.ndim == 2 else active.permute(0, 2, 3, 1).flatten(0, 2)
    assert reading.active == pytest.approx(samples.mean(0).numpy(), abs=1e-6)
    assert reading.activations.mean == pytest.approx(float(outputs[0].mean()), rel=1e-4)
    assert reading.sample == len(dataset.validation)
    wins = reading.activations.wins
    assert reading.answers.sum(1).tolist() == wins.tolist()
    assert wins.sum() == len(samples)


def test_nobody_is_called_a_loser_before_step_300(make, monkeypatch):
    session = make(steps=700, learning_rate=0.0, rule={"rule": "oja", "init": "uniform(0, 1)"})
    session._loop.run.model.hidden.weight.data[3].zero_()
    for steps in (100, 199):
        session.step(steps)
        assert _read(session).never_win == 0 and _read(session).winning.all()
    session.step(1)
    reading = _read(session)
    assert not reading.winning[3] and reading.never_win >= 1 / 8
    assert (reading.activations.wins.numpy()[~reading.winning] == 0).all()


class Slow:
    """A reader that takes as long as the test wants."""

    def __init__(self, reader, error=None):
        self.reader, self.error = reader, error
        self.entered, self.open = threading.Event(), threading.Event()

    def read(self, frame):
        self.entered.set()
        assert self.open.wait(20)
        if self.error is not None:
            raise self.error
        return self.reader.read(frame)

    def anew(self):
        return self.reader.anew()


def test_a_slow_reading_does_not_hold_up_training(make, live):
    session = make(endless=True)
    recorder = session._loop.recorder
    recorder.reader = slow = Slow(recorder.reader)
    session.watch(0.0)
    session.start()
    assert slow.entered.wait(live.LIMIT)
    assert live.notice(session, session.steps + 200).wait(live.LIMIT)
    assert session.reading() is None
    session.pause()
    slow.open.set()
    steps = session.history["step"]
    assert steps == [0, session.steps], "frames that nobody had time for were not taken"


def test_a_restart_does_not_wait_for_a_reading_and_does_not_hear_it(make, live):
    session = make()
    recorder = session._loop.recorder
    recorder.reader = slow = Slow(recorder.reader)
    session.step(5)
    assert slow.entered.wait(live.LIMIT)
    session.restart()
    slow.open.set()
    assert session.history["step"] == [] and session.reading() is None
    session.step(2)
    assert session.history["step"] == [0, 2]


@pytest.mark.parametrize("error", [ValueError("no measure"), SystemExit(2), MemoryError()])
def test_a_measure_that_fails_is_said_and_training_goes_on(make, live, tmp_path, error):
    session = make()
    recorder = session._loop.recorder
    reader = recorder.reader
    recorder.reader = slow = Slow(reader, error)
    slow.open.set()
    session.step(3)
    assert session.history["step"] == []
    assert session.reading_error is error
    session.save(tmp_path / "run")
    recorder.reader = reader
    session.step(2)
    assert session.history["step"] == [5] and session.reading_error is None
    assert live.finish(session).state == "finished"


def test_steps_faster_than_their_readings_do_not_pile_up(make, live):
    session = make()
    recorder = session._loop.recorder
    recorder.reader = slow = Slow(recorder.reader)
    session.step()
    assert slow.entered.wait(live.LIMIT)
    for _ in range(30):
        session.step()
    assert len(recorder._waiting) <= 8
    slow.open.set()
    assert session.history["step"][-1] == 31


def test_long_histories_are_thinned_where_they_are_old(make, monkeypatch):
    from hebblab.live import recorder

    monkeypatch.setattr(recorder, "_LONGEST", 20)
    session = make(steps=60)
    for _ in range(50):
        session.step()
    steps = session.history["step"]
    assert len(steps) <= 20 and steps[-5:] == [46, 47, 48, 49, 50] and steps[0] == 0
    assert {len(series) for series in session.history.values()} == {len(steps)}


def test_reading_takes_its_share_of_a_core_and_no_more(make):
    """A reading that took a second is followed by nine without one."""

    class Clock:
        now = 0.0

        def __call__(self):
            return self.now

    session, clock = make(), Clock()
    reader = session._loop.recorder.reader

    class Long:
        def read(self, frame):
            clock.now += 1.0
            return reader.read(frame)

    recorder = Recorder(Long(), threaded=False, clock=clock)
    recorder.pace = 0.1
    assert recorder.due()
    recorder.take(session.frame())
    clock.now = 9.9
    assert not recorder.due()
    clock.now = 10.1
    assert recorder.due()
    recorder.take(session.frame())
    recorder.watch(0.1)
    clock.now += 0.2
    assert recorder.due(), "a page that opens does not wait for the old pace"
    recorder.take(session.frame(), 0.5)
    clock.now += 13.4
    assert not recorder.due(), "what training waited for the frame counts, too"
    clock.now += 0.2
    assert recorder.due()


def test_an_edit_at_rest_is_seen_at_once_and_the_curve_keeps_what_was(make):
    session = make()
    session.step(10)
    before = session.history
    for p in (2.5, 3.0, 4.0):
        session.edit(p=p)
    assert session.history == before
    reading = session.reading()
    assert (reading.norm_p, reading.frame.step, reading.frame.values["p"]) == (4.0, 10, 4.0)
    assert torch.equal(reading.frame.weights, session.weights())


def test_the_watched_layer_is_the_one_that_is_read(make):
    session = make(network="two", rule="oja")
    session.step(3)
    assert _read(session).frame.layer == "first"
    session.watch(0.1, layer="block.second")
    assert session.history["step"] == [3]
    session.step(3)
    assert _read(session).frame.layer == "block.second"
    assert session.history["step"] == [3, 6]
    assert session.reading("first").frame.step == 3


def test_another_layer_is_read_at_once_while_a_run_rests(live):
    with Session("mnist-hard-wta", network="softhebb-cnn-quarter", batch_size=2) as session:
        session.step(2)
        assert session.reading("conv2") is None
        session.watch(0.2, "conv2")
        assert session.history["step"] == [2]
        assert session.reading().frame.layer == "conv2"
        session.watch(0.2, "conv2")
        assert session.history["step"] == [2]


def test_before_the_first_step_no_layer_is_read():
    with Session("mnist-hard-wta", network="softhebb-cnn-quarter", batch_size=2) as session:
        session.watch(0.2, "conv3")
        assert session.reading() is None
        session.step(1)
        assert session.history["step"][-1] == 1
        assert session.reading("conv1") is None


def test_what_a_frame_costs_training_is_told(make, monkeypatch):
    session = make()
    loop, told = session._loop, []
    seconds = iter(range(1000))
    monkeypatch.setattr(loop, "_clock", lambda: float(next(seconds)))
    monkeypatch.setattr(loop.recorder, "take", lambda frame, taken: told.append(taken))
    session.step()
    assert told and set(told) == {1.0}


@pytest.mark.parametrize(
    "rule",
    [
        {"rule": "soft-wta", "similarity": "dot"},
        {"rule": "softhebb"},
        {"rule": "hebb", "competition": "softmax", "similarity": "dot"},
    ],
)
def test_the_share_of_the_winner_is_the_largest_of_the_softmax(make, rule):
    shares = []
    for temperature in (0.05, 1.0, 10.0):
        session = make(rule=rule | {"temperature": temperature})
        session.step(3)
        session.history  # noqa: B018 (waits for the reading)
        reading = session.reading(session.layers[-1])
        inputs = as_floats(session.dataset.validation, limit=reading.sample).flatten(1).double()
        logits = (inputs @ reading.frame.weights.double().T).numpy() / temperature
        soft = np.exp(logits - logits.max(axis=1, keepdims=True))
        assert reading.winner_share == pytest.approx((1 / soft.sum(axis=1)).mean(), rel=1e-4)
        shares.append(reading.winner_share)
    assert shares == sorted(shares, reverse=True) and shares[0] > 1.2 * shares[-1]


def test_units_of_a_group_share_among_themselves(make):
    def build(image_shape, classes):
        return nn.Sequential(
            nn.PixelUnshuffle(2),
            PatchConv2d(4, 6, 2, groups=2, bias=False),
            RePU(),
            nn.Flatten(),
            nn.Linear(6 * 4, classes),
        )

    networks.register("in-groups", build)
    try:
        session = make(network="in-groups", rule={"rule": "softhebb", "temperature": 10.0})
        session.step(1)
        session.history  # noqa: B018
        share = session.reading(session.layers[-1]).winner_share
    finally:
        networks.unregister("in-groups")
    assert 1 / 3 <= share < 0.45, "of three units, where they answer nearly alike"


@pytest.mark.parametrize("rule", ["krotov-hopfield", "hard-wta", "hebb"])
def test_where_units_share_nothing_the_winner_has_no_share(make, rule):
    session = make(rule=rule)
    session.step(1)
    session.history  # noqa: B018
    assert session.reading(session.layers[-1]).winner_share is None
