"""A paper that measures nothing, and what every experiment is computed under."""

import importlib.util
from typing import NamedTuple

import pytest

from hebblab.live.threads import as_trained

FAKE = """
import sys, time
from hebblab.experiments.papers import Claim, Measured, NotRun, Paper, Published, claims, data

def measure(condition, layers, seed, source, report):
    if condition == "refused":
        raise NotRun("its sources are not here")
    for layer in layers:
        report(0.5, "half")
        time.sleep(PAUSE)
        better = 3.0 if condition == "ours" else 0.0
        depth = 1.0 if layer == "L2" else 0.0
        value = 80 + better + depth + 0.1 * seed
        yield Measured(layer, {"accuracy, %": {"value": value, "low": value - 1,
                                               "high": value + 1, "n": 1000}}, {"steps": seed})

PAUSE = 0.0
def ours(layer): return ("ours", layer)

PAPER = Paper(
    name="fake-2020", title="A fake", citation="Nobody, Nowhere 2020.",
    data=data.exact("mnist-5k", "MNIST, 5,000 digits"),
    conditions={"ours": 2.0, "theirs": 1.0, "refused": 1.0}, layers=("L1", "L2"),
    seeds=(1, 2, 3), settings=("anything", 1), measure=measure,
    published=(Published("ours", "L2", "accuracy, %", 84.2, 0.1, "the paper, table 1"),
               Published("refused", "L1", "accuracy, %", 90.0)),
    claims=(
        Claim("84.2 %.", claims.number("accuracy, %", ours("L2"), 84.2, 0.1)),
        Claim("99 %.", claims.number("accuracy, %", ours("L2"), 99.0)),
        Claim("Above theirs.", claims.ordered("accuracy, %", ours("L1"), ("theirs", "L1"))),
        Claim("Below theirs.", claims.ordered("accuracy, %", ("theirs", "L1"), ours("L1"))),
        Claim("It rises.", claims.rises("accuracy, %", "ours", ("L1", "L2"))),
        Claim("Above refused.", claims.ordered("accuracy, %", ours("L1"), ("refused", "L1"))),
    ),
    deviations=("It is a fake.",),
)

if __name__ == "__main__":
    PAUSE = float(sys.argv[2])
    PAPER.run(folder=sys.argv[1], jobs=int(sys.argv[3]))
"""


class Told(NamedTuple):
    """A result with its numbers as they are, without their intervals."""

    layer: str
    numbers: dict
    about: dict


@pytest.fixture(scope="session")
def nobody():
    """One who is told how far a computation is, and says nothing of it."""
    return lambda *_: None


@pytest.fixture(scope="session")
def told(nobody):
    """An experiment's results at a condition, layer by layer."""

    def run(experiment, part, settings, condition, layers=(), seed=1):
        found = experiment.on(part, settings, condition, layers, seed, nobody)
        return [
            Told(one.layer, {name: plain(n) for name, n in one.numbers.items()}, one.about)
            for one in found
        ]

    def plain(number):
        return number["value"] if isinstance(number, dict) else number

    return run


@pytest.fixture(autouse=True)
def as_a_cell():
    """Compute as a cell does, for experiments that are called past the frame."""
    with as_trained(1):
        yield


@pytest.fixture(scope="session")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("fake") / "fake_paper.py"
    path.write_text(FAKE, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def fake(script):
    spec = importlib.util.spec_from_file_location("fake_paper", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PAPER


@pytest.fixture(scope="session")
def whole(fake):
    return fake.run()
