"""What is asked of a paper: names, places, numbers of seeds, and everything that is none."""

import pytest

import hebblab as hl
from hebblab import InvalidValue, UnknownName
from hebblab.experiments.papers import choosing


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
        *({"seeds": True}, {"seeds": [True]}, {"seeds": "12"}, {"cells": [["ours"]]}),
        *({"layers": [True]}, {"layers": [["L1"]]}, {"jobs": "2"}, {"jobs": True}),
    ):
        with pytest.raises((InvalidValue, UnknownName)):
            fake.run(**wrong)
        with pytest.raises((InvalidValue, UnknownName)):
            fake.cost(**wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"progress": 3}, r"progress is a function of \(done, total, words\), or None, not 3"),
        ({"folder": 3}, "folder is the path of a folder, or None, not 3"),
        ({"folder": ["a"]}, "folder is the path of a folder"),
        ({"jobs": 1.5}, "jobs must be a whole number from 1, not 1.5"),
    ],
)
def test_what_nothing_can_be_run_with_is_one_sentence(fake, wrong, words):
    with pytest.raises(InvalidValue, match=words):
        fake.run(**wrong)
    if "progress" not in wrong:
        with pytest.raises(InvalidValue, match=words):
            fake.cost(**wrong)


def test_layers_are_names_or_places_from_1():
    assert choosing.layers("x", [2, "L1"], ("L1", "L2")) == ["L2", "L1"]
    assert choosing.layers("x", 1, ("L1", "L2")) == ["L1"]
    with pytest.raises(InvalidValue, match="x has layers 1 to 2, and no layer 0"):
        choosing.layers("x", 0, ("L1", "L2"))


def test_seeds_are_how_many_or_which_each_once():
    assert choosing.seeds(2) == (1, 2)
    assert choosing.seeds((7, 0, 7)) == (7, 0)
