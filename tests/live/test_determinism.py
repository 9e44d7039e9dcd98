"""Equal recipes give equal bits, whatever else the process does."""

import subprocess
import sys
import threading

import pytest
import torch

from hebblab import Session

PRESET = {"steps": 45}


def _preset_run(live, digits, **changes):
    with Session("mnist-krotov", dataset=digits, **{**PRESET, **changes}) as session:
        session.step(20)
        session.edit(p=3.0, delta=0.2)
        session.edit(reduction="mean")
        return live.digest(live.finish(session))


@pytest.fixture(scope="module")
def expected(digits):
    import hashlib

    with Session("mnist-krotov", dataset=digits, **PRESET) as session:
        session.step(20)
        session.edit(p=3.0, delta=0.2)
        session.edit(reduction="mean")
        session.step(25)
        found = hashlib.sha256()
        for name, tensor in session.model().state_dict().items():
            found.update(name.encode() + tensor.numpy().tobytes())
        return found.hexdigest()


PROCESS = """
import hashlib
from hebblab import Session
with Session("mnist-krotov", steps=45) as session:
    session.step(20)
    session.edit(p=3.0, delta=0.2)
    session.edit(reduction="mean")
    session.start()
    session.wait()
    found = hashlib.sha256()
    for name, tensor in session.model().state_dict().items():
        found.update(name.encode() + tensor.numpy().tobytes())
    print(found.hexdigest())
"""


def test_a_process_of_its_own_gives_the_same_bits(expected):
    found = subprocess.run(
        [sys.executable, "-c", PROCESS], capture_output=True, text=True, timeout=100, check=True
    )
    assert (found.stdout.strip(), found.stderr) == (expected, "")


def test_another_seed_gives_other_bits(live, digits, expected):
    assert _preset_run(live, digits, seed=2) != expected


def test_neighbours_that_draw_seed_and_set_threads_change_nothing(live, digits, expected):
    """Two sessions at once, and a thread that does everything a neighbour should not."""
    over = threading.Event()

    def disturb():
        n = 0
        while not over.is_set():
            n += 1
            torch.manual_seed(n)
            torch.rand(10)
            torch.set_num_threads(1 + n % 2)
            torch.set_flush_denormal(bool(n % 2))

    neighbour = threading.Thread(target=disturb)
    found = {}

    def run(which):
        found[which] = _preset_run(live, digits)

    runs = [threading.Thread(target=run, args=(which,)) for which in range(2)]
    threads = torch.get_num_threads()
    state = torch.get_rng_state()
    try:
        for one in (neighbour, *runs):
            one.start()
        for one in runs:
            one.join(60)
    finally:
        over.set()
        neighbour.join(10)
        torch.set_num_threads(threads)
        torch.set_rng_state(state)
    assert found == {0: expected, 1: expected}


def test_the_global_generator_is_left_as_it_was(make, live):
    before = torch.get_rng_state()
    session = live.finish(make())
    session.restart(3)
    session.step(2)
    session.edit(reduction="sum")
    session.frame()
    session.probe().result(60)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("mode", ["no_grad", "inference_mode", "autocast", "float64", "denormals"])
def test_modes_of_the_caller_change_nothing(live, digits, expected, mode):
    contexts = {
        "no_grad": torch.no_grad,
        "inference_mode": torch.inference_mode,
        "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    }
    try:
        if mode == "float64":
            torch.set_default_dtype(torch.float64)
        if mode == "denormals":
            torch.set_flush_denormal(True)
        if mode in contexts:
            with contexts[mode]():
                found = _preset_run(live, digits)
        else:
            found = _preset_run(live, digits)
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_flush_denormal(False)
    assert found == expected


def test_large_networks_do_not_depend_on_the_default_dtype(live, digits):
    """Where the fused way is taken."""
    found = set()
    try:
        for dtype in (torch.float32, torch.float64):
            torch.set_default_dtype(dtype)
            options = {"network": "dense-400", "batch_size": 600, "steps": 6, "k": 7}
            with Session("mnist-krotov", dataset=digits, **options) as session:
                session.step(3)
                session.edit(p=3.0)
                live.finish(session)
                assert session.state == "finished", session.traceback
                found.add(live.digest(session))
    finally:
        torch.set_default_dtype(torch.float32)
    assert len(found) == 1


def test_a_session_made_in_inference_mode_can_be_looked_at(make, live):
    with torch.inference_mode():
        session = live.finish(make())
        assert session.history["step"][-1] == 40
        session.restart()
    assert live.finish(session).history["step"][-1] == 40
    assert session.reading_error is None
    assert session.probe().result(60).step == 40
    assert not session.model().hidden.weight.is_inference()


def test_a_restart_after_a_failure_starts_from_clean_buffers(live, digits):
    """The fused way remembers rows between steps; new weights must not meet old memories."""

    def break_it(session):
        session._loop.run.model.hidden.weight.data[3] = float("nan")
        session.step()
        assert session.state == "failed"

    options = {"network": "dense-400", "batch_size": 600, "steps": 5, "p": 3.0, "k": 7}
    with Session("mnist-krotov", dataset=digits, **options) as session:
        session.step(3)
        break_it(session)
        session.restart()
        live.finish(session)
        with Session("mnist-krotov", dataset=digits, **options) as fresh:
            assert live.digest(live.finish(fresh)) == live.digest(session)


@pytest.mark.parametrize("speed", [3000.0, 100_000.0])
def test_a_speed_limit_changes_no_bit(make, live, speed):
    free, limited = live.finish(make()), make()
    limited.speed = speed
    assert live.digest(live.finish(limited)) == live.digest(free)


def test_looking_and_probing_change_no_bit(make, live):
    alone, watched = live.finish(make(steps=60)), make(steps=60)
    watched.watch(0.0)
    probings = []
    for _ in range(20):
        watched.step(2)
        watched.frame(), watched.history, watched.weights()
        if len(probings) < 2:
            probings.append(watched.probe())
    watched.step(20)
    assert [one.result(60).step for one in probings] == [2, 4]
    assert live.digest(watched) == live.digest(alone)


def test_a_frame_is_one_moment_of_the_run(make, live, dataset):
    session = make(endless=True)
    session.start()
    frames = []
    for _ in range(6):
        assert live.notice(session, session.steps + 2).wait(live.LIMIT)
        session.edit(delta=0.1 * (1 + len(frames) % 5))
        frames.append(session.frame())
    session.pause()
    for frame in frames:
        again = live.replay(session, dataset, steps=frame.step)
        if not any(edit.applied_at == frame.step for edit in session.edits):
            assert frame.values == again.values()
        assert torch.equal(frame.weights, again.weights())
        assert torch.equal(frame.tensors["hidden.weight"], frame.weights)
        assert frame.epoch == frame.step / 12


def test_a_frame_is_the_viewers_own(make):
    session = make()
    session.step(2)
    frame, before = session.frame(), session.weights()
    frame.weights.fill_(9)
    frame.rule.delta = 1.0
    assert torch.equal(session.weights(), before) and session.values()["delta"] == 0.4
    kept = session.frame().weights
    copy = kept.clone()
    session.step(3)
    assert torch.equal(kept, copy)


def test_neither_speed_nor_threads_of_two_sessions_mix(make, hooked, live):
    counts = {}

    def look(step):
        counts.setdefault(threading.current_thread(), torch.get_num_threads())

    hooked.hook = staticmethod(look)
    one, two = make(rule="hooked", threads=1), make(rule="hooked", threads=3)
    before = torch.get_num_threads()
    one.speed = 50.0
    one.step(2)
    two.step(2)
    fresh = []
    other = threading.Thread(target=lambda: fresh.append(torch.get_num_threads()))
    other.start()
    other.join(10)
    assert sorted(counts.values()) == [1, 3]
    assert torch.get_num_threads() == before
    assert fresh == [before], "threads to come are as they would have been"
    assert (one.speed, two.speed) == (50.0, None)
