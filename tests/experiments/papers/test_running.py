"""Running a paper: cut off it goes on, a full disk keeps what is done, progress ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from hebblab import DataUnavailable
from hebblab.experiments import sweeps
from hebblab.experiments.papers import running

ROOT = Path(__file__).resolve().parents[3]


def test_a_killed_paper_goes_on_to_the_same_table(script, fake, whole, tmp_path):
    place = tmp_path / "fake-2020"
    command = [sys.executable, str(script), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.Popen([*command, "0.4", "1"], env=environment)
    until = time.monotonic() + 60
    while not list(place.glob("*.json")) and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    done = sorted(path.name for path in place.glob("*.json"))
    assert 0 < len(done) < 12
    subprocess.run([*command, "0", "2"], env=environment, check=True, timeout=110)
    assert len(list(place.glob("*.json"))) == 12
    result = fake.run(folder=tmp_path)
    pd.testing.assert_frame_equal(result.table, whole.table)
    assert result.claims == whole.claims


class Stopped(Exception):
    pass


def test_processes_begin_deaf_to_interrupts_and_ready(fake, monkeypatch):
    begun, told = [], []

    def pool(workers, context, begin):
        assert (workers, context.get_start_method()) == (2, "spawn")
        begun.append(begin)
        raise Stopped

    monkeypatch.setattr(running, "ProcessPoolExecutor", pool)
    with pytest.raises(Stopped):
        fake.run(jobs=2)
    monkeypatch.setattr(running, "ready", lambda: told.append("ready"))
    monkeypatch.setattr(running.signal, "signal", lambda *given: told.append(given))
    begun[0]()
    assert told == [(signal.SIGINT, signal.SIG_IGN), "ready"]


def test_a_full_disk_says_so_and_keeps_finished_cells(fake, tmp_path, monkeypatch):
    fake.run(cells=["ours"], seeds=1, folder=tmp_path)
    before = sorted(path.name for path in (tmp_path / "fake-2020").iterdir())

    def full(_part, _path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sweeps.os, "replace", full)
    with pytest.raises(DataUnavailable, match="No space left"):
        fake.run(folder=tmp_path)
    assert sorted(path.name for path in (tmp_path / "fake-2020").iterdir()) == before


def test_a_page_that_cannot_be_written_leaves_the_one_before(whole, tmp_path, monkeypatch):
    page = whole.write(tmp_path)
    before = page.read_text()
    kept = Path.write_text

    def full(path, text, **given):
        kept(path, text[:100], **given)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(DataUnavailable, match=r"page .* No space left"):
        whole.write(tmp_path)
    assert page.read_text() == before
    assert list(tmp_path.iterdir()) == [page]


def test_progress_counts_to_the_end_in_seconds_of_work(fake):
    heard = []
    fake.run(cells=["ours", "theirs"], progress=lambda *said: heard.append(said))
    done, total, text = heard[-1]
    assert done == total == pytest.approx(9.0)
    assert text.startswith("12 of 12 cells")
    assert [one for one, *_ in heard] == sorted(one for one, *_ in heard)
