"""A browser, and a stage on which a part stands without a kernel."""

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from importlib.resources import files

import pytest
from playwright.sync_api import Error, sync_playwright

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ORIGIN = "http://lab.test"


def launched(playwright):
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found:
        return playwright.chromium.launch(executable_path=found, args=FLAGS)
    try:
        return playwright.chromium.launch(args=FLAGS)
    except Error:
        fetch = [sys.executable, "-m", "playwright", "install", "chromium"]
        subprocess.run(fetch, check=False, capture_output=True, timeout=600)
    try:
        return playwright.chromium.launch(args=FLAGS)
    except Error as error:
        reason = str(error).splitlines()[0]
        pytest.fail(
            "The browser tests need Chromium: install it (Debian: apt install chromium; elsewhere: "
            f"python -m playwright install --with-deps chromium). Playwright says: {reason}",
            pytrace=False,
        )


@pytest.fixture(scope="module")
def browser():
    # One a module: Playwright's event loop must not run while other tests open their own.
    with sync_playwright() as playwright:
        made = launched(playwright)
        yield made
        made.close()


def served(route):
    """Answer for the stage's origin: the modules as they lie in the package, and nothing else."""
    path = route.request.url.removeprefix(ORIGIN).lstrip("/")
    if not path:
        return route.fulfill(content_type="text/html", body="<!doctype html><title>t</title>")
    text = (files("hebblab.dashboard") / "static" / path).read_text("utf-8")
    return route.fulfill(content_type="text/javascript", body=text)


@contextmanager
def opened(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    made = context.new_page()
    made.route("**/*", lambda route: route.abort())
    made.route(f"{ORIGIN}/**", served)
    made.goto(ORIGIN)
    errors = []
    made.on("pageerror", lambda error: errors.append(error))
    yield made
    context.close()
    assert not errors


@pytest.fixture
def page(browser):
    """An empty page that can import the modules of `static/` and nothing from elsewhere."""
    with opened(browser) as made:
        yield made


@pytest.fixture(scope="module")
def one_page(browser):
    """The same for a whole module: for functions that leave nothing on the page."""
    with opened(browser) as made:
        yield made


MODEL = """
window.sent = [];
window.models = {};
window.Model = class {
  constructor(name, view) { Object.assign(this, { name, view, acts: {} }); }
  get(key) { return this[key]; }
  on(event, act) { (this.acts[event] ??= []).push(act); }
  off(event, act) { this.acts[event] = (this.acts[event] || []).filter((a) => a !== act); }
  emit(event, ...values) { for (const act of this.acts[event] || []) act(...values); }
  send(content) { window.sent.push({ part: this.name, ...content }); }
};
window.mount = async (name, source, view) => {
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const loaded = await import(address);
  const model = (window.models[name] = new Model(name, view));
  model.end = loaded.default.render({ model, el: document.querySelector(".hl-" + name) });
};
window.show = (name, view) => {
  models[name].view = view;
  models[name].emit("change:view");
};
window.tell = (name, content, ...buffers) => {
  const views = buffers.map((bytes) => new DataView(Uint8Array.from(bytes).buffer));
  models[name].emit("msg:custom", content, views);
};
"""
FRAME = """<div class="hebblab-lab"><div class="hl-grid"><div class="hl-bar"></div>
<div class="hl-controls"></div><div class="hl-weights"></div>
<div class="hl-charts"><div></div><div></div><div></div><div></div></div>
<div class="hl-study"><div class="hl-evaluation"></div></div></div></div>"""


class Stage:
    """Parts on a page, with a stand-in for the kernel."""

    def __init__(self, page):
        from hebblab.dashboard.bar import Bar
        from hebblab.dashboard.controls import Controls
        from hebblab.dashboard.evaluation import EvaluationPart
        from hebblab.dashboard.weights import Weights

        self.page = page
        self.parts = {part.name: part for part in (Bar, Controls, Weights, EvaluationPart)}
        # The modules of a part are self-contained: nothing may be asked for from now on.
        page.unroute("http://lab.test/**")
        page.evaluate(MODEL + "null")
        page.evaluate("html => (document.body.innerHTML = html)", FRAME)
        page.add_style_tag(content=Bar._css + EvaluationPart._css)
        page.evaluate("document.body.style.margin = 0")

    def mount(self, name, view):
        self.page.evaluate("a => mount(...a)", [name, self.parts[name]._esm, view])

    def show(self, name, view):
        self.page.evaluate("a => show(...a)", [name, view])

    def tell(self, name, content, *buffers):
        self.page.evaluate("a => tell(...a)", [name, content, *map(list, buffers)])

    def sent(self, do=None):
        """What the page has sent, without the part's name; only of one kind if asked."""
        messages = json.loads(self.page.evaluate("JSON.stringify(sent)"))
        return [m for m in messages if do is None or m["do"] == do]

    def wait(self, condition):
        self.page.wait_for_function(condition, timeout=10_000)


@pytest.fixture
def stage(page):
    return Stage(page)
