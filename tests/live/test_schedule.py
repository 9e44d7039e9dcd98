"""What falls as a run goes on, and whose turn it is: a map's radius, layer after layer."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from hebblab import Recipe, Session, networks
from hebblab.nn import PatchConv2d, RePU
from tests.live.seen import pixels


class TestRadius:
    def som(self, make, **settings):
        rule = {"rule": "som", "radius": 3.0, "radius_end": 0.5, "rows": 1}
        return make(rule=rule, **settings)

    def test_it_falls_by_the_same_factor_each_step(self, make):
        session = self.som(make, steps=40)
        seen = []
        for _ in range(4):
            session.step(10)
            seen.append(session.values()["radius"])
        # The step under way is the one that `values` tells of: after 10 steps, that of step 9.
        assert seen == pytest.approx([3 * (0.5 / 3) ** (s / 40) for s in (9, 19, 29, 39)])
        assert session.rule().radius == seen[-1]

    def test_an_edit_holds_it_and_a_restart_lets_it_fall_again(self, make):
        session = self.som(make, steps=40)
        session.step(5)
        edit = session.edit(radius=2.0)
        assert edit.changes["radius"] == (pytest.approx(3 * (0.5 / 3) ** (4 / 40)), 2.0)
        session.step(20)
        assert session.values()["radius"] == 2.0
        session.restart()
        assert session.values()["radius"] == 3.0
        session.step(5)
        assert session.values()["radius"] == pytest.approx(3 * (0.5 / 3) ** (4 / 40))

    def test_its_end_may_be_moved(self, make):
        session = self.som(make, steps=40)
        session.step(20)
        session.edit(radius_end=1.5)
        session.step()
        assert session.values()["radius"] == pytest.approx(3 * 0.5 ** (20 / 40))

    def test_each_greedy_part_has_its_own(self, make):
        session = self.som(make, steps=20, network="two", schedule="greedy", decay="linear")
        first, second = session.layers
        session.step(10)
        assert session.values(first)["radius"] == pytest.approx(3 * (0.5 / 3) ** (9 / 10))
        assert session.values(second)["radius"] == 3.0, "its part has not begun"
        held = session.values(first)["radius"]
        session.step(1)
        assert session.values(second)["radius"] == 3.0
        session.step(9)
        assert session.values(second)["radius"] == pytest.approx(3 * (0.5 / 3) ** (9 / 10))
        assert session.values(first)["radius"] == held, "and what is done stays as it was"


class TestOrders:
    def test_greedily_one_layer_learns_after_another_with_its_own_decay(self, make):
        session = make(
            network="two", rule={"rule": "krotov-hopfield"}, schedule="greedy", decay="linear",
            steps=10, learning_rate=0.2,
        )  # fmt: skip
        told = []
        before = {name: session.weights(name) for name in session.layers}
        for _ in range(10):
            session.step()
            after = {name: session.weights(name) for name in session.layers}
            told.append([float((after[n] - before[n]).abs().max()) for n in session.layers])
            before = after
        # The largest change of a weight is the rate.
        rates = [0.2 * (1 - s / 5) for s in range(5)]
        assert [one for one, _ in told] == pytest.approx(rates + [0] * 5, rel=1e-4)
        assert [two for _, two in told] == pytest.approx([0] * 5 + rates, rel=1e-4)

    def test_a_greedy_run_repeats_itself_after_a_restart(self, make, live):
        session = make(network="two", rule="oja", schedule="greedy", steps=10)
        first = live.digest(live.finish(session))
        session.restart()
        assert live.digest(live.finish(session)) == first
        assert live.digest(live.finish(make(network="two", rule="oja", steps=10))) != first

    def test_the_orders_differ_in_what_the_second_layer_sees(self, make, live):
        found = {
            order: live.finish(make(network="two", rule="oja", schedule=order, steps=6))
            for order in ("in-order", "simultaneous")
        }
        one, two = found.values()
        first, second = one.layers
        assert torch.equal(one.weights(first), two.weights(first))
        assert not torch.equal(one.weights(second), two.weights(second))

    def test_patches_are_whitened_anew_when_their_layer_begins(self, make, dataset):
        def build(image_shape, classes):
            return nn.Sequential(
                OrderedDict(
                    one=PatchConv2d(1, 3, 3, bias=False),
                    act=RePU(),
                    two=PatchConv2d(3, 4, 2, bias=False),
                    flatten=nn.Flatten(),
                    readout=nn.Linear(36, classes),
                )
            )

        networks.register("greedy-conv", build)
        try:
            rules = {"one": {"rule": "hebb"}, "two": {"rule": "hebb", "zca": "patches"}}
            recipe = Recipe(
                network="greedy-conv", rules=rules, schedule="greedy", steps=8, batch_size=4
            )
            with Session(recipe, dataset=dataset) as session:
                session.step(4)
                early = session.model().two.mean
                session.step(1)
                model = session.model()
                with torch.no_grad():
                    given = model.act(model.one(pixels(session)))
                mean = torch.nn.functional.unfold(given, 2).mean(dim=(0, 2))
                assert torch.allclose(model.two.mean, mean, atol=1e-5)
                assert not torch.allclose(early, mean, atol=1e-3)
        finally:
            networks.unregister("greedy-conv")
