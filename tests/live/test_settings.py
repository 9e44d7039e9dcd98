"""What options do to the network around a layer: forms, whitening, and what was built stays."""

import numpy as np
import pytest
import torch
from torch import nn

from hebblab import InvalidValue, networks
from hebblab.data import Dataset, Images
from hebblab.live.run import Run
from hebblab.live.settings import Surroundings, whitening_buffers
from hebblab.nn import InputNorm, PatchConv2d, RePU, Whitening
from hebblab.recipes import Recipe
from hebblab.rules import create
from hebblab.training import LayerOptions


def images(count, seed, size=6):
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, 1, size, size), dtype=torch.uint8, generator=generator)
    pixels[:, :, 1:] = pixels[:, :, 1:] // 2 + pixels[:, :, :-1] // 2
    return Images(pixels, torch.arange(count) % 3)


@pytest.fixture(scope="module")
def pictures():
    return Dataset("pictures", images(200, 1), images(30, 2), images(30, 3), ("a", "b", "c"))


def full(image_shape, classes):
    """Everything that options can set, around two layers."""
    network = nn.Sequential()
    network.add_module("whiten", Whitening())
    network.add_module("prepare1", InputNorm())
    network.add_module("conv1", PatchConv2d(1, 4, 2, bias=False))
    network.add_module("activation1", RePU())
    network.add_module("prepare2", InputNorm())
    network.add_module("conv2", PatchConv2d(4, 5, 2, bias=False))
    network.add_module("activation2", RePU())
    network.add_module("flatten", nn.Flatten())
    network.add_module("readout", nn.Linear(5 * 16, classes))
    return network


def plain(image_shape, classes):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(36, 6, bias=False), nn.ReLU(), nn.Linear(6, classes)
    )


def shaped(image_shape, classes):
    """Built with a form of its own, and whitened before it was handed over."""
    network = full(image_shape, classes)
    network.prepare2.mode = "standardise"
    network.activation2.n, network.activation2.triangle = 1.4, True
    whole = torch.rand(50, 1, 6, 6, generator=torch.Generator().manual_seed(9))
    network.whiten.fit(whole, 0.1)
    return network


@pytest.fixture(autouse=True)
def _networks():
    builders = {"full": full, "plain": plain, "shaped": shaped}
    for name, builder in builders.items():
        networks.register(name, builder)
    yield
    for name in builders:
        networks.unregister(name)


def run(pictures, network="full", one=None, two=None, **settings):
    rules = {
        "conv1": {"rule": "hard-wta", **(one or {})},
        "conv2": {"rule": "hard-wta", **(two or {})},
    }
    if network == "plain":
        rules = {"1": {"rule": "hard-wta", **(one or {})}}
    recipe = Recipe(network=network, rules=rules, batch_size=10, steps=20, **settings)
    return Run(recipe, pictures)


def whitened_by_hand(rows, epsilon):
    """Bell and Sejnowski: x ↦ (x − m) (C + ε)^−½, by the eigenvectors of the covariance."""
    rows = rows.double().numpy()
    mean = rows.mean(0)
    values, vectors = np.linalg.eigh(np.cov(rows.T) + epsilon * np.eye(rows.shape[1]))
    return mean, vectors @ np.diag(values**-0.5) @ vectors.T


def all_patches(x):
    return torch.nn.functional.unfold(x, 2).mT.reshape(-1, x.shape[1] * 4)


def test_it_finds_what_stands_around_each_layer():
    network = networks.create("full", (1, 6, 6), 3)
    first, second = Surroundings(network, "conv1"), Surroundings(network, "conv2")
    assert first.activation is network.activation1 and second.activation is network.activation2
    assert first.input_norm is network.prepare1 and second.input_norm is network.prepare2
    assert first.whitening is network.whiten and second.whitening is None
    bare = Surroundings(networks.create("plain", (1, 6, 6), 3), "1")
    assert (bare.activation, bare.input_norm, bare.whitening) == (None, None, None)
    dense = networks.create("dense-100")
    assert Surroundings(dense, "hidden").input_norm is dense.prepare


def test_options_are_offered_where_they_can_act():
    network = networks.create("full", (1, 6, 6), 3)
    first, second = Surroundings(network, "conv1"), Surroundings(network, "conv2")
    dense = Surroundings(networks.create("dense-100"), "hidden")
    bare = Surroundings(networks.create("plain", (1, 6, 6), 3), "1")
    hard, krotov = create("hard-wta"), create("krotov-hopfield")
    none = LayerOptions()
    assert set(first.offered(hard, none)) == {
        *("learning_rate", "n", "row_norm", "triangle", "thresholds", "pruning", "teacher"),
        *("input_norm", "zca", "patches_per_batch", "abstention"),
    }
    assert {"zca", "patches_per_batch"} <= set(second.offered(hard, none))
    assert "zca" in dense.offered(hard, none)
    assert "patches_per_batch" not in dense.offered(hard, none)
    assert "zca" not in bare.offered(hard, none)
    assert not {"n", "triangle", "input_norm"} & set(bare.offered(hard, none))
    assert {"norm_adaptive_lr"} == set(dense.offered(krotov, none)) - set(dense.offered(hard, none))
    assert not {"row_norm", "thresholds", "teacher"} & set(dense.offered(krotov, none))
    unit = LayerOptions(input_norm="unit")
    assert "patch_norm" in first.offered(hard, unit) and "patch_norm" not in dense.offered(
        hard, unit
    )
    assert first.missing(hard, none)["patch_norm"] == "Input norm is none."
    assert "no PatchConv2d" in dense.missing(hard, unit)["patch_norm"]
    assert "abstention" not in first.offered(krotov, none)
    assert "threshold_rate" in dense.offered(hard, LayerOptions(thresholds=True))
    assert "zca_epsilon" in first.offered(hard, LayerOptions(zca="images"))
    assert "radius_end" in dense.offered(create("som"), none)
    assert "pruning" not in dense.offered(create("sanger"), none)


@pytest.mark.parametrize(
    ("network", "layer", "options", "words"),
    [
        ("plain", "1", {"triangle": True}, "RePU after it"),
        ("plain", "1", {"input_norm": "unit"}, "InputNorm before it"),
        ("plain", "1", {"zca": "images"}, "Whitening before the first layer"),
        ("plain", "1", {"zca": "patches"}, r"PatchConv2d.*is a Linear"),
        ("full", "conv2", {"zca": "images"}, "layer 'conv2' has none before it"),
        ("dense-100", "hidden", {"zca": "patches"}, r"PatchConv2d.*is a Linear"),
    ],
)
def test_what_the_network_has_no_place_for_is_refused(network, layer, options, words):
    around = Surroundings(networks.create(network, (1, 6, 6), 3), layer)
    with pytest.raises(InvalidValue, match=words):
        around.judge(LayerOptions(**options))
    around.judge(LayerOptions())


def test_a_recipe_says_what_is_turned_before_the_first_step(pictures):
    made = run(pictures, two={"n": 3.0, "triangle": True, "input_norm": "unit"})
    assert (made.model.activation2.n, made.model.activation2.triangle) == (3.0, True)
    assert made.model.prepare2.mode == "unit"
    assert (made.model.activation1.n, made.model.prepare1.mode) == (1.0, "none")


def test_what_was_built_stands_where_the_recipe_says_nothing(pictures):
    made = run(pictures, "shaped")
    assert (made.model.activation2.n, made.model.activation2.triangle) == (1.4, True)
    assert made.model.prepare2.mode == "standardise"
    assert made.options["conv2"].n == 1.4, "and the knobs say so"
    other = run(pictures, "shaped", two={"n": 2.0, "triangle": False, "input_norm": "none"})
    assert (other.model.activation2.n, other.model.activation2.triangle) == (2.0, False)
    assert other.model.prepare2.mode == "none"


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("softhebb-cnn-quarter", {"conv1": (0.7, True, "none"), "conv2": (1.4, True, "none")}),
        ("miconi-cnn", {"conv1": (1.0, True, "standardise"), "conv3": (1.0, True, "standardise")}),
        ("lagani-cnn", {"conv1": (1.0, False, "none"), "fc5": (1.0, False, "none")}),
    ],
)
def test_published_networks_keep_their_own_form(name, layers):
    network = networks.create(name, (1, 28, 28), 10)
    recipe = Recipe(network=name, rules={"*": {"rule": "oja"}}, steps=1).resolved(
        networks.hebbian_layers(network)
    )
    for layer, form in layers.items():
        options = recipe.options(layer, Surroundings(network, layer).built)
        assert (options.n, options.triangle, options.input_norm) == form


def test_the_whitening_a_network_came_with_stays(pictures):
    own = networks.create("shaped", (1, 6, 6), 3).whiten.matrix
    made = run(pictures, "shaped")
    assert torch.equal(made.model.whiten.matrix, own)
    fitted = run(pictures, "shaped", one={"zca": "images"})
    assert not torch.equal(fitted.model.whiten.matrix, own)
    fitted.around["conv1"].whiten(LayerOptions(), *fitted._fitted_on("conv1"))
    assert torch.equal(fitted.model.whiten.matrix, own)


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("epsilon", [1e-3, 0.3])
def test_images_are_whitened_by_the_training_images_alone(pictures, epsilon, centre):
    made = run(pictures, one={"zca": "images", "zca_epsilon": epsilon}, centre=centre)
    train = pictures.train.pixels.flatten(1).double() / 255
    if centre:
        train = train - train.mean(0)
    mean, matrix = whitened_by_hand(train, epsilon)
    np.testing.assert_allclose(made.model.whiten.mean.numpy(), mean, atol=1e-5)
    np.testing.assert_allclose(made.model.whiten.matrix.numpy(), matrix, rtol=1e-3, atol=1e-3)


def test_patches_are_whitened_by_those_that_the_layer_is_given(pictures):
    made = run(pictures, two={"zca": "patches", "input_norm": "standardise"})
    model = made.model
    x = pictures.train.pixels.float() / 255
    with torch.no_grad():
        given = model.prepare2(model.activation1(model.conv1(x)))
    mean, matrix = whitened_by_hand(all_patches(given), 1e-3)
    np.testing.assert_allclose(model.conv2.mean.numpy(), mean, atol=1e-4)
    np.testing.assert_allclose(model.conv2.matrix.numpy(), matrix, rtol=2e-3, atol=2e-3)
    assert model.conv1.matrix is None and model.whiten.matrix is None


def test_a_deep_layer_is_given_no_more_than_memory_should_hold(pictures, monkeypatch):
    from hebblab.live import settings

    monkeypatch.setattr(settings, "_NUMBERS", 100 * 4 * 25)
    monkeypatch.setattr(settings, "_AT_ONCE", 7)
    made = run(pictures, two={"zca": "patches"})
    x = pictures.train.pixels[::2].float() / 255
    with torch.no_grad():
        given = made.model.activation1(made.model.conv1(x))
    mean, _ = whitened_by_hand(all_patches(given), 1e-3)
    np.testing.assert_allclose(made.model.conv2.mean.numpy(), mean, atol=1e-4)


def test_fitting_leaves_modes_and_statistics_alone(pictures):
    made = run(pictures)
    made.model.train()
    made.around["conv2"].whiten(LayerOptions(zca="patches"), *made._fitted_on("conv2"))
    assert all(module.training for module in made.model.modules())


def test_what_cannot_be_whitened_changes_nothing(pictures):
    made = run(pictures, one={"zca": "images"})
    whiten = made.model.whiten
    before = whiten.mean, whiten.matrix
    single = Dataset("one", images(1, 1), pictures.validation, pictures.test, ("a", "b", "c"))
    with pytest.raises(InvalidValue, match="at least 2 samples"):
        made.around["conv1"].whiten(LayerOptions(zca="images"), single, None, 0)
    assert (whiten.mean, whiten.matrix) == before


def test_the_tensors_of_whitening_have_names():
    network = networks.create("full", (1, 6, 6), 3)
    assert whitening_buffers(network) == {
        f"{name}.{one}" for name in ("whiten", "conv1", "conv2") for one in ("mean", "matrix")
    }
    assert whitening_buffers(networks.create("dense-100")) == {"whiten.mean", "whiten.matrix"}
    assert whitening_buffers(networks.create("dense-100", (2,), 3)) == frozenset()


def test_a_norm_per_patch_is_what_the_rule_and_the_whitening_see(pictures):
    one = {"input_norm": "unit", "patch_norm": True}
    made = run(pictures, one=one, two={"zca": "patches", **one})
    assert (made.model.prepare1.mode, made.model.conv1.patch_norm) == ("none", "unit")
    x = torch.rand(3, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    rows = made.views["conv1"].inputs(x)
    assert torch.allclose(rows.norm(dim=1), torch.ones(len(rows)))
    assert made.model.conv2.fitted_norm == "unit"
    given = made.around["conv2"].before(pictures.train.pixels.float() / 255).detach()
    patches = all_patches(given)
    patches = patches / patches.norm(dim=1, keepdim=True).clamp_min(1e-30)
    mean, _ = whitened_by_hand(patches, 1e-3)
    assert np.allclose(made.model.conv2.mean, mean, atol=1e-4)
    with pytest.raises(InvalidValue, match="input_norm is none"):
        run(pictures, one={"patch_norm": True})
    with pytest.raises(InvalidValue, match="'1' is a Linear with no patches"):
        run(pictures, "plain", one={"patch_norm": True, "input_norm": "unit"})
    kept = run(pictures, "shaped", two={"patch_norm": True})
    assert (kept.model.prepare2.mode, kept.model.conv2.patch_norm) == ("none", "standardise")
