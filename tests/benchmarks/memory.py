"""Memory: a live kernel at rest, and what ten minutes of training with an open page add."""

import subprocess
import sys
import time

from hebblab.serving.nursery import KERNEL_TITLE

from .figures import Figure
from .served import browser, idle_memory, kernels, private_memory, server, usable

MINUTES = 10
_STAGES = (
    ("Python", "pass"),
    ("torch", "import torch"),
    ("ignite", "import ignite.engine"),
    ("the kernel and its widgets", "import ipykernel.kernelapp, ipywidgets, anywidget"),
    ("hebblab with its session", "import hebblab as hl; lab = hl.Lab()"),
    ("what it needs to learn", "lab.session.step(600)"),
)


def measure() -> list[Figure]:
    """Return resident memory with its parts, and growth over ten minutes."""
    with server() as (address, process), browser() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        session = page.context.new_cdp_session(page)
        usable(page, address)
        page.locator(".hebblab-start").click()
        kernel = max(kernels(process), key=lambda one: one.cpu_times().user)
        resident, heap = [], []
        started = time.monotonic()
        while time.monotonic() - started < 60 * MINUTES:
            time.sleep(15)
            resident.append(kernel.memory_info().rss / 2**20)
            session.send("HeapProfiler.collectGarbage")
            heap.append(page.evaluate("() => performance.memory.usedJSHeapSize") / 2**20)
        own, share = private_memory(kernel.pid), idle_memory(kernel.pid)
        forked = kernel.name() == KERNEL_TITLE
    return [
        Figure(
            "ten minutes of training with an open page: growth after the first minute",
            f"kernel {resident[-1] - resident[3]:+.1f} MB, "
            f"browser heap {heap[-1] - heap[3]:+.1f} MB",
            "each < 20 MB",
        ),
        *kernel_memory(own if forked else None, share),
    ]


def kernel_memory(own: float | None, share: float) -> list[Figure]:
    """Return the row on a kernel's memory.

    Args:
        own: MB that a forked kernel shares with nobody; None where none is forked.
        share: MB of it with its part of what it shares.
    """
    total, parts = _parts()
    words = f"{total:.0f} MB by itself ({parts})"
    students = f"{total:.0f} MB"
    if own is not None:
        words += f"; forked by `hebblab serve` {own:.0f} MB of its own, {share:.0f} MB with a share"
        students = f"{own:.0f} MB on Linux, where kernels are forked; {total:.0f} MB elsewhere"
    return [
        Figure(
            "resident memory of a live kernel on `mnist-5k`",
            words,
            "< 400 MB with the CPU wheel",
            (("kernel-memory", students),),
        )
    ]


def _parts() -> tuple[float, str]:
    """Return MB in all, and of what, import by import, in processes of their own."""
    words, code, before = [], "", 0.0
    for name, line in _STAGES:
        code += line + "\n"
        tell = "import psutil; print(psutil.Process().memory_info().rss / 2**20)"
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code + tell],
            capture_output=True,
            text=True,
            check=True,
        )
        now = float(done.stdout.strip().splitlines()[-1])
        words.append(f"{name} {now - before:.0f}")
        before = now
    return before, ", ".join(words)
