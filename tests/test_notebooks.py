"""The notebooks run from top to bottom in real kernels, and say what they promise."""

import re

import nbformat
import pytest

from tests import kernels
from tests.kernels import FOLDER, read

NAMES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.ipynb"))
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def executed(tmp_path, monkeypatch):
    """Run a notebook in a kernel of this interpreter that reads nobody's settings."""
    kernels.isolated(monkeypatch, tmp_path)
    monkeypatch.setenv("HEBBLAB_DATA", str(tmp_path / "no-data"))
    monkeypatch.delenv("HEBBLAB_PRESET", raising=False)
    return lambda name: kernels.run(name, tmp_path)


def said(cell: nbformat.NotebookNode) -> str:
    """Return what a cell printed, and the text of what it showed."""
    parts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            assert output.name == "stdout", output.text
            parts.append(output.text)
        else:
            assert output.output_type != "error", output
            parts.append("\n" + output.data.get("text/plain", ""))
    return "".join(parts).strip()


def shown(cell: nbformat.NotebookNode) -> set[str]:
    return {kind for one in cell.outputs for kind in one.get("data", {})}


def numbers(text: str) -> list[float]:
    return [float(word) for word in re.findall(r"\d+(?:\.\d+)?", text)]


@pytest.mark.parametrize("name", NAMES)
def test_committed_without_outputs_small_and_valid(name):
    path = FOLDER / name
    notebook = read(name)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert path.stat().st_size < 20_000
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    for cell in notebook.cells:
        assert not cell.metadata
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert not cell.get("attachments")


def test_every_notebook_is_run_below_or_is_a_papers():
    own = [name for name in NAMES if not name.startswith("papers/")]
    assert own == ["first-lesson.ipynb", "lab.ipynb", "quickstart.ipynb", "rules.ipynb"]


def test_lab_shows_the_dashboard(executed):
    cells = executed("lab.ipynb")
    (cell,) = (one for one in cells.values() if one.cell_type == "code")
    assert WIDGET in shown(cell)


def test_quickstart(executed):
    cells = executed("quickstart.ipynb")
    assert "3,000 + 1,000 + 1,000" in said(cells["data"])
    assert said(cells["learn"]) == "<Session mnist-krotov: paused, step 420>"
    for name in ("weights", "edit", "own"):
        assert "image/png" in shown(cells[name])
    visible, _, converged, likeness = numbers(said(cells["measure"]))
    assert visible > 95
    assert converged > 95
    assert 0.7 < likeness < 0.85
    accuracy, raw, random = (
        numbers(line.replace("%", " "))[0] for line in said(cells["probe"]).splitlines()
    )
    assert accuracy > raw > random > 75
    before, after = numbers(said(cells["edit"]))[:2]
    assert after < before - 0.1
    assert WIDGET in shown(cells["lab"])
    own = said(cells["own"])
    assert own.startswith("finished after 420 steps; ")
    assert numbers(own)[1] > 90


def test_first_lesson(executed):
    cells = executed("first-lesson.ipynb")
    assert WIDGET in shown(cells["lab"])
    rows = [numbers(line) for line in said(cells["delta-check"]).splitlines()]
    assert [row[0] for row in rows] == [0.0, 0.4, 0.8]
    none, usual, hard = (row[1] for row in rows)
    assert none > 0.83
    assert 0.7 < usual < 0.82
    assert hard < 0.65
    assert rows[0][2] == 0
    assert rows[2][2] > 0.08
    was, fast, seventh = said(cells["rate-check"]).splitlines()
    assert numbers(was)[-1] >= 0.98
    assert 0.7 < numbers(fast)[-1] < 0.95
    assert 0.04 < numbers(seventh)[-2] < 0.12
    learned, raw, random = numbers(said(cells["probe-check"]))
    assert 91 < learned < 97
    assert 87 < raw < 91
    assert 83 < random < 88


def test_rules(executed):
    cells = executed("rules.ipynb")
    pages = [
        one.data["text/html"]
        for name in ("bound", "components", "winners", "push")
        for one in cells[name].outputs
    ]
    listed = re.findall(r"'([\w-]+)'", said(cells["list"]))
    assert len(listed) >= 14
    # A rule that joins the package has to join the notebook.
    assert sorted(re.search(r"<code>([\w-]+)</code>", page)[1] for page in pages) == listed
    for page in pages:
        assert "data:image/png;base64," in page
        assert "<math" in page
        assert "Where its sources disagree" in page
    assert "image/png" in shown(cells["run"])
    (own,) = (one.data["text/html"] for one in cells["own"].outputs)
    assert "Leaky winner" in own
    assert "<img" not in own
    (report,) = (one.data["text/html"] for one in cells["check"].outputs)
    assert "passes all" in report
