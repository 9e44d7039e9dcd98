"""The time of an epoch: ours, and implementations that may not be here."""

import pytest

from hebblab.experiments.papers import peers, timing
from hebblab.experiments.papers.paper import NotRun


def test_an_implementation_that_is_not_here_says_where_to_get_it(
    digits, told, monkeypatch, tmp_path
):
    settings = timing.Settings(batches=2, units=20, batch=100)
    monkeypatch.delenv(peers.VARIABLE, raising=False)
    with pytest.raises(NotRun, match="names no folder"):
        told(timing, digits, settings, timing.FRAMEWORK)
    monkeypatch.setenv(peers.VARIABLE, str(tmp_path))
    with pytest.raises(NotRun, match="clone https"):
        told(timing, digits, settings, timing.NOTEBOOK)
    (ours,) = told(timing, digits, settings, timing.OURS)
    assert ours.numbers[timing.CPU] > 0
    assert ours.about["threads"] == 1
