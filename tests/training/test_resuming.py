"""What follows a run that an error ended: a whole new one, and never a run of no steps."""

import pytest
import torch
from ignite.engine import Events
from torch import nn

import hebblab as hl
from hebblab import InvalidValue
from hebblab.training import SupervisedEvaluator, SupervisedTrainer


def batches(count=3, fan_in=4):
    generator = torch.Generator().manual_seed(0)
    return [(torch.rand(5, fan_in, generator=generator), torch.arange(5) % 2) for _ in range(count)]


def hebbian():
    model = nn.Sequential(nn.Linear(4, 3, bias=False))
    local = hl.Local(model.named_parameters(), lr=0.1)
    return hl.HebbianTrainer(model, hl.rules.create("oja"), local, supervised_from=None)


def supervised(kind):
    model = nn.Sequential(nn.Linear(4, 2))
    criterion = nn.CrossEntropyLoss()
    if kind is SupervisedEvaluator:
        return kind(model, criterion)
    return kind(model, torch.optim.SGD(model.parameters(), lr=0.1), criterion)


def seen_by(engine):
    seen = []
    engine.add_event_handler(
        Events.ITERATION_COMPLETED, lambda one: seen.append((one.state.epoch, one.state.iteration))
    )
    return seen


@pytest.mark.parametrize("place", [0, 1, 2])
def test_after_a_batch_that_did_not_fit_the_mended_data_are_learnt_whole(place):
    trainer, good = hebbian(), batches()
    with pytest.raises(InvalidValue, match="do not fit"):
        trainer.run([*good[:place], *batches(1, fan_in=3), *good[place + 1 :]], epochs=2)
    kept = trainer.model[0].weight.detach().clone()
    seen = seen_by(trainer)
    state = trainer.run(good, epochs=2)
    assert seen == [(1, 1), (1, 2), (1, 3), (2, 4), (2, 5), (2, 6)]
    assert (state.epoch, state.iteration) == (2, 6)
    other = hebbian()
    other.model[0].weight.data.copy_(kept)
    other.run(good, epochs=2)
    assert torch.equal(trainer.model[0].weight, other.model[0].weight)


def test_after_the_keyboard_ended_it_another_number_of_batches_and_epochs_may_follow():
    trainer = hebbian()

    @trainer.on(Events.ITERATION_COMPLETED(once=7))
    def pressed():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer.run(batches(3), epochs=5)
    seen = seen_by(trainer)
    assert trainer.run(batches(2), epochs=1).epoch == 1
    assert seen == [(1, 1), (1, 2)]


def test_what_was_interrupted_in_order_still_goes_on_after_an_earlier_error():
    trainer = hebbian()
    with pytest.raises(InvalidValue):
        trainer.run(batches(1, fan_in=3), epochs=1)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, trainer.interrupt)
    seen = seen_by(trainer)
    for _ in range(3):
        trainer.run(batches(3), epochs=1)
    assert seen == [(1, 1), (1, 2), (1, 3)]


def test_what_failed_is_still_to_be_read():
    trainer = hebbian()
    with pytest.raises(InvalidValue):
        trainer.run([*batches(1), *batches(1, fan_in=3)], epochs=4)
    assert (trainer.state.epoch, trainer.state.iteration, trainer.state.max_epochs) == (1, 2, 4)


@pytest.mark.parametrize("kind", [SupervisedTrainer, SupervisedEvaluator])
def test_supervised_layers_and_their_scores_too(kind):
    engine = supervised(kind)
    with pytest.raises(RuntimeError):
        engine.run(batches(1, fan_in=3))
    state = engine.run(batches(3))
    assert state.iteration == 3
    assert 0 <= state.metrics["accuracy"] <= 1


@pytest.mark.parametrize("epochs", [0, -1, 1.5, True, "3"])
def test_an_impossible_number_of_epochs_is_refused_and_never_taken_for_one(epochs):
    engine = supervised(SupervisedTrainer)
    before = engine.model[0].weight.detach().clone()
    for name in ("epochs", "max_epochs"):
        with pytest.raises(InvalidValue, match="epochs must be a whole number from 1"):
            engine.run(batches(), **{name: epochs})
    assert torch.equal(engine.model[0].weight, before)


@pytest.mark.parametrize("make", [hebbian, lambda: supervised(SupervisedTrainer)])
def test_more_epochs_go_on_and_as_many_begin_anew(make):
    engine = make()
    engine.run(batches(2), epochs=2)
    seen = seen_by(engine)
    engine.run(batches(2), epochs=3)
    assert seen == [(3, 5), (3, 6)]
    seen.clear()
    engine.run(batches(2), epochs=3)
    assert seen == [(1, 1), (1, 2), (2, 3), (2, 4), (3, 5), (3, 6)]
