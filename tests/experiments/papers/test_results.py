"""Our numbers beside the published ones: every claim has its word, every gap its reason."""

import dataclasses
import math

import pytest
from scipy import stats

from hebblab.errors import InvalidValue
from hebblab.experiments.papers.claims import ordered
from hebblab.experiments.papers.intervals import summary
from hebblab.experiments.papers.paper import Cell, Claim
from hebblab.experiments.papers.results import PaperResult


def words(result):
    return [word for _, word, _ in result.claims]


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


def test_claims_against_one_row_are_corrected_together(fake):
    cells = {
        "a": [83.0, 84.0, 85.1],
        "b": [81.0, 82.1, 83.0],
        "c": [82.6, 82.9, 83.0],
        "d": [70.0, 90.0, 85.0],
    }
    outcomes = {
        Cell(name, "L1", seed): {"numbers": {"accuracy, %": {"value": value}}}
        for name, values in cells.items()
        for seed, value in enumerate(values)
    }

    def judged(against):
        told = [
            Claim(name, ordered("accuracy, %", ("a", "L1"), (name, "L1")), against)
            for name in "bcd"
        ]
        paper = dataclasses.replace(fake, claims=tuple(told), published=())
        return PaperResult(paper, fake.data(), outcomes, {}).claims

    alone = [scipy_p(cells["a"], cells[name]) for name in "bcd"]
    together, running = [0.0, 0.0, 0.0], 0.0
    for rank, at in enumerate(sorted(range(3), key=alone.__getitem__)):
        running = max(running, min(1.0, (3 - rank) * alone[at]))
        together[at] = running
    assert alone[0] < 0.05 / 3, "one of them outlasts the correction"
    for (_, word, why), chance in zip(judged("a"), together, strict=True):
        assert f"p = {chance:.2g} among 3" in why
        assert (word == "ordering reproduced") == (chance <= 0.05)
    assert all("among" not in why for _, _, why in judged(""))


def scipy_p(a, b):
    return float(stats.ttest_rel(a, b).pvalue)


def test_one_run_has_the_interval_of_its_images_and_two_have_none(fake):
    one = fake.run(cells=["ours"], seeds=1)
    assert one.table.interval[0] == "Wilson, 1,000 images"
    assert words(one)[0] == "not run"
    assert "1 of at least 3 runs" in one.claims[0][2]
    assert "--seeds 3" in one.claims[0][2]
    assert math.isnan(summary([{"value": 1.0}, {"value": 2.0}], "x")["low"])


def test_two_runs_are_printed_as_they_are(fake):
    table = fake.run(cells=["ours"], layers=["L1"], seeds=2).table
    assert table.note[0] == "two runs have no interval: 83.1, 83.2"
    assert math.isnan(table.low[0])


def test_runs_that_are_all_alike_are_one_run():
    runs = [{"value": 92.85, "low": 92.3, "high": 93.3, "n": 10_000}] * 3
    told = summary(runs, "test accuracy, %")
    assert (told["low"], told["high"]) == (92.3, 93.3)
    assert told["interval"] == "Wilson, 10,000 images, all runs alike"
    bare = summary([{"value": 100.0}] * 3, "units converged, %")
    assert math.isnan(bare["low"])
    assert bare["interval"] == ""


@pytest.mark.parametrize("folder", [3, None, b"there"])
def test_a_page_is_written_into_a_folder_only(whole, folder):
    with pytest.raises(InvalidValue, match="path of a folder"):
        whole.write(folder)
