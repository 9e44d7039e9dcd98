"""What options say of a network, in a trainer of one's own: set there, or refused in words."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

import hebblab as hl
from hebblab import InvalidValue, LayerOptions
from hebblab.nn import InputNorm, PatchConv2d, RePU, Whitening
from hebblab.rules import create
from hebblab.training import Adjacent


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            prepare1=InputNorm(),
            one=nn.Linear(6, 5, bias=False),
            act1=RePU(2.0),
            prepare2=InputNorm("unit"),
            two=nn.Linear(5, 4, bias=False),
            act2=RePU(),
            readout=nn.Linear(4, 2),
        )
    )


def convolution():
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(
            whiten=Whitening(),
            conv=PatchConv2d(1, 4, 2, bias=False),
            relu=nn.ReLU(),
            flatten=nn.Flatten(),
            readout=nn.Linear(36, 2),
        )
    )


def trainer(model, options, rule="hebb", **more):
    rule = create(rule) if isinstance(rule, str) else rule
    optimizer = hl.Local(model.named_parameters(), lr=0.1)
    return hl.HebbianTrainer(model, rule, optimizer, options=options, **more)


def batch(seed=1, size=7):
    return torch.rand(size, 6, generator=torch.Generator().manual_seed(seed))


def test_what_is_said_is_set_in_the_networks_own_modules_and_the_rest_stays_as_built():
    model = network()
    trainer(model, {"one": LayerOptions(triangle=True, input_norm="standardise")})
    assert (model.act1.n, model.act1.triangle, model.prepare1.mode) == (2.0, True, "standardise")
    assert (model.act2.n, model.act2.triangle, model.prepare2.mode) == (1.0, False, "unit")
    model = network()
    trainer(model, LayerOptions(n=3.0))
    assert (model.act1.n, model.act2.n, model.prepare2.mode) == (3.0, 3.0, "unit")
    copied = LayerOptions(n=3.0).with_(pruning=0.5)
    assert set(copied.said) == {"n", "pruning"}, "a copy says no more than was said"


@pytest.mark.parametrize(
    ("said", "given"),
    [
        ({"n": 3.0}, lambda x, w: np.maximum(x @ w.T, 0) ** 3),
        (
            {"triangle": True},
            lambda x, w: np.maximum(x @ w.T - (x @ w.T).mean(1, keepdims=True), 0) ** 2,
        ),
        (
            {"input_norm": "unit"},
            lambda x, w: np.maximum(x / np.linalg.norm(x, axis=1, keepdims=True) @ w.T, 0) ** 2,
        ),
    ],
    ids=["n", "triangle", "input_norm"],
)
def test_the_next_layer_learns_from_them(said, given):
    model = network()
    model.prepare2.mode = "none"
    engine = trainer(model, {"one": LayerOptions(learning_rate=0, **said)})
    one, two = (layer.weight.detach().double().numpy() for layer in (model.one, model.two))
    seen = given(batch().double().numpy(), one)
    engine.run([batch()], epochs=1)
    expected = two + 0.1 * (seen @ two.T).T @ seen / len(seen)
    np.testing.assert_allclose(model.two.weight.detach().numpy(), expected, rtol=1e-4, atol=1e-6)
    assert np.array_equal(model.one.weight.detach().double().numpy(), one), "its rate is 0"


def test_thresholds_reach_the_triangle_as_they_move():
    model = network()
    options = {"one": LayerOptions(thresholds=True, threshold_rate=5.0, triangle=True)}
    engine = trainer(model, options, create("instar", k=2))
    assert model.act1.thresholds.tolist() == [0.0] * 5
    engine.run([batch(), batch(2)], epochs=1)
    theta = engine.learners["one"].thresholds
    assert float(theta.abs().max()) > 0 and torch.equal(model.act1.thresholds, theta)
    responses = model.one(model.prepare1(batch())).detach().double().numpy()
    above = responses - theta.double().numpy()
    expected = np.maximum(above - above.mean(1, keepdims=True), 0) ** 2
    with torch.no_grad():
        found = model.act1(model.one(model.prepare1(batch())))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)
    assert model.act2.thresholds is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (LayerOptions(n=2.0), "n needs a hebblab.nn.RePU after it, and layer 'conv'"),
        (LayerOptions(triangle=True), "triangle needs a hebblab.nn.RePU"),
        (LayerOptions(input_norm="unit"), "input_norm needs a hebblab.nn.InputNorm"),
        (LayerOptions(zca="images"), r"fit\(images\) of its Whitening first, or .*hl\.Recipe"),
        (LayerOptions(zca="patches"), r"fit_patches\(inputs, generator\) of its PatchConv2d"),
        (LayerOptions(radius_end=1.0), "'hebb' has no radius"),
        ({"conv": {"n": 2.0}}, "options of layer 'conv' are a dict"),
        ([LayerOptions()], "hl.LayerOptions or a dictionary"),
    ],
)
def test_what_could_not_act_is_refused_before_anything_is_changed(options, words):
    model = convolution()
    before = model.conv.weight.detach().clone()
    with pytest.raises(InvalidValue, match=words):
        trainer(model, options)
    assert torch.equal(model.conv.weight, before)


def test_a_whitening_that_was_fitted_is_taken_as_it_is():
    images = torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(3))
    model = convolution()
    model.whiten.fit(images, 0.1)
    matrix = model.whiten.matrix.clone()
    engine = trainer(model, LayerOptions(zca="images"))
    engine.run([images], epochs=1)
    assert torch.equal(model.whiten.matrix, matrix)
    model = convolution()
    model.conv.fit_patches(images, torch.Generator().manual_seed(0), 100)
    trainer(model, LayerOptions(zca="patches")).run([images], epochs=1)


def test_a_rate_that_is_given_is_the_layers_own():
    model = network()
    engine = trainer(model, {"two": LayerOptions(learning_rate=0.25)})
    assert engine.optimizer.group("one")["lr"] == 0.1
    assert engine.optimizer.group("two")["lr"] == 0.25


def test_the_options_of_a_recipe_do_here_what_they_do_in_a_session():
    rule = {"rule": "som", "n": 3.0, "radius": 3.0, "radius_end": 0.5, "init": "uniform(0, 1)"}
    recipe = hl.Recipe(network="dense-9", rules={"hidden": rule}, batch_size=100, steps=30)
    with hl.Session(recipe) as session:
        session.start()
        assert session.wait(60)
        expected, model = session.weights(), session.model()
        first = hl.Session(recipe)
        fresh = first.model()
        batches = [(x.clone(), labels.clone()) for x, labels in first._loop.run.batches]
        first.stop()
    rules = {"hidden": recipe.rule("hidden")}
    engine = hl.HebbianTrainer(
        fresh,
        rules,
        hl.Local(fresh.named_parameters()),
        initialize=False,
        options=recipe.options("hidden"),
    )
    engine.run(batches, epochs=1)
    assert len(batches) == 30
    assert torch.allclose(fresh.hidden.weight, expected, atol=1e-6)
    assert fresh.activation.n == model.activation.n == 3.0


def test_it_finds_its_place_in_a_module_that_is_no_sequence():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = network()

        def forward(self, x):
            return self.inner(x)

    block = Block()
    found = Adjacent(block, "inner.two")
    assert found.activation is block.inner.act2 and found.input_norm is block.inner.prepare2
    assert found.built == {"n": 1.0, "triangle": False, "input_norm": "unit"}


def inhibiting(groups=1):
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(
            conv=PatchConv2d(2, 6, 2, groups=groups, bias=False),
            act=RePU(),
            flatten=nn.Flatten(),
            two=nn.Linear(54, 3, bias=False),
            act2=RePU(),
            readout=nn.Linear(3, 2),
        )
    ).double()


class TestInhibition:
    @pytest.mark.parametrize("variant", ["2018", "2015"])
    @pytest.mark.parametrize("groups", [1, 2])
    @pytest.mark.parametrize("updates", ["in-order", "simultaneous"])
    def test_the_activation_answers_as_the_rule_does_after_every_step(
        self, variant, groups, updates
    ):
        model = inhibiting(groups)
        rule = create("hebbian-anti-hebbian", nonnegative=True, variant=variant)
        taught = trainer(model, rule=rule, options=None, updates=updates)
        images = torch.rand(9, 2, 4, 4, generator=torch.Generator().manual_seed(2)).double()
        first = model.act.lateral.clone()
        for _ in range(3):
            taught.run([images], epochs=1)
            learner = taught.learners["conv"]
            parts = []
            for group in range(groups):
                learner._enter(group)
                view = learner.view
                parts.append(rule.ranking(view.inputs(images, group), view.weights(group)))
            expected = torch.cat(parts, dim=1).view(9, 3, 3, 6).permute(0, 3, 1, 2)
            assert torch.allclose(model[:2](images), expected, atol=1e-12)
            assert (expected >= 0).all() and (expected > 0).any()
        assert model.act.lateral.shape == (6, 6 // groups)
        assert not torch.equal(model.act.lateral, first)
        assert model.act2.lateral.shape == (3, 3)

    def test_filters_are_passed_on_where_answers_may_be_negative(self):
        model = inhibiting()
        rule = create("hebbian-anti-hebbian", variant="2015")
        taught = trainer(model, rule=rule, options=None)
        images = torch.rand(9, 2, 4, 4, generator=torch.Generator().manual_seed(2)).double()
        taught.run([images], epochs=3)
        learner = taught.learners["conv"]
        learner._enter(0)
        expected = rule.ranking(learner.view.inputs(images), learner.view.weights())
        expected = expected.view(9, 3, 3, 6).permute(0, 3, 1, 2)
        assert torch.allclose(learner.answer(images), expected)
        assert model.act.lateral is None

    def test_it_is_refused_where_something_comes_between(self):
        model = convolution()
        rule = create("hebbian-anti-hebbian", nonnegative=True)
        with pytest.raises(InvalidValue, match=r"RePU straight after layer 'conv'.*a ReLU comes"):
            trainer(model, rule=rule, options=None)
        trainer(model, rule=create("hebbian-anti-hebbian"), options=None)
        alone = nn.Sequential(nn.Linear(6, 3, bias=False))
        trainer(alone, rule=rule, options=None, supervised_from=None)


def patchy(**form):
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(
            prepare=InputNorm(),
            conv=PatchConv2d(2, 4, 2, bias=False, **form),
            act=RePU(),
            flatten=nn.Flatten(),
            readout=nn.Linear(36, 2),
        )
    ).double()


class TestPatchNorm:
    @pytest.mark.parametrize("mode", ["unit", "standardise"])
    def test_the_rule_and_the_layer_see_each_patch_by_itself(self, mode):
        model = patchy()
        taught = trainer(model, LayerOptions(input_norm=mode, patch_norm=True), rule="instar")
        assert (model.prepare.mode, model.conv.patch_norm) == ("none", mode)
        images = torch.rand(5, 2, 4, 4, generator=torch.Generator().manual_seed(3)).double()
        images[0, :, :2] = 0
        rows = np.array([
            image[:, i : i + 2, j : j + 2].reshape(-1).tolist()
            for image in images for i in range(3) for j in range(3)
        ])  # fmt: skip
        if mode == "standardise":
            rows = rows - rows.mean(1, keepdims=True)
            size = rows.std(1, ddof=1, keepdims=True) + 1e-10
        else:
            size = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = np.divide(rows, size, out=np.zeros_like(rows), where=size > 1e-9)
        weights = model.conv.weight.detach().flatten(1)
        expected = create("instar").update(torch.from_numpy(rows), weights)
        assert torch.allclose(taught.change("conv", images), expected, atol=1e-12)
        answers = torch.from_numpy(rows) @ weights.T
        found = model.conv(images).permute(0, 2, 3, 1).reshape(-1, 4)
        assert torch.allclose(found, answers, atol=1e-9)

    def test_without_it_the_whole_input_is_normed_as_ever(self):
        model = patchy()
        trainer(model, LayerOptions(input_norm="unit"))
        assert (model.prepare.mode, model.conv.patch_norm) == ("unit", "none")

    def test_what_a_network_was_built_with_stays(self):
        model = patchy()
        model.conv.patch_norm = "unit"
        trainer(model, None)
        assert (model.prepare.mode, model.conv.patch_norm) == ("none", "unit")
        trainer(model, LayerOptions(input_norm="standardise"))
        assert (model.prepare.mode, model.conv.patch_norm) == ("none", "standardise")
        trainer(model, LayerOptions(patch_norm=False))
        assert (model.prepare.mode, model.conv.patch_norm) == ("standardise", "none")

    def test_it_is_refused_without_a_norm_and_without_patches(self):
        with pytest.raises(InvalidValue, match=r"input_norm is none. Set input_norm to unit"):
            trainer(patchy(), LayerOptions(patch_norm=True))
        with pytest.raises(InvalidValue, match="input_norm is none"):
            trainer(patchy(), LayerOptions(patch_norm=True, input_norm="none"))
        with pytest.raises(InvalidValue, match=r"'one' is a Linear with no patches"):
            trainer(network(), LayerOptions(patch_norm=True, input_norm="unit"))
        plain = nn.Sequential(nn.Conv2d(2, 4, 2, bias=False), nn.Flatten(), nn.Linear(36, 2))
        with pytest.raises(
            InvalidValue, match=r"needs a hebblab.nn.PatchConv2d.*is a Conv2d. Leave"
        ):
            trainer(plain, LayerOptions(patch_norm=True, input_norm="unit"))
        model = patchy()
        model.prepare.mode = "unit"
        trainer(model, LayerOptions(patch_norm=True))
        assert (model.prepare.mode, model.conv.patch_norm) == ("none", "unit")

    def test_a_whitening_of_other_patches_is_refused(self):
        model = patchy()
        images = torch.rand(20, 2, 4, 4, generator=torch.Generator().manual_seed(3)).double()
        model.conv.fit_patches(images, torch.Generator().manual_seed(1))
        asked = LayerOptions(zca="patches", patch_norm=True, input_norm="unit")
        with pytest.raises(InvalidValue, match="under patch_norm 'none', and the options ask"):
            trainer(model, asked)
        model.conv.patch_norm = "unit"
        model.conv.fit_patches(images, torch.Generator().manual_seed(1))
        trainer(model, asked)
