"""The papers' notebooks: names that exist, claims that exist, every figure drawn for real."""

import ast
import json
import math
import os
import re
import sys

import pytest

import hebblab as hl
from hebblab.experiments.papers import costs, keeping
from tests import kernels
from tests.kernels import FOLDER, read

NAMES = sorted(path.stem for path in (FOLDER / "papers").glob("*.ipynb"))
WORDS = ("reproduced", "ordering reproduced", "not reproduced", "holds", "not shown", "not run")
PLOTLY = "application/vnd.plotly.v1+json"
MEASURES = ("TEST", "VALIDATION", "TRAIN", "GAP", "SOON", "WALL", "CPU")


def cells(name, kind="code"):
    return [cell for cell in read(f"papers/{name}.ipynb").cells if cell.cell_type == kind]


def calls(name, method):
    """Return the first arguments of a method's calls that are written out."""
    nodes = (node for cell in cells(name) for node in ast.walk(ast.parse(cell.source)))
    called = [
        node
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args
    ]
    return [
        node.args[0].value
        for node in called
        if node.func.attr == method and isinstance(node.args[0], ast.Constant)
    ]


def papers(name):
    return [hl.papers.get(one) for one in calls(name, "get")]


def test_the_papers_have_notebooks():
    published = {name.partition("-20")[0] for name in hl.papers.available()}
    assert {name.partition("-20")[0] for name in NAMES} == published


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_the_package_exists(name):
    for cell in cells(name) + cells(name, "markdown"):
        for chain in re.findall(r"\bhl((?:\.[A-Za-z_]\w*)+)", cell.source):
            found = hl
            for part in chain.split(".")[1:]:
                found = getattr(found, part)


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_is_shown_by_words_that_it_begins_with(name):
    shown = set()
    known = [claim.text for paper in papers(name) for claim in paper.claims]
    for beginning in calls(name, "claim"):
        begun = [text for text in known if text.startswith(beginning)]
        assert len(begun) == 1, beginning
        shown.add(begun[0])
    first = papers(name)[0]
    assert shown == {claim.text for claim in first.claims}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_mini_that_says_what_it_costs_before_it_runs(name):
    assert all(paper.name.endswith("-mini") for paper in papers(name))
    assert sum(paper.minutes for paper in papers(name)) < 60
    source = [cell.source for cell in cells(name)]
    cost, run = (
        next(at for at, text in enumerate(source) if word in text) for word in (".cost(", ".run(")
    )
    assert cost < run


def recorded(paper, folder, seeds=None):
    """Write a file for each cell of a paper, as a run would leave it, with made-up numbers."""
    module = sys.modules[paper.measure.on.__module__]
    told = [getattr(module, one) for one in MEASURES if hasattr(module, one)]
    measures = [
        one for text in told for one in ([text] if isinstance(text, str) else text.values())
    ]
    conditions, title = list(paper.conditions), paper.data().title
    for cell in paper.chosen(seeds=seeds):
        place, depth = conditions.index(cell.condition), paper.layers.index(cell.layer)
        value = 60 - 2 * place + depth + 0.3 * math.sin(7 * cell.seed + place)
        number = {"value": value, "low": value - 1, "high": value + 1, "n": 1000}
        outcome = {
            "schema": 1,
            "paper": paper.name,
            "settings": paper.digest,
            "cell": [cell.condition, cell.layer, cell.seed],
            "data": {"title": title, "fingerprint": 64 * "0"},
            "numbers": dict.fromkeys(measures, number),
            "about": {"validation": [0.5, 0.6, 0.6 + 0.01 * place, 0.7][: 2 + cell.seed]},
            "cpu_seconds": 1.0,
            "made": {"hebblab": hl.__version__},
        }
        path = keeping.place(paper, cell, folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(outcome), encoding="utf-8")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Stand in an empty folder with a data folder that holds nothing but a name."""
    (tmp_path / "data" / "cifar-10-jpeg").mkdir(parents=True)
    monkeypatch.setenv("HEBBLAB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(costs, "rate", lambda: costs.REFERENCE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def executed(name):
    """Run the cells that need no data here, and return what each shows."""
    shown = []
    space = {"display": lambda *all: shown.extend(all), "print": lambda *all: shown.append(all)}
    for cell in cells(name):
        if cell.id.startswith("train"):
            continue
        tree = ast.parse(cell.source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, cell.id, "exec"), space)
        if last is not None:
            shown.append(eval(compile(ast.Expression(last.value), cell.id, "eval"), space))
    return shown


@pytest.mark.parametrize("name", NAMES)
def test_finished_cells_become_tables_and_figures(name, place):
    for paper in papers(name):
        recorded(paper, place / "hebblab-papers")
    shown = executed(name)
    texts = [one._repr_markdown_() for one in shown if hasattr(one, "_repr_markdown_")]
    figures = [one for one in shown if hasattr(one, "to_plotly_json")]
    assert ("This machine takes nothing: every cell is there.",) in shown
    assert len(figures) >= 3
    for figure in figures:
        assert json.loads(figure.to_json())["data"]
        assert figure.layout.title.text
    first = papers(name)[0]
    title = first.data().title
    if not first.data().exact:
        assert all(title in figure.layout.title.text for figure in figures)
        assert f"{title}, and not the set of the paper" in texts[0]
    judged = [text for text in texts if text.startswith(">")]
    assert all(re.search(r"\*\*([a-z ]+)\*\*", text)[1] in WORDS[:-1] for text in judged)
    for one in first.deviations:
        assert any(one in text for text in texts)


@pytest.mark.parametrize("name", NAMES)
def test_data_that_are_missing_are_said_first_with_what_brings_them(name, place):
    (place / "data" / "cifar-10-jpeg").rmdir()
    (first,) = papers(name)[:1]
    text = first._repr_markdown_()
    assert "**The data are not here.**" in text
    assert "hebblab data get" in text
    assert first.claims[0].text in text


def said(cell):
    found = []
    for output in cell.get("outputs", []):
        assert output.output_type != "error", output
        data = output.get("data", {})
        found.append(data.get("text/markdown") or data.get("text/html") or output.get("text", ""))
    return "\n".join(found)


@pytest.mark.data
@pytest.mark.long  # runs the experiment: minutes each
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_from_top_to_bottom_in_minutes(name, tmp_path, monkeypatch):
    kernels.isolated(monkeypatch, tmp_path)
    folder = os.environ.get("HEBBLAB_PAPERS")
    if folder:
        (tmp_path / "hebblab-papers").symlink_to(folder)
    found = kernels.run(f"papers/{name}.ipynb", tmp_path, timeout=3000)
    (first, *_) = papers(name)
    table = said(found["numbers"])
    assert all(condition in table for condition in first.conditions)
    assert "not run" not in table
    judged = [said(cell) for cell in found.values() if cell.id not in ("numbers", "paper")]
    for claim in first.claims:
        assert any(claim.text in text for text in judged if "**" in text)
    drawn = [
        output.data[PLOTLY]
        for cell in found.values()
        for output in cell.get("outputs", [])
        if PLOTLY in output.get("data", {})
    ]
    assert len(drawn) >= 3
