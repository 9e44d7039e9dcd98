"""Long work beside a run: one after another, with progress, cancelled, and no thread left."""

import threading
from concurrent.futures import CancelledError

import pytest
import torch

from hebblab.live.background import Background, Line


@pytest.fixture
def line():
    made = Line("hebblab-test")
    yield made
    made.close()


def waiting(report, stopped):
    report(1, 4, "under way")
    while not stopped():
        pass
    raise CancelledError


def test_one_thing_is_done_after_another_on_one_thread(line, live):
    seen = []

    def work(number):
        def do(report, _stopped):
            seen.append((number, threading.current_thread().name, torch.get_num_threads()))
            report(1, 1, "done")
            return number

        return do

    tasks = [line.add(work(number)) for number in range(5)]
    assert [task.result(live.LIMIT) for task in tasks] == list(range(5))
    assert seen == [(number, "hebblab-test", 1) for number in range(5)]
    assert live.ended() and line.idle
    # A line whose thread has ended takes up work all the same.
    assert line.add(work(5)).result(live.LIMIT) == 5


def test_the_caller_keeps_its_threads(line, live):
    before = torch.get_num_threads()
    line.add(lambda report, stopped: None).result(live.LIMIT)
    assert torch.get_num_threads() == before


def test_what_waits_and_what_is_under_way_can_be_cancelled(line, live):
    first, second = line.add(waiting), line.add(waiting)
    assert second.cancel() and second.cancelled()
    assert first.cancel()
    with pytest.raises(CancelledError):
        first.result(1)
    assert line.add(lambda report, stopped: "next").result(live.LIMIT) == "next"
    assert not first.running() and live.ended()


def test_a_failure_is_the_future_s_and_ends_nothing_else(line, live):
    failed = line.add(lambda report, stopped: 1 / 0)
    after = line.add(lambda report, stopped: "after")
    assert isinstance(failed.exception(live.LIMIT), ZeroDivisionError)
    assert after.result(live.LIMIT) == "after"


def test_a_closed_line_leaves_no_thread_and_takes_nothing_more(live):
    line = Line("hebblab-test", linger=60)
    tasks = [line.add(waiting) for _ in range(3)]
    line.close()
    assert all(task.cancelled() for task in tasks)
    assert live.threads("test") == []
    assert line.add(waiting).cancelled()


def test_the_time_left_is_guessed_from_how_far_it_is():
    now = [0.0]
    task = Background(clock=lambda: now[0])
    told = []

    def work(report, _stopped):
        told.append(task.left)
        now[0] = 10.0
        report(1, 4, "a quarter")
        told.append(task.left)
        now[0] = 30.0
        report(1, 4, "a part that takes long")
        told.append(task.left)
        now[0] = 40.0
        told.append(task.left)
        report(1, 2, "a half")
        told.append(task.left)
        return True

    assert task.left is None
    task.carry_out(work)
    # It counts down, says nothing when the guess has run out, and guesses anew.
    assert told == [None, 30.0, 10.0, None, 40.0] and task.left is None
