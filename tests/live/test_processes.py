"""Processes that end while a session does something: quietly, and with their own exit code."""

import json
import os
import signal
import subprocess
import sys

import pytest

START = """
import threading, sys, time
import hebblab as hl
from ignite.engine import Events
def started(session):
    event = threading.Event()
    session.trainer.add_event_handler(Events.ITERATION_COMPLETED, event.set)
    session.start()
    assert event.wait(60)
"""

ENDS = {
    "running": "s = hl.Session('mnist-krotov', network='dense-400', endless=True); started(s)",
    "paced": "s = hl.Session('mnist-krotov', endless=True, speed=0.1); started(s)",
    "paused": "s = hl.Session('mnist-krotov', endless=True); started(s); s.pause()",
    "dropped": "s = hl.Session('mnist-krotov', endless=True); started(s); del s",
    "reading": """
s = hl.Session('mnist-krotov', network='dense-400', endless=True); s.watch(0.0); started(s)
end = time.monotonic() + 60
while s.reading() is None and time.monotonic() < end: time.sleep(0.001)
""",
    "probing": """
s = hl.Session('mnist-krotov'); s.step(2); probing = s.probe()
end = time.monotonic() + 60
while probing.progress[0] == 0 and time.monotonic() < end: time.sleep(0.001)
""",
    "failed": """
@hl.rules.register
class Broken(hl.Rule):
    name = "broken"
    def update(self, inputs, weights):
        raise ValueError("broken")
s = hl.Session('mnist-krotov', rule='broken'); s.start(); s.wait()
assert s.state == 'failed'
""",
    "exit code 7": "s = hl.Session('mnist-krotov', endless=True); started(s); sys.exit(7)",
}


# One process imports torch; each way to end is a fork of it that goes on to the very end.
FORKS = """
import json, os, sys, tempfile
import hebblab as hl
from hebblab.live import Session
found = {}
for name, code in json.loads(sys.argv[1]).items():
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            exec(code)
            sys.exit()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        found[name] = [status, said.read().decode()]
print(json.dumps(found))
"""


def _start(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def ended():
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    process = _start(FORKS, json.dumps({name: START + code for name, code in ENDS.items()}))
    out, err = process.communicate(timeout=110)
    assert process.returncode == 0, err
    return json.loads(out)


@pytest.mark.parametrize("way", ENDS)
def test_a_process_ends_quietly(ended, way):
    assert ended[way] == [7 if way == "exit code 7" else 0, ""]


def test_an_interrupt_reaches_the_waiting_and_the_run_goes_on():
    # It is sent once the main thread has come to rest in its call: within threading's own code.
    code = """
import traceback
s = hl.Session('mnist-krotov', endless=True); started(s)
def rests():
    frame = sys._current_frames()[threading.main_thread().ident]
    files = [f.filename for f in traceback.extract_stack(frame)]
    called = any('hebblab' in file for file in files)
    return s.state == 'running' and called and files[-1] == threading.__file__
def tell():
    while not rests():
        time.sleep(0.01)
    print('waiting', flush=True)
def interrupted(call):
    threading.Thread(target=tell).start()
    try:
        call()
    except KeyboardInterrupt:
        print(s.state, flush=True)
interrupted(s.wait)
s.pause()
interrupted(lambda: s.step(10_000_000))
steps = s.steps
s.pause(); s.step(3); s.stop()
print(s.state, s.steps >= steps + 3, flush=True)
"""
    process = _start(START + code)
    try:
        said = []
        for _ in range(2):
            assert process.stdout.readline() == "waiting\n"
            os.kill(process.pid, signal.SIGINT)
            said.append(process.stdout.readline())
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert said == ["running\n", "running\n"]
    assert (out, err, process.returncode) == ("stopped True\n", "", 0)
