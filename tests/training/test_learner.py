"""A layer that learns: what is done around its rule, in which order, by an independent reading."""

import numpy as np
import pytest
import torch
from torch import nn

import hebblab as hl
from hebblab import InvalidValue, LayerView
from hebblab.errors import Diverged
from hebblab.rules import Rows, create
from hebblab.training import LayerOptions, Learner
from tests.references import competition

MU = 0.5


def rows(count, width, seed, dtype=torch.float64):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def made(rule, options, module=None, rate=0.3, classes=10, seed=5):
    module = module or nn.Linear(6, 5, bias=False).double()
    model = nn.Sequential(module)
    optimizer = hl.Local(model.named_parameters(), lr=rate)
    learner = Learner(LayerView(module, "0"), rule, optimizer, options, classes)
    with torch.no_grad():
        module.weight.copy_(rows(*LayerView(module).weights().shape, 1).view(module.weight.shape))
    learner.begin(torch.Generator().manual_seed(seed))
    return learner


def array(tensor):
    return tensor.detach().double().numpy().copy()


def unit(weights):
    return weights / (np.linalg.norm(weights, axis=1, keepdims=True) + 1e-10)


class ByHand:
    """One step after another, sample by sample, of rules whose winners are counted."""

    def __init__(self, weights, *, rate, k, mask=None, row_norm=False, rho=0.0, mu=None):
        self.w, self.theta = weights, np.zeros(len(weights))
        self.rate, self.k = rate, k
        self.mask, self.row_norm, self.rho, self.mu = mask, row_norm, rho, mu

    def step(self, inputs):
        theta = self.theta if self.mu is not None else None
        pulled, fired = np.zeros(self.w.shape), np.zeros(len(self.w))
        for x in inputs:
            y = np.array(competition.activity(x, self.w, "hard", "dot", self.k, thresholds=theta))
            fired += y
            pulled += y[:, None] * (x - self.w)
        change = pulled / len(inputs)
        if self.rho:
            norms = np.linalg.norm(self.w, axis=1, keepdims=True)
            change = change * (abs(norms - 1) + 1e-10) ** self.rho
        self.w = self.w + self.rate * change
        if self.mask is not None:
            self.w = self.w * self.mask
        if self.row_norm:
            self.w = unit(self.w)
        if self.mu is not None:
            self.theta = self.theta + self.mu * (fired / len(inputs) - self.k / len(self.w))
        return fired


@pytest.mark.parametrize("k", [1, 3])
def test_a_step_is_rule_rate_mask_unit_rows_and_thresholds_last(k):
    options = LayerOptions(row_norm=True, pruning=0.4, thresholds=True, threshold_rate=MU)
    learner = made(create("instar", k=k), options)
    weights = learner.view.weights()
    assert float((learner.mask == 0).sum()) > 3
    assert torch.equal(weights, weights * learner.mask), "pruned before the first step"
    assert weights.norm(dim=1).tolist() == pytest.approx([1] * 5), "and put to length one then"
    hand = ByHand(array(weights), rate=0.3, k=k, mask=array(learner.mask), row_norm=True, mu=MU)
    for seed in range(12):
        x = rows(8, 6, 100 + seed)
        hand.step(array(x))
        learner.learn(x)
        np.testing.assert_allclose(array(learner.view.weights()), hand.w, atol=1e-12)
        np.testing.assert_allclose(array(learner.thresholds), hand.theta, atol=1e-12)
    assert abs(hand.theta).max() > 0.1


def test_a_norm_adaptive_rate_reads_the_norm_that_the_rule_holds():
    learner = made(create("krotov-hopfield", p=4.0), LayerOptions(norm_adaptive_lr=0.5))
    before = learner.view.weights().clone()
    change = learner.change(rows(8, 6, 2))
    change = change.values if isinstance(change, Rows) else change.clone()
    learner.learn(rows(8, 6, 2))
    norms = (np.abs(array(before)) ** 4).sum(1) ** 0.25
    factor = (np.abs(norms - 1) + 1e-10) ** 0.5
    expected = array(before) + 0.3 * factor[:, None] * array(change)
    np.testing.assert_allclose(array(learner.view.weights()), expected, rtol=1e-12)


def test_a_norm_adaptive_rate_reads_the_norms_before_the_step():
    """By hard winners, Oja's rule is the instar with a norm."""
    options = LayerOptions(norm_adaptive_lr=0.5, pruning=0.3, thresholds=True, threshold_rate=MU)
    learner = made(create("oja", competition="hard", k=2), options)
    hand = ByHand(
        array(learner.view.weights()),
        rate=0.3, k=2, mask=array(learner.mask), rho=0.5, mu=MU,
    )  # fmt: skip
    for seed in range(12):
        x = rows(8, 6, 100 + seed)
        hand.step(array(x))
        learner.learn(x)
        np.testing.assert_allclose(array(learner.view.weights()), hand.w, atol=1e-12)
        np.testing.assert_allclose(array(learner.thresholds), hand.theta, atol=1e-12)


def test_thresholds_move_by_share_of_wins_less_their_turn_and_by_nothing_else():
    learner = made(
        create("hard-wta", similarity="dot"), LayerOptions(thresholds=True, threshold_rate=2.0)
    )
    assert learner.thresholds.tolist() == [0.0] * 5
    x = rows(20, 6, 3)
    responses = array(x) @ array(learner.view.weights()).T
    wins = np.bincount(
        responses.argmax(1)[responses.max(1) > 0], minlength=5
    )  # nobody wins with less than nothing
    learner.learn(x)
    np.testing.assert_allclose(array(learner.thresholds), 2.0 * (wins / 20 - 1 / 5), atol=1e-15)


def test_a_sample_that_nobody_reaches_has_no_winner_and_lowers_every_threshold():
    module = nn.Linear(2, 2, bias=False).double()
    learner = made(create("instar"), LayerOptions(thresholds=True, threshold_rate=1.0), module)
    with torch.no_grad():
        module.weight.copy_(torch.eye(2))
    learner.learn(-torch.ones(4, 2, dtype=torch.float64))
    assert torch.equal(module.weight.detach(), torch.eye(2, dtype=torch.float64))
    assert learner.thresholds.tolist() == [-0.5, -0.5]
    learner.thresholds.copy_(torch.tensor([5.0, 5.0]))
    learner.learn(torch.ones(4, 2, dtype=torch.float64))
    assert torch.equal(module.weight.detach(), torch.eye(2, dtype=torch.float64))
    assert learner.thresholds.tolist() == [4.5, 4.5]


def test_each_group_of_a_convolution_has_its_own_race():
    """Three groups of four units, read as three layers of their own patches."""
    module = nn.Conv2d(6, 12, 2, groups=3, bias=False).double()
    learner = made(create("instar", k=2), LayerOptions(thresholds=True, threshold_rate=MU), module)
    x = torch.randn(5, 6, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    first = array(learner.view.weights())
    hands = [ByHand(first[4 * g : 4 * g + 4], rate=0.3, k=2, mu=MU) for g in range(3)]
    for _ in range(4):
        learner.learn(x)
        for g, hand in enumerate(hands):
            own = array(x)[:, 2 * g : 2 * g + 2]
            patches = [
                image[:, i : i + 2, j : j + 2].reshape(-1)
                for image in own for i in range(3) for j in range(3)
            ]  # fmt: skip
            hand.step(np.array(patches))
    assert learner.thresholds.shape == (12,)
    np.testing.assert_allclose(
        array(learner.thresholds), np.concatenate([h.theta for h in hands]), atol=1e-12
    )
    np.testing.assert_allclose(
        array(learner.view.weights()), np.concatenate([h.w for h in hands]), atol=1e-12
    )


def test_looking_at_a_change_moves_nothing():
    learner = made(
        create("instar"), LayerOptions(thresholds=True, threshold_rate=MU, row_norm=True)
    )
    learner.learn(rows(8, 6, 1))
    weights, theta = learner.view.weights().clone(), learner.thresholds.clone()
    one, two = learner.change(rows(8, 6, 2)), learner.change(rows(8, 6, 2))
    assert torch.equal(one, two)
    learner.view.module.eval()
    learner.answer(rows(8, 6, 3))
    assert torch.equal(learner.view.weights(), weights)
    assert torch.equal(learner.thresholds, theta)


def test_thresholds_come_and_go_with_the_option():
    learner = made(create("instar"), LayerOptions(threshold_rate=1.0))
    assert learner.thresholds is None
    learner.learn(rows(8, 6, 1))
    assert learner.rule.buffers == {}
    learner.options.thresholds = True
    assert learner.thresholds.tolist() == [0.0] * 5
    learner.learn(rows(8, 6, 2))
    assert learner.thresholds.abs().max() > 0
    learner.options.thresholds = False
    assert learner.thresholds is None
    learner.learn(rows(8, 6, 3))
    assert learner.rule.buffers == {}
    learner.options.thresholds = True
    assert learner.thresholds.tolist() == [0.0] * 5, "they start anew"


@pytest.mark.parametrize("name", ["krotov-hopfield", "instar", "oja", "softhebb", "hebb"])
@pytest.mark.parametrize("size", [(8, 6), (700, 400)])  # the plain way, and the faster ones
def test_pruned_weights_stay_zero_through_every_way_of_changing_them(name, size):
    batch, units = size
    knobs = {"competition": "hard"} if name in ("oja", "instar") else {}
    options = LayerOptions(
        pruning=0.7, row_norm=name == "hebb", norm_adaptive_lr=0.5 if name == "oja" else 0.0
    )
    module = nn.Linear(20, units, bias=False)
    learner = made(create(name, **knobs), options, module, rate=0.05)
    gone = learner.mask == 0
    assert 0.6 < float(gone.double().mean()) < 0.8
    before = learner.view.weights().clone()
    x = rows(batch, 20, 3, torch.float32).abs()
    if size[0] == 700 and name in ("krotov-hopfield", "oja", "instar"):
        assert isinstance(learner.change(x), Rows)
    for seed in range(3):
        learner.learn(rows(batch, 20, seed, torch.float32).abs())
        assert bool((module.weight[gone] == 0).all())
    assert not torch.equal(module.weight.detach(), before)


def test_pruned_weights_do_not_change_what_the_faster_way_gives():
    """The rule may remember what it knows of the weights; the mask writes over them."""
    module = nn.Linear(20, 400, bias=False)
    rule = create("krotov-hopfield", p=3.0, k=3)
    learner = made(rule, LayerOptions(pruning=0.5), module, rate=0.05)
    w = module.weight.detach().clone()
    for seed in range(5):
        x = rows(700, 20, seed, torch.float32).abs()
        w = (w + 0.05 * rule.update(x, w)) * learner.mask
        learner.learn(x)
    assert torch.allclose(module.weight, w, atol=1e-4)


def test_a_mask_is_fixed_for_a_run_and_follows_the_seed():
    def mask(seed):
        return made(create("hebb"), LayerOptions(pruning=0.5), seed=seed).mask

    one = made(create("hebb"), LayerOptions(pruning=0.5), seed=1)
    kept = one.mask.clone()
    for seed in range(3):
        one.learn(rows(8, 6, seed))
    assert torch.equal(one.mask, kept)
    assert torch.equal(mask(1), kept) and not torch.equal(mask(2), kept)


def taught_by_hand(weights, inputs, labels, classes, rate):
    """Cosine winners among a class's own units, each moved to the mean of what it won."""
    units, new = len(weights), weights.copy()
    own = [i * classes // units for i in range(units)]
    won = [[] for _ in range(units)]
    for x, label in zip(inputs, labels, strict=True):
        scores = [
            competition.score(x, w, "cosine") * (1.0 if own[i] == label else 0.0)
            for i, w in enumerate(weights)
        ]
        best = competition.order(scores)[0]
        if own[best] == label:
            won[best].append(x)
    for i, mine in enumerate(won):
        if mine:
            new[i] += rate * (np.mean(mine, axis=0) - weights[i])
    return new


def test_a_teacher_lets_only_the_units_of_a_class_learn_its_images():
    module = nn.Linear(6, 7, bias=False).double()
    learner = made(create("hard-wta"), LayerOptions(teacher=True), module, classes=3)
    with torch.no_grad():
        module.weight.abs_()
    x = rows(20, 6, 4).abs()
    labels = torch.arange(20) % 3
    expected = taught_by_hand(array(module.weight), array(x), labels.tolist(), 3, 0.3)
    learner.learn(x, labels)
    np.testing.assert_allclose(array(module.weight), expected, atol=1e-12)
    before = module.weight.detach().clone()
    learner.learn(x, torch.ones(20, dtype=torch.long))
    moved = (module.weight.detach() - before).abs().sum(1) > 0
    assert moved.nonzero().flatten().tolist() in ([3, 4], [3], [4]), "those of class 1"


def test_a_teacher_at_every_position_of_a_convolution():
    module = nn.Conv2d(2, 6, 2, bias=False).double()
    learner = made(create("hard-wta"), LayerOptions(teacher=True), module, classes=3)
    with torch.no_grad():
        module.weight.abs_()
    x = torch.rand(7, 2, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 2, 1, 0, 0])
    patches, of = [], []
    for image, label in zip(array(x), labels.tolist(), strict=True):
        for i in range(3):
            for j in range(3):
                patches.append(image[:, i : i + 2, j : j + 2].reshape(-1))
                of.append(label)
    expected = taught_by_hand(array(learner.view.weights()), patches, of, 3, 0.3)
    learner.learn(x, labels)
    np.testing.assert_allclose(array(learner.view.weights()), expected, atol=1e-12)


def test_a_teacher_of_many_patches_is_heard_chunk_by_chunk(monkeypatch):
    from hebblab.nn import layers

    def learnt(limit):
        monkeypatch.setattr(layers, "CHUNK", limit)
        module = nn.Conv2d(2, 6, 2, bias=False).double()
        learner = made(create("soft-wta"), LayerOptions(teacher=True), module, classes=3)
        x = torch.rand(7, 2, 4, 4, generator=torch.Generator().manual_seed(1)).double()
        learner.learn(x, torch.tensor([0, 1, 2, 2, 1, 0, 0]))
        return module.weight.detach()

    assert torch.allclose(learnt(4096), learnt(4), atol=1e-12)


def test_a_teacher_is_refused_what_it_cannot_teach():
    with pytest.raises(InvalidValue, match=r"10 classes units of its own; layer '0' has only 5"):
        made(create("hard-wta"), LayerOptions(teacher=True), classes=10)
    grouped = nn.Conv2d(4, 12, 2, groups=4, bias=False).double()
    with pytest.raises(InvalidValue, match="has only 3"):
        made(create("hard-wta"), LayerOptions(teacher=True), grouped, classes=10)
    learner = made(create("hard-wta"), LayerOptions(teacher=True), classes=5)
    before = learner.view.weights().clone()
    for labels in (None, torch.tensor([0, 1]), torch.full((8,), 5), torch.zeros(8, 1)):
        with pytest.raises(InvalidValue, match="teacher of layer '0'"):
            learner.learn(rows(8, 6, 1), labels)
        with pytest.raises(InvalidValue, match="teacher of layer '0'"):
            learner.change(rows(8, 6, 1), labels)
    assert torch.equal(learner.view.weights(), before)


def test_labels_mean_nothing_without_a_teacher():
    one, two = made(create("hard-wta"), LayerOptions()), made(create("hard-wta"), LayerOptions())
    one.learn(rows(8, 6, 1))
    two.learn(rows(8, 6, 1), torch.full((8,), 99))
    assert torch.equal(one.view.weights(), two.view.weights())


class Seen(hl.Rule):
    """Keeps what it is given."""

    name = "seen"
    teachable = True

    def statistics(self, inputs, weights, targets=None):
        given.append((inputs.clone(), None if targets is None else targets.clone()))
        return (torch.zeros_like(weights),)

    def change(self, statistics, weights):
        return statistics[0]


given: list[tuple[torch.Tensor, torch.Tensor | None]] = []


@pytest.fixture
def seen():
    given.clear()
    yield given
    given.clear()


def patches_of(x):
    """Every patch of 2×2 of images, image by image and line by line."""
    return [
        image[:, i : i + 2, j : j + 2].reshape(-1).tolist()
        for image in x for i in range(image.shape[1] - 1) for j in range(image.shape[2] - 1)
    ]  # fmt: skip


def test_some_patches_are_some_of_the_true_ones_and_others_each_time(seen):
    module = nn.Conv2d(2, 6, 2, bias=False).double()
    learner = made(Seen(), LayerOptions(patches_per_batch=11), module)
    x = torch.rand(3, 2, 5, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    every = patches_of(x)
    drawn = []
    for _ in range(2):
        seen.clear()
        learner.learn(x)
        found = [every.index(row) for part, _ in seen for row in part.tolist()]
        assert len(set(found)) == 11
        drawn.append(found)
    assert drawn[0] != drawn[1]
    again = made(
        Seen(), LayerOptions(patches_per_batch=11), nn.Conv2d(2, 6, 2, bias=False).double()
    )
    seen.clear()
    again.change(x)
    again.change(x)
    again.learn(x)
    found = [[every.index(row) for row in part.tolist()] for part, _ in seen]
    assert found[0] == found[1] == found[2] == drawn[0], "looking draws nothing"
    other = made(
        Seen(), LayerOptions(patches_per_batch=11), nn.Conv2d(2, 6, 2, bias=False).double(), seed=6
    )
    seen.clear()
    other.learn(x)
    assert [every.index(row) for row in seen[0][0].tolist()] != drawn[0]


def test_more_patches_than_there_are_is_all_of_them(seen):
    module = nn.Conv2d(2, 6, 2, bias=False).double()
    learner = made(Seen(), LayerOptions(patches_per_batch=1000), module)
    x = torch.rand(3, 2, 5, 5, dtype=torch.float64)
    learner.learn(x)
    assert [row for part, _ in seen for row in part.tolist()] == patches_of(x)


def test_some_of_ready_patches(seen):
    module = nn.Conv2d(2, 6, 2, bias=False).double()
    learner = made(Seen(), LayerOptions(patches_per_batch=11, teacher=True), module, classes=3)
    ready = torch.rand(40, 8, dtype=torch.float64)
    labels = torch.arange(40) % 3
    learner.learn(ready, labels)
    (part, targets), every = seen[0], ready.tolist()
    places = [every.index(row) for row in part.tolist()]
    assert len(set(places)) == 11
    assert (targets.argmax(1) // 2).tolist() == labels[places].tolist()


def test_some_patches_keep_their_teacher(seen):
    module = nn.Conv2d(2, 6, 2, bias=False).double()
    learner = made(Seen(), LayerOptions(patches_per_batch=11, teacher=True), module, classes=3)
    x = torch.rand(3, 2, 5, 5, dtype=torch.float64)
    learner.learn(x, torch.tensor([2, 0, 1]))
    every = patches_of(x)
    for part, targets in seen:
        for row, target in zip(part.tolist(), targets.tolist(), strict=True):
            label = [2, 0, 1][every.index(row) // 16]
            assert target == [1.0 if unit // 2 == label else 0.0 for unit in range(6)]


def test_a_rule_of_update_alone_sees_the_same_patches():
    class Whole(hl.Rule):
        """Keeps what it is given."""

        name = "whole"

        def update(self, inputs, weights):
            given.append((inputs.clone(), None))
            return torch.zeros_like(weights)

    given.clear()
    module = nn.Conv2d(2, 6, 2, bias=False).double()
    learner = made(Whole(), LayerOptions(patches_per_batch=5), module)
    x = torch.rand(3, 2, 5, 5, dtype=torch.float64)
    learner.learn(x)
    every = patches_of(x)
    assert len({every.index(row) for row in given[0][0].tolist()}) == 5
    given.clear()


def test_patches_are_refused_where_there_are_none():
    with pytest.raises(InvalidValue, match=r"'0' is a Linear.*Set patches_per_batch to 0"):
        made(create("hebb"), LayerOptions(patches_per_batch=5))


def test_what_does_not_suit_changes_nothing():
    learner = made(create("instar"), LayerOptions(thresholds=True))
    learner.learn(rows(8, 6, 1))
    rule, theta = learner.rule, learner.thresholds.clone()
    for wrong in (LayerOptions(norm_adaptive_lr=0.5), LayerOptions(patches_per_batch=3)):
        with pytest.raises(InvalidValue):
            learner.set(create("instar", k=2), wrong)
    with pytest.raises(InvalidValue, match="more than the 5 units"):
        learner.set(create("krotov-hopfield", k=6), LayerOptions())
    assert learner.rule is rule and torch.equal(learner.thresholds, theta)


def test_a_step_that_is_lost_leaves_weights_and_thresholds():
    learner = made(create("instar"), LayerOptions(thresholds=True), rate=10.0)
    with torch.no_grad():
        learner.view.module.weight.mul_(1e300)
    before = learner.view.weights().clone()
    with pytest.raises(Diverged, match="Lower the learning rate"):
        learner.learn(rows(8, 6, 1))
    assert torch.equal(learner.view.weights(), before)
    assert learner.thresholds.tolist() == [0.0] * 5


def test_the_instance_of_a_rule_may_serve_two_layers():
    """What it holds, lateral weights here, is each layer's own."""

    def network():
        model = nn.Sequential(nn.Linear(6, 4, bias=False), nn.Linear(4, 4, bias=False)).double()
        with torch.no_grad():
            for seed, layer in enumerate(model):
                layer.weight.copy_(rows(*layer.weight.shape, seed) * 0.3)
        return model

    def trained(rules):
        model = network()
        trainer = hl.HebbianTrainer(
            model, rules, hl.Local(model.named_parameters(), lr=0.1), None, initialize=False
        )
        trainer.run([rows(10, 6, seed) for seed in range(5)], epochs=1)
        return model

    one = create("hebbian-anti-hebbian")
    apart = trained({"0": create("hebbian-anti-hebbian"), "1": create("hebbian-anti-hebbian")})
    for shared in (one, {"0": one, "1": one}):
        together = trained(shared)
        for a, b in zip(apart.parameters(), together.parameters(), strict=True):
            assert torch.equal(a, b)
