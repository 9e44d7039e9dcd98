"""The Lab on a page: what is drawn and written there, and a person's hands on it."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from playwright.sync_api import BrowserContext, Locator, Page

from hebblab.serving.nursery import KERNEL_TITLE

LIMIT = 90_000  # milliseconds, for whatever a busy machine delays
CHARTS = ("convergence", "histogram", "activations", "accuracy")
TRANSPORT = (
    *("start", "pause", "step", "restart", "new-seed", "stop", "probe"),
    "cancel-probe",
)
CLASSES = (
    *("lab", *TRANSPORT, "preset", "data", "network", "rule", "layer", "speed", "refusal"),
    *("state", "steps", "epoch", "rate", "left", "equation", "weights", "unit", *CHARTS),
    *("probe-result", "error", "log", "effect", "link"),
)

# Reading aids that every page gets before its own scripts.
AIDS = """
window.violations = [];
addEventListener('securitypolicyviolation', (e) => violations.push(e.violatedDirective));
window.part = (name) => document.querySelector('.hebblab-' + name);
window.ink = (name = 'weights') => {
  const canvas = part(name).querySelector('canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const pixels = new Uint32Array(data.buffer);
  let sum = 2166136261;
  for (const pixel of pixels) sum = Math.imul(sum ^ pixel, 16777619);
  return { colours: new Set(pixels).size, sum: `${canvas.width}x${canvas.height}:${sum}` };
};
window.plot = (name) => {
  const drawn = part(name).querySelector('.js-plotly-plot');
  if (!drawn?.data) return null;
  return {
    data: JSON.stringify(drawn.data, (_, v) => ArrayBuffer.isView(v) ? [...v] : v),
    points: drawn.data.find((t) => t.name === 'probe')?.x?.length ?? 0,
    marks: (drawn.layout.annotations || []).map((a) => a.text),
    lines: [...drawn.querySelectorAll('.shapelayer path')].length,
    shapes: [...drawn.querySelectorAll('.trace path')]
      .map((p) => p.getAttribute('d') + p.getAttribute('transform')).join(),
  };
};
"""


def prepare(context: BrowserContext) -> None:
    """Give a context's pages the reading aids, and patience for a busy machine."""
    context.set_default_timeout(LIMIT)
    context.add_init_script(AIDS)


class LabPage:
    """One dashboard on one page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.keyboard = page.keyboard

    def part(self, name: str) -> Locator:
        return self.page.locator(f".hebblab-{name}")

    def text(self, name: str) -> str:
        return self.part(name).inner_text()

    @property
    def steps(self) -> int:
        return int(self.text("steps"))

    @property
    def seed(self) -> str:
        return self.page.locator(".hl-item:has-text('seed') b").inner_text()

    def until_seed(self, seed: str) -> None:
        self.page.locator(
            ".hl-item:has-text('seed') b", has_text=re.compile(f"^{seed}$")
        ).wait_for()

    def until(self, condition: str, argument: Any = None) -> None:
        """Wait for a condition in the page, in JavaScript."""
        self.page.wait_for_function(condition, arg=argument, timeout=LIMIT, polling=50)

    def until_text(self, name: str, words: str) -> None:
        self.until("([n, t]) => part(n).innerText.includes(t)", [name, words])

    def until_state(self, *states: str) -> None:
        self.until("s => s.includes(part('state').innerText)", list(states))

    def until_steps(self, least: int) -> None:
        self.until("n => Number(part('steps').innerText) >= n", least)

    def until_painted(self) -> None:
        """Wait until the weight images are those of the step in the status line."""
        self.until(
            """() => part('weights').querySelector('canvas').ariaLabel
            .replaceAll(',', '').split(' at step ')[1]?.split(';')[0] === part('steps').innerText"""
        )

    def press(self, name: str) -> None:
        self.part(name).click()

    def choose(self, name: str, value: str) -> None:
        self.part(name).locator("select").select_option(value)

    def chosen(self, name: str) -> str:
        return self.part(name).locator("select").input_value()

    def ink(self, name: str = "weights") -> str:
        """What is on a canvas, in short: equal only where the pixels are."""
        return self.page.evaluate("n => ink(n).sum", name)

    def until_ink(self, other_than: str) -> str:
        self.until("s => ink().sum !== s", other_than)
        return self.ink()

    def plot(self, name: str) -> dict[str, Any]:
        return self.page.evaluate("n => plot(n)", name)

    def field(self, knob: str) -> Locator:
        return self.part(f"knob-{knob}").locator("input[type=text]")

    def slider(self, knob: str) -> Locator:
        return self.part(f"knob-{knob}").locator("input[type=range]")

    def type(self, knob: str, text: str) -> None:
        self.field(knob).fill(text)
        self.field(knob).press("Enter")

    def log(self) -> list[str]:
        """The edits, newest first, without their steps."""
        return self.part("log").locator("li b").all_inner_texts()

    def until_log(self, newest: str) -> None:
        self.until("t => part('log').querySelector('li b')?.innerText === t", newest)

    def pause(self) -> int:
        """Pause, and return the step at which it is held."""
        self.press("pause")
        self.until_state("paused")
        self.until_painted()
        return self.steps

    def begin(self) -> None:
        """Have a run of the usual preset at step 0, whatever stood here before."""
        if self.page.locator("dialog[open]").count():
            self.keyboard.press("Escape")
        if self.chosen("preset") != "mnist-krotov":
            self.new_run("mnist-krotov")
        else:
            self.restart()

    def restart(self) -> None:
        self.press("restart")
        self.until("part('state').innerText === 'ready' && part('steps').innerText === '0'")
        self.until("!part('log').childElementCount")
        self.until_painted()

    def choose_preset(self, preset: str) -> None:
        self.choose("preset", preset)
        self.until(
            """n => part('preset').querySelector('select').value === n
            && part('state').innerText === 'ready'""",
            preset,
        )

    def new_run(self, preset: str) -> None:
        """Choose a preset, and wait until its own noise is on view."""
        self.choose_preset(preset)
        # The images of another run at step 0 look the same from outside: go on and back.
        self.press("step")
        self.until_steps(1)
        self.until_painted()
        self.restart()


@contextlib.contextmanager
def command(*words: str, log: Path, env: dict[str, str]) -> Iterator[tuple[str, psutil.Process]]:
    """Run a command of ours that prints an address, and leave nothing of it behind."""
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "hebblab", *words],
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url, log.read_text()
        yield url, psutil.Process(process.pid)
    finally:
        family: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        process.stdout.close()
        _, left = psutil.wait_procs(family, timeout=10)
        for one in left:
            one.kill()
    assert not left, f"outlived {' '.join(words)}: {left}"


def kernels(server: psutil.Process) -> list[psutil.Process]:
    """The kernels that run under a server."""
    found = []
    for child in server.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            forked = child.name() == KERNEL_TITLE
            if forked or "ipykernel_launcher" in " ".join(child.cmdline()):
                found.append(child)
    return found


class Traffic:
    """Everything that a context's pages ask for, and whatever they complain about."""

    def __init__(self, context: BrowserContext) -> None:
        self.asked: list[str] = []
        self.complaints: list[str] = []
        context.on("request", lambda request: self.asked.append(request.url))
        context.on("page", self._follow)

    def _follow(self, page: Page) -> None:
        page.on("websocket", lambda socket: self.asked.append(socket.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def hosts(self) -> set[str]:
        """The hosts that were asked; data and blobs stay in the page."""
        split = [urlsplit(url) for url in self.asked]
        return {url.netloc for url in split if url.scheme not in ("data", "blob")}


def faults(page: Page, within: str) -> dict[str, list[str]]:
    """What axe-core finds within an element that is serious or critical: rule, elements."""
    # Brought in through the browser's own protocol: no policy of the page is weakened for it.
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    found = page.evaluate("w => axe.run(w, { resultTypes: ['violations'] })", within)
    return {
        one["id"]: [json.dumps(node["target"]) + node["failureSummary"] for node in one["nodes"]]
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    }
