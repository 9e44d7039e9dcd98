"""A surrogate's gradient is minus the rule's update: every layer, rule and reduction."""

from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import hebblab as hl
from hebblab import InvalidValue, NotFinite, metrics, rules
from hebblab.nn import initial
from hebblab.rules import KrotovHopfield, Rule, surrogate
from tests.references.patches import patches

COMPETITIONS = ("none", "hard", "graded", "softmax", "proportional", "relu")

CASES = [
    *(
        ("krotov-hopfield", {"p": p, "k": 3, "reduction": r})
        for p, r in product((2.0, 3.0), ("max", "mean", "sum"))
    ),
    *(
        ("hebb", {"competition": c, "k": 2, "reduction": r, "weight_decay": d})
        for c, r, d in product(COMPETITIONS, ("mean", "sum", "max", "share"), (0.0, 0.3))
    ),
    *(
        ("instar", {"competition": c, "k": 2, "reduction": r})
        for c, r in product(COMPETITIONS[1:], ("mean", "sum", "max", "share"))
    ),
    *(
        ("oja", {"competition": c, "k": 2, "reduction": r})
        for c, r in product(COMPETITIONS, ("mean", "sum", "max", "share"))
    ),
    *(
        (name, {"similarity": s, "reduction": r})
        for name in ("hard-wta", "soft-wta", "proportional-wta")
        for s, r in product(("dot", "cosine"), ("share", "share2", "mean", "sum", "max"))
    ),
    *(
        ("som", {"radius": 1.5, "neighbourhood": n, "reduction": r})
        for n, r in product(("gaussian", "bubble"), ("share", "mean", "sum"))
    ),
    *(
        ("softhebb", {"anti_hebbian": a, "reduction": r})
        for a, r in product((True, False), ("max", "mean", "sum"))
    ),
    *(
        ("soft-krotov", {"p": p, "push": push, "reduction": r})
        for p, push, r in product((2.0, 3.0), ("absolute", "relative"), ("max", "mean", "sum"))
    ),
    *((name, {"reduction": r}) for name in ("oja-subspace", "sanger") for r in ("mean", "sum")),
    *(
        ("hpca", {"activation": f, "reduction": r})
        for f, r in product(("relu", "tanh", "identity"), ("mean", "sum"))
    ),
    ("hebbian-anti-hebbian", {"tau": 0.4}),
    ("hebbian-anti-hebbian", {"nonnegative": True}),
    ("hebbian-anti-hebbian", {"variant": "2015"}),
    ("hebbian-anti-hebbian", {"variant": "2015", "gamma": 0.7, "nonnegative": True}),
]


def named(case):
    return case[0] + "".join(f" {key}={value}" for key, value in case[1].items())


def worst(found, expected):
    found, expected = found.detach().double(), expected.double()
    return float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-300))


def drawn(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def linear(units=7, fan_in=5):
    layer = nn.Linear(fan_in, units, bias=False, dtype=torch.float64)
    layer.weight.data = drawn(units, fan_in, seed=1)
    return layer


def batch(samples=6, fan_in=5):
    """Inputs of which one is all zero."""
    inputs = drawn(samples, fan_in)
    inputs[3] = 0
    return inputs


def gradient(loss, layer):
    return torch.autograd.grad(loss, layer.weight)[0]


def test_every_rule_is_tried():
    ours = {name for name in rules.available() if rules.get(name).__module__.startswith("hebblab.")}
    assert {name for name, _ in CASES} == ours
    for name in ours:
        knobs = rules.get(name).declared()
        if "reduction" in knobs:
            tried = {case[1]["reduction"] for case in CASES if case[0] == name}
            assert set(knobs["reduction"].choices) <= tried | {"share2"}


@pytest.mark.parametrize("case", CASES, ids=named)
def test_the_gradient_is_minus_the_update(case):
    rule = rules.create(case[0], **case[1])
    for units in (7, 20):  # 20 is more than twice 5: the other form of the component rules
        layer, inputs = linear(units), batch()
        before = layer.weight.detach().clone(), inputs.clone(), layer.weight._version
        expected = rule.update(inputs, layer.weight.detach())
        assert expected.abs().max() > 0
        loss = surrogate(rule)(layer, inputs)
        assert loss.shape == ()
        assert loss.dtype is torch.float64
        assert worst(-gradient(loss, layer), expected) < 1e-12
        assert torch.equal(layer.weight.detach(), before[0])
        assert torch.equal(inputs, before[1])
        assert layer.weight._version == before[2]

        rough = linear(units).float()
        found = -gradient(surrogate(rule)(rough, inputs.float()), rough)
        assert worst(found, rule.update(inputs.float(), rough.weight.detach())) < 1e-5


CONVOLUTIONS = [
    {"in_channels": 1, "out_channels": 6, "kernel_size": 3},
    {"in_channels": 3, "out_channels": 6, "kernel_size": (2, 3), "stride": 2},
    {"in_channels": 2, "out_channels": 6, "kernel_size": 3, "padding": 2},
    {"in_channels": 2, "out_channels": 6, "kernel_size": 3, "padding": (0, 1), "dilation": 2},
    {"in_channels": 4, "out_channels": 8, "kernel_size": 3, "groups": 2, "stride": (2, 1)},
    {"in_channels": 2, "out_channels": 8, "kernel_size": 3, "groups": 2, "padding": "same"},
    {
        "in_channels": 2,
        "out_channels": 6,
        "kernel_size": 3,
        "padding": 1,
        "padding_mode": "reflect",
    },
    {
        "in_channels": 2,
        "out_channels": 6,
        "kernel_size": 3,
        "padding": 1,
        "padding_mode": "circular",
    },
]

ONE_OF_EACH = [
    ("krotov-hopfield", {"p": 3.0}),
    ("hebb", {"weight_decay": 0.2}),
    ("instar", {"competition": "graded", "reduction": "share"}),
    ("oja", {"competition": "softmax", "reduction": "max"}),
    ("oja-subspace", {}),
    ("sanger", {}),
    ("hpca", {}),
    ("hard-wta", {}),
    ("soft-wta", {"reduction": "share2"}),
    ("proportional-wta", {}),
    ("softhebb", {}),
    ("soft-krotov", {"p": 2.5}),
    ("som", {"radius": 1.0}),
    ("hebbian-anti-hebbian", {}),
]


def convolution(**shape):
    layer = nn.Conv2d(**shape, bias=False, dtype=torch.float64)
    layer.weight.data = drawn(*layer.weight.shape, seed=1)
    return layer


def by_patches(rule, layer, images):
    """What the linear rule adds on the true patches of each group."""
    padding = layer.padding
    if padding == "same":
        reach = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        low, high = ([r // 2 for r in reach], [r - r // 2 for r in reach])
    else:
        low = high = padding
    rim = (low[1], high[1], low[0], high[0])
    found = []
    for group, rows in enumerate(layer.weight.detach().flatten(1).chunk(layer.groups)):
        seen = patches(
            images.numpy(),
            layer.kernel_size,
            layer.stride,
            rim,
            layer.dilation,
            layer.groups,
            group,
            layer.padding_mode,
        )
        found.append(rule.update(torch.tensor(np.array(seen)), rows))
    return torch.cat(found).view_as(layer.weight)


@pytest.mark.parametrize("shape", CONVOLUTIONS, ids=str)
def test_on_a_convolution_it_is_minus_the_update_on_the_true_patches(shape):
    layer = convolution(**shape)
    images = drawn(2, shape["in_channels"], 6, 7)
    images[0, :, :4] = 0  # some patches are blank
    for name, knobs in ONE_OF_EACH:
        rule = rules.create(name, **knobs)
        found = -gradient(surrogate(rule)(layer, images), layer)
        assert worst(found, by_patches(rule, layer, images)) < 1e-12, name


def test_on_a_depthwise_convolution_each_unit_is_alone():
    layer = convolution(in_channels=4, out_channels=4, kernel_size=3, groups=4)
    images = drawn(2, 4, 5, 5)
    for name, knobs in ONE_OF_EACH:
        rule = rules.create(name, **knobs)
        if name in ("krotov-hopfield", "soft-krotov"):
            with pytest.raises(InvalidValue, match="more than the 1 units"):
                surrogate(rule)(layer, images)
            continue
        found = -gradient(surrogate(rule)(layer, images), layer)
        assert worst(found, by_patches(rule, layer, images)) < 1e-12, name


def test_more_patches_than_fit_into_a_piece_are_added_up():
    layer = convolution(in_channels=1, out_channels=6, kernel_size=3)
    images = drawn(3, 1, 60, 61)
    for name in ("hard-wta", "sanger", "krotov-hopfield"):
        rule = rules.create(name)
        seen = F.unfold(images, 3).transpose(1, 2).reshape(-1, 9)
        expected = rule.update(seen, layer.weight.detach().flatten(1))
        found = -gradient(surrogate(rule)(layer, images), layer).flatten(1)
        assert worst(found, expected) < 1e-12


def literal(rule, layer, inputs):
    """The losses as they are written in papers: responses attached, activity detached."""
    u = inputs @ layer.weight.T
    square = layer.weight.square().sum(1)
    y = u.detach()
    if rule.name == "hebb":
        return -(y * u).sum()
    if rule.name == "oja":
        return -(y * (u - 0.5 * square * y)).sum()
    if rule.name == "instar":
        won = F.one_hot(y.argmax(1), y.shape[1]) * (inputs != 0).any(1, keepdim=True)
        return -(won * (u - 0.5 * square)).sum()
    if rule.name == "oja-subspace":
        return 0.5 * (inputs - y @ layer.weight).square().sum()
    fixed, rest, total = layer.weight.detach(), inputs, 0.0
    f = y if rule.name == "sanger" else y.relu()
    for i, w in enumerate(layer.weight):
        total += 0.5 * (rest - f[:, i : i + 1] * w).square().sum()
        rest = rest - f[:, i : i + 1] * fixed[i]
    return total


@pytest.mark.parametrize("name", ["hebb", "oja", "instar", "oja-subspace", "sanger", "hpca"])
def test_the_value_is_that_of_the_loss_as_it_is_written(name):
    rule = rules.create(name, reduction="sum")
    layer, inputs = linear(), batch()
    losses = surrogate(rule)(layer, inputs), literal(rule, layer, inputs)
    assert float(losses[0].detach()) == pytest.approx(float(losses[1].detach()), rel=1e-12)
    assert worst(gradient(losses[0], layer), gradient(losses[1], layer)) < 1e-12


def test_a_forgotten_detach_would_be_seen():
    """What these tests guard against is far off, not a rounding."""
    layer, inputs = linear(), batch()
    u = inputs @ layer.weight.T
    attached = -(u * (u - 0.5 * layer.weight.square().sum(1) * u)).sum()
    right = rules.create("oja", reduction="sum").update(inputs, layer.weight.detach())
    assert worst(-gradient(attached, layer), right) > 0.5


def test_components_leave_less_and_less_over():
    """The loss of the subspace rule is an error of reconstruction, and goes down."""
    inputs, layer = drawn(200, 5), linear(3)
    layer.weight.data.mul_(0.1)
    loss_of = surrogate(rules.create("oja-subspace"))
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.05)
    values = []
    for _ in range(200):
        optimizer.zero_grad()
        loss = loss_of(layer, inputs)
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
    second = torch.linalg.eigvalsh(inputs.T @ inputs / 200)
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(0.5 * float(second[:2].sum()), rel=1e-2)


def test_plain_descent_is_the_rule_itself():
    layer, inputs = linear(), batch()
    rule = rules.create("krotov-hopfield")
    expected = layer.weight.detach() + 0.1 * rule.update(inputs, layer.weight.detach())
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    surrogate(rule)(layer, inputs).backward()
    optimizer.step()
    assert torch.allclose(layer.weight.detach(), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda weights: torch.optim.Adam(weights, lr=0.02),
        lambda weights: torch.optim.SGD(weights, lr=0.02, momentum=0.9),
        lambda weights: torch.optim.RMSprop(weights, lr=0.01),
    ],
    ids=["Adam", "momentum", "RMSprop"],
)
def test_other_optimizers_train_too(optimizer):
    inputs = drawn(300, 5) * torch.tensor([3.0, 2.0, 1.0, 0.5, 0.2])
    layer = linear(2)
    layer.weight.data.mul_(0.1)
    loss_of, step = surrogate(rules.create("sanger")), optimizer([layer.weight])
    for _ in range(400):
        step.zero_grad()
        loss_of(layer, inputs).backward()
        step.step()
    found = F.normalize(layer.weight.detach())
    assert float(found[0, 0].abs()) > 0.98
    assert float(found[1, 1].abs()) > 0.95


def test_it_adds_to_a_task_loss_and_reaches_no_layer_below():
    torch.manual_seed(0)
    lower, upper = linear(7, 5), linear(4, 7)
    inputs, labels = batch(), torch.tensor([0, 1, 2, 3, 0, 1])
    hidden = torch.tanh(lower(inputs))
    task = F.cross_entropy(upper(hidden), labels)
    rule = rules.create("softhebb", reduction="mean")
    own = surrogate(rule)(upper, hidden)
    alone = torch.autograd.grad(task, [lower.weight, upper.weight], retain_graph=True)
    both = torch.autograd.grad(task + 0.3 * own, [lower.weight, upper.weight])
    assert torch.equal(both[0], alone[0])
    update = rule.update(hidden.detach(), upper.weight.detach())
    assert worst(both[1], alone[1] - 0.3 * update) < 1e-12


def test_both_losses_together_train_a_network(digits):
    """Labels and the rule shape one hidden layer by one optimizer."""
    network = hl.networks.create("dense-100", (1, 28, 28), 10, seed=0)
    hidden, head = network.hidden, list(network.children())[-1]
    initial.draw_(hidden.weight, "uniform(0, 0.2)", torch.Generator().manual_seed(1))
    inputs = digits.train.pixels[:500].flatten(1) / 255
    labels = digits.train.labels[:500]
    loss_of = surrogate(rules.create("soft-wta"))
    optimizer = torch.optim.Adam([*hidden.parameters(), *head.parameters()], lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        scores = head(hidden(inputs).relu())
        (F.cross_entropy(scores, labels) + loss_of(hidden, inputs)).backward()
        optimizer.step()
    assert float((scores.argmax(1) == labels).float().mean()) > 0.65
    assert float(metrics.visible(hidden.weight.detach(), digits.train.pixels).float().mean()) > 0.9


def test_thresholds_are_read_and_moved_only_by_advance():
    rule = rules.create("hard-wta", reduction="mean", similarity="dot")
    rule.homeostasis(torch.tensor([0.0, 3, 0, 0, -2, 0, 0], dtype=torch.float64), 0.5)
    layer, inputs = linear(), batch()
    held = rule.buffers["thresholds"].clone()
    loss_of = surrogate(rule)
    loss = loss_of(layer, inputs)
    assert worst(-gradient(loss, layer), rule.update(inputs, layer.weight.detach())) < 1e-12
    assert torch.equal(rule.buffers["thresholds"], held)
    fired = (rule.shares(inputs, layer.weight.detach()) != 0).double().mean(0)
    loss_of.advance(0.1)
    assert torch.allclose(rule.buffers["thresholds"], held + 0.5 * (fired - 1 / 7))


@pytest.mark.parametrize("variant", ["2018", "2015"])
def test_lateral_weights_move_by_advance_as_in_plain_steps(variant):
    layer, inputs = linear(3), batch(40)
    layer.weight.data.mul_(0.3)
    loss_of = surrogate(rules.create("hebbian-anti-hebbian", variant=variant))
    plain = rules.create("hebbian-anti-hebbian", variant=variant)
    weights = layer.weight.detach().clone()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.05)
    for _ in range(20):
        optimizer.zero_grad()
        loss_of(layer, inputs).backward()
        optimizer.step()
        loss_of.advance(0.05)
        statistics = plain.statistics(inputs, weights)
        weights += 0.05 * plain.change(statistics, weights)
        plain.advance(statistics, 0.05)
    assert torch.allclose(layer.weight.detach(), weights)
    assert torch.allclose(loss_of.rule.buffers["lateral"], plain.buffers["lateral"])
    with pytest.raises(InvalidValue, match="below τ" if variant == "2018" else "at most 1"):
        loss_of.advance(1.1)


def test_groups_hold_lateral_weights_of_their_own():
    layer = convolution(in_channels=2, out_channels=6, kernel_size=3, groups=2)
    layer.weight.data.mul_(0.1)
    images = drawn(5, 2, 6, 6)
    loss_of = surrogate(rules.create("hebbian-anti-hebbian"))
    halves = [rules.create("hebbian-anti-hebbian") for _ in range(2)]
    for _ in range(3):
        found = -gradient(loss_of(layer, images), layer)
        loss_of.advance(0.05)
        for group, rule in enumerate(halves):
            own = slice(3 * group, 3 * group + 3)
            seen = F.unfold(images[:, group : group + 1], 3).transpose(1, 2).reshape(-1, 9)
            statistics = rule.statistics(seen, layer.weight.detach()[own].flatten(1))
            expected = rule.change(statistics, layer.weight.detach()[own].flatten(1))
            assert worst(found[own].flatten(1), expected) < 1e-11
            rule.advance(statistics, 0.05)
    assert loss_of.rule.buffers == {}


def test_a_teacher_is_heeded():
    layer, inputs = linear(), batch()
    targets = torch.zeros(6, 7, dtype=torch.float64)
    targets[:, 1:3] = 1
    for name in ("hard-wta", "soft-wta", "instar", "oja", "hebb"):
        rule, weights = rules.create(name), layer.weight.detach()
        found = -gradient(surrogate(rule)(layer, inputs, targets), layer)
        expected = rule.change(rule.statistics(inputs, weights, targets), weights)
        assert worst(found, expected) < 1e-12
        assert not torch.equal(found, rule.update(inputs, weights))
    with pytest.raises(InvalidValue, match="takes no teacher"):
        surrogate(rules.create("sanger"))(layer, inputs, targets)
    with pytest.raises(InvalidValue, match=r"\(6, 7\), not \(6, 6\)"):
        surrogate(rules.create("hard-wta"))(layer, inputs, targets[:, :6])


def test_a_teacher_of_a_convolution_has_a_row_for_each_place_and_a_part_for_each_group():
    layer = convolution(in_channels=2, out_channels=6, kernel_size=3, groups=2)
    images = drawn(3, 2, 70, 5)
    targets = torch.rand(3 * 68 * 3, 6, generator=torch.manual_seed(2), dtype=torch.float64)
    rule = rules.create("soft-wta")
    found = -gradient(surrogate(rule)(layer, images, targets), layer)
    for group in range(2):
        own = slice(3 * group, 3 * group + 3)
        seen = F.unfold(images[:, group : group + 1], 3).transpose(1, 2).reshape(-1, 9)
        weights = layer.weight.detach()[own].flatten(1)
        statistics = rule.statistics(seen, weights, targets[:, own])
        assert worst(found[own].flatten(1), rule.change(statistics, weights)) < 1e-12


def test_a_rule_of_ones_own_that_has_only_an_update():
    class Own(Rule):
        name = "own"

        def update(self, inputs, weights):
            return (inputs @ weights.T).tanh().T @ inputs - weights**3

    layer, inputs = linear(), batch()
    found = -gradient(surrogate(Own())(layer, inputs), layer)
    assert worst(found, Own().update(inputs, layer.weight.detach())) < 1e-12
    layer = convolution(in_channels=2, out_channels=4, kernel_size=3, groups=2)
    images = drawn(2, 2, 5, 5)
    found = -gradient(surrogate(Own())(layer, images), layer)
    assert worst(found, by_patches(Own(), layer, images)) < 1e-12


def test_what_is_derived_from_a_rule_of_ours_is_taken_as_it_is():
    class Tripled(KrotovHopfield):
        def change(self, statistics, weights):
            return 3 * super().change(statistics, weights)

    class Backwards(KrotovHopfield):
        def update(self, inputs, weights):
            return -super().update(inputs, weights)

    layer, inputs = linear(), batch()
    for rule in (Tripled(), Backwards()):
        found = -gradient(surrogate(rule)(layer, inputs), layer)
        assert worst(found, rule.update(inputs, layer.weight.detach())) < 1e-12


def test_knobs_may_be_turned_between_calls():
    layer, inputs = linear(), batch()
    rule = rules.create("krotov-hopfield")
    loss_of = surrogate(rule)
    for delta in (0.4, 1.0):
        rule.delta = delta
        expected = rules.create("krotov-hopfield", delta=delta)
        expected = expected.update(inputs, layer.weight.detach())
        assert worst(-gradient(loss_of(layer, inputs), layer), expected) < 1e-12


def test_inputs_of_more_axes_are_rows():
    layer, inputs = linear(), batch()
    rule = rules.create("oja")
    found = -gradient(surrogate(rule)(layer, inputs.view(2, 3, 5)), layer)
    assert worst(found, rule.update(inputs, layer.weight.detach())) < 1e-12


@pytest.mark.parametrize(
    ("module", "inputs", "said"),
    [
        (nn.Linear(5, 7), torch.zeros(6, 5), "has a bias"),
        (nn.BatchNorm1d(5), torch.zeros(6, 5), "is a BatchNorm1d"),
        (nn.Linear(5, 7, bias=False), torch.zeros(6, 4), r"\(6, 4\) do not fit"),
        (nn.Linear(5, 7, bias=False), torch.zeros(0, 5), "empty"),
        (nn.Linear(5, 7, bias=False), torch.zeros(6, 5, dtype=torch.uint8), "are uint8"),
        (nn.Linear(5, 1, bias=False), torch.zeros(6, 5), "more than the 1 units"),
        (nn.Conv2d(1, 4, 5, bias=False), torch.zeros(2, 1, 4, 4), "does not fit into its 4×4"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(module, inputs, said):
    with pytest.raises(InvalidValue, match=said):
        surrogate(KrotovHopfield())(module, inputs)


@pytest.mark.parametrize("name", rules.available())
def test_numbers_that_are_none_are_refused(name):
    layer, loss_of = linear(), surrogate(rules.create(name))
    spoilt = batch()
    spoilt[2, 3] = torch.nan
    with pytest.raises(NotFinite, match=r"inputs \(6, 5\) hold 1 value of 30 that is NaN"):
        loss_of(layer, spoilt)
    with torch.no_grad():
        layer.weight[1, :2] = torch.inf
    with pytest.raises(NotFinite, match=r"weights \(7, 5\) hold 2 values of 35"):
        loss_of(layer, batch())


def test_only_rules_have_surrogates():
    for given in ("oja", None, KrotovHopfield):
        with pytest.raises(InvalidValue, match="surrogate takes a rule"):
            surrogate(given)
    assert hl.rules.surrogate is surrogate


@pytest.mark.parametrize("name", ["krotov-hopfield", "softhebb", "soft-krotov"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_zeros_have_a_gradient_of_zeros_in_half_precision_too(name, dtype):
    """The floor of `max`, 1e-30, is zero in float16."""
    layer = linear().to(dtype)
    loss = surrogate(rules.create(name))(layer, batch().to(dtype) * 0)
    loss.backward()
    assert torch.equal(layer.weight.grad, torch.zeros_like(layer.weight))


def test_forgetting_twice_is_warned_of(recwarn):
    layer = nn.Linear(3, 2, bias=False)
    plain = torch.optim.SGD(layer.parameters(), lr=0.1)
    decaying = torch.optim.SGD(
        [{"params": [layer.weight]}, {"params": [torch.zeros(1)], "weight_decay": 0.01}], lr=0.1
    )
    surrogate(rules.Oja())
    surrogate(rules.Oja(), plain)
    surrogate(rules.Hebb(), decaying)
    assert not recwarn
    for rule in (rules.Oja(), KrotovHopfield(), rules.Hebb(weight_decay=0.1)):
        with pytest.warns(UserWarning, match=f"by rule '{rule.name}'.* is 0.01. Give it"):
            surrogate(rule, decaying)
