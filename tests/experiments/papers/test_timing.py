"""The time of an epoch: ours, and implementations that may not be here."""

import pytest

from hebblab.experiments.papers import peers, timing
from hebblab.experiments.papers.paper import NotRun


def nothing(*_):
    pass


def value(measured, measure):
    number = measured.numbers[measure]
    return number["value"] if isinstance(number, dict) else number


def only(measured):
    (one,) = measured
    return one


def test_an_implementation_that_is_not_here_says_where_to_get_it(digits, monkeypatch, tmp_path):
    settings = timing.Settings(batches=2, units=20, batch=100)
    monkeypatch.delenv(peers.VARIABLE, raising=False)
    with pytest.raises(NotRun, match="names no folder"):
        only(timing.on(digits, settings, timing.FRAMEWORK, (), 1, nothing))
    monkeypatch.setenv(peers.VARIABLE, str(tmp_path))
    with pytest.raises(NotRun, match="clone https"):
        only(timing.on(digits, settings, timing.NOTEBOOK, (), 1, nothing))
    ours = only(timing.on(digits, settings, timing.OURS, (), 1, nothing))
    assert value(ours, timing.CPU) > 0
    assert ours.about["threads"] == 1
