"""A room: 25 pages opened within ten seconds on this machine, Start pressed on each.

Twice: by visitors without a browser, which is what a computer bears that serves a class whose
browsers run elsewhere; and by 25 real pages in one Chromium on the same cores.
"""

import asyncio
import os
import statistics
import time
from dataclasses import dataclass, field

import psutil
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as TooLate
from tornado.httpclient import AsyncHTTPClient

from .crowd import Visitor, latency
from .figures import Figure
from .served import browser, idle_memory, kernels, private_memory, server

PAGES = 25
WITHIN = 10.0
PATIENCE = 300.0
SECONDS = 10
_READY = """() => {
  const button = document.querySelector('button.hebblab-start');
  return document.querySelector('.hebblab-weights canvas') && button && !button.disabled;
}"""
_CHANGED = """() => {
  const steps = document.querySelector('.hebblab-steps');
  return Number((steps.textContent.match(/\\d+/) || ['0'])[0]) > 0;
}"""


@dataclass
class Found:
    """What one round found; times in seconds, memory in MB."""

    usable: list[float] = field(default_factory=list)
    last: float = 0.0
    answers: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    private: list[float] = field(default_factory=list)
    shared: list[float] = field(default_factory=list)
    busy: float = 0.0

    def weigh(self, process: psutil.Process) -> None:
        """Note the memory of every kernel under a server."""
        for kernel in kernels(process):
            self.private.append(private_memory(kernel.pid))
            self.shared.append(idle_memory(kernel.pid))


def measure() -> list[Figure]:
    """Return when the last page was usable, how soon each ran, memory and speed a student."""
    room = ("--max-visitors", str(PAGES + 2))
    with server(*room) as (address, process):
        time.sleep(8)
        crowd = asyncio.run(_crowd(address, process))
    with server(*room) as (address, process):
        time.sleep(8)
        pages = _browsers(address, process)
    share = (
        f"{statistics.median(crowd.rates):.0f} steps/s (slowest {min(crowd.rates):.0f}), "
        f"{statistics.median(crowd.private):.0f} MB of its own "
        f"({statistics.median(crowd.shared):.0f} MB with its share of what all have in common)"
    )
    return [
        Figure(
            f"{PAGES} visitors within ten seconds, their browsers elsewhere: each page usable",
            f"{_usable(crowd)}; other work then {crowd.busy:.1f} of {os.cpu_count()} cores",
            "90 s, none fails",
            (
                ("room-last", f"{crowd.last:.0f} s"),
                ("room-page", f"{statistics.median(crowd.usable):.1f} s"),
            ),
        ),
        Figure(
            "Start → first change, while the others train",
            _answers(crowd),
            "< 1 s",
        ),
        Figure(
            "a student's share of this machine then",
            f"{share}; the server answers in {1e3 * statistics.median(crowd.waits):.0f} ms",
            "stated",
            (
                ("room-memory", f"{statistics.median(crowd.private):.0f} MB"),
                ("room-steps", f"{statistics.median(crowd.rates):.0f} steps a second"),
            ),
        ),
        Figure(
            f"{PAGES} real pages in one Chromium on the same cores: usable, then Start → change",
            f"{_usable(pages)}; {_answers(pages)}; {statistics.median(pages.rates or [0.0]):.0f} "
            f"steps/s; other work then {pages.busy:.1f} of {os.cpu_count()} cores",
            "90 s, none fails; < 1 s",
        ),
    ]


def _usable(found: Found) -> str:
    failed = PAGES - len(found.usable)
    return (
        f"the last after {found.last:.0f} s, {failed} failed "
        f"(a page {statistics.median(found.usable or [0.0]):.1f} s median)"
    )


def _answers(found: Found) -> str:
    silent = PAGES - len(found.answers)
    times = found.answers or [0.0]
    return (
        f"{statistics.median(times):.2f} s median, {max(times):.2f} s at most"
        f"{f', {silent} without a change in a minute' if silent else ''}"
    )


def others(family: list[psutil.Process], seconds: float = 1.0) -> float:
    """Return how many cores are busy with anything but some processes."""

    def taken() -> float:
        return sum(sum(one.cpu_times()[:2]) for one in family if one.is_running())

    psutil.cpu_percent()
    before = taken()
    time.sleep(seconds)
    all_busy = psutil.cpu_percent() / 100 * (os.cpu_count() or 1)
    return max(0.0, all_busy - (taken() - before) / seconds)


async def _crowd(address: str, process: psutil.Process) -> Found:
    AsyncHTTPClient.configure(None, max_clients=20 * PAGES)
    found = Found(busy=others([process, *process.children(recursive=True)], 3.0))
    visitors = [Visitor(address) for _ in range(PAGES)]
    lives: list[asyncio.Task[None]] = []
    began = time.perf_counter()

    async def come(number: int, visitor: Visitor) -> None:
        await asyncio.sleep(WITHIN * number / PAGES)
        opened = time.perf_counter()
        life = asyncio.ensure_future(visitor.live())
        lives.append(life)
        usable = asyncio.ensure_future(visitor.usable.wait())
        await asyncio.wait([life, usable], timeout=PATIENCE, return_when="FIRST_COMPLETED")
        if visitor.usable.is_set():
            found.usable.append(time.perf_counter() - opened)
        usable.cancel()

    await asyncio.gather(*(come(*each) for each in enumerate(visitors)))
    found.last = time.perf_counter() - began
    for visitor in visitors:
        try:
            found.answers.append(await asyncio.wait_for(visitor.press_start(), 60))
        except (TimeoutError, KeyError):
            continue
    await asyncio.sleep(SECONDS)
    asking = asyncio.ensure_future(latency(address, found.waits))
    before = [visitor.steps for visitor in visitors]
    since = time.perf_counter()
    await asyncio.sleep(SECONDS)
    passed = time.perf_counter() - since
    found.rates = [(one.steps - old) / passed for one, old in zip(visitors, before, strict=True)]
    asking.cancel()
    found.weigh(process)
    for visitor in visitors:
        await visitor.leave()
    await asyncio.gather(asking, *lives, return_exceptions=True)
    return found


def _browsers(address: str, process: psutil.Process) -> Found:
    found = Found()
    with browser() as chromium:
        opened = [chromium.new_context().new_page() for _ in range(PAGES)]
        found.busy = others([process, *psutil.Process().children(recursive=True)], 3.0)
        began = time.perf_counter()
        for number, page in enumerate(opened):
            page.goto(address, wait_until="commit", timeout=180_000)
            time.sleep(max(0.0, began + WITHIN * (number + 1) / PAGES - time.perf_counter()))
        ready = []
        for page in opened:
            left = began + PATIENCE - time.perf_counter()
            try:
                page.wait_for_function(_READY, timeout=max(100.0, 1000 * left))
            except TooLate:
                continue
            ready.append(page)
            found.last = time.perf_counter() - began
            found.usable.append(found.last)
        for page in ready:
            started = time.perf_counter()
            try:
                page.locator(".hebblab-start").click(timeout=60_000)
                page.wait_for_function(_CHANGED, timeout=60_000, polling=20)
            except TooLate:
                continue
            found.answers.append(time.perf_counter() - started)
        time.sleep(SECONDS)
        before = [(_steps(page), time.perf_counter()) for page in ready]
        time.sleep(SECONDS)
        found.rates = [
            (_steps(page) - steps) / (time.perf_counter() - at)
            for page, (steps, at) in zip(ready, before, strict=True)
        ]
        found.weigh(process)
    return found


def _steps(page: Page) -> int:
    text = page.locator(".hebblab-steps").inner_text()
    return int("".join(c for c in text if c.isdigit()) or 0)
