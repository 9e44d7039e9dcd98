"""What a session leaves in a folder: all three files, or none."""

import csv
import errno
import json
from pathlib import Path

import pytest
import torch

from hebblab import DataUnavailable, Recipe, Session, networks


def test_what_is_saved_can_be_loaded(make, tmp_path):
    session = make()
    session.step(10)
    session.edit(n=4.5, delta=0.2)
    session.step(5)
    folder = session.save(tmp_path / "deep" / "run")
    assert sorted(path.name for path in folder.iterdir()) == [
        "history.csv",
        "recipe.json",
        "weights.safetensors",
    ]
    loaded, model = networks.load(folder), session.model()
    assert loaded.activation.n == 4.5
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    inputs = torch.rand(3, 1, 6, 6)
    assert torch.equal(loaded.eval()(inputs), model.eval()(inputs))


def test_recipe_and_edits_repeat_the_run(make, live, dataset, tmp_path):
    session = make()
    session.step(10)
    session.edit(reduction="mean")
    session.step(4)
    session.edit(p=3.0, k=4)
    session.step(6)
    about = json.loads((session.save(tmp_path) / "recipe.json").read_text(encoding="utf-8"))
    assert (about["steps"], about["state"]) == (20, "paused")
    assert about["data_fingerprint"] == dataset.fingerprint
    assert (about["chunk"], about["recipe"]["threads"]) == (4096, session.recipe.threads)
    with Session(Recipe.model_validate_json(json.dumps(about["recipe"])), dataset=dataset) as again:
        for edit in about["edits"]:
            again.step(edit["step"] - again.steps)
            again.edit({key: new for key, (_, new) in edit["changes"].items()}, layer=edit["layer"])
        again.step(about["steps"] - again.steps)
        assert live.digest(again) == live.digest(session)


def test_the_history_is_a_table(make, tmp_path):
    session = make(rule="instar")
    session.step(3)
    session.step(4)
    text = (session.save(tmp_path) / "history.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    history = session.history
    assert list(rows[0]) == list(history)
    assert [int(row["step"]) for row in rows] == history["step"]
    assert {row["convergence"] for row in rows} == {""}, "instar holds no norm"
    assert [float(row["likeness"]) for row in rows] == history["likeness"]


def test_a_running_session_saves_one_moment(make, live, dataset, tmp_path):
    session = make(endless=True)
    session.start()
    assert live.notice(session, 5).wait(live.LIMIT)
    folder = session.save(tmp_path)
    session.pause()
    steps = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))["steps"]
    again = live.replay(session, dataset, steps=steps)
    weights = networks.load(folder).hidden.weight
    assert torch.equal(weights, again.weights())


@pytest.mark.parametrize("state", ["failed", "stopped", "ready"])
def test_any_state_can_be_saved(make, hooked, tmp_path, state):
    hooked.hook = staticmethod(lambda step: 1 / 0 if state == "failed" and step == 3 else None)
    session = make(rule="hooked")
    if state != "ready":
        session.step(4)
    if state == "stopped":
        session.stop()
    about = json.loads((session.save(tmp_path) / "recipe.json").read_text(encoding="utf-8"))
    assert about["state"] == state


def test_a_folder_that_is_a_file_is_said(make, tmp_path):
    (tmp_path / "taken").write_text("mine")
    session = make()
    for folder in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(DataUnavailable, match="Name a folder that can be written"):
            session.save(folder)
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_disk_that_fills_up_leaves_what_was_there(make, tmp_path, monkeypatch):
    session = make()
    session.step(2)
    folder = session.save(tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    session.step(3)
    write = Path.write_bytes
    for full_at in (1, 2, 3):
        calls = []

        def fill(self, content, calls=calls, full_at=full_at):
            calls.append(self)
            if len(calls) == full_at:
                write(self, content[: len(content) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(self, content)

        monkeypatch.setattr(Path, "write_bytes", fill)
        with pytest.raises(DataUnavailable, match="No space left on device"):
            session.save(tmp_path)
        monkeypatch.undo()
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert session.state == "paused"
    session.step()
    session.save(tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} != before
