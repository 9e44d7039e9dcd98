"""Ways into fine-tuning: where networks start, what they learn from, what they must not see."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from hebblab.data import as_floats
from hebblab.experiments.papers import data, pretraining
from hebblab.experiments.papers.pretraining import (
    HPCA,
    NONE,
    PCA,
    SOFT_WTA,
    WAYS,
    WHITENED,
    ByLength,
    ChannelNorm,
    Pretraining,
    pretrained,
    settle_,
)
from hebblab.nn import Whitening, networks

TINY = Pretraining(narrow=12, epochs=1, autoencoder=1)


@pytest.fixture(scope="module")
def few(digits):
    return data.portion(digits, 1, 400, 60, 60)


def made(few, way, deepest="L3", settings=TINY, seed=1):
    return pretrained(few, settings, way, deepest, seed, lambda *_: None)


def test_local_rules_and_none_start_from_the_same_weights(few):
    still = dataclasses.replace(TINY, rate=0.0)
    one, two = made(few, NONE), made(few, HPCA, settings=still)
    for layer in ("conv1", "conv2", "conv3", "conv4", "fc5"):
        assert torch.equal(one.get_submodule(layer).weight, two.get_submodule(layer).weight)
    assert not torch.equal(one.conv1.weight, made(few, HPCA).conv1.weight)
    assert not torch.equal(one.conv1.weight, made(few, NONE, seed=2).conv1.weight)


@pytest.mark.parametrize("way", [HPCA, SOFT_WTA, PCA])
def test_a_layer_does_not_depend_on_how_many_follow(few, way):
    one, two = made(few, way, "L1"), made(few, way, "L2")
    assert torch.equal(one.conv1.weight, two.conv1.weight)
    torch.testing.assert_close(one.norm1.running_var, two.norm1.running_var)


@pytest.mark.parametrize("way", WAYS)
def test_no_label_is_looked_at(few, way):
    hidden = {
        split: dataclasses.replace(getattr(few, split), labels=getattr(few, split).labels * 0)
        for split in ("train", "validation")
    }
    settings = dataclasses.replace(TINY, narrow=24)
    one = made(few, way, "L5" if "VAE" in way else "L2", settings)
    two = made(dataclasses.replace(few, **hidden), way, "L5" if "VAE" in way else "L2", settings)
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, two.state_dict()[name]), name


def test_pca_is_pairs_of_the_principal_axes_of_patches(few):
    model = made(few, PCA, "L1", dataclasses.replace(TINY, narrow=4))
    pixels = few.train.pixels.numpy()[:, 0].astype(np.float64) / 255
    pixels = (pixels - pixels.mean()) / pixels.std(ddof=1)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (5, 5), axis=(1, 2))
    rows = windows.reshape(-1, 25)
    axes = np.linalg.eigh(rows.T @ rows)[1][:, ::-1].T
    found = model.conv1.weight.detach().flatten(1).double().numpy()
    assert np.allclose(found[0::2], -found[1::2])
    likeness = np.abs((found[0::2] * axes[:12]).sum(1))
    assert likeness[:6] == pytest.approx(1, abs=1e-3)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_hpca_comes_near_to_where_it_settles(few):
    settings = Pretraining(narrow=24, epochs=12, rate=3e-2)
    found = made(few, HPCA, "L1", settings).conv1.weight.flatten(1)
    axes = made(few, PCA, "L1", settings).conv1.weight.flatten(1)
    start = made(few, NONE, "L1", settings).conv1.weight.flatten(1)
    cosines = [
        nn.functional.cosine_similarity(one[:1], axes[:1]).abs().item() for one in (found, start)
    ]
    assert cosines[0] > 0.95
    assert cosines[0] > cosines[1]


def test_only_soft_wta_and_its_control_see_whitened_images(few):
    for way in (NONE, HPCA, SOFT_WTA, WHITENED):
        front = made(few, way, "L1").whiten
        assert isinstance(front, Whitening if way in (SOFT_WTA, WHITENED) else ChannelNorm)


def test_batch_norms_have_the_statistics_of_images_under_the_last_weights(few):
    model = made(few, HPCA, "L1")
    images = as_floats(few.train)
    with torch.no_grad():
        maps = model.pool1(model.activation1(model.conv1(model.whiten(images)))).double().numpy()
    np.testing.assert_allclose(model.norm1.running_mean, maps.mean((0, 2, 3)), rtol=1e-3)
    np.testing.assert_allclose(model.norm1.running_var, maps.var((0, 2, 3)), rtol=0.05)
    assert model.norm1.momentum == 0.1
    before = model.norm2.running_mean.clone()
    settle_(model, "conv2", few)
    assert not torch.equal(before, model.norm2.running_mean)


def test_channels_have_mean_zero_and_deviation_one():
    images = torch.rand(50, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 3 + 1
    found = ChannelNorm(images)(images)
    assert found.mean((0, 2, 3)).tolist() == pytest.approx([0] * 3, abs=1e-5)
    assert found.std((0, 2, 3)).tolist() == pytest.approx([1] * 3, abs=1e-5)
    assert bool(torch.isfinite(ChannelNorm(torch.ones(3, 1, 2, 2))(torch.ones(1, 1, 2, 2))).all())


def test_answers_by_length_do_not_depend_on_it():
    conv = nn.Conv2d(2, 4, 3, bias=False)
    network = nn.Sequential(conv, ByLength(conv))
    images = torch.rand(5, 2, 6, 6)
    with torch.no_grad():
        before = network(images)
        conv.weight.mul_(7.0)
        torch.testing.assert_close(network(images), before)
        torch.testing.assert_close(
            before[0, 0, 0, 0],
            (images[0, :, :3, :3] * conv.weight[0]).sum() / conv.weight[0].norm(),
        )
    assert len(list(network.parameters())) == 1
    assert pretraining.NAMES["L5"] == "fc5"


def test_its_networks_are_known_only_while_they_learn(few):
    made(few, SOFT_WTA, "L1")
    assert not [name for name in networks.available() if name.startswith("paper")]
