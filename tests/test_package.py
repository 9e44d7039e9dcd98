"""What the package promises before anything is done with it."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

import hebblab as hl

PACKAGE = Path(hl.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = ("torch", "numpy", "ignite", "pydantic", "IPython", "ipywidgets", "plotly", "tornado")

# Names of the contract that this much of the product has.
CONTRACT = {
    "": """Rule Knob knob KrotovsRule Local HebbianTrainer SupervisedTrainer SupervisedEvaluator
        HebbianEvaluator Images Vectors Dataset Recipe Session Edit Frame Lab ProbeResult Score
        linear_probe evaluate Evaluation UnknownName InvalidValue WrongState DataUnavailable
        HebblabError RePU __version__""",
    "rules": "available create register winners",
    "networks": "available create register load",
    "data": "available load from_npz from_folder",
    "presets": "available get",
    "evaluation": """linear_readout retrieval calibration_error treves_rolls hoyer wilson
        student_interval paired_difference""",
    "metrics": """convergence effective_rank near_duplicates likeness negative_share mosaic
        histogram activation_statistics""",
}
MEMBERS = {
    "Rule": "update statistics change advance knobs name title equation source",
    "Knob": "",
    "Session": """state steps epoch start pause resume step stop wait speed edit edits knobs values
        frame history weights model save probe restart error traceback __enter__ __exit__""",
    "Edit": "wait",
    "Recipe": "model_dump_json model_validate_json",
    "HebbianTrainer": "run",
    "SupervisedEvaluator": "attach",
    "HebbianEvaluator": "attach",
    "Evaluation": "table confusion compare to_json to_html _repr_html_",
    "Lab": "close figure session",
}


@pytest.mark.parametrize(
    ("room", "name"), [(room, name) for room, names in CONTRACT.items() for name in names.split()]
)
def test_the_contracts_names_exist(room, name):
    holder = getattr(hl, room) if room else hl
    assert getattr(holder, name) is not None
    if not room:
        assert name in dir(hl)


@pytest.mark.parametrize(
    ("name", "member"), [(name, m) for name, members in MEMBERS.items() for m in members.split()]
)
def test_the_contracts_members_exist(name, member):
    assert hasattr(getattr(hl, name), member)


def test_every_public_name_resolves_and_is_listed_once():
    assert len(set(hl.__all__)) == len(hl.__all__)
    assert sorted(hl.__all__) == hl.__all__
    for name in hl.__all__:
        assert getattr(hl, name) is not None
        assert name in dir(hl)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'hebblab' has no attribute 'Sesion'"):
        _ = hl.Sesion
    assert not hasattr(hl, "torch")


def run(code, *options):
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=PACKAGE.parent,
        check=True,
    )


def test_importing_it_is_light():
    loaded = run("import hebblab, sys; print(*sys.modules); assert 'Session' in dir(hebblab)")
    names = {name.split(".")[0] for name in loaded.stdout.split()}
    assert "hebblab" in names
    assert not names & set(HEAVY)

    timed = run("import hebblab", "-X", "importtime").stderr
    cost = re.search(r"\|\s+(\d+) \| hebblab$", timed, re.MULTILINE)
    assert cost is not None
    assert int(cost[1]) < 100_000  # microseconds


def test_a_session_needs_no_widgets_and_no_browser():
    loaded = run("import hebblab, sys; hebblab.Session; print(*sys.modules)")
    names = {name.split(".")[0] for name in loaded.stdout.split()}
    assert "torch" in names
    assert not names & {"ipywidgets", "anywidget", "plotly", "IPython", "voila", "torchvision"}


def test_it_is_typed_and_knows_its_version():
    assert (files("hebblab") / "py.typed").is_file()
    project = PACKAGE.parent / "pyproject.toml"
    if project.exists():
        assert tomllib.loads(project.read_text())["project"]["version"] == hl.__version__


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_draws_from_a_global_generator_or_unpickles(module):
    faults = list(offences(ast.parse(module.read_text(encoding="utf-8"))))
    assert not faults


SEEDS = {"seed", "manual_seed", "manual_seed_all", "set_rng_state", "initial_seed"}
DRAWS = {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson"}
IN_PLACE = {"uniform_", "normal_", "bernoulli_", "random_", "exponential_", "log_normal_"}
LOADERS = {"torch.load", "torch.save", "joblib.load", "numpy.load"}
# While a network is built its modules draw globally; one place forks that state and seeds it.
ALLOWED = {"torch.default_generator.manual_seed"}


def offences(tree):
    """Yield what a module must not do, as "line: call"."""
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                aliases[one.asname or one.name.split(".")[0]] = (
                    one.name if one.asname else (one.name.split(".")[0])
                )
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            for one in node.names:
                aliases[one.asname or one.name] = f"{node.module}.{one.name}"
    for name in aliases.values():
        if name.split(".")[0] in {"pickle", "random", "dill", "cloudpickle", "shelve", "marshal"}:
            yield f"import {name}"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func, aliases)
        tail = name.rsplit(".", 1)[-1]
        given = {one.arg for one in node.keywords}
        bad = (
            (name.startswith("torch.") and tail in SEEDS and name not in ALLOWED)
            or (name.startswith("torch.") and tail in DRAWS and "generator" not in given)
            or (tail in IN_PLACE and "generator" not in given)
            or (name.startswith("torch.nn.init.") and "generator" not in given)
            or (
                name.startswith("numpy.random.")
                and tail not in {"default_rng", "SeedSequence", "Generator"}
            )
            or (name in LOADERS and not allows_no_pickle(node))
        )
        if bad:
            yield f"{node.lineno}: {name}"


def allows_no_pickle(call):
    return any(
        one.arg == "allow_pickle"
        and isinstance(one.value, ast.Constant)
        and one.value.value is False
        for one in call.keywords
    )


def dotted(node, aliases):
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value, aliases)}.{node.attr}"
    return aliases.get(node.id, node.id) if isinstance(node, ast.Name) else "?"


@pytest.mark.parametrize(
    "code",
    [
        "import torch; torch.manual_seed(0)",
        "import torch as t; t.cuda.manual_seed_all(0)",
        "import torch; torch.rand(3)",
        "from torch import randn; randn(3)",
        "from torch.nn import init; init.normal_(w)",
        "w.uniform_(0, 1)",
        "import numpy as np; np.random.seed(0)",
        "import numpy as np; np.random.rand(3)",
        "import random",
        "from random import choice",
        "import pickle",
        "import torch; torch.load('x')",
        "import numpy as np; np.load('x')",
        "import numpy as np; np.load('x', allow_pickle=True)",
    ],
)
def test_the_lint_sees_what_it_should(code):
    assert list(offences(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "import torch; torch.rand(3, generator=g)",
        "w.uniform_(0, 1, generator=g)",
        "import numpy as np; np.random.default_rng(3)",
        "import numpy as np; np.load('x', allow_pickle=False)",
        "g.manual_seed(3)",
        "import torch; torch.Generator().manual_seed(3)",
    ],
)
def test_the_lint_lets_owned_generators_pass(code):
    assert not list(offences(ast.parse(code)))
