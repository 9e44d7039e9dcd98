"""What names results beside settings: no constant changes in silence, and nothing kept is lost."""

import dataclasses

import pytest

import hebblab as hl
from hebblab import presets
from hebblab.experiments.papers import (
    coates,
    convergence,
    filters,
    krotov,
    miconi,
    pretraining,
    reading,
    retrieval,
    softhebb,
    talloen,
    timing,
    tuning,
)
from hebblab.experiments.papers.fixed import Fixed, departures
from hebblab.recipes import Recipe

# A digest that changes here names other results: those that were kept are measured again.
DIGESTS = {
    "coates-2011": "730315ff5070",
    "coates-2011-mini": "10bacbfd9978",
    "krotov-2019": "ee9a18b60790",
    "krotov-2019-mini": "1dfc291bd3df",
    "lagani-2022": "290e883b7f49",
    "lagani-2022-epochs": "83139701494d",
    "lagani-2022-epochs-mini": "35f576155516",
    "lagani-2022-low": "f22e24f4f094",
    "lagani-2022-mini": "1f992307650d",
    "lagani-2022-retrieval": "27b1eb72d564",
    "lagani-2022-retrieval-mini": "4d9e79c28b36",
    "miconi-2021": "e303099c295a",
    "miconi-2021-mini": "cc56bd64ea27",
    "softhebb-2023": "354e6d38bd06",
    "softhebb-2023-quarter": "61112224921b",
    "softhebb-2023-quarter-mini": "ee1047a4d80a",
    "talloen-2020": "4333a977377d",
    "talloen-2020-mini": "75626ea5e8d5",
    "talloen-2020-timing": "162b97836d54",
    "talloen-2020-timing-mini": "3ca7c22ca796",
}
# Which papers a module's constants decide.
DECIDED = {
    coates: ("coates-2011-mini",),
    convergence: ("lagani-2022-epochs-mini",),
    filters: ("talloen-2020-mini",),
    krotov: ("krotov-2019-mini",),
    miconi: ("miconi-2021-mini",),
    pretraining: ("lagani-2022-mini", "lagani-2022-epochs-mini", "lagani-2022-retrieval-mini"),
    reading: ("softhebb-2023-quarter-mini",),
    retrieval: (),
    softhebb: ("softhebb-2023-quarter-mini",),
    talloen: ("talloen-2020-mini",),
    timing: ("talloen-2020-timing-mini",),
    tuning: (),
}
# How many at once, which only rounds; defaults of settings; another module's.
IDLE = {
    (coates, "_ROWS"),
    (coates, "_AT_ONCE"),
    (reading, "_AT_ONCE"),
    (talloen, "KERNEL"),
    (timing, "_BATCH"),
    (timing, "_UNITS"),
}
NUMBERS = [
    (module, name)
    for module in DECIDED
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, int | float) and (module, name) not in IDLE
]


def another(value):
    """Return a constant of the same kind with another value."""
    if isinstance(value, dict):
        changed = dict(value)
        key = next(one for one in changed if not isinstance(changed[one], str))
        return changed | {key: another(changed[key])}
    if isinstance(value, tuple):
        return (another(value[0]), *value[1:])
    return "uniform(0, 1)" if isinstance(value, str) else value * 2


@pytest.mark.parametrize("name", hl.papers.available())
def test_results_that_were_kept_are_found(name):
    paper = hl.papers.get(name)
    assert not paper.fixed.changed or paper.digest == DIGESTS[name], (
        f"What {name} fixes is another: {paper.fixed.digest} where its first results had "
        f"{paper.fixed.first}. Where results are the same, write the new digest as `first`; where "
        "not, its results are to be measured anew, and its digest below be changed."
    )
    assert paper.digest == DIGESTS[name]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        *NUMBERS,
        (coates, "_RULE"),
        (filters, "_KNOBS"),
        (filters, "_START"),
        (krotov, "_PENALTIES"),
        (miconi, "_WIDTHS"),
        (pretraining, "_CONVS"),
        (pretraining, "_RULES"),
        (reading, "HALVINGS"),
        (talloen, "_RANDOM"),
        (timing, "_START"),
    ],
    ids=lambda one: one if isinstance(one, str) else one.__name__.rpartition(".")[2],
)
def test_another_constant_names_other_results(module, name, monkeypatch):
    old = getattr(module, name)
    if module is pretraining and name == "_RULES":
        new = old | {pretraining.SOFT_WTA: old[pretraining.SOFT_WTA] | {"temperature": 0.05}}
    elif (module, name) == (coates, "_RULE"):
        new = old | {"reduction": "mean"}
    else:
        new = another(old)
    monkeypatch.setattr(module, name, new)
    if module is reading:
        monkeypatch.setattr(softhebb, name, new)
    assert DECIDED[module]
    for paper in DECIDED[module]:
        assert hl.papers.get(paper).digest != DIGESTS[paper], "is it told, or IDLE?"


def test_another_preset_names_other_results(monkeypatch):
    published = presets.get("cifar-softhebb")
    rules = {layer: dict(entry) for layer, entry in published.rules.items()}
    rules["conv2"]["temperature"] = 1.6
    monkeypatch.setattr(presets, "get", lambda _name: published.changed(rules=rules))
    assert hl.papers.get("softhebb-2023").digest != DIGESTS["softhebb-2023"]


def test_words_around_a_preset_name_nothing(monkeypatch):
    published = presets.get("cifar-softhebb")
    other = published.changed(name="x", source="y", expect="z", seconds=1.0, speed=2.0)
    monkeypatch.setattr(presets, "get", lambda _name: other)
    assert hl.papers.get("softhebb-2023").digest == DIGESTS["softhebb-2023"]


def test_what_is_fixed_enters_a_name_only_once_it_has_changed():
    paper = hl.papers.get("coates-2011-mini")
    first, second = {"rate": 0.1}, {"rate": 0.1, "revision": 2}
    known = Fixed(first, "").digest
    one, two = (
        dataclasses.replace(paper, fixed=Fixed(told, known)).digest for told in (first, second)
    )
    assert one == paper.digest == dataclasses.replace(paper, fixed=None).digest
    assert two != one
    assert dataclasses.replace(paper, fixed=Fixed({"rate": 0.2}, known)).digest not in (one, two)


def test_what_a_recipe_leaves_at_its_default_is_not_told():
    plain = departures(Recipe(steps=3))
    assert plain == {"steps": 3, "rules": {"*": {"rule": "krotov-hopfield"}}}
    delta = Recipe(rules={"*": {"rule": "krotov-hopfield"}}).rules["*"]["delta"]
    said = {"*": {"rule": "krotov-hopfield", "delta": delta}}
    assert departures(Recipe(steps=3, rules=said)) == plain
    told = departures(Recipe(steps=3, rules={"*": {**said["*"], "delta": delta / 2}}))
    assert told["rules"]["*"] == {"rule": "krotov-hopfield", "delta": delta / 2}
