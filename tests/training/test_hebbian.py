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
from hebblab.rules import KrotovsRule, create, register, unregister
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


def test_one_frozen_layer_may_be_named_alone():
    assert list(trainer(two_layers(), freeze_layers="one").rules) == ["two"]
    with pytest.raises(UnknownName, match="no layer 'onet'"):
        trainer(two_layers(), freeze_layers="onet")


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
    engine = trainer(
        model, {"one": create("hebb"), "two": create("oja")}, options={"one": NORMED}, lr=0.5
    )
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
            return torch.full_like(weights, worst[0])

    worst = []
    try:
        for worst[:] in ([math.nan], [math.inf], [-math.inf], [1e35]):
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
        ({"one": "oja"}, "rule of layer 'one' must be a rule, not str"),
        (KrotovsRule, r"not the class KrotovHopfield; make one: KrotovHopfield\(\)"),
        ({"one": KrotovsRule}, r"not the class KrotovHopfield; make one: KrotovHopfield\(\)"),
        (dict, "not the class dict; it is none of hl.Rule"),
    ],
)
def test_what_is_no_rule_is_refused(rule, words):
    model = two_layers()
    with pytest.raises(InvalidValue, match=words):
        hl.HebbianTrainer(model, rule, hl.Local(model.named_parameters()))


def test_an_optimizer_of_another_model_is_refused_before_any_weight_changes():
    """As when a cell makes the model anew, and the one that made the optimizer is not run again."""
    model, former = two_layers(), two_layers()
    before = weights(model), weights(former)
    with pytest.raises(InvalidValue, match=r"other weights under the name 'one'.*make it anew"):
        hl.HebbianTrainer(model, create("oja"), hl.Local(former.named_parameters()))
    for one, kept in zip((model, former), before, strict=True):
        assert all(torch.equal(kept[name], now) for name, now in weights(one).items())


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


def test_simultaneously_all_learn_from_the_weights_of_the_step_before():
    rules = {"one": create("krotov-hopfield"), "two": create("oja")}
    model = two_layers()
    engine = trainer(model, rules, 0.05, updates="simultaneous")
    expected = weights(model)
    for x, _ in batches():
        inputs = x.flatten(1)
        answer = torch.relu(inputs @ expected["one.weight"].T)
        change = rules["one"].update(inputs, expected["one.weight"])
        expected["two.weight"] += 0.05 * rules["two"].update(answer, expected["two.weight"])
        expected["one.weight"] += 0.05 * change
    in_order = two_layers()
    in_order.load_state_dict(model.state_dict())
    engine.run(batches(), epochs=1)
    assert torch.allclose(model.one.weight, expected["one.weight"], atol=1e-6)
    assert torch.allclose(model.two.weight, expected["two.weight"], atol=1e-6)
    trainer(in_order, rules, 0.05, initialize=False).run(batches(), epochs=1)
    assert torch.equal(model.one.weight, in_order.one.weight), "the first has no predecessor"
    assert not torch.allclose(model.two.weight, in_order.two.weight, atol=1e-4)


def test_an_order_that_does_not_exist_is_refused():
    with pytest.raises(InvalidValue, match=r"in-order, simultaneous, not 'greedy'"):
        trainer(two_layers(), updates="greedy")


class Counting(nn.Module):
    """Counts the batches that pass, and remembers the mode in which they did."""

    def __init__(self):
        super().__init__()
        self.modes = []

    def forward(self, x):
        self.modes.append(self.training)
        return x


def deep():
    network = nn.Sequential()
    for name, wide, out in (("one", 12, 8), ("two", 8, 6), ("three", 6, 5)):
        network.add_module(f"norm_{name}", nn.BatchNorm1d(wide, affine=False))
        network.add_module(f"count_{name}", Counting())
        network.add_module(name, nn.Linear(wide, out, bias=False))
        network.add_module(f"after_{name}", nn.ReLU())
    network.add_module("count_head", Counting())
    network.add_module("head", nn.Linear(5, 2))
    return network


@pytest.mark.parametrize("updates", ["in-order", "simultaneous"])
def test_each_layer_that_learns_is_passed_once_and_nothing_after_the_last(updates):
    model = deep()
    calls = {name: 0 for name, _ in model.named_children()}
    for name, child in model.named_children():
        child.register_forward_hook(lambda *_, name=name: calls.__setitem__(name, calls[name] + 1))
    rules = {name: create("oja") for name in ("one", "two", "three")}
    engine = trainer(model, rules, updates=updates)
    engine.run([x.flatten(1) for x, _ in batches(4)], epochs=1)
    assert (calls["one"], calls["two"], calls["norm_three"]) == (4, 4, 4)
    assert (calls["three"], calls["after_three"], calls["head"]) == (0, 0, 0)


def test_one_layer_may_learn_while_those_before_it_stand_still():
    model = deep()
    engine = trainer(model, {name: create("oja") for name in ("one", "two", "three")})
    data = [x.flatten(1) for x, _ in batches(3)]

    def learn(layer):
        engine.focus(layer)
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        for name, child in model.named_children():
            if name.startswith("count"):
                child.modes.clear()
        engine.run(data, epochs=1)
        engine.state.max_epochs = None
        after = model.state_dict()
        return {name for name in before if not torch.equal(before[name], after[name])}

    def norm(name):
        return {
            f"norm_{name}.{one}" for one in ("running_mean", "running_var", "num_batches_tracked")
        }

    assert learn("one") == {"one.weight"} | norm("one")
    assert model.count_two.modes == [], "the pass ends at the layer that learns"
    assert learn("two") == {"two.weight"} | norm("two"), "what stands before the first is settled"
    assert model.count_one.modes == [False] * 3 and model.count_two.modes == [True] * 3
    assert learn("three") == {"three.weight"} | norm("three")
    assert model.count_two.modes == [False] * 3
    assert learn(None) >= {"one.weight", "two.weight", "three.weight"} | norm("one")
    assert model.count_one.modes == [True] * 3
    with pytest.raises(UnknownName, match="Did you mean 'two'"):
        engine.focus("tow")


def test_the_layer_in_focus_is_given_what_the_settled_ones_answer():
    model = two_layers()
    engine = trainer(model, {"one": create("oja"), "two": create("oja")}, 0.05)
    engine.focus("two")
    one, two = model.one.weight.detach().clone(), model.two.weight.detach().clone()
    engine.run(batches(), epochs=1)
    for x, _ in batches():
        two += 0.05 * create("oja").update(torch.relu(x.flatten(1) @ one.T), two)
    assert torch.equal(model.one.weight, one)
    assert torch.allclose(model.two.weight, two, atol=1e-6)


def test_each_layer_has_its_own_rule_rate_and_options():
    model = two_layers()
    rules = {"one": create("hebb"), "two": create("instar")}
    optimizer = hl.Local(model.named_parameters(), lr=0.0)
    optimizer.group("two")["lr"] = 0.5
    options = {"two": LayerOptions(thresholds=True, threshold_rate=1.0)}
    engine = hl.HebbianTrainer(model, rules, optimizer, options=options)
    before = weights(model)
    engine.run(batches(), epochs=1)
    assert torch.equal(model.one.weight, before["one.weight"]), "its rate is 0"
    assert not torch.equal(model.two.weight, before["two.weight"])
    assert engine.learners["one"].thresholds is None
    assert float(engine.learners["two"].thresholds.abs().max()) > 0


def test_labels_reach_a_teacher():
    model = two_layers()
    rules = {"one": create("hard-wta", similarity="dot")}
    engine = trainer(model, rules, 0.5, options=LayerOptions(teacher=True), classes=4)
    before = weights(model)["one.weight"]
    engine.run([(x, torch.full((10,), 2)) for x, _ in batches()], epochs=1)
    moved = (model.one.weight.detach() - before).abs().sum(1) > 0
    assert set(moved.nonzero().flatten().tolist()) <= {4, 5} and bool(moved.any())
    held = weights(model)["one.weight"]
    with pytest.raises(InvalidValue, match="needs a label for every image"):
        engine.run([x for x, _ in batches()], epochs=2)
    assert torch.equal(model.one.weight, held)


def test_pruned_connections_follow_the_seed_and_are_drawn_on_loaded_weights_too():
    def mask(seed, **more):
        model = two_layers()
        engine = trainer(
            model, create("hebb"), seed=seed, options=LayerOptions(pruning=0.5), **more
        )
        assert torch.equal(
            model.one.weight.detach(), model.one.weight * engine.learners["one"].mask
        )
        return engine.learners["one"].mask, engine.learners["two"].mask

    one, two = mask(3)
    assert torch.equal(one, mask(3)[0]) and not torch.equal(one, mask(4)[0])
    assert one.shape == (8, 12) and two.shape == (6, 8)
    mask(3, initialize=False)
