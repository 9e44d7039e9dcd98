"""The page in a real browser: how soon it can be used, what it weighs, what it paints."""

import statistics
import time

import psutil

from .figures import Figure
from .served import browser, server, usable

_PAINTED = """() => new Promise((done) => {
  const canvas = document.querySelector('.hebblab-weights canvas');
  const image = () => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const sum = (data) => {
    let s = 0;
    for (let i = 0; i < data.length; i += 97) s = (s * 31 + data[i]) | 0;
    return s;
  };
  let last = sum(image()), count = 0; const started = performance.now();
  const look = () => {
    const now = sum(image());
    if (now !== last) { count += 1; last = now; }
    if (performance.now() - started < 5000) requestAnimationFrame(look);
    else done(count / (performance.now() - started) * 1000);
  };
  requestAnimationFrame(look);
})"""


def measure() -> list[Figure]:
    """Return start times, bytes, and frames painted a second."""
    with browser() as chromium, server() as (address, process):
        cold = _seconds(chromium, address)
        warm = statistics.median(_preheated(chromium, address, process) for _ in range(3))
        total, scripts = _bytes(chromium, address)
        painted = _painted(chromium, address)
    return [
        Figure("page requested → weight canvas usable, preheated", f"{warm:.1f} s", "≤ 4 s"),
        Figure("the same, the first page of a server just started", f"{cold:.1f} s", "≤ 10 s"),
        Figure(
            "bytes to the browser before the first interaction, Voila",
            f"{total / 1e6:.2f} MB over the wire, of these Voila's and Jupyter's own scripts "
            f"{scripts / 1e6:.2f} MB",
            "≤ 4 MB",
            (("page-bytes", f"{total / 1e6:.1f} MB"),),
        ),
        Figure(
            "weight frames painted a second, 100 units, with charts at 2 a second",
            f"{painted:.1f}",
            "≥ 10",
        ),
    ]


def _seconds(chromium, address: str) -> float:
    context = chromium.new_context()
    page = context.new_page()
    started = time.perf_counter()
    usable(page, address)
    taken = time.perf_counter() - started
    page.close(run_before_unload=False)
    context.close()
    return taken


def _preheated(chromium, address: str, process: psutil.Process) -> float:
    """Wait until the server rests, then open a page."""
    quiet = 0
    while quiet < 3:
        busy = sum(child.cpu_percent() for child in (process, *process.children(recursive=True)))
        time.sleep(0.5)
        busy = sum(child.cpu_percent(0.1) for child in (process, *process.children(recursive=True)))
        quiet = quiet + 1 if busy < 10 else 0
    return _seconds(chromium, address)


def _bytes(chromium, address: str) -> tuple[int, int]:
    context = chromium.new_context()
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    taken: dict[str, int] = {}
    kinds: dict[str, str] = {}
    sockets = [0]
    session.on(
        "Network.responseReceived", lambda e: kinds.update({e["requestId"]: e["response"]["url"]})
    )
    session.on(
        "Network.loadingFinished",
        lambda e: taken.update({e["requestId"]: int(e["encodedDataLength"])}),
    )
    session.on(
        "Network.webSocketFrameReceived",
        lambda e: sockets.__setitem__(0, sockets[0] + len(e["response"]["payloadData"])),
    )
    usable(page, address)
    page.wait_for_timeout(5000)
    total = sum(taken.values()) + sockets[0]
    own = sum(size for key, size in taken.items() if "hebblab" in kinds.get(key, ""))
    html = sum(
        size for key, size in taken.items() if kinds.get(key, "").rstrip("/") == address.rstrip("/")
    )
    scripts = sum(taken.values()) - own - html
    context.close()
    return total, scripts


def _painted(chromium, address: str) -> float:
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    usable(page, address)
    page.locator(".hebblab-start").click()
    page.wait_for_timeout(3000)
    rate = page.evaluate(_PAINTED)
    context.close()
    return float(rate)
