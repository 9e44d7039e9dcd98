"""A real server, and a real browser before it, for the benchmarks that need them."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from hebblab.serving.nursery import KERNEL_TITLE

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--enable-precise-memory-info",
]


@contextlib.contextmanager
def server(*options: str) -> Iterator[tuple[str, psutil.Process]]:
    """Run `hebblab serve` on a free port; give its address and process."""
    command = [sys.executable, "-m", "hebblab", "serve", "--no-browser", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    if not re.match(r"https?://", address):
        process.kill()
        raise SystemExit(f"hebblab serve did not answer: {address!r}")
    try:
        yield address, psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        process.stdout.close()


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Give a headless Chromium: the one on the PATH, else Playwright's own."""
    found = next(
        (
            shutil.which(name)
            for name in ("chromium", "chromium-browser", "google-chrome")
            if shutil.which(name)
        ),
        None,
    )
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        try:
            yield made
        finally:
            made.close()


def usable(page: Page, address: str, timeout: float = 120_000) -> None:
    """Open the dashboard and wait until its weight images stand and Start can be pressed."""
    page.goto(address, wait_until="commit", timeout=timeout)
    page.wait_for_selector(".hebblab-weights canvas", timeout=timeout)
    page.wait_for_function(
        "() => { const b = document.querySelector('.hebblab-start button, button.hebblab-start');"
        " return b && !b.disabled; }",
        timeout=timeout,
    )


def kernels(process: psutil.Process) -> list[psutil.Process]:
    """Return the kernels under a server, forked or started by themselves."""
    return [
        child
        for child in process.children(recursive=True)
        if child.name() == KERNEL_TITLE
        or any("ipykernel_launcher" in part for part in child.cmdline())
    ]


def idle_memory(pid: int) -> float:
    """Return the private and shared memory of a process in MB, shared pages by their share."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def private_memory(pid: int) -> float:
    """Return the memory in MB that nobody shares with a process and that its end would free."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    taken = [line.split()[1] for line in lines if line.startswith("Private_")]
    return sum(map(int, taken)) / 1024
