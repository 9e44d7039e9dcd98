"""Lagani's papers as data: the published table, its orders, and claims that controls are beside."""

import pytest

from hebblab.experiments.papers import convergence, data, lagani, retrieval, tuning
from hebblab.experiments.papers.paper import Cell, NotRun
from hebblab.experiments.papers.pretraining import (
    HPCA,
    NONE,
    PCA,
    SOFT_WTA,
    VAE_PUBLISHED,
    WAYS,
    WHITENED,
    Pretraining,
)
from hebblab.experiments.papers.results import Results
from hebblab.experiments.papers.tuning import TEST, named

TINY = Pretraining(narrow=12, epochs=2, autoencoder=1)


@pytest.fixture(scope="module")
def few(digits):
    return tuning.split(data.merged(digits), 1, 400, 100, 60)


def test_the_published_table_is_whole():
    found = {(one.condition, one.layer): one for one in lagani.published()}
    assert len(found) == 3 * 4 * 5
    best = found[named(HPCA, 0.01), "L3"]
    assert (best.value, best.half, best.source) == (41.88, 0.53, "the paper, Table 1")
    assert found[named(VAE_PUBLISHED, 0.01), "L3"].half == 1.25
    assert found[named(SOFT_WTA, 1.0), "L5"].value == 85.37
    assert found[named(HPCA, 0.05), "L2"].value == 50.14
    full = lagani.full()
    assert len(full.published) == 60
    assert len(full.conditions) == 4 * len(WAYS)
    assert {one.layer for one in lagani.low().published} == {"L1", "L2", "L3"}


def test_orders_to_see_are_those_of_the_third_layer():
    assert lagani._order(0.01) == (HPCA, SOFT_WTA, VAE_PUBLISHED)
    assert lagani._order(0.05) == (SOFT_WTA, HPCA, VAE_PUBLISHED)
    assert lagani._order(0.1) == (SOFT_WTA, HPCA, VAE_PUBLISHED)


def test_claims_are_held_against_controls():
    mini = lagani.mini()
    ways = (NONE, PCA, HPCA, WHITENED, SOFT_WTA)
    (share,) = {tuning.parted(name)[1] for name in mini.conditions}
    values = dict(zip(ways, (40.0, 42.0, 42.1, 30.0, 36.0), strict=True))
    outcomes = {
        Cell(named(way, share), layer, seed): {
            "numbers": {TEST: {"value": value + 0.1 * seed - 5 * (layer == "L1")}}
        }
        for way, value in values.items()
        for layer in ("L1", "L3")
        for seed in (1, 2, 3)
    }
    words = [claim.judge(Results(outcomes, {})).word for claim in mini.claims]
    assert words == [
        "ordering reproduced",
        "ordering reproduced",
        "ordering reproduced",
        "not reproduced",
        "ordering reproduced",
        "ordering reproduced",
        "ordering reproduced",
    ]
    with pytest.raises(NotRun):
        lagani.full().claims[0].judge(Results(outcomes, {}))


def test_claims_say_at_which_layer():
    for paper in (lagani.full(), lagani.low(), lagani.mini()):
        assert all("L3" in claim.text or "at L5" in claim.text for claim in paper.claims)


def test_a_mini_says_how_it_is_smaller_and_costs_less():
    mini, low, full = lagani.mini(), lagani.low(), lagani.full()
    assert mini.minutes < low.minutes < full.minutes
    assert any("published: 40,000" in one for one in mini.deviations)
    assert any("Autoencoders learn for 5" in one for one in low.deviations)
    assert len(mini.deviations) > len(full.deviations)


def test_an_image_finds_itself_first(few, nobody):
    settings = tuning.Settings(400, 100, 60, TINY, epochs=1)
    here = tuning.split(data.merged(few), 1, 400, 60)
    own = type(here)(here.name, here.train, here.validation, here.train, here.classes)
    chosen = retrieval.Settings(settings, (1, 40))
    (found,) = retrieval.on(own, chosen, named(NONE, 0.2), ("L3",), 1, nobody)
    assert found.numbers[retrieval.precision_at(1)] == 100
    assert found.numbers[retrieval.mean_at(1)] == 100
    assert (
        0 < found.numbers[retrieval.mean_at(40)] < found.numbers[retrieval.precision_at(40)] < 100
    )
    assert found.about["features"] == 16 * 16


def test_epochs_are_counted_from_before_learning(few, monkeypatch, nobody):
    read = iter([0.20, 0.56, 0.588, 0.6])
    monkeypatch.setattr(convergence, "_read", lambda *_: next(read))
    settings = convergence.Settings(400, 100, Pretraining(narrow=12, epochs=3), epochs=2)
    (found,) = convergence.on(few, settings, HPCA, (), 1, nobody)
    assert found.numbers[convergence.UNTIL[0.95]] == 2
    assert found.numbers[convergence.UNTIL[0.98]] == 2
    assert found.numbers[convergence.BEST] == pytest.approx(60)
    assert found.numbers[convergence.GAINED] == pytest.approx(40)
    assert found.about["validation"] == [0.56, 0.588, 0.6]


def test_backpropagation_and_rules_are_read_epoch_by_epoch(few, nobody):
    settings = convergence.Settings(400, 100, TINY, epochs=3)
    for condition, epochs in ((SOFT_WTA, 2), (convergence.BACKPROP, 3)):
        (found,) = convergence.on(few, settings, condition, (), 1, nobody)
        assert len(found.about["validation"]) == epochs
        assert found.numbers[convergence.BEST] > 10
        assert found.about["before the first epoch"] > 0.1, "random weights are read before both"
    (rule,) = convergence.on(few, settings, HPCA, (), 1, nobody)
    assert rule.about["before the first epoch"] > 0.3, "random features are worth something"
