"""What a paper costs here: by the machine, by the layers, and no more than can be known."""

import dataclasses

import pytest

import hebblab as hl
from hebblab.experiments.papers import costs


def asked(paper, **chosen):
    return paper.cost(rate=costs.REFERENCE, **chosen)


def test_a_machine_half_as_fast_costs_twice(fake):
    full = fake.cost(rate=costs.REFERENCE)
    half = fake.cost(rate=costs.REFERENCE / 2)
    assert half.seconds == pytest.approx(2 * full.seconds)
    assert full.seconds == pytest.approx(3 * 4.0)
    assert fake.cost(rate=costs.REFERENCE, jobs=3).seconds == pytest.approx(4.0)
    assert costs.rate(0.05) > 0


def test_seconds_of_all_layers_are_the_most_that_some_of_them_take(fake, tmp_path):
    whole, part = asked(fake), asked(fake, layers=["L1"])
    assert not whole.at_most
    assert str(whole) == "about 12 s for 18 cells"
    assert part.at_most
    assert str(part) == "at most about 12 s for 9 cells"
    fake.run(cells=["ours"], layers=["L1"], seeds=1, folder=tmp_path)
    left = asked(fake, folder=tmp_path)
    assert (left.cells, left.at_most) == (17, True), "one layer is there, the other is not"


def test_layers_that_are_known_by_themselves_cost_what_they_take(fake):
    own = {"L1": 0.5, "L2": 1.5}
    known = dataclasses.replace(
        fake, by_layer=lambda _condition, layers: sum(own[layer] for layer in layers)
    )
    part = asked(known, layers=["L1"])
    assert part.seconds == pytest.approx(9 * 0.5)
    assert str(part) == "about 4 s for 9 cells"
    assert asked(known).seconds == pytest.approx(9 * 2.0)
    heard = []
    known.run(cells=["ours"], layers=["L1"], progress=lambda *said: heard.append(said))
    assert heard[-1][1] == pytest.approx(3 * 0.5), "progress is in the same seconds"


@pytest.mark.parametrize("name", ["lagani-2022", "lagani-2022-low", "lagani-2022-mini"])
def test_laganis_layers_cost_more_the_deeper_they_are(name):
    paper = hl.papers.get(name)
    first, last = paper.layers[0], paper.layers[-1]
    each = [asked(paper, layers=[layer], seeds=1).seconds for layer in paper.layers]
    assert each == sorted(each)
    assert each[-1] > each[0]
    whole = asked(paper)
    assert whole.seconds == pytest.approx(60 * paper.minutes)
    pair = asked(paper, layers=[first, last], seeds=1).seconds
    assert max(each) < pair < each[0] + each[-1], "what is pre-trained is shared"
    assert not asked(paper, layers=[first]).at_most


@pytest.mark.parametrize("name", hl.papers.available())
def test_a_whole_paper_is_not_said_to_cost_at_most(name):
    cost = asked(hl.papers.get(name))
    assert not cost.at_most
    assert cost.seconds == pytest.approx(60 * hl.papers.get(name).minutes)
