"""Whatever is given to the methods of a session is judged in words, and changes nothing."""

import math

import numpy as np
import pytest
import torch

from hebblab import HebblabError, InvalidValue, Session, UnknownName
from hebblab.live.edits import Edit


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no picture of me")


GARBAGE = [
    math.nan, math.inf, "x" * 100_000, "", b"x", np.float32(0.3), np.int64(2), np.bool_(True),
    np.array([1, 2]), -1, True, 10**400, 1j, [], (1,), object(), Unprintable(), torch.tensor(1.0),
]  # fmt: skip

CALLS = {
    "edit": lambda session, value: session.edit(value),
    "edit(delta)": lambda session, value: session.edit(delta=value),
    "edit(batch_size)": lambda session, value: session.edit(batch_size=value),
    "edit(layer)": lambda session, value: session.edit(delta=0.2, layer=value),
    "frame": lambda session, value: session.frame(value),
    "probe": lambda session, value: session.probe(value),
    "probe(split)": lambda session, value: session.probe(split=value),
    "restart": lambda session, value: session.restart(value),
    "speed": lambda session, value: setattr(session, "speed", value),
    "step": lambda session, value: session.step(value),
    "watch": lambda session, value: session.watch(value),
    "watch(layer)": lambda session, value: session.watch(1.0, value),
    "wait": lambda session, value: session.wait(value),
}


@pytest.mark.parametrize("call", CALLS)
def test_no_call_raises_an_error_of_python_or_changes_what_it_refuses(make, call):
    session = make()
    session.step(1)
    for value in GARBAGE:
        before = session.steps, session.values(), session.edits, session.speed
        try:
            CALLS[call](session, value)
        except HebblabError as error:
            assert len(str(error)) < 2000, "a huge value is shown in short"
            assert (session.steps, session.values(), session.edits, session.speed) == before
    assert session.state in ("paused", "ready", "finished")


@pytest.mark.parametrize("value", [None, 3, b"run", ["run"], np.float32(1)])
def test_a_folder_that_is_none_is_refused(make, value):
    with pytest.raises(InvalidValue, match="A run is saved in a folder"):
        make().save(value)


def test_a_folder_that_no_file_system_has_is_told(make, tmp_path):
    with pytest.raises(HebblabError, match="could not be saved"):
        make().save(f"{tmp_path}/a\0b")


@pytest.mark.parametrize("value", ["mnist-5k", 3, b"x", {}, np.array([1])])
def test_a_dataset_that_is_none_is_refused(recipe, value):
    with pytest.raises(InvalidValue, match=r"dataset must be an hl\.data\.Dataset, not "):
        Session(recipe(), dataset=value)


@pytest.mark.parametrize("setting", ["data", "network"])
def test_an_array_for_a_name_is_refused(setting):
    with pytest.raises(InvalidValue, match=setting):
        Session("mnist-krotov", **{setting: np.array([1, 2])})


@pytest.mark.parametrize("changes", [3, "delta", [("delta", 0.2)], b"x", math.nan])
def test_an_edit_takes_knobs_by_name(make, changes):
    with pytest.raises(InvalidValue, match=r"edit\(\) takes knobs by name"):
        make().edit(changes)


def test_a_time_to_wait_is_a_number_of_seconds():
    edit = Edit("hidden", {})
    for bad in (math.nan, "1", True, [], 1j):
        with pytest.raises(InvalidValue, match="timeout is a number of seconds, or None"):
            edit.wait(bad)
    assert not edit.wait(-math.inf) and not edit.wait(np.float32(0))
    edit.settle()
    edit.applied_at = 3
    assert all(edit.wait(long) for long in (math.inf, 10**400, None))


def test_each_knob_that_is_not_there_is_named_with_the_nearest(make):
    with pytest.raises(UnknownName) as error:
        make().edit(delat=0.2, temperatur=1, k=2)
    assert str(error.value).startswith(
        "Layer 'hidden' has no knob 'delat' and no knob 'temperatur'. Did you mean 'delta'? Known:"
    )
    with pytest.raises(UnknownName, match=r"A run has no setting or knob 'delat'\. Did you mean"):
        Session("mnist-krotov", delat=0.2)
