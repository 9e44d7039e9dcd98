"""Probes: beside the training, with progress, and cancelled at once."""

import threading
from concurrent.futures import CancelledError, wait

import pytest

from hebblab import InvalidValue, UnknownName, linear_probe


def test_a_probe_is_that_of_the_network_at_its_step(make, live, dataset):
    session = make()
    session.step(10)
    result = session.probe().result(60)
    assert (result.layer, result.split, result.step) == ("hidden", "validation", 10)
    expected = linear_probe(session.model(), dataset, seed=7)
    assert float(result.accuracy) == float(expected.accuracy)
    assert float(result.raw_pixels) == float(expected.raw_pixels)
    for score in (result.accuracy, result.raw_pixels, result.random_features):
        assert 0 <= score.low <= score <= score.high <= 1 and score.n == 30
    assert result.seconds > 0


def test_progress_rises_to_the_whole(make, live):
    session = make()
    session.step()
    probing, seen = session.probe(), []
    while not probing.done():
        seen.append(probing.progress[0])
    seen.append(probing.progress[0])
    assert seen == sorted(seen) and seen[-1] == 1.0
    assert probing.progress[1] == "done" and not probing.running()


def test_probes_run_beside_the_training_and_each_other(make, live):
    session = make(endless=True)
    session.start()
    probings = [session.probe(), session.probe(split="test")]
    steps = session.steps
    results = [one.result(60) for one in probings]
    assert {result.split for result in results} == {"validation", "test"}
    assert session.state == "running"
    assert live.notice(session, steps + 1).wait(live.LIMIT)


@pytest.fixture
def endless_probe(monkeypatch):
    """A probe that goes on until it is cancelled."""
    from hebblab.live import probing

    entered = threading.Event()

    def slow(*arguments, **options):
        report, cancelled = arguments[5], arguments[6]
        report(1, 4, "under way")
        entered.set()
        while not cancelled():
            pass
        raise CancelledError

    monkeypatch.setattr(probing, "linear_probe", slow)
    return entered


def test_a_probe_is_cancelled_while_it_runs(make, live, endless_probe):
    session = make()
    probing, told = session.probe(), []
    probing.add_done_callback(lambda future: told.append(future.cancelled()))
    assert endless_probe.wait(live.LIMIT)
    assert probing.running() and probing.progress == (0.25, "under way")
    assert probing.cancel() and probing.cancel()
    assert probing.cancelled() and told == [True]
    with pytest.raises(CancelledError):
        probing.result(1)
    assert wait([probing], timeout=1).not_done == set()
    probing.join(live.LIMIT)
    assert live.threads("probe") == []
    assert session.state == "ready"


def test_a_probe_that_is_over_cannot_be_cancelled(make):
    probing = make().probe()
    probing.result(60)
    assert not probing.cancel() and not probing.cancelled()


def test_stop_cancels_probes_and_waits_for_them(make, live, endless_probe):
    session = make()
    probings = [session.probe() for _ in range(3)]
    session.stop()
    assert all(one.cancelled() for one in probings)
    assert live.threads() == []


def test_a_probe_may_end_the_session_it_belongs_to(make, live):
    session = make()
    probing = session.probe()
    probing.add_done_callback(lambda future: session.stop())
    probing.result(60)
    probing.join(live.LIMIT)
    assert live.ended() and session.state == "stopped"


def test_a_probe_that_fails_says_so_and_training_goes_on(make, live, monkeypatch):
    from hebblab.live import probing

    def fail(*arguments, **options):
        raise InvalidValue("no features here")

    monkeypatch.setattr(probing, "linear_probe", fail)
    session = make()
    with pytest.raises(InvalidValue, match="no features here"):
        session.probe().result(10)
    session.step()
    assert session.state == "paused"


def test_unknown_names_are_refused_at_once(make):
    session = make()
    with pytest.raises(UnknownName, match="validation"):
        session.probe(split="validaton")
    with pytest.raises(UnknownName, match="hidden"):
        session.probe(layer="readout")


@pytest.mark.parametrize("network", ["two", "small-conv"])
def test_every_layer_can_be_probed_of_finished_and_stopped_runs(make, live, network):
    session = live.finish(make(network=network, rule="oja"))
    session.stop()
    for layer in session.layers:
        assert session.probe(layer).result(60).layer == layer
