"""A layer that is left alone goes on giving what it gave; what learns is normalised anew."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

import hebblab as hl
from hebblab.rules import create


def network(read=True):
    torch.manual_seed(0)
    model = nn.Sequential(
        OrderedDict(
            norm1=nn.BatchNorm1d(6, affine=False),
            drop1=nn.Dropout(0.5),
            one=nn.Linear(6, 5, bias=False),
            norm2=nn.BatchNorm1d(5),
            two=nn.Linear(5, 4, bias=False),
            norm3=nn.BatchNorm1d(4),
            three=nn.Linear(4, 3, bias=False),
            readout=nn.Linear(3, 2),
        )
    )
    if read:
        model.train()(batch(9))
    return model


def batch(seed, size=32):
    return 3 * torch.rand(size, 6, generator=torch.Generator().manual_seed(seed)) - 1


def trained(model, rules="hebb", **more):
    rules = create(rules) if isinstance(rules, str) else rules
    engine = hl.HebbianTrainer(
        model, rules, hl.Local(model.named_parameters(), lr=0.01), initialize=False, **more
    )
    engine.run([batch(seed) for seed in range(5)], epochs=2)
    return engine


def statistics(model):
    return {
        name: one.running_mean.clone()
        for name, one in model.named_modules()
        if isinstance(one, nn.BatchNorm1d)
    }


def moved(model, before):
    return {name for name, now in statistics(model).items() if not torch.equal(now, before[name])}


@pytest.mark.parametrize("named", [True, False], ids=["freeze_layers", "no rule"])
def test_batch_norms_up_to_a_frozen_layer_keep_their_statistics(named):
    model = network()
    before, x = statistics(model), batch(77)
    gave = model.eval()[:3](x)
    rules = create("hebb") if named else {"two": create("hebb"), "three": create("hebb")}
    trained(model, rules, freeze_layers=["one"] if named else [])
    assert moved(model, before) == {"norm2", "norm3"}
    assert torch.equal(model.eval()[:3](x), gave), "so it gives what it gave"


def test_what_is_frozen_behind_a_layer_that_learns_is_normalised_as_that_one_changes():
    model = network()
    before, two = statistics(model), model.two.weight.detach().clone()
    trained(model, freeze_layers=["two"])
    assert moved(model, before) == {"norm1", "norm2", "norm3"}
    assert torch.equal(model.two.weight, two)


def test_without_a_frozen_layer_all_norms_gather():
    model = network()
    before = statistics(model)
    trained(model)
    assert moved(model, before) == {"norm1", "norm2", "norm3"}


def test_a_norm_without_statistics_gathers_some_before_a_frozen_layer():
    model = network(read=False)
    before = statistics(model)
    engine = trained(model, freeze_layers=["one"])
    assert moved(model, before) == {"norm1", "norm2", "norm3"}
    assert not model.drop1.training, "nothing else before it is at work"
    before = statistics(model)
    engine.run([batch(3)], epochs=3)
    assert "norm1" in moved(model, before), "in a second run as in the first"


def test_one_layer_in_focus_holds_those_before_it_still_whatever_they_had():
    model = network(read=False)
    engine = trained(model)
    before = statistics(model)
    engine.focus("two")
    engine.run([batch(5)], epochs=3)
    assert moved(model, before) == {"norm2"}, "three is behind the last that learns"
