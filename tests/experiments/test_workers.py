"""Processes of a pool end with the process that they compute for, however that ends."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

POOL = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from hebblab.experiments.workers import ready

pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), ready)
pool.submit(os.getpid).result()
print("at work", flush=True)
time.sleep(600)
"""


def test_a_process_ends_when_its_parent_is_killed():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, "-c", POOL], env=environment, stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b"at work\n"
    parent.kill()
    # The pipe ends when the last of those that may write to it has ended.
    rest, _ = parent.communicate(timeout=60)
    assert rest == b""
