"""Papers: cells as files, words for claims, nothing missing in silence; orderings at tiny size."""

import dataclasses
import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import hebblab as hl
from hebblab import DataUnavailable, InvalidValue, UnknownName
from hebblab.data import Images
from hebblab.experiments import sweeps
from hebblab.experiments.papers import (
    claims,
    coates,
    costs,
    data,
    filters,
    krotov,
    miconi,
    peers,
    reading,
    softhebb,
    talloen,
    timing,
)
from hebblab.experiments.papers.learning import network
from hebblab.experiments.papers.paper import NotRun
from hebblab.experiments.papers.results import Results, summary
from hebblab.live.threads import as_trained
from hebblab.nn import networks

ROOT = Path(__file__).resolve().parents[2]
FAKE = """
import sys, time
from pathlib import Path
from hebblab.errors import InvalidValue
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


@pytest.fixture(autouse=True)
def as_a_cell():
    """Compute as a cell does, for experiments that are called past the frame."""
    with as_trained(1):
        yield


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("fake") / "fake_paper.py"
    path.write_text(FAKE, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def fake(script):
    spec = importlib.util.spec_from_file_location("fake_paper", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PAPER


@pytest.fixture(scope="module")
def whole(fake):
    return fake.run()


def words(result):
    return [word for _, word, _ in result.claims]


def nothing(*_):
    pass


def test_every_claim_has_one_of_the_four_words_and_a_reason(whole):
    assert words(whole) == [
        "reproduced",
        "not reproduced",
        "ordering reproduced",
        "not reproduced",
        "ordering reproduced",
        "not run",
    ]
    assert all(reason for _, _, reason in whole.claims)
    assert whole.claims[3][2].endswith("worse")
    assert "its sources are not here" in whole.claims[5][2]


def test_the_table_has_ours_beside_the_published_with_interval_and_n(whole):
    table = whole.table.set_index(["condition", "layer"])
    row = table.loc[("ours", "L2")]
    assert row.ours == pytest.approx(84.2)
    assert (row.published, row.published_half, row.n) == (84.2, 0.1, 3)
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert (row.low, row.high) == (pytest.approx(84.2 - half), pytest.approx(84.2 + half))
    assert row.interval == "Student t, 3 runs"
    assert math.isnan(table.loc[("theirs", "L1")].published)


def test_what_was_not_run_stands_in_the_table_with_its_reason(whole, fake):
    refused = whole.table[whole.table.condition == "refused"]
    assert list(refused.layer) == ["L1", "L2"]
    assert all("its sources are not here" in note for note in refused.note)
    assert refused.ours.isna().all()
    part = fake.run(cells=["ours"], layers=["L2"], seeds=3)
    assert words(part)[0] == "reproduced"
    assert words(part)[2] == "not run"
    assert "not chosen" in part.claims[2][2]


def test_one_run_has_the_interval_of_its_images_and_two_have_none(fake):
    one = fake.run(cells=["ours"], seeds=1)
    assert one.table.interval[0] == "Wilson, 1,000 images"
    assert words(one)[0] == "not run"
    assert "1 of at least 3 runs" in one.claims[0][2]
    assert "--seeds 3" in one.claims[0][2]
    assert math.isnan(summary([{"value": 1.0}, {"value": 2.0}])["low"])


def test_the_page_names_data_claims_reasons_and_how_it_was_made(whole):
    page = whole.to_markdown()
    assert page.startswith("# A fake · MNIST, 5,000 digits\n")
    parts = ("**reproduced**", "84.20 ± 0.1 (the paper, table 1)", "It is a fake.", "- machine:")
    for part in parts:
        assert part in page
    assert "refused, L1, seed 1: its sources are not here" in page
    assert "| ours | L1 | steps | 1, 2, 3 |" in page
    assert "not corrected for there being 6" in page
    assert "hebblab paper fake-2020" in page


def test_a_copy_of_the_data_is_named_in_every_heading(fake, tmp_path):
    copied = dataclasses.replace(
        fake, data=lambda: data.Source("mnist-5k", "MNIST, a copy", exact=False)
    )
    fake.run(cells=["ours"], seeds=1, folder=tmp_path)
    done = copied.run(cells=["ours"], seeds=1, folder=tmp_path)
    headings = [line for line in done.to_markdown().splitlines() if line.startswith("#")]
    assert len(headings) > 4
    assert all("MNIST, a copy" in line for line in headings)
    assert "not the set of the paper" in done.to_markdown()
    (kept, *_) = done.outcomes.values()
    assert kept["data"]["title"] == "MNIST, a copy", "a result on other data is none of this"


def test_a_finished_cell_is_never_measured_again(fake, tmp_path):
    fake.run(cells=["ours"], seeds=1, folder=tmp_path)
    path = tmp_path / "fake-2020" / "ours-l1-1.json"
    before = path.stat().st_mtime_ns
    measured = []
    counted = dataclasses.replace(
        fake, measure=lambda *given: measured.append(given[:3]) or fake.measure(*given)
    )
    counted.run(cells=["ours"], seeds=2, folder=tmp_path)
    assert measured == [("ours", ("L1", "L2"), 2)]
    assert path.stat().st_mtime_ns == before
    assert str(
        fake.cost(cells=["ours"], seeds=2, folder=tmp_path, rate=costs.REFERENCE)
    ).startswith("nothing")


def test_what_is_no_whole_result_of_these_settings_is_measured_again(fake, tmp_path):
    fake.run(cells=["ours"], layers=["L1"], seeds=1, folder=tmp_path)
    path = tmp_path / "fake-2020" / "ours-l1-1.json"
    whole = json.loads(path.read_text())
    changed = (
        {"settings": "others"},
        {"made": {}},
        {"made": {**whole["made"], "hebblab": "0.0.1"}},
        {"numbers": {}},
        {"numbers": {"accuracy, %": {"value": "x"}}},
        {"numbers": {"accuracy, %": {"value": math.nan}}},
        {"numbers": {"accuracy, %": {"low": 1.0}}},
        {"data": {**whole["data"], "fingerprint": 64 * "0"}},
        {"cpu_seconds": None},
        {"about": None},
    )
    damaged = [json.dumps({**whole, **change}) for change in changed]
    for content in ("", "{", "[]", "{}", *damaged):
        path.write_text(content)
        fake.run(cells=["ours"], layers=["L1"], seeds=1, folder=tmp_path)
        assert json.loads(path.read_text())["numbers"] == whole["numbers"], content
    other = dataclasses.replace(fake, settings=("anything", 2))
    assert other.digest != fake.digest


def test_a_killed_paper_goes_on_to_the_same_table(script, fake, whole, tmp_path):
    place = tmp_path / "fake-2020"
    command = [sys.executable, str(script), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.Popen([*command, "0.4", "1"], env=environment)
    until = time.monotonic() + 60
    while not list(place.glob("*.json")) and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    done = sorted(path.name for path in place.glob("*.json"))
    assert 0 < len(done) < 12
    subprocess.run([*command, "0", "2"], env=environment, check=True, timeout=110)
    assert len(list(place.glob("*.json"))) == 12
    result = fake.run(folder=tmp_path)
    pd.testing.assert_frame_equal(result.table, whole.table)
    assert result.claims == whole.claims


def test_a_full_disk_says_so_and_keeps_finished_cells(fake, tmp_path, monkeypatch):
    fake.run(cells=["ours"], seeds=1, folder=tmp_path)
    before = sorted(path.name for path in (tmp_path / "fake-2020").iterdir())

    def full(_part, _path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sweeps.os, "replace", full)
    with pytest.raises(DataUnavailable, match="No space left"):
        fake.run(folder=tmp_path)
    assert sorted(path.name for path in (tmp_path / "fake-2020").iterdir()) == before


def test_wrong_names_and_numbers_are_refused_before_anything_runs(fake):
    with pytest.raises(UnknownName, match="Did you mean 'krotov-2019'"):
        hl.papers.get("krotov-209")
    with pytest.raises(UnknownName, match="Did you mean 'ours'"):
        fake.run(cells=["our"])
    with pytest.raises(UnknownName, match="L1, L2"):
        fake.run(layers=["conv"])
    assert {cell.layer for cell in fake.chosen(layers="L2")} == {"L2"}
    for wrong in (
        *({"layers": [3]}, {"layers": []}, {"layers": 2.5}, {"cells": []}, {"cells": 3}),
        *({"seeds": 0}, {"seeds": [-1]}, {"seeds": 1.5}, {"jobs": 0}),
    ):
        with pytest.raises(InvalidValue):
            fake.run(**wrong)


def test_data_that_are_not_there_are_one_sentence(fake, tmp_path, monkeypatch):
    monkeypatch.setenv("HEBBLAB_DATA", str(tmp_path))
    with pytest.raises(DataUnavailable, match="hebblab data get cifar-10"):
        hl.papers.get("miconi-2021-mini").run()
    (tmp_path / "cifar-10-jpeg").mkdir()
    assert data.cifar_10().title == "CIFAR-10, JPEG copy"
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"damaged")
    assert data.cifar_10().exact, "what is damaged is refused when it is read, not replaced"


def test_data_of_a_wrong_digest_are_one_sentence_and_no_result(tmp_path, monkeypatch):
    monkeypatch.setenv("HEBBLAB_DATA", str(tmp_path))
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for split, images in (("train", 60_000), ("t10k", 10_000)):
        for name, size in (("images-idx3", 16 + 784 * images), ("labels-idx1", 8 + images)):
            with (raw / f"{split}-{name}-ubyte").open("wb") as file:
                file.truncate(size)
    data.load.cache_clear()
    try:
        with pytest.raises(DataUnavailable, match="is damaged"):
            hl.papers.get("krotov-2019-mini").run(folder=tmp_path / "results")
    finally:
        data.load.cache_clear()
    assert not list(tmp_path.glob("results/**/*.json"))


def test_the_mini_of_two_papers_has_both_names():
    paper = hl.papers.get("softhebb-2023-mini")
    assert paper.name == "softhebb-2023-quarter-mini"
    assert "softhebb-2023" in hl.papers.available()


def test_a_machine_half_as_fast_costs_twice(fake):
    full = fake.cost(rate=costs.REFERENCE)
    half = fake.cost(rate=costs.REFERENCE / 2)
    assert half.seconds == pytest.approx(2 * full.seconds)
    assert full.seconds == pytest.approx(3 * 4.0)
    assert fake.cost(rate=costs.REFERENCE, jobs=3).seconds == pytest.approx(4.0)
    assert costs.rate(0.05) > 0


def test_progress_counts_to_the_end_in_seconds_of_work(fake):
    heard = []
    fake.run(cells=["ours", "theirs"], progress=lambda *said: heard.append(said))
    done, total, text = heard[-1]
    assert done == total == pytest.approx(9.0)
    assert text.startswith("12 of 12 cells")
    assert [one for one, *_ in heard] == sorted(one for one, *_ in heard)


def test_claims_say_when_nothing_can_be_told():
    cells = {
        ("a", 1): 81.0, ("a", 2): 79.0, ("a", 3): 80.5,
        ("b", 1): 80.0, ("b", 2): 80.0, ("b", 3): 80.0,
    }  # fmt: skip
    outcomes = {
        hl.papers.Cell(name, "L1", seed): {"numbers": {"x": {"value": value}}}
        for (name, seed), value in cells.items()
    }
    results = Results(outcomes, {})
    told = claims.ordered("x", ("a", "L1"), ("b", "L1"))(results)
    assert told.word == "not reproduced"
    assert "cannot tell at n = 3" in told.reason
    near = claims.gap("x", ("a", "L1"), ("b", "L1"), 0.5, at_most=5.0)(results)
    assert near.word == "reproduced"
    assert claims.gap("x", ("a", "L1"), ("b", "L1"), None, 5.0)(results).word == (
        "ordering reproduced"
    )
    assert claims.gap("x", ("a", "L1"), ("b", "L1"), 0.5, at_most=1.0)(results).word == (
        "not reproduced"
    )


def found(**cells):
    """Return results of conditions by layer and seed: found(a={"L1": [1.0, 2.0, 3.0]})."""
    outcomes = {
        hl.papers.Cell(name, layer, seed): {"numbers": {"x": {"value": value}}}
        for name, layers in cells.items()
        for layer, values in layers.items()
        for seed, value in enumerate(values)
    }
    return Results(outcomes, {})


def test_alike_is_two_sided_and_a_gap_the_other_way_round_is_none():
    places = ("a", "L1"), ("b", "L1")
    far = found(a={"L1": [70.0, 70.1, 69.9]}, b={"L1": [80.0, 80.0, 80.0]})
    assert claims.gap("x", *places, None, 1.0)(far).word == "ordering reproduced"
    alike = claims.gap("x", *places, None, 1.0, either=True)(far)
    assert (alike.word, "±1" in alike.reason) == ("not reproduced", True)
    other = claims.gap("x", *places, 0.5, 1.5)(far)
    assert other.word == "not reproduced"
    assert other.reason.endswith("the other way round")
    near = found(a={"L1": [80.1, 80.2, 80.0]}, b={"L1": [80.0, 80.0, 80.0]})
    assert claims.gap("x", *places, None, 1.0, either=True)(near).word == "ordering reproduced"


def test_of_what_nothing_can_be_told_it_is_not_said_that_it_does_not_rise():
    rising = {"L1": [60.0, 60.0, 60.0], "L2": [62.0, 62.1, 61.9]}
    judge = claims.rises("x", "soft", ("L1", "L2"), against="hard")
    unsure = found(soft=rising, hard={"L1": [60.0, 60.0, 60.0], "L2": [65.0, 55.0, 66.0]})
    assert judge(unsure).word == "not reproduced"
    falling = found(soft=rising, hard={"L1": [60.0, 60.0, 60.0], "L2": [59.0, 59.1, 58.8]})
    told = judge(falling)
    assert told.word == "ordering reproduced"
    assert "soft rises by +3.03 more" in told.reason
    both = found(soft=rising, hard={"L1": [60.0, 60.0, 60.0], "L2": [61.0, 61.1, 60.9]})
    assert judge(both).word == "not reproduced", "the other rises too"


def test_what_is_reached_is_told_with_its_cost():
    outcomes = {
        hl.papers.Cell("a", "L1", seed): {
            "numbers": {"x": {"value": 98 + 0.1 * seed}, "s": {"value": 100.0 + seed}}
        }
        for seed in range(3)
    }
    results = Results(outcomes, {})
    judge = claims.reached("x", "s", ("a", "L1"), 97.5, 600)
    assert judge(results).word == "reproduced"
    assert "s: 101 (99 to 103)" in judge(results).reason
    assert claims.reached("x", "s", ("a", "L1"), 98.0, 600)(results).word == "not reproduced"
    assert claims.reached("x", "s", ("a", "L1"), 97.5, 102)(results).word == "not reproduced"


def test_two_runs_are_printed_as_they_are(fake):
    table = fake.run(cells=["ours"], layers=["L1"], seeds=2).table
    assert table.note[0] == "two runs have no interval: 83.1, 83.2"
    assert math.isnan(table.low[0])


@pytest.mark.parametrize("name", hl.papers.available())
def test_every_paper_names_its_cells_sources_and_deviations(name):
    paper = hl.papers.get(name)
    assert paper.name == name
    assert paper.minutes > 0
    assert paper.citation
    assert paper.deviations
    assert len(paper.seeds) >= 3, "no interval is worth its name under three runs"
    for one in paper.published:
        assert one.condition in paper.conditions
        assert one.layer in paper.layers
        assert one.source.startswith(("the paper, ", "the authors' "))
    for claim in paper.claims:
        with pytest.raises(NotRun):
            claim.judge(Results({}, {}))


def small(digits, train, test=1000):
    return data.portion(digits, 1, train, 500, test)


def value(measured, measure):
    number = measured.numbers[measure]
    return number["value"] if isinstance(number, dict) else number


def test_krotovs_features_read_better_than_random_ones_and_pixels(digits):
    settings = krotov.Settings(100, None, None, None, steps=600, until=0.9, epochs=5)
    found = {
        condition: krotov.on(digits, settings, condition, 1, nothing)
        for condition in (krotov.KROTOV, krotov.RANDOM, krotov.PIXELS, krotov.BACKPROP)
    }
    told = {name: value(one, krotov.VALIDATION) for name, one in found.items()}
    assert found[krotov.KROTOV].about["converged"] >= 0.9
    assert found[krotov.KROTOV].about["steps"] < 600
    assert told[krotov.KROTOV] > told[krotov.RANDOM] + 4
    assert told[krotov.BACKPROP] > told[krotov.RANDOM]


def test_filters_collapse_on_true_patches_and_not_on_what_the_authors_cut(digits):
    part = small(digits, 1000)
    about = {"patches": {}, "runs": {}}
    filters.on_patches(part, 24, 1500, 1, nothing, about["patches"])
    filters.on_runs(part, 24, 1500, 1, nothing, about["runs"])
    likeness = "median likeness to the nearest filter"
    assert about["runs"][likeness] < about["patches"][likeness]


def test_runs_are_25_consecutive_values_of_shifted_images():
    images = np.arange(2 * 81, dtype=np.float32).reshape(2, 1, 9, 9)
    shifted = [
        images[image, 0, row : row + 5, column : column + 5]
        for image in range(2)
        for row in range(5)
        for column in range(5)
    ]
    expected = np.concatenate([one.ravel() for one in shifted]).reshape(-1, 25)
    assert filters.runs(torch.from_numpy(images)).numpy().tolist() == expected.tolist()


def test_end_to_end_is_above_random_filters_above_nothing(digits):
    settings = talloen.Settings(8, 800, 300, 500, updates=200, pictures=None, epochs=4)
    part = data.portion(digits, 1, 800, 300, 500)
    told = {}
    for condition in (talloen.END_TO_END, talloen.RANDOM, talloen.HEBB):
        measured = talloen.on(part, settings, condition, 1, nothing)
        told[condition] = value(measured, talloen.TEST)
        gap = value(measured, talloen.TRAIN) - told[condition]
        assert value(measured, talloen.GAP) == pytest.approx(gap)
        assert 1 <= value(measured, talloen.SOON) <= 4
    assert told[talloen.RANDOM] > 60
    assert told[talloen.END_TO_END] > 70
    assert "validation" in measured.about


def test_the_triangle_reads_better_than_winners_at_the_third_layer(digits):
    settings = miconi.Settings(5, 400, 500, epochs=2, settle=2)
    part = data.portion(digits, 1, 400, 100, 500)
    told = {}
    for condition in (miconi.WINNERS, miconi.TRIANGLE, miconi.PRUNING):
        found = list(miconi.on(part, settings, condition, miconi.LAYERS, 1, nothing))
        assert [one.layer for one in found] == list(miconi.LAYERS)
        told[condition] = value(found[-1], miconi.TEST)
    assert told[miconi.TRIANGLE] > told[miconi.WINNERS] + 5
    assert not [name for name in networks.available() if name.startswith("paper")]


def test_a_winner_passes_on_one_at_each_place():
    winner = miconi.Winner()
    responses = torch.tensor([[[[1.0, -2.0]], [[0.5, -1.0]]]])
    assert winner(responses).flatten().tolist() == [1.0, 0.0, 0.0, 0.0]
    winner.thresholds = torch.tensor([1.0, 0.0])
    assert winner(responses).flatten().tolist() == [0.0, 0.0, 1.0, 0.0]


def test_softhebb_yields_its_layers_in_order(digits):
    settings = softhebb.Settings("softhebb-cnn-quarter", 40, 40, epochs=1)
    part = data.portion(digits, 1, 40, 40, 40)
    found = list(softhebb.on(part, settings, softhebb.SOFT, ("L1", "L3"), 1, nothing))
    assert [one.layer for one in found] == ["L1", "L3"]
    hard = softhebb.recipe(settings, softhebb.HARD, 1)
    assert {entry["temperature"] for entry in hard.rules.values()} == {0.01}


def test_the_triangle_reads_better_than_winners_of_the_same_centres(digits):
    settings = coates.Settings(10, 500, 200, 500, patches=3000)
    part = data.portion(digits, 2, 500, 200, 500)
    told = {
        condition: value(coates.on(part, settings, condition, 2, nothing), coates.TEST)
        for condition in (coates.TRIANGLE, coates.HARD, coates.HEBBIAN)
    }
    assert told[coates.TRIANGLE] > told[coates.HARD] + 2
    assert abs(told[coates.TRIANGLE] - told[coates.HEBBIAN]) < 8


def test_k_means_moves_centres_to_the_means_of_what_they_win():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(300, 2, generator=generator) + 8 * torch.arange(3.0).repeat_interleave(
        100
    ).view(-1, 1)
    found = coates.k_means(rows, rows[[0, 100, 200]]).sort(dim=0).values
    expected = rows.view(3, 100, 2).mean(1)
    torch.testing.assert_close(found, expected, atol=0.2, rtol=0)


def test_an_implementation_that_is_not_here_says_where_to_get_it(digits, monkeypatch, tmp_path):
    settings = timing.Settings(batches=2, units=20, batch=100)
    monkeypatch.delenv(peers.VARIABLE, raising=False)
    with pytest.raises(NotRun, match="names no folder"):
        timing.on(digits, settings, timing.FRAMEWORK, 1, nothing)
    monkeypatch.setenv(peers.VARIABLE, str(tmp_path))
    with pytest.raises(NotRun, match="clone https"):
        timing.on(digits, settings, timing.NOTEBOOK, 1, nothing)
    ours = timing.on(digits, settings, timing.OURS, 1, nothing)
    assert value(ours, timing.CPU) > 0
    assert ours.about["threads"] == 1


def test_ridge_is_the_closed_form():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(60, 5, generator=generator)
    labels = torch.randint(3, (60,), generator=generator)
    x, y = rows.double().numpy(), np.eye(3)[labels.numpy()]
    centred = x - x.mean(0)
    weights = np.linalg.solve(centred.T @ centred + 2.0 * np.eye(5), centred.T @ (y - y.mean(0)))
    scores = x @ weights + y.mean(0) - x.mean(0) @ weights
    found = reading.ridge(rows, labels, penalty=2.0, classes=3)(rows)
    assert found.tolist() == scores.argmax(1).tolist()


def test_half_of_the_values_are_dropped_wherever_they_stand():
    kept = reading._half(301, 99, torch.Generator().manual_seed(0))
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    deviation = 5 / math.sqrt(kept.numel())
    assert float(kept.mean()) == pytest.approx(1, abs=deviation)
    for place in range(8):
        own = kept.flatten()[place::8]
        assert float(own.mean()) == pytest.approx(1, abs=3 * deviation)


def test_a_portion_changes_with_the_seed_and_the_test_images_do_not(digits):
    first, second = (data.portion(digits, seed, 50, 20, 30) for seed in (1, 2))
    assert not torch.equal(first.train.pixels, second.train.pixels)
    assert torch.equal(first.test.pixels, second.test.pixels)
    both = data.merged(digits)
    assert len(both.train) == len(digits.train) + len(digits.validation)
    with pytest.raises(InvalidValue, match="3,000"):
        data.portion(digits, 1, 10_000)


def test_a_network_of_an_experiment_is_known_only_while_it_trains(digits):
    with network("paper-x", filters.convolution(3)) as name:
        assert name in networks.available()
    assert "paper-x" not in networks.available()


def test_in_order_batches_drop_nothing(digits):
    part = digits.test
    assert isinstance(part, Images)
    batches = reading.InOrder(part, 300)
    sizes = [len(labels) for _, labels in batches]
    assert sizes == [300, 300, 300, 100]
    assert len(batches) == 4


def test_a_rule_that_learns_nothing_has_not_converged_early():
    places = ("slow", "L1"), ("quick", "L1")
    judge = claims.both(claims.ordered("x", *places), claims.gained("x", places[0]))
    epochs = {"slow": {"L1": [10.0, 11.0, 10.5]}, "quick": {"L1": [1.0, 1.0, 2.0]}}
    assert judge(found(**epochs)).word == "ordering reproduced"
    nothing = claims.both(claims.ordered("x", *places), claims.gained("x", places[1]))
    still = epochs | {"quick": {"L1": [0.1, -0.1, 0.0]}}
    told = nothing(found(**still))
    assert told.word == "not reproduced"
    assert "quick, x: +0.00" in told.reason
