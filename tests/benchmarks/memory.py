"""Memory: a live kernel at rest, and what ten minutes of training with an open page add."""

import subprocess
import sys
import time

from .figures import Figure
from .served import browser, kernels, server, usable

MINUTES = 10
_STAGES = (
    ("Python", "pass"),
    ("torch", "import torch"),
    ("ignite", "import ignite.engine"),
    ("the kernel and its widgets", "import ipykernel.kernelapp, ipywidgets, anywidget"),
    ("hebblab with its session", "import hebblab as hl; lab = hl.Lab()"),
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
    return [
        Figure(
            "ten minutes of training with an open page: growth after the first minute",
            f"kernel {resident[-1] - resident[3]:+.1f} MB, "
            f"browser heap {heap[-1] - heap[3]:+.1f} MB",
            "each < 20 MB",
        ),
        Figure(
            "resident memory of a live kernel on `mnist-5k`",
            f"{resident[-1]:.0f} MB ({_parts()})",
            "< 400 MB with the CPU wheel",
            (("kernel-memory", f"{resident[-1]:.0f} MB"),),
        ),
    ]


def _parts() -> str:
    """Return what the memory is made of, import by import, in processes of their own."""
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
    return ", ".join(words)
