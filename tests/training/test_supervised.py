import copy
import sys
from collections import OrderedDict

import pytest
import torch
from ignite.engine import Engine, Events
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from hebblab.data import Batches, Images
from hebblab.errors import InvalidValue, UnknownName, WrongState
from hebblab.rules import KrotovsRule
from hebblab.training import (
    HebbianEvaluator,
    HebbianTrainer,
    Local,
    SupervisedEvaluator,
    SupervisedTrainer,
    attach_progress,
)


def spots(count, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    images = torch.rand(count, 1, 6, 6, generator=generator) * 0.3
    for image, label in zip(images, labels.tolist(), strict=True):
        image[0, 2 * label : 2 * label + 2] += 0.6
    return images, labels


def loader(count=60, seed=1, batch=20):
    images, labels = spots(count, seed)
    return list(zip(images.split(batch), labels.split(batch), strict=True))


@pytest.fixture
def model():
    network = nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            hidden=nn.Linear(36, 8, bias=False),
            norm=nn.BatchNorm1d(8),
            activation=nn.ReLU(),
            readout=nn.Linear(8, 3),
        )
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        network.hidden.weight.uniform_(0, 1, generator=generator)
        network.readout.weight.uniform_(-0.1, 0.1, generator=generator)
        network.readout.bias.zero_()
    return network


def snapshot(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(before, model):
    return {
        name for name, tensor in model.state_dict().items() if not torch.equal(before[name], tensor)
    }


def test_the_trainer_learns_and_counts(model):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    trainer = SupervisedTrainer(model, optimizer, nn.CrossEntropyLoss())
    model.eval()
    losses = []
    trainer.add_event_handler(
        Events.EPOCH_COMPLETED, lambda engine: losses.append(engine.state.metrics["loss"])
    )
    state = trainer.run(loader(), epochs=15)
    assert (state.epoch, state.iteration) == (15, 45)
    assert model.training
    assert losses[-1] < 0.5 * losses[0]
    assert state.metrics["accuracy"] > 0.9


def test_one_step_is_torchs_own(model):
    twin = copy.deepcopy(model).train()
    (inputs, labels), *_ = loader()
    loss = nn.functional.cross_entropy(twin(inputs), labels)
    loss.backward()
    torch.optim.SGD(twin.parameters(), lr=0.1).step()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    state = SupervisedTrainer(model, optimizer, nn.CrossEntropyLoss()).run([(inputs, labels)])
    assert not changed(snapshot(twin), model)
    assert state.metrics["loss"] == pytest.approx(loss.item())


@pytest.mark.parametrize("name", ["epochs", "max_epochs"])
def test_epochs_go_by_both_names(model, name):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = SupervisedTrainer(model, optimizer, nn.CrossEntropyLoss())
    assert trainer.run(loader(), **{name: 2}).epoch == 2


def test_the_loss_of_an_epoch_weighs_a_small_last_batch_by_its_size(model):
    evaluator = SupervisedEvaluator(model, nn.CrossEntropyLoss())
    images, labels = spots(25, 3)
    parts = list(zip(images.split(20), labels.split(20), strict=True))
    found = evaluator.run(parts).metrics
    with torch.no_grad():
        scores = model.eval()(images)
    assert found["loss"] == pytest.approx(nn.functional.cross_entropy(scores, labels).item())
    assert found["accuracy"] == pytest.approx((scores.argmax(1) == labels).double().mean().item())


def test_the_evaluator_leaves_no_trace(model):
    model.train()
    model.activation.eval()
    before, modes = snapshot(model), [module.training for module in model.modules()]
    SupervisedEvaluator(model, nn.CrossEntropyLoss()).run(loader())
    assert not changed(before, model)
    assert [module.training for module in model.modules()] == modes


def test_the_evaluator_puts_modes_back_when_a_batch_fails(model):
    model.train()
    with pytest.raises(RuntimeError):
        SupervisedEvaluator(model, nn.CrossEntropyLoss()).run([(torch.zeros(2, 5), torch.zeros(2))])
    assert all(module.training for module in model.modules())


def test_listings_1_and_2_run_with_their_imports_changed():
    generator = torch.Generator().manual_seed(0)
    images, labels = spots(60, 1)
    train_loader = DataLoader(TensorDataset(images, labels), batch_size=20, generator=generator)
    val_loader = DataLoader(TensorDataset(*spots(30, 2)), batch_size=20, generator=generator)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 8, bias=False), nn.ReLU(), nn.Linear(8, 3))
    criterion = nn.CrossEntropyLoss()

    learning_rule = KrotovsRule()
    optimizer = Local(model.named_parameters(), lr=0.01)
    trainer = HebbianTrainer(model, learning_rule, optimizer)
    evaluator = SupervisedEvaluator(model, criterion)
    evaluator.attach(trainer, Events.EPOCH_COMPLETED, val_loader)
    seen = []
    trainer.add_event_handler(
        Events.EPOCH_COMPLETED, lambda: seen.append(evaluator.state.metrics["accuracy"])
    )
    trainer.run(train_loader, epochs=3)
    assert len(seen) == 3
    assert evaluator.state.iteration == 2
    assert evaluator.state.metrics.keys() == {"accuracy", "loss"}


def test_an_attached_evaluator_can_be_detached(model):
    evaluator = SupervisedEvaluator(model, nn.CrossEntropyLoss())
    runs = []
    evaluator.add_event_handler(Events.COMPLETED, lambda: runs.append(1))
    trainer = Engine(lambda engine, batch: None)
    handle = evaluator.attach(trainer, Events.EPOCH_COMPLETED, loader())
    trainer.run([0])
    handle.remove()
    trainer.run([0])
    assert len(runs) == 1


def test_reading_a_loader_does_not_move_its_generator(model):
    images, labels = spots(60, 1)
    resident = Images((images.clamp(0, 1) * 255).to(torch.uint8), labels)
    batches = Batches(resident, 20, torch.Generator().manual_seed(5))
    state = batches.generator.get_state()
    SupervisedEvaluator(model, nn.CrossEntropyLoss()).run(batches)
    HebbianEvaluator(model, epochs=2).run(batches, batches)
    assert torch.equal(batches.generator.get_state(), state)


def test_the_hebbian_evaluator_trains_the_readout_alone(model):
    model.train()
    model.activation.eval()
    model.hidden.weight.requires_grad_(False)
    before, modes = snapshot(model), [module.training for module in model.modules()]
    wanted = [parameter.requires_grad for parameter in model.parameters()]
    evaluator = HebbianEvaluator(model, epochs=40, learning_rate=0.05)
    state = evaluator.run(loader(), loader(30, 2))
    assert changed(before, model) == {"readout.weight", "readout.bias"}
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == wanted
    assert all(parameter.grad is None for parameter in model.parameters())
    assert state.metrics["accuracy"] > 0.9
    assert evaluator.state is state


def test_batch_norm_learns_where_asked(model):
    before = snapshot(model)
    HebbianEvaluator(model, epochs=3, train_norms=True).run(loader(), loader(30, 2))
    assert changed(before, model) == {
        "readout.weight", "readout.bias", "norm.weight", "norm.bias",
        "norm.running_mean", "norm.running_var", "norm.num_batches_tracked",
    }  # fmt: skip


def test_supervised_from_names_the_first_layer_trained():
    network = nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            one=nn.Linear(36, 8, bias=False),
            two=nn.Linear(8, 8),
            three=nn.Linear(8, 3),
        )
    )
    for first in ("two", 2, -2):
        before = snapshot(network)
        HebbianEvaluator(network, supervised_from=first, epochs=1).run(loader(), loader())
        assert changed(before, network) == {"two.weight", "two.bias", "three.weight", "three.bias"}


class Scripted(nn.Module):
    """A readout whose accuracy follows a script, whatever it is trained on."""

    def __init__(self, accuracies):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.epoch = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.script = accuracies

    def forward(self, inputs):
        scores = torch.zeros(len(inputs), 2)
        if self.training:
            with torch.no_grad():
                self.epoch += 1
        else:
            right = round(self.script[int(self.epoch) - 1] * len(inputs))
            scores[:right, 0] = 1.0
            scores[right:, 1] = 1.0
        return scores + 0 * self.weight


def scripted(accuracies, **options):
    model = nn.Sequential(nn.Flatten(), Scripted(accuracies))
    batch = [(torch.zeros(10, 1, 1, 1), torch.zeros(10, dtype=torch.int64))]
    rates = []

    def optimizer(parameters):
        made = torch.optim.SGD(parameters, lr=1.0)
        rates.append(made)
        return made

    evaluator = HebbianEvaluator(model, optimizer=optimizer, **options)
    state = evaluator.run(batch, batch)
    return model, evaluator, state, rates[0].param_groups[0]["lr"]


def test_the_best_weights_are_kept_and_scored():
    model, evaluator, state, _ = scripted([0.5, 0.9, 0.7, 0.9, 0.6], epochs=5)
    assert evaluator.best_epoch == 2
    assert int(model[1].epoch) == 2
    assert state.metrics["accuracy"] == pytest.approx(0.9)


def test_training_stops_when_patience_is_spent():
    epochs = []

    class Counting(nn.CrossEntropyLoss):
        def forward(self, scores, labels):
            epochs.append(torch.is_grad_enabled())
            return super().forward(scores, labels)

    scripted([0.5, 0.8] + [0.7] * 30, criterion=Counting(), epochs=30, patience=4)
    assert sum(epochs) == 2 + 4


def test_the_learning_rate_falls_on_a_plateau():
    *_, rate = scripted([0.5] + [0.4] * 11, epochs=12, plateau=3)
    assert rate == pytest.approx(0.25)
    *_, rate = scripted([k / 20 for k in range(12)], epochs=12, plateau=3)
    assert rate == 1.0


def test_every_evaluation_starts_the_supervised_layers_anew(model):
    evaluator = HebbianEvaluator(model, epochs=3)
    first = evaluator.run(loader(), loader(30, 2)).metrics.copy()
    weights = snapshot(model)
    second = evaluator.run(loader(), loader(30, 2)).metrics
    assert second == first
    assert not changed(weights, model)


def test_evaluating_does_not_change_the_run(model):
    def train(attach):
        network = copy.deepcopy(model)
        images, labels = spots(60, 1)
        resident = Images((images.clamp(0, 1) * 255).to(torch.uint8), labels)
        batches = Batches(resident, 10, torch.Generator().manual_seed(3))
        rule, optimizer = KrotovsRule(), Local(network.named_parameters(), lr=0.02)
        trainer = HebbianTrainer(network, rule, optimizer, supervised_from="norm")
        evaluator = HebbianEvaluator(network, supervised_from="norm", epochs=2)
        if attach:
            evaluator.attach(trainer, Events.EPOCH_COMPLETED, loader(30, 2))
        trainer.run(batches, epochs=3)
        return network.hidden.weight.detach(), evaluator

    alone, _ = train(attach=False)
    watched, evaluator = train(attach=True)
    assert torch.equal(alone, watched)
    assert evaluator.state.metrics.keys() == {"accuracy", "loss"}


def test_a_train_loader_of_ones_own_is_used(model):
    read = []

    class Recorded(list):
        def __iter__(self):
            read.append(1)
            return super().__iter__()

    trainer = Engine(lambda engine, batch: None)
    HebbianEvaluator(model, epochs=2).attach(
        trainer, Events.COMPLETED, loader(30, 2), train_loader=Recorded(loader())
    )
    trainer.run([0])
    assert read


def test_modes_and_gradients_come_back_when_training_fails(model):
    model.train()
    wanted = [parameter.requires_grad for parameter in model.parameters()]
    with pytest.raises(RuntimeError):
        HebbianEvaluator(model).run([(torch.zeros(2, 5), torch.zeros(2).long())], loader())
    assert all(module.training for module in model.modules())
    assert [parameter.requires_grad for parameter in model.parameters()] == wanted


def test_impossible_evaluators_are_refused(model):
    with pytest.raises(UnknownName, match="readout"):
        HebbianEvaluator(model, supervised_from="redout")
    with pytest.raises(InvalidValue, match="place from -5 to 4"):
        HebbianEvaluator(model, supervised_from=5)
    with pytest.raises(InvalidValue, match="epochs must be"):
        HebbianEvaluator(model, epochs=0)
    with pytest.raises(InvalidValue, match="no weights to train"):
        HebbianEvaluator(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    with pytest.raises(WrongState, match="Nothing was evaluated"):
        _ = HebbianEvaluator(model).state


def test_progress_is_ignites_bar(model, capsys):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = SupervisedTrainer(model, optimizer, nn.CrossEntropyLoss())
    attach_progress(trainer, desc="readout", persist=True)
    trainer.run(loader(), epochs=2)
    said = capsys.readouterr()
    assert said.out == ""
    assert "readout" in said.err
    assert "3/3" in said.err


def test_progress_without_tqdm_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "tqdm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(WrongState, match="pip install tqdm"):
        attach_progress(Engine(lambda engine, batch: None))
