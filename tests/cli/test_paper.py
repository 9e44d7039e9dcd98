"""`hebblab paper`: the list, the cost, the run, and what goes wrong."""

import json

import pytest

from hebblab import papers
from hebblab.experiments.papers import Claim, Measured, Paper, claims, data

MEASURE = "accuracy, %"


def measure(condition, layers, seed, source, report):
    for layer in layers:
        yield Measured(layer, {MEASURE: (60.0 if condition == "ours" else 50.0) + 0.1 * seed})


def interrupted(condition, layers, seed, source, report):
    yield from measure(condition, layers[:1], seed, source, report)
    raise KeyboardInterrupt


def paper(measuring=measure):
    return Paper(
        name="fake-2020",
        title="A fake",
        citation="Nobody 2020.",
        data=data.exact("mnist-5k", "MNIST, 5,000 digits"),
        conditions={"ours": 1.0, "raw pixels": 1.0},
        layers=("L1", "L2", "L3"),
        seeds=(1, 2, 3),
        settings=1,
        measure=measuring,
        claims=(
            Claim("It is above.", claims.ordered(MEASURE, ("ours", "L1"), ("raw pixels", "L1"))),
            Claim(
                "So it is later.",
                claims.ordered(MEASURE, ("ours", "L3"), ("raw pixels", "L3")),
                ours=True,
            ),
        ),
    )


@pytest.fixture
def fake(monkeypatch):
    def put(measuring=measure):
        monkeypatch.setitem(papers._PAPERS, "fake-2020", lambda: paper(measuring))

    put()
    monkeypatch.setattr("hebblab.experiments.papers.costs._SECONDS", 0.01)
    return put


def test_alone_it_lists_every_paper_with_its_time(command):
    done = command("paper")
    told = " ".join(done.stdout.split())
    assert done.exit_code == 0
    for name in papers.available():
        assert name in told
    assert "about" in told


def test_it_says_the_cost_first_and_runs(command, kept, fake, tmp_path):
    done = command("paper", "fake-2020", "--dir", str(tmp_path))
    assert done.exit_code == 0
    assert len(kept) == 1, "what training frees, it takes again"
    assert done.stderr.index("This machine takes") < done.stderr.index("fake-2020")
    told = " ".join(done.stdout.split())
    assert "ordering reproduced. It is above." in told
    assert "holds. So it is later." in told
    assert len(list((tmp_path / "fake-2020").glob("*.json"))) == 18
    assert (tmp_path / "fake-2020.md").read_text(encoding="utf-8").startswith("# A fake")
    again = command("paper", "fake-2020", "--dir", str(tmp_path))
    assert "nothing: every cell is there" in again.stderr


def test_json_is_one_object_and_nothing_else(command, fake, tmp_path):
    words = ("--seeds", "3", "--layers", "1-2", "--cells", "ours", "--json")
    done = command("paper", "fake-2020", "--dir", str(tmp_path), *words)
    told = json.loads(done.stdout)
    assert [(row["condition"], row["layer"], row["n"]) for row in told["table"]] == [
        ("ours", "L1", 3),
        ("ours", "L2", 3),
    ]
    assert told["claims"][0]["word"] == "not run"
    assert told["data"] == {"title": "MNIST, 5,000 digits", "exact": True}


def test_the_cost_alone_runs_nothing(command, fake, tmp_path):
    done = command("paper", "fake-2020", "--dir", str(tmp_path), "--cost", "--json")
    assert json.loads(done.stdout)["cells"] == 18
    assert not list(tmp_path.iterdir())


def test_an_interrupt_keeps_what_is_finished(command, fake, tmp_path):
    fake(interrupted)
    done = command("paper", "fake-2020", "--dir", str(tmp_path))
    assert done.exit_code == 130
    assert "the same command goes on" in done.stderr
    assert [path.name for path in (tmp_path / "fake-2020").iterdir()] == ["ours-l1-1.json"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("krotov-2091",), "Did you mean 'krotov-2019'"),
        (("fake-2020", "--cells", "raw pixel"), "Did you mean 'raw pixels'"),
        (("fake-2020", "--layers", "4"), "layers 1 to 3"),
        (("fake-2020", "--layers", ","), "--layers takes"),
        (("fake-2020", "--seeds", "0"), "whole numbers from 1"),
        (("fake-2020", "--seeds", "two"), "whole numbers from 1"),
        (("fake-2020", "--jobs", "-1"), "whole numbers from 1"),
    ],
)
def test_what_is_wrong_is_2_and_one_sentence(command, fake, words, told):
    done = command("paper", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr


def test_data_that_are_missing_are_1_and_how_to_get_them(command, monkeypatch, tmp_path):
    monkeypatch.setenv("HEBBLAB_DATA", str(tmp_path))
    done = command("paper", "miconi-2021-mini")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "hebblab data get cifar-10" in done.stderr


def test_a_folder_that_cannot_be_written_is_1(command, fake, tmp_path):
    (tmp_path / "file").write_text("")
    done = command("paper", "fake-2020", "--dir", str(tmp_path / "file"), "--seeds", "1")
    assert done.exit_code == 1
    assert "could not be written" in done.stderr
