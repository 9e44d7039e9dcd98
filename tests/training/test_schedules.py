import pytest
import torch
from ignite.engine import Engine
from torch import nn

from hebblab import InvalidValue, Local
from hebblab.training import attach_linear_decay, decay_factor


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
