"""The trainer: each layer by its own rule, in order, in ignite's loop."""

import math

import pytest
import torch
from ignite.engine import Engine, Events
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hebblab as hl
from hebblab import InvalidValue, LayerView, UnknownName, metrics, networks
from hebblab.errors import Diverged
from hebblab.rules import create, register, unregister
from hebblab.training import LayerOptions

NORMED = LayerOptions(row_norm=True)


def two_layers(bias=False):
    network = nn.Sequential()
    network.add_module("flatten", nn.Flatten())
    network.add_module("one", nn.Linear(12, 8, bias=bias))
    network.add_module("relu", nn.ReLU())
    network.add_module("two", nn.Linear(8, 6, bias=False))
    network.add_module("head", nn.Linear(6, 2))
    return network


def batches(count=3, size=10, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.rand(size, 3, 4, generator=generator), torch.zeros(size, dtype=torch.long))
        for _ in range(count)
    ]


def trainer(model, rule=None, lr=0.1, **options):
    rule = rule or create("krotov-hopfield")
    return hl.HebbianTrainer(model, rule, hl.Local(model.named_parameters(), lr=lr), **options)


def weights(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def by_hand(model, rules, data, rate):
    """One layer after another, each on its predecessor's new answer."""
    found = weights(model)
    for x, _ in data:
        inputs = x.flatten(1)
        for name, rule in rules.items():
            w = found[f"{name}.weight"]
            w += rate * rule.update(inputs, w)
            inputs = torch.relu(inputs @ w.T)
    return found


@pytest.mark.parametrize("shape", ["sequence", "subclass", "module"])
def test_layers_learn_in_order_each_from_its_predecessors_new_weights(shape):
    class Subclass(nn.Sequential):
        pass

    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            for name, child in two_layers().named_children():
                self.add_module(name, child)

        def forward(self, x):
            return self.head(self.two(self.relu(self.one(self.flatten(x)))))

    model = two_layers()
    if shape != "sequence":
        other = Module() if shape == "module" else Subclass(dict_of(model))
        other.load_state_dict(model.state_dict())
        model = other
    rules = {"one": create("krotov-hopfield"), "two": create("oja")}
    engine = trainer(model, rules, 0.05)
    expected = by_hand(model, rules, batches(), 0.05)
    before = weights(model)
    engine.run(batches(), epochs=1)
    for name, parameter in model.named_parameters():
        assert torch.allclose(parameter, expected[name], atol=1e-6)
        assert torch.equal(parameter, before[name]) is name.startswith("head")


def dict_of(model):
    from collections import OrderedDict

    return OrderedDict(model.named_children())


def test_it_is_an_ignite_engine_whose_handlers_fire():
    engine = trainer(two_layers())
    assert isinstance(engine, Engine)
    fired = []
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda e: fired.append(e.state.epoch))
    engine.add_event_handler(Events.ITERATION_COMPLETED(every=2), lambda: fired.append("batch"))
    state = engine.run(batches(3), epochs=2)
    assert fired == ["batch", 1, "batch", "batch", 2]
    assert (state.epoch, state.iteration, state.output) == (2, 6, 10)


def test_an_interrupted_run_goes_on_where_it_was():
    whole, parts = two_layers(), two_layers()
    parts.load_state_dict(whole.state_dict())
    one, two = trainer(whole), trainer(parts)
    one.run(batches(3), epochs=2)
    two.add_event_handler(Events.ITERATION_COMPLETED, two.interrupt)
    for _ in range(6):
        two.run(batches(3), epochs=2)
    assert two.state.iteration == 6
    assert torch.equal(whole.one.weight, parts.one.weight)


def test_one_rule_serves_every_layer_before_the_supervised_ones():
    model = two_layers()
    engine = trainer(model)
    assert list(engine.hebbian_layers) == ["one", "two"]
    assert list(trainer(model, supervised_from="two").hebbian_layers) == ["one"]
    assert list(trainer(model, freeze_layers=["one"]).hebbian_layers) == ["two"]
    assert list(trainer(model, {"two": create("oja")}).hebbian_layers) == ["two"]


def test_every_layer_can_be_hebbian():
    model = nn.Sequential(nn.Linear(4, 3, bias=False), nn.Linear(3, 2, bias=False))
    assert list(trainer(model, supervised_from=None).hebbian_layers) == ["0", "1"]


def test_frozen_layers_still_answer():
    model = two_layers()
    engine = trainer(model, {"two": create("oja")}, 0.05, initialize=False)
    before = weights(model)
    engine.run(batches(), epochs=1)
    assert torch.equal(model.one.weight, before["one.weight"])
    assert not torch.equal(model.two.weight, before["two.weight"])
    two = before["two.weight"]
    for x, _ in batches():
        inputs = torch.relu(x.flatten(1) @ before["one.weight"].T)
        two += 0.05 * create("oja").update(inputs, two)
    assert torch.allclose(model.two.weight, two, atol=1e-6)


def test_weights_start_as_the_rules_ask_once_from_the_seed():
    model = two_layers()
    before = torch.random.get_rng_state()
    rules = {"one": create("krotov-hopfield"), "two": create("oja")}
    head = model.head.weight.detach().clone()
    trainer(model, rules, seed=3)
    assert float(model.one.weight.min().detach()) >= 0
    assert 0.9 < float(model.one.weight.max().detach()) < 1
    assert float(model.two.weight.abs().max().detach()) < 0.1
    assert torch.equal(model.head.weight, head)
    assert torch.equal(torch.random.get_rng_state(), before)

    same, other = two_layers(), two_layers()
    trainer(same, rules, seed=3)
    trainer(other, rules, seed=4)
    assert torch.equal(same.one.weight, model.one.weight)
    assert not torch.equal(other.one.weight, model.one.weight)

    started = trainer(model, rules, initialize=False, lr=0.0)
    drawn = weights(model)
    started.run(batches(), epochs=2)
    assert torch.equal(model.one.weight, drawn["one.weight"])


def test_batches_may_be_inputs_alone():
    one, two = two_layers(), two_layers()
    first, second = trainer(one), trainer(two)
    first.run(batches(), epochs=1)
    second.run([x for x, _ in batches()], epochs=1)
    assert torch.equal(one.one.weight, two.one.weight)


def test_unit_norm_rows_are_put_back_after_each_step():
    model = two_layers()
    engine = trainer(model, {"one": create("hebb"), "two": create("oja")}, options={"one": NORMED}, lr=0.5)
    engine.run(batches(), epochs=1)
    assert metrics.norms(model.one.weight.detach(), 2.0).tolist() == pytest.approx([1] * 8)
    assert metrics.norms(model.two.weight.detach(), 2.0).tolist() != pytest.approx([1] * 6)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_unit_norm_rows_of_a_convolution(layout):
    model = nn.Sequential(nn.Conv2d(2, 4, 3, bias=False)).to(memory_format=layout)
    engine = trainer(model, create("hebb"), supervised_from=None, options=NORMED)
    engine.run([torch.rand(3, 2, 6, 6)], epochs=2)
    rows = LayerView(model[0]).weights()
    assert metrics.norms(rows, 2.0).tolist() == pytest.approx([1] * 4)


def test_unit_norm_rows_are_refused_where_they_would_fight_the_rule():
    with pytest.raises(InvalidValue, match=r"'krotov-hopfield' holds its own norm.*'one'"):
        trainer(two_layers(), options={"one": NORMED})
    with pytest.raises(UnknownName, match="Did you mean 'one'"):
        trainer(two_layers(), create("hebb"), options={"ome": NORMED})


def test_weights_that_would_leave_the_finite_numbers_are_kept():
    @register
    class Wild(hl.Rule):
        name = "wild"

        def update(self, inputs, weights):
            return torch.full_like(weights, worst)

    try:
        for worst in (math.nan, math.inf, -math.inf, 1e35):
            model = two_layers()
            engine = trainer(model, {"one": create("wild")}, lr=0.1)
            before = weights(model)
            with pytest.raises(Diverged, match=r"layer 'one'.*Lower the learning rate"):
                engine.run([torch.ones(2, 3, 4)], epochs=1)
            assert torch.equal(model.one.weight, before["one.weight"])
    finally:
        unregister("wild")


def test_a_rule_that_holds_state_moves_it_once_a_step_after_the_weights():
    seen = []

    class Moving(hl.Rule):
        name = "moving"

        def statistics(self, inputs, weights, targets=None):
            return inputs.sum(0), torch.tensor(len(inputs))

        def change(self, statistics, weights):
            return torch.ones_like(weights)

        def advance(self, statistics, learning_rate):
            seen.append((int(statistics[1]), learning_rate, float(model.one.weight[0, 0].detach())))

    model = two_layers()
    engine = trainer(model, {"one": Moving()}, lr=0.5, initialize=False)
    start = float(model.one.weight[0, 0].detach())
    engine.run(batches(2), epochs=1)
    assert seen == [
        (10, 0.5, pytest.approx(start + 0.5)),
        (10, 0.5, pytest.approx(start + 1.0)),
    ]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (None, "must be a rule or a dictionary"),
        ("oja", "must be a rule or a dictionary"),
        ({}, "dictionary of rules is empty"),
        ({"one": "oja"}, r"no hl\.Rule"),
    ],
)
def test_what_is_no_rule_is_refused(rule, words):
    model = two_layers()
    with pytest.raises(InvalidValue, match=words):
        hl.HebbianTrainer(model, rule, hl.Local(model.named_parameters()))


def test_impossible_layers_are_refused_before_training():
    model = two_layers()
    with pytest.raises(UnknownName, match="Did you mean 'one'"):
        trainer(model, {"ome": create("oja")})
    with pytest.raises(UnknownName, match="layer 'head'"):
        trainer(model, {"head": create("oja")})
    with pytest.raises(InvalidValue, match="more than the 6 units of layer 'two'"):
        trainer(model, create("krotov-hopfield", k=7))
    with pytest.raises(InvalidValue, match="Layer 'one' has a bias"):
        trainer(two_layers(bias=True))
    with pytest.raises(InvalidValue, match=r"needs hl\.Local.*not SGD"):
        hl.HebbianTrainer(model, create("oja"), torch.optim.SGD(model.parameters(), 0.1))
    other = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(UnknownName, match="layer 'one'"):
        hl.HebbianTrainer(model, create("oja"), hl.Local(other.named_parameters()))


def test_the_units_of_a_group_are_what_k_is_bounded_by():
    model = nn.Sequential(nn.Conv2d(4, 8, 3, groups=4, bias=False), nn.Flatten())
    trainer(model, create("krotov-hopfield", k=2))
    with pytest.raises(InvalidValue, match="more than the 2 units"):
        trainer(model, create("krotov-hopfield", k=3))


@pytest.mark.parametrize("epochs", [0, -1, 1.5, "3", True])
def test_impossible_epochs_are_refused(epochs):
    with pytest.raises(InvalidValue, match="epochs must be a whole number from 1"):
        trainer(two_layers()).run(batches(), epochs=epochs)


def test_a_kernel_larger_than_its_image_is_refused():
    model = nn.Sequential(nn.Conv2d(1, 4, 5, bias=False), nn.Flatten())
    with pytest.raises(InvalidValue, match="5×5 kernel of layer '0' does not fit into its 3×3"):
        trainer(model, lr=0.1).run([torch.rand(2, 1, 3, 3)], epochs=1)


def test_nothing_of_the_caller_is_left_behind():
    model = two_layers()
    engine = trainer(model, create("oja"))
    engine.run(batches(), epochs=1)
    assert torch.is_grad_enabled()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(not child._forward_pre_hooks for child in model.modules())


def test_the_fast_path_is_taken_and_is_the_rule():
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 400, bias=False), nn.Identity())
    rule = create("krotov-hopfield", p=3.0, k=3)
    data = [torch.rand(600, 20, generator=generator) for _ in range(6)]
    engine = trainer(model, rule, 0.05)
    w = model[0].weight.detach().clone()
    assert isinstance(engine.change("0", data[0]), hl.Rows)
    for x in data:
        w += 0.05 * rule.update(x, w)
    engine.run(data, epochs=1)
    assert torch.allclose(model[0].weight, w, atol=1e-4)


@pytest.fixture
def loaders(digits):
    def loader(images, shuffle):
        pixels = images.pixels.float() / 255
        generator = torch.Generator().manual_seed(0)
        return DataLoader(
            TensorDataset(pixels, images.labels), 64, shuffle=shuffle, generator=generator
        )

    return loader(digits.train, True), loader(digits.validation, False)


def test_the_papers_listings_run_with_only_their_imports_changed(loaders, digits):
    """Talloen et al., Listings 1 and 2, line by line."""
    from ignite.engine import Events
    from torch.nn import CrossEntropyLoss

    from hebblab import HebbianTrainer, KrotovsRule, Local, SupervisedEvaluator

    def create_model():
        return networks.create("dense-100")

    train_loader, val_loader = loaders
    criterion = CrossEntropyLoss()

    # Create the model, dataset and dataloader
    model = create_model()

    # Create the learning rule, optimizer and trainer
    learning_rule = KrotovsRule()
    optimizer = Local(model.named_parameters(), lr=0.01)
    trainer = HebbianTrainer(model, learning_rule, optimizer)

    evaluator = SupervisedEvaluator(model, criterion)
    evaluator.attach(trainer, Events.EPOCH_COMPLETED, val_loader)

    start = model.hidden.weight.detach().clone()
    seen = []
    trainer.add_event_handler(
        Events.EPOCH_COMPLETED, lambda: seen.append(dict(evaluator.state.metrics))
    )

    # Run the trainer
    trainer.run(train_loader, epochs=10)

    assert trainer.state.epoch == 10
    assert trainer.state.iteration == 10 * math.ceil(3000 / 64)
    assert len(seen) == 10
    assert all(0 <= one["accuracy"] <= 1 and math.isfinite(one["loss"]) for one in seen)
    assert float(metrics.norms(start, 2.0).median()) > 10
    moved = (model.hidden.weight.detach() - start).norm(dim=1)
    assert float((moved > 1).float().mean()) > 0.9


def test_listing_one_draws_digits_at_the_rate_that_its_start_needs(loaders, digits):
    from hebblab import HebbianTrainer, KrotovsRule, Local

    model = networks.create("dense-100")
    optimizer = Local(model.named_parameters(), lr=0.1)
    trainer = HebbianTrainer(model, KrotovsRule(), optimizer)
    hl.training.attach_linear_decay(trainer, optimizer, 10 * len(loaders[0]))
    trainer.run(loaders[0], epochs=10)
    seen = metrics.visible(model.hidden.weight.detach(), digits.train.pixels)
    assert float(seen.float().mean()) > 0.9
