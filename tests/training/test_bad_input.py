"""What does not fit is refused in words that name shape or bound, before any weight has changed."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import hebblab as hl
from hebblab import InvalidValue
from hebblab.rules import create


def model():
    """A convolution of 3 channels and a linear layer, both Hebbian."""
    network = nn.Sequential()
    network.add_module("conv", nn.Conv2d(3, 4, 3, bias=False))
    network.add_module("flatten", nn.Flatten())
    network.add_module("hidden", nn.Linear(4 * 4 * 4, 5, bias=False))
    return network


def trainer(network, rule=None):
    local = hl.Local(network.named_parameters(), lr=0.1)
    return hl.HebbianTrainer(network, rule or create("krotov-hopfield"), local, None)


def images(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def spoilt(value):
    x = images(2, 3, 6, 6)
    x[1, 2, 3, 4] = value
    x[0, 0, 0, 0] = value
    return x


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        (images(2, 2, 6, 6), r"\(2, 2, 6, 6\) do not fit layer 'conv'.*\(images, 3, height, width"),
        (images(2, 4, 6, 6), r"\(2, 4, 6, 6\) do not fit layer 'conv'.*\(4, 3, 3, 3\)"),
        (images(2, 108), r"\(2, 108\) do not fit layer 'conv'"),
        (images(3, 6, 6), r"\(3, 6, 6\) do not fit layer 'conv'"),
        (images(2, 3, 2, 9), "3×3 kernel of layer 'conv' does not fit into its 2×9"),
        (images(0, 3, 6, 6), r"batch for layer 'conv' is empty.*\(0, 3, 6, 6\)"),
        (images(2, 3, 6, 6).double(), "are float64 and layer 'conv' is float32"),
        ((images(2, 3, 6, 6) * 255).byte(), r"are uint8 and layer 'conv' is float32.*/ 255"),
        (images(2, 3, 6, 6).long(), "are int64 and layer 'conv' is float32"),
        (images(2, 3, 6, 6).bool(), "are bool and layer 'conv' is float32"),
        (images(2, 3, 6, 6).to_sparse(), "layer 'conv' are no dense tensor: use .to_dense"),
        (spoilt(math.nan), "inputs of layer 'conv' hold 2 values of 216 that are NaN"),
        (spoilt(math.inf), "inputs of layer 'conv' hold 2 values of 216 that are NaN or infinite"),
        (np.zeros((2, 3, 6, 6)), "batch is a tensor of inputs.*not ndarray"),
        (None, "not NoneType"),
        ([], "not list"),
    ],
    ids=lambda value: value if isinstance(value, str) else "batch",
)
@pytest.mark.parametrize("name", ["krotov-hopfield", "oja", "hard-wta"])
def test_a_batch_that_does_not_fit_changes_nothing(batch, words, name):
    network = model()
    engine = trainer(network, create(name))
    before = [p.detach().clone() for p in network.parameters()]
    with pytest.raises(InvalidValue, match=words):
        engine.run([batch], epochs=1)
    assert all(map(torch.equal, network.parameters(), before))


def test_a_linear_layer_does_not_read_two_samples_as_one():
    network = nn.Sequential(nn.Linear(8, 3, bias=False))
    engine = trainer(network)
    before = network[0].weight.detach().clone()
    with pytest.raises(InvalidValue, match=r"\(10, 4\) do not fit layer '0'.*\(samples, 8\)"):
        engine.run([images(10, 4)], epochs=1)
    assert torch.equal(network[0].weight, before)


def test_nan_on_the_fast_path_is_named():
    network = nn.Sequential(nn.Linear(8, 400, bias=False))
    engine = trainer(network)
    before = network[0].weight.detach().clone()
    batch = images(600, 8)
    batch[7, 3] = math.nan
    with pytest.raises(InvalidValue, match="inputs of layer '0' hold 1 value of 4,800 that is NaN"):
        engine.run([batch], epochs=1)
    assert torch.equal(network[0].weight, before)


@pytest.mark.parametrize("name", ["krotov-hopfield", "hard-wta", "oja", "som"])
@pytest.mark.parametrize("units", [3, 400])
def test_weights_that_are_no_numbers_are_named_and_stay(name, units):
    network = nn.Sequential(nn.Linear(8, units, bias=False))
    engine = trainer(network, create(name))
    network[0].weight.data[1, 3] = math.nan
    before = network[0].weight.detach().clone()
    with pytest.raises(InvalidValue, match=r"weights of layer '0' hold 1 value of .* that is NaN"):
        engine.run([images(600, 8)], epochs=1)
    torch.testing.assert_close(network[0].weight.detach(), before, rtol=0, atol=0, equal_nan=True)


def test_what_a_layer_makes_of_finite_inputs_is_named_at_the_layer_that_is_given_it():
    network = model()
    engine = trainer(network)
    network.conv.weight.data.fill_(3e38)
    before = network.hidden.weight.detach().clone()
    engine.rules["conv"].reduction = "max"
    with pytest.raises(hl.Diverged):
        engine.run([images(2, 3, 6, 6)], epochs=1)
    assert torch.equal(network.hidden.weight, before)


def test_a_k_beyond_the_units_is_refused_when_the_trainer_is_made_and_when_it_is_set_later():
    network = model()
    with pytest.raises(InvalidValue, match="k = 5 is more than the 4 units of layer 'conv'"):
        trainer(network, create("krotov-hopfield", k=5))
    for name in ("krotov-hopfield", "hard-wta"):
        engine = trainer(network, create(name))
        before = [p.detach().clone() for p in network.parameters()]
        for rule in engine.rules.values():
            rule.k = 6
        with pytest.raises(InvalidValue, match="k = 6 is more than the 4 units"):
            engine.run([images(2, 3, 6, 6)], epochs=1)
        assert all(map(torch.equal, network.parameters(), before))


def test_a_k_beyond_the_units_is_refused_on_the_fast_path():
    rule = create("krotov-hopfield")
    network = nn.Sequential(nn.Linear(8, 400, bias=False))
    engine = trainer(network, rule)
    rule.k = 401
    with pytest.raises(InvalidValue, match="k = 401 is more than the 400 units"):
        engine.run([images(600, 8)], epochs=1)


def test_a_bias_is_refused():
    network = nn.Sequential(nn.Linear(8, 3))
    with pytest.raises(InvalidValue, match=r"'0' has a bias.*bias=False"):
        trainer(network)


def test_a_fast_trainer_reads_no_values_of_what_it_is_given(monkeypatch):
    """Else each step on a GPU would wait for it once more."""
    from hebblab.training import finite

    def refuse(_values):
        raise AssertionError("values are read on the way")

    monkeypatch.setattr(finite, "not_finite", refuse)
    engine = trainer(model())
    engine.run([images(2, 3, 6, 6)], epochs=1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: create("soft-wta", temperature=0), r"T \(temperature\) must be .*from 0.001"),
        (lambda: create("softhebb", temperature=0), r"T \(temperature\) must be .*from 0.01"),
        (lambda: create("krotov-hopfield", k=1), "k must be a whole number from 2"),
        (lambda: create("hard-wta", k=0), "k must be a whole number from 1"),
        (lambda: create("hebbian-anti-hebbian", tau=1.5), r"τ \(tau\) must be .* to 1, not 1.5"),
        (lambda: hl.training.LayerOptions(pruning=1), r"pruning\) must be .* to 0.999, not 1"),
    ],
)
def test_a_value_that_the_mathematics_forbids_is_refused(make, words):
    with pytest.raises(InvalidValue, match=words):
        make()


@pytest.mark.parametrize("rate", [0.5, 0.7])
def test_a_rate_that_is_not_below_tau_is_refused_before_any_weight_changes(rate):
    network = nn.Sequential(nn.Linear(8, 3, bias=False))
    rule = create("hebbian-anti-hebbian", tau=0.5)
    local = hl.Local(network.named_parameters(), lr=rate)
    before = network[0].weight.detach().clone()
    with pytest.raises(InvalidValue, match=rf"below τ \(tau\).*{rate}"):
        hl.HebbianTrainer(network, rule, local, None, initialize=False).run(
            [images(10, 8)], epochs=1
        )
    assert torch.equal(network[0].weight, before)


def two_linear(units=7):
    """Two linear layers, both Hebbian; the second takes `units` numbers."""
    network = nn.Sequential()
    network.add_module("first", nn.Linear(6, 7, bias=False))
    network.add_module("second", nn.Linear(units, 4, bias=False))
    return network


def held(engine):
    """All that a step changes: weights, and what rules hold beside them."""
    of_rules = [b for one in engine.learners.values() for h in one.held for b in h.values()]
    return [one.detach().clone() for one in (*engine.model.parameters(), *of_rules)]


@pytest.mark.parametrize("updates", ["in-order", "simultaneous"])
@pytest.mark.parametrize("rule", ["hard-wta", "hebbian-anti-hebbian"])
def test_what_the_second_layer_refuses_changes_the_first_no_more(rule, updates):
    network = two_linear(units=8)
    local = hl.Local(network.named_parameters(), lr=0.1)
    engine = hl.HebbianTrainer(network, create(rule), local, None, updates=updates)
    before = held(engine)
    with pytest.raises(InvalidValue, match=r"\(5, 7\) do not fit layer 'second'.*\(4, 8\)"):
        engine.run([images(5, 6)], epochs=1)
    assert len(before) == len(held(engine)) and all(map(torch.equal, held(engine), before))


def test_a_first_batch_that_fits_does_not_vouch_for_smaller_images():
    network = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.Conv2d(4, 3, 4, bias=False))
    options = hl.training.LayerOptions(thresholds=True)
    local = hl.Local(network.named_parameters(), lr=0.1)
    engine = hl.HebbianTrainer(network, create("hard-wta"), local, None, options=options)
    engine.run([images(5, 1, 9, 9)], epochs=1)
    before = held(engine)
    with pytest.raises(InvalidValue, match="4×4 kernel of layer '1' does not fit into its 3×3"):
        engine.run([images(5, 1, 5, 5)], epochs=1)
    assert all(map(torch.equal, held(engine), before))
    assert torch.equal(engine.learners["0"].thresholds, engine.learners["0"].held[0]["thresholds"])


@pytest.mark.parametrize("updates", ["in-order", "simultaneous"])
def test_a_rate_that_the_second_rule_cannot_take_is_refused_before_the_first_learns(updates):
    network = two_linear()
    rules = {"first": create("oja"), "second": create("hebbian-anti-hebbian")}
    local = hl.Local(network.named_parameters(), lr=0.1)
    engine = hl.HebbianTrainer(network, rules, local, None, updates=updates)
    engine.run([images(5, 6)], epochs=1)
    rules["second"].tau = 0.1
    before = held(engine)
    with pytest.raises(InvalidValue, match=r"below τ \(tau\).*0.1 is not below 0.1"):
        engine.run([images(5, 6)], epochs=1)
    assert all(map(torch.equal, held(engine), before))


def test_a_k_beyond_the_second_layer_is_refused_before_the_first_learns():
    network = two_linear()
    rules = {"first": create("oja"), "second": create("hard-wta")}
    local = hl.Local(network.named_parameters(), lr=0.1)
    engine = hl.HebbianTrainer(network, rules, local, None)
    engine.run([images(5, 6)], epochs=1)
    rules["second"].k = 5
    before = held(engine)
    with pytest.raises(InvalidValue, match="k = 5 is more than the 4 units of layer 'second'"):
        engine.run([images(5, 6)], epochs=1)
    assert all(map(torch.equal, held(engine), before))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (None, "needs a label for every image"),
        (torch.tensor([0, 1, 2, 3, 4]), "knows 4 classes, 0 to 3; .* from 0 to 4"),
        (torch.tensor([0, 1, 2]), "needs a tensor of 5 labels"),
    ],
    ids=["none", "beyond the classes", "too few"],
)
def test_labels_that_a_teacher_of_the_second_layer_refuses_change_no_layer(labels, words):
    network = two_linear()
    options = {"second": hl.training.LayerOptions(teacher=True)}
    local = hl.Local(network.named_parameters(), lr=0.1)
    rule = create("hard-wta")
    engine = hl.HebbianTrainer(network, rule, local, None, options=options, classes=4)
    engine.run([(images(5, 6), torch.tensor([0, 1, 2, 3, 0]))], epochs=1)
    before = held(engine)
    with pytest.raises(InvalidValue, match=words):
        engine.run([images(5, 6) if labels is None else (images(5, 6), labels)], epochs=1)
    assert all(map(torch.equal, held(engine), before))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_no_drawn_patch_holds_is_found_before_the_first_layer_learns(value):
    network = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.Conv2d(4, 3, 7, bias=False))
    options = {"0": hl.training.LayerOptions(patches_per_batch=1)}
    local = hl.Local(network.named_parameters(), lr=0.1)
    engine = hl.HebbianTrainer(network, create("softhebb"), local, None, options=options)
    engine.run([images(1, 1, 9, 9)], epochs=1)
    before = held(engine)
    for place in ((0, 0), (8, 8)):
        batch = images(1, 1, 9, 9)
        batch[0, 0][place] = value
        with pytest.raises(hl.NotFinite, match=r"inputs \(1, 1, 9, 9\) hold 1 value of 81 that is"):
            engine.run([batch], epochs=1)
        assert all(map(torch.equal, held(engine), before))
