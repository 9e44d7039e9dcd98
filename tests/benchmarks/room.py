"""A room: 25 pages opened within ten seconds on this machine, Start pressed on each."""

import statistics
import time

from playwright.sync_api import TimeoutError

from .figures import Figure
from .served import browser, idle_memory, kernels, server

PAGES = 25
_CHANGED = """() => {
  const steps = document.querySelector('.hebblab-steps');
  return Number((steps.textContent.match(/\\d+/) || ['0'])[0]) > 0;
}"""


def measure() -> list[Figure]:
    """Return when the last page was usable, how soon each ran, memory and speed a student."""
    failed = silent = 0
    answers: list[float] = []
    with server("--max-visitors", str(PAGES + 2)) as (address, process), browser() as chromium:
        contexts = [chromium.new_context() for _ in range(PAGES)]
        pages = [context.new_page() for context in contexts]
        began = time.perf_counter()
        for number, page in enumerate(pages):
            page.goto(address, wait_until="commit", timeout=180_000)
            time.sleep(max(0.0, began + 10 * (number + 1) / PAGES - time.perf_counter()))
        for page in pages:
            try:
                page.wait_for_selector(".hebblab-weights canvas", timeout=180_000)
                page.wait_for_function(
                    "() => { const b = document.querySelector('button.hebblab-start');"
                    " return b && !b.disabled; }",
                    timeout=180_000,
                )
            except TimeoutError:
                failed += 1
        usable = time.perf_counter() - began
        for page in pages:
            started = time.perf_counter()
            try:
                page.locator(".hebblab-start").click(timeout=60_000)
                page.wait_for_function(_CHANGED, timeout=60_000, polling=20)
            except TimeoutError:
                silent += 1
                continue
            answers.append(time.perf_counter() - started)
        time.sleep(10)
        before = [_steps(page) for page in pages]
        time.sleep(10)
        rates = [(_steps(page) - old) / 10 for page, old in zip(pages, before, strict=True)]
        memory = [idle_memory(kernel.pid) for kernel in kernels(process)]
        own = idle_memory(process.pid)
    return [
        Figure(
            f"{PAGES} pages opened within ten seconds, each usable",
            f"all {PAGES - failed} after {usable:.0f} s, {failed} failed",
            "90 s, none fails",
        ),
        Figure(
            "Start → first change, while the others train",
            f"{statistics.median(answers):.2f} s median, {max(answers):.2f} s at most, "
            f"{silent} without a change in a minute",
            "< 1 s",
        ),
        Figure(
            "a student's share of this machine then",
            f"{statistics.median(memory):.0f} MB beside the server's {own:.0f} MB, "
            f"{statistics.median(rates):.0f} steps/s "
            f"(slowest {min(rates):.0f})",
            "stated",
        ),
    ]


def _steps(page) -> int:
    text = page.locator(".hebblab-steps").inner_text()
    return int("".join(c for c in text if c.isdigit()) or 0)
