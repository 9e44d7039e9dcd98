"""Convolutions on whitened patches: responses, rows and what is fitted, against NumPy."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from hebblab import InvalidValue, LayerView, networks
from hebblab.nn import PatchConv2d, Scratch
from tests.nn.test_whitening import by_hand
from tests.references import rules as reference

FORMS = [
    {},
    {"stride": 2, "padding": 1},
    {"padding": (2, 1), "dilation": (1, 2)},
    {"padding": 2, "padding_mode": "reflect"},
    {"groups": 2, "stride": (1, 2), "padding": 1},
    {"groups": 2, "dilation": 2, "padding": 1, "padding_mode": "circular"},
]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def made(**form):
    conv = PatchConv2d(4, 6, (3, 2), bias=False, dtype=torch.float64, **form)
    nn.init.normal_(conv.weight, generator=generator(1))
    images = torch.rand(5, 4, 8, 9, generator=generator(), dtype=torch.float64) + 2
    return conv, images


def true_patches(conv, images, group):
    (high, wide) = conv.padding
    return reference.patches(
        images.numpy(),
        conv.kernel_size,
        conv.stride,
        (wide, wide, high, high),
        conv.dilation,
        conv.groups,
        group,
        conv.padding_mode,
    )


@pytest.mark.parametrize("form", FORMS)
def test_it_is_a_plain_convolution_until_it_is_fitted(form):
    conv, images = made(**form)
    plain = nn.Conv2d(4, 6, (3, 2), bias=False, dtype=torch.float64, **form)
    plain.load_state_dict(conv.state_dict())
    assert torch.equal(conv(images), plain(images))
    assert list(conv.state_dict()) == ["weight"]
    for group in range(conv.groups):
        assert torch.equal(
            LayerView(conv).inputs(images, group), LayerView(plain).inputs(images, group)
        )


@pytest.mark.parametrize("form", FORMS)
def test_responses_and_rows_are_those_of_whitened_patches(form):
    conv, images = made(**form)
    conv.fit_patches(images, generator(), samples=1000, epsilon=1e-2)
    view = LayerView(conv)
    answer = conv(images).detach()
    each = view.units // conv.groups
    for group in range(conv.groups):
        x = true_patches(conv, images, group)
        mean, matrix = by_hand(x, 1e-2)
        expected = (x - mean) @ matrix
        assert np.allclose(view.inputs(images, group), expected, atol=1e-9)
        for turned in (False, True):
            chunks = view.chunks(images, Scratch(), group, turned=turned)
            assert np.allclose(torch.cat([one.clone() for one in chunks]), expected, atol=1e-9)
        units = conv.weight.detach().numpy()[group * each : (group + 1) * each].reshape(each, -1)
        here = answer[:, group * each : (group + 1) * each].permute(0, 2, 3, 1).flatten(0, 2)
        assert np.allclose(here, expected @ units.T, atol=1e-9)


def test_images_are_not_written_to():
    conv, images = made()
    conv.fit_patches(images, generator())
    before = images.clone()
    list(LayerView(conv).chunks(images, Scratch()))
    ready = torch.rand(7, 24, generator=generator(), dtype=torch.float64)
    kept = ready.clone()
    list(LayerView(conv).chunks(ready, Scratch()))
    assert torch.equal(images, before)
    assert torch.equal(ready, kept)


def test_a_bias_is_kept_and_gradients_go_through():
    conv = PatchConv2d(2, 3, 2, dtype=torch.float64)
    images = torch.rand(4, 2, 4, 4, generator=generator(), dtype=torch.float64)
    plain = conv(images).detach()
    conv.mean = torch.zeros(8, dtype=torch.float64)
    conv.matrix = torch.eye(8, dtype=torch.float64)
    assert torch.allclose(conv(images), plain)
    conv.fit_patches(images, generator())
    assert torch.autograd.gradcheck(conv, images.requires_grad_())
    conv(images).sum().backward()
    assert conv.weight.grad.abs().sum() > 0


def test_the_generator_decides_which_patches_are_drawn():
    images = torch.rand(30, 4, 8, 9, generator=generator(), dtype=torch.float64)
    convs = [made()[0].fit_patches(images, generator(seed), samples=40) for seed in (1, 1, 2)]
    assert torch.equal(convs[0].matrix, convs[1].matrix)
    assert not torch.equal(convs[0].matrix, convs[2].matrix)
    patches = true_patches(convs[0], images, 0)
    assert np.abs(convs[0].mean.numpy() - patches.mean(0)).max() < 0.3
    many = made()[0].fit_patches(images, generator(), samples=1000)
    close = np.abs(many.matrix.numpy() - by_hand(patches, 1e-3)[1]).max()
    assert close < 0.5 < np.abs(by_hand(patches, 1e-3)[1]).max()


def test_a_state_brings_the_whitening_and_takes_it_away():
    network, other = (networks.create("conv-400", (1, 8, 8), seed=seed) for seed in (1, 2))
    images = torch.rand(9, 1, 8, 8, generator=generator())
    bare = copy.deepcopy(network.state_dict())
    network.conv.fit_patches(images, generator())
    network.whiten.fit(images)
    other.load_state_dict(network.state_dict())
    network.eval(), other.eval()
    assert torch.equal(other(images), network(images))
    other.load_state_dict(bare)
    assert other.conv.matrix is None
    assert other.whiten.matrix is None
    damaged = {**network.state_dict(), "conv.mean": torch.zeros(4)}
    with pytest.raises(RuntimeError, match=r"size mismatch for conv\.mean"):
        other.load_state_dict(damaged)


def test_what_cannot_be_fitted_is_refused_and_changes_nothing():
    conv, images = made()
    conv.fit_patches(images, generator())
    before = conv.matrix
    for bad in (images[:, :2], images[0], images.to(torch.uint8), None):
        with pytest.raises(InvalidValue, match=r"images \(N, 4, height, width\)"):
            conv.fit_patches(bad, generator())
    for samples in (1, 0, 2.0, True, 10**8):
        with pytest.raises(InvalidValue, match="samples must be a whole number from 2"):
            conv.fit_patches(images, generator(), samples)
    with pytest.raises(InvalidValue, match="3×2 kernel does not fit into images of 2×9"):
        conv.fit_patches(images[:, :, :2], generator())
    with pytest.raises(InvalidValue, match="at least 2 samples"):
        conv.fit_patches(images[:1, :, :3, :2], generator())
    with pytest.raises(InvalidValue, match="finite"):
        conv.fit_patches(images * float("nan"), generator())
    with pytest.raises(InvalidValue, match="epsilon"):
        conv.fit_patches(images, generator(), epsilon=0)
    assert conv.matrix is before


def test_whitened_patches_have_unit_covariance():
    conv = PatchConv2d(1, 4, 3, bias=False)
    images = torch.rand(40, 1, 12, 12, generator=generator()).cumsum(3)
    conv.fit_patches(images, generator(), epsilon=1e-6)
    covariance = torch.cov(LayerView(conv).inputs(images).T.double())
    assert torch.allclose(covariance, torch.eye(9, dtype=torch.float64), atol=1e-3)


def normed_by_hand(rows, mode):
    """Each patch at length one, or at mean 0 and deviation 1; of a single value it is zeros."""
    found = []
    for x in rows:
        size = np.linalg.norm(x)
        if mode == "standardise":
            x = x - x.mean()
            size = x.std(ddof=1) + 1e-10
        found.append(x / size if size > 1e-9 else x * 0)
    return np.array(found)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mode", ["unit", "standardise"])
@pytest.mark.parametrize("whitened", [False, True])
def test_each_patch_is_normed_by_itself(form, mode, whitened):
    conv, images = made(**form)
    images[0, :, :5] = 0
    images[1] = 3.7
    conv.patch_norm = mode
    if whitened:
        conv.fit_patches(images, generator(2), epsilon=0.1)
    answers, each = conv(images), conv.out_channels // conv.groups
    for group in range(conv.groups):
        own = slice(group * each, (group + 1) * each)
        rows = normed_by_hand(true_patches(conv, images, group), mode)
        if whitened:
            mean, matrix = by_hand(rows, 0.1)
            rows = (rows - mean) @ matrix
        assert np.allclose(LayerView(conv).inputs(images, group).numpy(), rows, atol=1e-8)
        chunks = LayerView(conv).chunks(images, Scratch(), group)
        assert np.allclose(np.concatenate([c.numpy().copy() for c in chunks]), rows, atol=1e-8)
        kernels = conv.weight.detach()[own].flatten(1).numpy()
        found = answers[:, own].permute(0, 2, 3, 1).reshape(-1, each).detach().numpy()
        assert np.allclose(found, rows @ kernels.T, atol=1e-8)


def test_what_patches_have_in_common_does_not_drown_what_they_have_of_their_own():
    conv, images = made()
    conv.patch_norm = "standardise"
    images = (16 * images).round() / 1024 + 32  # which float32 holds to the bit
    exact = conv(images).detach()
    rough = conv.float()(images.float()).detach()
    assert float((rough - exact).abs().max()) < 4e-4 * float(exact.abs().max())


def test_ready_patches_are_normed_too_and_stay_as_they_are():
    conv, images = made()
    conv.patch_norm = "unit"
    ready = torch.from_numpy(true_patches(conv, images, 0))
    before = ready.clone()
    found = torch.cat([part.clone() for part in LayerView(conv).chunks(ready, Scratch())])
    assert torch.equal(ready, before)
    assert torch.allclose(found.norm(dim=1), torch.ones(len(found)).double())


def test_turned_patches_are_the_same_patches():
    conv, images = made(padding=1)
    conv.patch_norm = "standardise"
    view = LayerView(conv)
    straight = view.inputs(images)
    turned = torch.cat([part.clone() for part in view.chunks(images, Scratch(), turned=True)])
    assert torch.allclose(view.straight(turned), straight)


def test_a_norm_that_is_none_is_refused_and_a_printed_layer_says_it():
    conv, _ = made()
    with pytest.raises(InvalidValue, match="one of none, unit, standardise"):
        conv.patch_norm = "length"
    assert "patch_norm" not in repr(conv) and not conv.sees_otherwise
    conv.patch_norm = "unit"
    assert "patch_norm=unit" in repr(conv) and conv.sees_otherwise
    assert copy.deepcopy(conv).patch_norm == "unit"
    assert list(conv.named_children()) == [] and list(conv.state_dict()) == ["weight"]


def test_gradients_flow_through_normed_patches():
    conv, images = made(padding=1)
    images[0, :, :5] = 0
    for mode in ("unit", "standardise"):
        conv.patch_norm = mode
        given = images.clone().requires_grad_()
        conv(given).square().sum().backward()
        assert torch.isfinite(given.grad).all() and given.grad.any()


def test_networks_tell_and_take_it_among_their_settings():
    network = networks.create("conv-400", (1, 12, 12), 3)
    network.conv.patch_norm = "unit"
    told = networks.settings(network)
    assert told["conv"] == {"patch_norm": "unit"}
    other = networks.create("conv-400", (1, 12, 12), 3)
    networks.restore(other, told)
    assert other.conv.patch_norm == "unit"
