"""The command line, in this process and in one of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hebblab.cli import app

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def kept(monkeypatch) -> list[bool]:
    """One entry for each time that a command asked to keep the memory it frees.

    Nothing is kept: what is asked of the C library would hold for all tests that follow.
    """
    asked: list[bool] = []
    monkeypatch.setattr("hebblab.live.heap.keep_freed_memory", lambda: asked.append(True))
    return asked


@pytest.fixture
def command(kept) -> Callable:
    """Run a command in this process; `.exit_code`, `.stdout`, `.stderr`."""

    def run(*words: str):
        return CliRunner().invoke(app, list(words), prog_name="hebblab")

    return run


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """An environment in which the package is found, wherever the command runs."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "HEBBLAB_DATA": str(tmp_path / "no-data"),
        "PYTHONIOENCODING": "utf-8",
    }


@pytest.fixture
def process(environment, tmp_path) -> Callable:
    """Run `python -m hebblab …` to its end, in an empty folder."""

    def run(*words: str, **variables: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "hebblab", *words],
            cwd=tmp_path,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=90,
            stdin=subprocess.DEVNULL,
        )

    return run
