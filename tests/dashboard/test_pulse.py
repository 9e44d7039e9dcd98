"""Who is there, and how often a page is told anything."""

import pytest

from hebblab.dashboard import views
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


def test_a_run_is_untouched_after_five_minutes_without_a_hand(pulse, clock):
    clock[0] += 299.5
    assert not pulse.untouched()
    clock[0] += 0.5
    assert pulse.untouched()
    pulse.touched()
    assert not pulse.untouched()


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


def rates(pulse, clock, seconds_a_step, until, every=0.1):
    """What the page is told, at every look."""
    began, told = clock[0], []
    while clock[0] - began < until:
        told.append(pulse.rate(int((clock[0] - began) / seconds_a_step + 1e-9)))
        clock[0] += every
    return told


@pytest.mark.parametrize("seconds_a_step", [1 / 500, 1 / 60, 0.4, 3.0, 11.0])
def test_the_rate_is_told_of_quick_and_of_slow_steps(pulse, clock, seconds_a_step):
    told = rates(pulse, clock, seconds_a_step, max(6.0, 4 * seconds_a_step))
    settled = told[len(told) // 2 :]
    assert settled == pytest.approx([1 / seconds_a_step] * len(settled), rel=0.06)


def test_the_rate_falls_while_a_step_does_not_end(pulse, clock):
    assert rates(pulse, clock, 0.1, 5.0)[-1] == pytest.approx(10, rel=0.05)
    stuck = []
    for _ in range(8):
        clock[0] += 1.0
        stuck.append(pulse.rate(49))
    assert stuck == sorted(stuck, reverse=True) and stuck[-1] < 3
    pulse.forget_rate()
    assert pulse.rate(50) == 0.0


def test_a_new_run_begins_with_a_rate_of_its_own(pulse, clock):
    rates(pulse, clock, 0.01, 3.0)
    assert pulse.rate(0) == 0.0
    clock[0] += 1.0
    assert pulse.rate(5) == 5.0


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.0, "0"), (0.0312, "0.031"), (0.5, "0.5"), (6.02, "6.0"), (1234.5, "1,234")],
)
def test_a_rate_is_never_rounded_to_nothing(rate, text):
    assert views._rate(rate) == text


def test_steps_of_seconds_are_told_in_seconds():
    class Run:
        state, total_steps, steps = "running", 100, 40

    assert views._left(Run(), 0.2) == "a step every 5 s · 5 min left"
    assert views._left(Run(), 20.0) == "3 s left"
    Run.state = "paused"
    assert views._left(Run(), 0.2) == "60 steps left"
