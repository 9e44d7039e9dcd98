"""Sweeps: the same table from any executor, cut off and gone on with, with workers that die."""

import json
import os
import signal
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pandas as pd
import pytest

import hebblab as hl
from hebblab import DataUnavailable, InvalidValue, Recipe
from hebblab.experiments import identity, run_cell, sweeps, workers

RECIPES = [Recipe(steps=steps, seed=seed) for steps in (3, 5) for seed in (1, 2)]


class Here:
    """An executor that runs everything at once in this thread, unless told to fail."""

    def __init__(self, deaths=0):
        self.calls = []
        self.deaths = deaths

    def submit(self, function, *given):
        self.calls.append(given)
        future = Future()
        if self.deaths:
            self.deaths -= 1
            future.set_exception(BrokenProcessPool("a worker was killed"))
            return future
        try:
            future.set_result(function(*given))
        except Exception as error:
            future.set_exception(error)
        return future


def table(**how):
    return hl.sweep(RECIPES, probe=False, **how)


@pytest.fixture(scope="module")
def alone():
    return table(executor=Here())


def test_the_table_has_a_row_for_each_recipe_in_order(alone):
    assert list(alone.steps) == [3, 3, 5, 5]
    assert list(alone.seed) == [1, 2, 1, 2]
    assert list(alone.recipe) == [identity(recipe) for recipe in RECIPES]
    assert alone.weights_sha256.nunique() == 4
    assert (alone.error == "").all()


def test_threads_and_processes_give_the_same_table(alone):
    with ThreadPoolExecutor(2) as threads:
        assert table(executor=threads).to_csv() == alone.to_csv()
    probed = hl.sweep(RECIPES[:2])
    assert list(probed.weights_sha256) == list(alone.weights_sha256[:2])
    assert probed.to_csv() == hl.sweep(RECIPES[:2], Here()).to_csv()


def test_a_finished_cell_is_never_run_again(alone, tmp_path):
    first, second = Here(), Here()
    hl.sweep(RECIPES[:2], first, tmp_path, probe=False)
    assert hl.sweep(RECIPES, second, tmp_path, probe=False).to_csv() == alone.to_csv()
    assert (len(first.calls), len(second.calls)) == (2, 2)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json"] * 4


def test_equal_recipes_run_once():
    here = Here()
    twice = hl.sweep([RECIPES[0], RECIPES[0].changed(speed=60.0)], here, probe=False)
    assert len(here.calls) == 1
    assert twice.weights_sha256.nunique() == 1


def test_a_file_that_is_no_whole_result_is_run_again(tmp_path):
    recipe = RECIPES[0]
    path = tmp_path / f"{identity(recipe)}.json"
    whole = run_cell(recipe.model_dump_json(), probe=False)
    for content in ("", "{", "[]", "{}", json.dumps({**whole, "identity": "another"})):
        path.write_text(content)
        here = Here()
        hl.sweep([recipe], here, tmp_path, probe=False)
        assert len(here.calls) == 1, content
        assert json.loads(path.read_text())["weights_sha256"] == whole["weights_sha256"]
    here = Here()
    hl.sweep([recipe], here, tmp_path, probe=True)
    assert len(here.calls) == 1, "a result without a probe is not one with a probe"


def test_processes_of_a_sweep_are_no_forks_and_ready(monkeypatch):
    made = []
    monkeypatch.setattr(sweeps, "ProcessPoolExecutor", lambda *given: made.append(given))
    monkeypatch.setattr(sweeps.os, "cpu_count", lambda: 3)
    for cells in (2, 9):
        sweeps._processes(cells)
    assert [(many, begin) for many, _, begin in made] == [
        (2, workers.ready),
        (3, workers.ready),
    ]
    assert all(context.get_start_method() == "spawn" for _, context, _ in made)


def test_a_cell_whose_worker_died_is_given_to_another(alone):
    here = Here(deaths=3)
    assert table(executor=here).to_csv() == alone.to_csv()
    assert len(here.calls) == 7


def test_a_cell_whose_workers_all_die_says_so(alone):
    dead = hl.sweep(RECIPES[:1], Here(deaths=9), probe=False)
    assert "worker died (3 times)" in dead.error[0]
    assert dead.weights_sha256[0] == ""


def test_a_recipe_that_fails_has_its_sentence_in_the_table_and_no_file(tmp_path):
    hopeless = hl.presets.get("mnist-hebb-explodes")
    found = hl.sweep([hopeless, RECIPES[0]], Here(), tmp_path, probe=False)
    assert "finite" in found.error[0]
    assert found.error[1] == ""
    assert [path.stem for path in tmp_path.iterdir()] == [identity(RECIPES[0])]


def test_a_fault_of_the_program_is_not_hidden():
    class Faulty(Here):
        def submit(self, function, *given):
            future = Future()
            future.set_exception(ZeroDivisionError("a fault"))
            return future

    with pytest.raises(ZeroDivisionError):
        table(executor=Faulty())


def test_nothing_runs_where_a_recipe_has_no_end():
    here = Here()
    for wrong in ([], [RECIPES[0], "mnist-krotov"], [RECIPES[0], Recipe(endless=True)]):
        with pytest.raises(InvalidValue, match=r"at least one|recipes, not|no end"):
            hl.sweep(wrong, here)
    assert not here.calls


def test_a_folder_that_cannot_be_written_says_so_and_keeps_what_is_there(tmp_path, monkeypatch):
    hl.sweep(RECIPES[:1], Here(), tmp_path, probe=False)

    def full(_part, _path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sweeps.os, "replace", full)
    with pytest.raises(DataUnavailable, match="No space left"):
        hl.sweep(RECIPES[:2], Here(), tmp_path, probe=False)
    assert [path.name for path in tmp_path.iterdir()] == [f"{identity(RECIPES[0])}.json"]


def test_progress_counts_cells_to_the_end(tmp_path):
    heard = []
    hl.sweep(RECIPES[:1], Here(), tmp_path, probe=False)
    hl.sweep(RECIPES, Here(), tmp_path, probe=False, progress=lambda *said: heard.append(said[:2]))
    assert heard == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"progress": 3}, "progress is a function"),
        ({"folder": 3}, "folder is the path"),
        ({"executor": 4}, "executor is one of concurrent.futures"),
        ({"probe": "no"}, "probe is True or False"),
        ({"recipes": 3}, "takes a list of recipes"),
        ({"recipes": Recipe(steps=2)}, "takes a list of recipes"),
        ({"recipes": "mnist-krotov"}, "takes a list of recipes"),
    ],
)
def test_what_is_of_the_wrong_kind_is_refused_before_anything_runs(tmp_path, wrong, said):
    here = Here()
    given = {"recipes": RECIPES[:1], "executor": here, "folder": tmp_path / "new"}
    with pytest.raises(InvalidValue, match=said):
        hl.sweep(**{**given, **wrong})
    assert not here.calls
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made_says_so_before_anything_runs(tmp_path):
    here, path = Here(), tmp_path / "file"
    path.write_text("in the way")
    with pytest.raises(DataUnavailable, match=r"file could not be made.*nothing has been run"):
        hl.sweep(RECIPES[:1], here, path)
    assert not here.calls


def test_a_generator_of_recipes_is_gone_through_once():
    found = hl.sweep((recipe for recipe in RECIPES[:2]), Here(), probe=False)
    assert list(found.seed) == [1, 2]


def test_the_probe_of_the_last_layer_is_in_the_table_and_its_controls_with_their_intervals(
    tmp_path,
):
    recipe = Recipe(steps=50)
    found = hl.sweep([recipe, hl.presets.get("mnist-hebb-explodes")], Here(), tmp_path)
    row = found.to_dict("records")[0]
    assert 0 < row["low"] < row["accuracy"] < row["high"] < 1
    assert row["n"] == 1000
    kept = json.loads((tmp_path / f"{identity(recipe)}.json").read_text())["probe"]
    for control in ("raw_pixels", "random_features"):
        ends = {end: row[f"{control}_{end}"] for end in ("low", "high", "n")}
        assert {"value": row[control], **ends} == kept[control]
        assert 0 < ends["low"] < row[control] < ends["high"] < 1
        assert pd.isna(found[f"{control}_low"][1])
    again = hl.sweep([recipe, hl.presets.get("mnist-hebb-explodes")], Here(), tmp_path)
    assert again.to_csv() == found.to_csv()


def test_dask_gives_the_same_table_though_a_worker_is_killed(alone):
    distributed = pytest.importorskip("distributed")
    killed = []

    def kill_one(client, done):
        if done == 1 and not killed:
            victim = next(iter(client.run(os.getpid).values()))
            killed.append(victim)
            os.kill(victim, signal.SIGKILL)

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        found = table(
            executor=client.get_executor(), progress=lambda done, *_: kill_one(client, done)
        )
    assert killed
    pd.testing.assert_frame_equal(found, alone)
    assert found.to_csv() == alone.to_csv()


def _die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_pool_of_ones_own_that_lost_a_worker_says_so(monkeypatch):
    with ProcessPoolExecutor(1) as pool:
        with pytest.raises(BrokenProcessPool):
            pool.submit(_die).result()
        with pytest.raises(BrokenProcessPool):
            table(executor=pool)
