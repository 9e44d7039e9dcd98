"""Random abstention in a layer: draws that repeat, whatever the chunks, and what they are for."""

import pytest
import torch
from torch import nn

import hebblab as hl
from hebblab import InvalidValue, LayerOptions, LayerView
from hebblab.nn import PatchConv2d, layers
from hebblab.rules import create
from hebblab.training import Learner


def made(rule="hard-wta", options=None, module=None, seed=5):
    options = options or LayerOptions(abstention=True)
    module = module or nn.Linear(6, 5, bias=False).double()
    model = nn.Sequential(module)
    optimizer = hl.Local(model.named_parameters(), lr=0.1)
    rule = create(rule) if isinstance(rule, str) else rule
    learner = Learner(LayerView(module, "0"), rule, optimizer, options)
    generator = torch.Generator().manual_seed(1)
    nn.init.uniform_(module.weight, generator=generator)
    learner.begin(torch.Generator().manual_seed(seed))
    return learner


def conv(groups=1):
    return PatchConv2d(2, 6, 2, groups=groups, bias=False).double()


def batches(count, *shape, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(count)]


def after(learner, given):
    for batch in given:
        learner.learn(batch)
    return learner.view.module.weight.detach().clone()


@pytest.mark.parametrize("rule", ["hard-wta", "soft-wta", "proportional-wta", "instar"])
def test_it_changes_what_is_learnt_and_repeats(rule):
    given = batches(6, 20, 6)
    plain = after(made(rule, LayerOptions()), given)
    once, again = after(made(rule), given), after(made(rule), given)
    assert torch.equal(once, again)
    assert not torch.equal(once, plain)
    assert not torch.equal(once, after(made(rule, seed=6), given)), "another seed, other draws"
    first = batches(1, 20, 6)
    assert torch.allclose(after(made(rule), first), after(made(rule, LayerOptions()), first)), (
        "nobody has won before the first batch"
    )


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("patches", [0, 70])
def test_the_size_of_chunks_changes_nothing(monkeypatch, groups, patches):
    given = batches(4, 7, 2, 6, 5)
    options = LayerOptions(abstention=True, patches_per_batch=patches)
    whole = made(options=options, module=conv(groups))
    expected = after(whole, given)
    for size in (13, 41):
        monkeypatch.setattr(layers, "CHUNK", size)
        learner = made(options=options, module=conv(groups))
        assert torch.allclose(after(learner, given), expected, atol=1e-12)
        for one, other in zip(learner.held, whole.held, strict=True):
            assert torch.equal(one["wins"], other["wins"])
    assert [len(held["wins"]) for held in whole.held] == [6 // groups] * groups


def test_looking_draws_nothing_and_leaves_nobody_out():
    given = batches(6, 20, 6)
    learner, other = made(), made()
    for batch in given:
        looked = [learner.change(batch).clone() for _ in range(2)]
        assert torch.equal(*looked)
        learner.learn(batch)
        other.learn(batch)
        assert "absent" not in learner.rule.buffers
    weights = learner.view.weights()
    assert torch.equal(weights, other.view.weights())
    answers = learner.answer(given[0])
    assert torch.equal(answers, given[0] @ weights.T), "answers know nothing of it"


def test_a_fresh_start_has_no_wins():
    given = batches(4, 20, 6)
    learner = made()
    first = after(learner, given)
    generator = torch.Generator().manual_seed(1)
    nn.init.uniform_(learner.view.module.weight, generator=generator)
    learner.begin(torch.Generator().manual_seed(5))
    assert learner.held == [{}]
    assert torch.equal(after(learner, given), first)


def test_switched_off_it_forgets():
    given = batches(4, 20, 6)
    learner = made()
    after(learner, given)
    learner.options.__dict__["abstention"] = False
    learner.learn(given[0])
    assert learner.held == [{}]


def test_it_spreads_the_wins():
    """Cosine is blind to norms, so that nothing else does."""
    shares = []
    for options in (LayerOptions(), LayerOptions(abstention=True)):
        learner = made(options=options, module=nn.Linear(20, 8, bias=False).double())
        inputs = batches(1, 300, 20)[0].pow(4)
        inputs[:, :3] += 2
        for _ in range(200):
            learner.learn(inputs)
        wins = torch.zeros(8).double()
        for _ in range(100):
            learner.learn(inputs)
            wins += learner.rule.shares(inputs, learner.view.weights()).sum(0)
        shares.append(float((wins / wins.sum() * 8).min()))
    assert shares[1] > shares[0] + 0.2, shares


def test_a_teacher_goes_along_with_it():
    labels, found = torch.arange(20) % 10, []
    for abstention in (False, True):
        options = LayerOptions(abstention=abstention, teacher=True)
        learner = made(options=options, module=nn.Linear(6, 12, bias=False).double())
        for batch in batches(5, 20, 6):
            learner.learn(batch, labels)
        found.append(learner.view.weights().clone())
    assert learner.held[0]["wins"].any()
    assert torch.isfinite(found[1]).all() and not torch.equal(*found)


@pytest.mark.parametrize("rule", ["krotov-hopfield", "sanger", "som"])
def test_it_is_refused_where_nobody_competes(rule):
    with pytest.raises(InvalidValue, match="keeps units that won much out of a competition"):
        made(rule)
