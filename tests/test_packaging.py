"""What is installed is what is declared, and what the README says is what happens."""

import ast
import gc
import re
import subprocess
import sys
import threading
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder

import hebblab

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
NAME = re.compile(r"[A-Za-z0-9._-]+")

# Came with a declared package since before its floor, as its other half.
HALVES = {"pydantic_core": "pydantic", "tensorboard": "tensorboard", "yaml": "pyyaml"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    return {canonical(NAME.match(text)[0]) for text in requirements}


def imported(folder: Path) -> dict[str, Path]:
    """Return the top-level modules that the files of a folder import, with one file each."""
    found = {}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0]: path for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found[node.module.split(".")[0]] = path
    return found


def undeclared(folder: Path, declared: set[str]) -> dict[str, Path]:
    distributions = metadata.packages_distributions()
    ours = {"hebblab", "tests", *(path.stem for path in folder.rglob("*.py"))}
    missing = {}
    for module, path in imported(folder).items():
        if module in sys.stdlib_module_names or module in ours:
            continue
        owners = {canonical(one) for one in distributions.get(module, [module])}
        owners.add(canonical(HALVES.get(module, module)))
        if not owners & declared:
            missing[module] = path
    return missing


def test_environment_yml_lists_the_same():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    assert pip[-1] == "--editable ."
    assert pip[:-1] == PROJECT["project"]["dependencies"]
    assert f"python{PROJECT['project']['requires-python']}" in listed


def test_the_extra_and_the_dependency_group_are_one():
    extra = PROJECT["project"]["optional-dependencies"]["test"]
    assert PROJECT["dependency-groups"]["test"] == extra


def test_every_dependency_has_a_floor_and_stands_once():
    extra = PROJECT["project"]["optional-dependencies"]["test"]
    every = [*PROJECT["project"]["dependencies"], *extra]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+>=[0-9.]+", text) for text in every)
    assert len(names(every)) == len(every)
    listed = PROJECT["project"]["dependencies"]
    assert listed == sorted(listed, key=lambda text: text.replace("-", "_").lower())


def test_everything_imported_is_declared():
    declared = names(PROJECT["project"]["dependencies"])
    assert undeclared(ROOT / "hebblab", declared) == {}
    declared |= names(PROJECT["project"]["optional-dependencies"]["test"])
    assert undeclared(ROOT / "tests", declared) == {}


def test_what_is_installed_reaches_the_floors():
    def parts(version: str) -> list[int]:
        return [int(part) for part in re.match(r"\d+(\.\d+)*", version)[0].split(".")]

    for text in PROJECT["project"]["dependencies"]:
        name, floor = text.split(">=")
        assert parts(metadata.version(name)) >= parts(floor), text


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(path) as opened:
        yield opened


def test_the_wheel_holds_every_file_of_the_package_and_the_notebooks(wheel):
    inside = set(wheel.namelist())
    package = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "hebblab").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    notebooks = [
        f"hebblab/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / "notebooks").rglob("*.ipynb")
    ]
    assert "hebblab/notebooks/papers/krotov-2019.ipynb" in notebooks
    assert "hebblab/notebooks/quickstart.ipynb" in notebooks
    assert set(package) | set(notebooks) <= inside
    kinds = ("presets/mnist-krotov.toml", "dashboard/static/weights.js", "rules/pictures/oja.png")
    for name in ("py.typed", *kinds):
        assert f"hebblab/{name}" in inside
    assert any(re.fullmatch(r"hebblab/serving/template/.*\.html\.j2", name) for name in inside)
    assert any(name.endswith("licenses/LICENSE") for name in inside)


def test_the_wheel_holds_nothing_else(wheel):
    for name in wheel.namelist():
        assert name.startswith(("hebblab/", f"hebblab-{hebblab.__version__}.dist-info/")), name
        assert not name.endswith((".pyc", ".log"))


def test_the_wheel_brings_the_command_and_the_extra(wheel):
    info = f"hebblab-{hebblab.__version__}.dist-info"
    assert "hebblab = hebblab.cli:main" in wheel.read(f"{info}/entry_points.txt").decode()
    about = wheel.read(f"{info}/METADATA").decode()
    assert "Provides-Extra: test" in about
    assert "Requires-Python: >=3.11" in about
    assert "License-Expression: MIT" in about


def test_one_version_everywhere():
    version = hebblab.__version__
    assert PROJECT["project"]["version"] == version
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(cited["version"]) == version
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert headings[0] == version


def block(mark: str) -> list[str]:
    """Return the command after a marker in the README, and its PowerShell twin."""
    pattern = rf"<!-- command:{mark} -->\n```sh\n(.+)\n```\n\n```powershell\n(.+)\n```"
    return list(re.search(pattern, README).groups())


@pytest.mark.parametrize(
    ("mark", "installs", "starts"),
    [("serve", "-e .", "hebblab serve"), ("test", '-e ".[test]"', "python -m pytest -n 2")],
)
def test_the_two_commands_are_one_line_each_and_make_their_own_environment(mark, installs, starts):
    shell, powershell = block(mark)
    assert shell.startswith("python3 -m venv .venv && .venv/bin/python -m pip install ")
    assert powershell.startswith("py -m venv .venv; .venv\\Scripts\\python -m pip install ")
    for line, folder in ((shell, ".venv/bin/"), (powershell, ".venv\\Scripts\\")):
        assert installs in line
        assert line.endswith(folder + starts)
        assert "\n" not in line


@pytest.mark.skipif(sys.platform == "win32", reason="bash")
def test_ci_calls_the_readmes_own_command():
    script = ROOT / ".ci" / "run"
    done = subprocess.run(
        ["bash", str(script), "--show"], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == block("test")[0]
    assert script.stat().st_mode & 0o111
    assert 'bash -euo pipefail -c "$command"' in script.read_text(encoding="utf-8")


def test_ci_contributing_and_pre_commit_name_the_same_checks():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    entries = " ".join(hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"])
    assert all(repo["repo"] == "local" for repo in hooks["repos"])
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for check in ("ruff check", "ruff format --check", "mypy", "lint-imports"):
        assert check in entries
        assert f'"{check}"' in script
        assert check in contributing
    for word in re.findall(r"tests/\S+", entries):
        assert (ROOT / word).exists(), word


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "docs/teaching.md", "docs/papers/README.md"]
)
def test_links_within_the_repository_lead_somewhere(name):
    path = ROOT / name
    targets = re.findall(r"\]\(([^)#\s]+)\)", path.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert local or name == "CONTRIBUTING.md"
    for target in local:
        assert (path.parent / target).exists(), target


def test_the_index_of_papers_lists_every_page():
    folder = ROOT / "docs" / "papers"
    index = (folder / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in folder.glob("*.md")} - {"README.md"}
    assert {target for target in re.findall(r"\]\(([^)]+)\)", index)} == pages
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {
        page.removesuffix(".md") for page in pages
    }, "a page stands beside its cells"


def test_the_readmes_python_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(blocks) == 4
    space: dict = {"__name__": "readme"}
    try:
        for text in blocks:
            exec(compile(text, "README.md", "exec"), space)
        assert 0.9 < float(capsys.readouterr().out.split()[0]) < 1
        change, grown = space["change"], space["layer"].weight.grad
        assert (grown + change).abs().max() < 1e-4 * change.abs().max()
        assert "leaky" in hebblab.rules.available()
    finally:
        hebblab.rules.unregister("leaky")
        space.clear()
        gc.collect()
    assert not [one for one in threading.enumerate() if one.name.startswith("hebblab")]


def test_the_figures_have_their_place():
    assert README.index("<!-- figures:begin -->\n") < README.index("<!-- figures:end -->")
    teaching = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
    places = re.findall(r"<!-- measure: [a-z-]+ -->(.+?)<!-- /measure -->", teaching)
    assert len(places) >= 3 and all(re.search(r"\d", found) for found in places)
