"""Who is there, and how often a page is told anything."""

import pytest

from hebblab.dashboard.pulse import Pulse, spared


@pytest.fixture
def clock():
    return [50.0]


@pytest.fixture
def pulse(clock):
    return Pulse(lambda: clock[0])


def test_a_hand_is_at_the_page_for_two_seconds(pulse, clock):
    clock[0] += 10
    assert not pulse.at_hand()
    pulse.touched()
    assert pulse.at_hand()
    clock[0] += 1.9
    assert pulse.at_hand()
    clock[0] += 0.2
    assert not pulse.at_hand()


def test_a_page_is_there_until_it_has_been_silent_for_a_minute(pulse, clock):
    assert not pulse.present() and not pulse.lost()
    pulse.answered()
    clock[0] += 59
    assert pulse.present()
    clock[0] += 2
    assert pulse.lost() and not pulse.present()


def test_slower_pages_are_told_less_and_never_more_often_than_the_pace():
    for pace in (0.1, 0.5, 8.0):
        waits = [spared(pace, latency / 20) for latency in range(60)]
        assert waits == sorted(waits) and waits[0] == pace
        assert waits[-1] == max(pace, 5.0)
    for latency in (0.2, 0.4, 0.8):
        assert latency / spared(0.1, latency) < 0.34, "a busy computer's page takes a third of it"
