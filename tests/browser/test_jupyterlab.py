"""The dashboard as one line in a cell of a real JupyterLab."""

import ast
import json
from urllib.parse import urlsplit

import nbformat
import numpy as np
import pytest
from PIL import Image

from tests.browser.pages import CHARTS, LabPage, Traffic, command, prepare

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

SCRIPT = "<img src=x onerror=window.caught=1>"
CELLS = {
    "lab": "import hebblab as hl\nlab = hl.Lab()\nlab",
    "edit": "lab.session.edit(delta=0.7).wait(10)",
    "threads": """
import threading
print(sorted(t.name for t in threading.enumerate() if t.name.startswith("hebblab-")))
""",
    "hostile": """
lab.close()

@hl.rules.register
class Hostile(hl.Rule):
    name = "hostile"
    title = SCRIPT
    source = SCRIPT
    equation = r"\\Delta w = \\text{" + SCRIPT + "}"
    gamma: float = hl.knob(0.5, symbol="γ" + SCRIPT, low=0, high=1, help=SCRIPT)

    def update(self, inputs, weights):
        return 0 * weights

session = hl.Session("mnist-krotov", data=FOLDER, rule="hostile", batch_size=10, endless=True)
lab = hl.Lab(session)
lab
""",
    "stop": "lab.close(); session.stop(); session.state",
}
NAMES = list(CELLS)


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """A notebook, and a folder of images whose classes have hostile names."""
    folder = tmp_path_factory.mktemp("notebooks")
    draw = np.random.default_rng(0)
    for name in (SCRIPT, "b"):
        (folder / "images" / name).mkdir(parents=True)
        for i in range(60):
            pixels = draw.integers(0, 255, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "images" / name / f"{i}.png")
    given = f"SCRIPT, FOLDER = {SCRIPT!r}, {str(folder / 'images')!r}\n"
    cells = [
        nbformat.v4.new_code_cell((given if name == "hostile" else "") + code.strip())
        for name, code in CELLS.items()
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(made, folder / "live.ipynb")
    return folder / "live.ipynb"


@pytest.fixture(scope="module")
def address(notebook, tmp_path_factory):
    """`hebblab lab` on the notebook's folder."""
    folder = tmp_path_factory.mktemp("lab")
    env = {"HEBBLAB_DATA": str(folder / "data"), "HEBBLAB_HOME": str(folder / "home")}
    options = ["--no-browser", "--port", "0", "--dir", str(notebook.parent)]
    with command("lab", *options, log=folder / "stderr.txt", env=env) as (url, _):
        yield urlsplit(url)


@pytest.fixture(scope="module")
def context(browser):
    made = browser.new_context(viewport={"width": 1280, "height": 1800})
    prepare(made)
    yield made
    made.close()


@pytest.fixture(scope="module")
def traffic(context):
    return Traffic(context)


class Notebook(LabPage):
    """A notebook with a Lab in it."""

    def cell(self, name):
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(NAMES.index(name))

    def ready(self):
        self.page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell")
        self.until(
            "document.querySelector('#jp-main-statusbar')?.innerText.includes('| Idle')"
            " && document.querySelector('.jp-Notebook-ExecutionIndicator[data-status=idle]')"
        )

    def run(self, name):
        """Run a cell, and return what it printed or gave."""
        at = NAMES.index(name)
        prompt = "document.querySelectorAll('.jp-CodeCell')[a].querySelector('.jp-InputPrompt')"
        before = self.cell(name).locator(".jp-InputPrompt").inner_text()
        self.cell(name).locator(".cm-content").click()
        self.keyboard.press("Control+Enter")
        self.until(
            f"([a, b]) => {prompt}.innerText !== b && /\\d/.test({prompt}.innerText)", [at, before]
        )
        return self.page.evaluate(
            """a => [...document.querySelectorAll('.jp-CodeCell')[a]
            .querySelectorAll('.jp-OutputArea-output pre')].map((e) => e.innerText).join('')""",
            at,
        )

    def drawn(self):
        self.page.wait_for_selector(".hebblab-weights canvas")
        # A chart that nobody can see is not drawn.
        self.page.locator(".hl-charts").evaluate("e => e.scrollIntoView({ block: 'end' })")
        self.until("names => names.every((name) => plot(name))", CHARTS)
        self.until("part('link').innerText === 'connected'")

    def save(self):
        # Chords are JupyterLab's, also while the Lab has the focus.
        self.part("weights").locator("canvas").focus()
        self.keyboard.press("Control+s")
        self.until("!document.querySelector('.lm-TabBar-tab.jp-mod-current.jp-mod-dirty')")


@pytest.fixture(scope="module")
def book(address, context, traffic):
    page = context.new_page()
    page.goto(
        f"http://{address.netloc}/lab/tree/live.ipynb?{address.query}&reset", wait_until="commit"
    )
    opened = Notebook(page)
    opened.ready()
    opened.run("lab")
    opened.drawn()
    return opened


def trainers(book):
    return ast.literal_eval(book.run("threads")).count("hebblab-trainer")


def test_the_lab_runs_in_a_cell(book):
    noise, plots = book.ink(), {name: book.plot(name) for name in CHARTS}
    book.press("start")
    book.until_ink(noise)
    for name in ("convergence", "histogram", "activations"):
        book.until("([n, s]) => plot(n).shapes !== s", [name, plots[name]["shapes"]])
    book.until_steps(30)


def test_a_slider_and_code_turn_the_same_knob(book):
    book.slider("delta").focus()
    book.keyboard.press("PageUp")
    book.until_log("Δ 0.40 → 0.50")
    assert book.run("edit") == "True"
    book.until_log("Δ 0.50 → 0.70")
    book.until("part('knob-delta').querySelector('input[type=text]').value === '0.70'")
    assert float(book.slider("delta").input_value()) == pytest.approx(0.7)
    for name in ("convergence", "accuracy"):
        book.until("n => ['Δ 0.50', 'Δ 0.70'].every((t) => plot(n).marks.includes(t))", name)


def test_a_probe_is_drawn(book):
    book.press("probe")
    book.until("plot('accuracy').points === 1")
    book.until_text("probe-result", "random features")


def test_keys_in_the_lab_leave_the_notebook_as_it_is(book):
    codes = "[...document.querySelectorAll('.jp-CodeCell .cm-content')].map((e) => e.innerText)"
    before = book.page.evaluate(codes)
    assert len(before) == len(CELLS)
    keys = ("a", "b", "x", "d", "d", "0", "0", "z", "m", "ArrowUp", "ArrowDown", "Escape", "a")
    places = (book.part("weights").locator("canvas"), book.slider("k"), book.part("step"))
    for place in places:
        place.focus()
        for key in keys:
            book.keyboard.press(key)
    book.page.locator(".hl-edits h2").click()
    for key in keys:
        book.keyboard.press(key)
    # The kernel and the page have answered all of it once this is done.
    assert book.run("edit") == "True"
    assert book.page.locator(".jp-Dialog").count() == 0
    assert book.page.locator(".jp-CodeCell").count() == len(CELLS)
    assert book.page.locator(".jp-MarkdownCell").count() == 0
    assert book.page.evaluate(codes) == before
    # Outside the Lab the same keys do what they always did.
    book.cell("threads").locator(".jp-InputPrompt").click()
    book.keyboard.press("a")
    book.until("n => document.querySelectorAll('.jp-CodeCell').length === n + 1", len(CELLS))
    book.keyboard.press("d")
    book.keyboard.press("d")
    book.until("n => document.querySelectorAll('.jp-CodeCell').length === n", len(CELLS))
    assert book.page.evaluate(codes) == before


def test_saved_and_reloaded_the_run_is_found_alive(book, notebook):
    book.until_state("running")
    book.save()
    saved = json.loads(notebook.read_text())
    assert saved["cells"][0]["outputs"]
    assert len(json.dumps(saved["metadata"])) < 2000
    assert notebook.stat().st_size < 50_000
    step, entries = book.steps, book.log()
    book.press("open-evaluation")
    book.until("part('evaluation-table').innerText.includes('points')")
    book.page.reload(wait_until="commit")
    book.ready()
    # The Probe screen was open: it is found open, with what was measured.
    book.page.wait_for_selector(".hl-studying .hebblab-evaluation-table .hl-value")
    book.until("document.querySelector('.hl-cell-pictures canvas').width > 100")
    book.press("close-evaluation")
    book.drawn()
    book.until_steps(step + 1)
    assert book.log() == entries
    assert book.text("state") == "running"
    shown, line = book.ink(), book.plot("convergence")["shapes"]
    assert book.page.evaluate("ink().colours") > 100
    assert book.plot("accuracy")["points"] == 1
    book.until_ink(shown)
    book.until("s => plot('convergence').shapes !== s", line)
    assert trainers(book) == 1


def test_a_cell_that_is_run_again_leaves_one_thread(book):
    book.run("lab")
    book.drawn()
    book.until("part('state').innerText === 'ready' && part('steps').innerText === '0'")
    book.press("start")
    book.until_steps(3)
    assert book.part("lab").count() == 1
    assert trainers(book) == 1


def test_texts_of_people_and_files_are_never_html(book):
    book.run("hostile")
    book.until_text("lab", SCRIPT)
    book.drawn()
    # A mark of so long a name finds room early in a run.
    book.choose("speed", "10")
    book.press("start")
    book.until_steps(2)
    book.pause()
    book.part("weights").locator("canvas").click(position={"x": 15, "y": 15})
    book.until_text("unit", "nearest unit")
    book.page.locator(".hl-about").click()
    assert SCRIPT in book.page.locator("dialog[open]").inner_text()
    book.keyboard.press("Escape")
    book.type("gamma", SCRIPT)
    book.until_text("refusal", "onerror")
    book.type("gamma", "0.25")
    book.until("n => plot('convergence').marks.some((t) => t.includes('γ'))")
    assert book.part("lab").locator("img, script").count() == 0
    assert book.page.evaluate("window.caught") is None
    # It would have been caught.
    book.page.evaluate("html => (document.createElement('p').innerHTML = html)", SCRIPT)
    book.until("window.caught === 1")
    assert book.run("stop") == "'stopped'"
    assert trainers(book) == 0


def test_the_page_asked_no_other_host(address, book, traffic):
    assert traffic.hosts() == {address.netloc}
    assert [words for words in traffic.complaints if "hebblab" in words] == []
    book.page.evaluate("fetch('http://other.invalid/').catch(() => null)")
    assert "other.invalid" in traffic.hosts()
