from itertools import pairwise

import pytest
import torch
from ignite.engine import Engine, Events
from torch import nn

import hebblab as hl
from hebblab import InvalidValue, Local
from hebblab.training import attach_linear_decay, decay_factor, greedy_phase, shrunk


def test_the_factor_falls_by_the_step_to_its_floor():
    assert [decay_factor("linear", step, 4) for step in range(6)] == [1, 0.75, 0.5, 0.25, 0, 0]
    assert [decay_factor("linear", step, 4, 0.3) for step in (0, 2, 3, 9)] == [1, 0.5, 0.3, 0.3]
    assert decay_factor("none", 3, 4) == 1
    assert decay_factor("linear", 3, None) == 1


def rates(floor=0.0, steps=4, epochs=2, length=3):
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    optimizer = Local(model.named_parameters(), lr=0.8)
    optimizer.group("1")["lr"] = 0.4
    seen = []
    trainer = Engine(
        lambda engine, batch: seen.append(tuple(group["lr"] for group in optimizer.param_groups))
    )
    handle = attach_linear_decay(trainer, optimizer, steps, floor)
    trainer.run(range(length), max_epochs=epochs)
    return seen, handle, trainer, optimizer


def test_every_rate_falls_by_the_step_from_where_it_stood():
    seen, *_ = rates()
    first, second = zip(*seen, strict=True)
    assert first == pytest.approx([0.8, 0.6, 0.4, 0.2, 0, 0])
    assert second == pytest.approx([0.4, 0.3, 0.2, 0.1, 0, 0])


def test_it_stays_at_the_floor():
    seen, *_ = rates(floor=0.5)
    assert [one[0] for one in seen] == pytest.approx([0.8, 0.6, 0.4, 0.4, 0.4, 0.4])


def test_it_ends_with_its_handle():
    seen, handle, trainer, optimizer = rates()
    handle.remove()
    optimizer.group("0")["lr"] = 0.7
    trainer.run(range(3), max_epochs=4)
    assert seen[-1][0] == 0.7


@pytest.mark.parametrize(("steps", "floor"), [(0, 0.0), (-5, 0.0), (5, -0.1), (5, 1.1)])
def test_an_impossible_decay_is_refused(steps, floor):
    model = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(InvalidValue, match="steps ≥ 1 and a floor from 0 to 1"):
        attach_linear_decay(
            Engine(lambda engine, batch: None), Local(model.named_parameters()), steps, floor
        )
    assert torch.is_tensor(model[0].weight)


@pytest.mark.parametrize(("steps", "layers"), [(7, 2), (100, 3), (3, 3), (2, 3), (1, 1), (10, 4)])
def test_layers_share_the_steps_one_after_another(steps, layers):
    told = [greedy_phase(step, steps, layers) for step in range(steps)]
    places = [place for place, _, _ in told]
    assert places == sorted(places)
    lengths = [places.count(place) for place in range(layers)]
    assert max(lengths) - min(lengths) <= 1
    for place in set(places):
        mine = [(step, of) for other, step, of in told if other == place]
        assert mine == [(step, len(mine)) for step in range(len(mine))]


def test_after_the_last_step_the_last_layer_goes_on():
    assert greedy_phase(10, 10, 2) == (1, 5, 5)
    assert greedy_phase(17, 10, 2) == (1, 12, 5)


def test_a_radius_falls_by_the_same_factor_each_step_and_stays():
    radii = [shrunk(5.0, 0.5, step, 10) for step in range(13)]
    assert (radii[0], radii[10], radii[12]) == pytest.approx((5.0, 0.5, 0.5))
    factors = [after / before for before, after in pairwise(radii[:11])]
    assert factors == pytest.approx([0.1**0.1] * 10)
    assert shrunk(1.0, 4.0, 5, 10) == pytest.approx(2.0), "it may grow"


class TestRadius:
    def engine(self, end=0.5, radius=4.0, **more):
        model = torch.nn.Sequential(torch.nn.Linear(3, 9, bias=False))
        rule = hl.rules.create("som", radius=radius)
        options = None if end is None else hl.LayerOptions(radius_end=end)
        optimizer = hl.Local(model.named_parameters(), lr=0.1)
        return hl.HebbianTrainer(model, rule, optimizer, None, options=options, **more), rule

    @staticmethod
    def seen(engine, rule):
        radii = []
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda: radii.append(rule.radius))
        return radii

    def test_falls_geometrically_over_the_steps_of_a_run(self):
        engine, rule = self.engine()
        radii = self.seen(engine, rule)
        engine.run([torch.rand(5, 3)] * 4, epochs=2)
        assert radii == pytest.approx([4 * (0.5 / 4) ** (step / 8) for step in range(8)])

    def test_stays_where_no_end_is_given(self):
        engine, rule = self.engine(end=None)
        engine.run([torch.rand(5, 3)] * 4, epochs=2)
        assert rule.radius == 4.0

    def test_is_held_by_whoever_sets_it(self):
        engine, rule = self.engine()
        radii = self.seen(engine, rule)

        def hold(one):
            if one.state.iteration == 3:
                rule.radius = 2.5

        engine.add_event_handler(Events.ITERATION_STARTED, hold)
        engine.run([torch.rand(5, 3)] * 4, epochs=2)
        assert radii[2:] == [2.5] * 6

    def test_needs_to_know_how_long_the_run_is(self):
        engine, _ = self.engine()
        before = engine.model[0].weight.detach().clone()
        with pytest.raises(InvalidValue, match="give epoch_length"):
            engine.run(iter([torch.rand(5, 3)] * 4), epochs=1)
        assert torch.equal(engine.model[0].weight, before)
        engine.run(iter([torch.rand(5, 3)] * 4), epochs=1, epoch_length=4)
