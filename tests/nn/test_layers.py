"""A layer as rows: a convolution is the linear rule on its true patches."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hebblab import InvalidValue, LayerView, Local, rules
from hebblab.nn import Scratch
from hebblab.training import HebbianTrainer
from tests.references import rules as reference


@st.composite
def convolutions(draw):
    """A convolution of any kind, and images that it fits."""
    groups = draw(st.integers(1, 3))
    channels, units = groups * draw(st.integers(1, 2)), groups * draw(st.integers(2, 3))
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    mode = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
    padding = draw(
        st.tuples(st.integers(0, 2), st.integers(0, 2)) | st.just("valid") | st.just("same")
    )
    if padding == "same":
        stride = (1, 1)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    high, wide = (draw(st.integers(max(3, one), max(3, one) + 3)) for one in reach)
    images = draw(st.integers(1, 3))
    layer = nn.Conv2d(
        channels,
        units,
        kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        padding_mode=mode,
        bias=False,
        dtype=torch.float64,
    )
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    with torch.no_grad():
        layer.weight.normal_(0, 1, generator=generator)
    x = torch.randn(images, channels, high, wide, generator=generator, dtype=torch.float64)
    if draw(st.booleans()):
        x = x.to(memory_format=torch.channels_last)
        layer = layer.to(memory_format=torch.channels_last)
    return layer, x


def rim(layer):
    """(left, right, top, bottom), by torch's own documentation of `padding`."""
    if layer.padding == "valid":
        return 0, 0, 0, 0
    if layer.padding == "same":
        high, wide = (d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True))
        return wide // 2, wide - wide // 2, high // 2, high - high // 2
    high, wide = layer.padding
    return wide, wide, high, high


def true_patches(layer, x, group):
    return reference.patches(
        x.numpy(),
        layer.kernel_size,
        layer.stride,
        rim(layer),
        layer.dilation,
        layer.groups,
        group,
        layer.padding_mode,
    )


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@given(convolutions())
@settings(derandomize=True, max_examples=120, deadline=None)
def test_rows_are_the_true_patches_and_responses_are_the_convolution(drawn):
    layer, x = drawn
    view = LayerView(layer)
    answer = layer(x).detach()
    for group in range(layer.groups):
        rows = view.inputs(x, group)
        assert np.array_equal(rows.numpy(), true_patches(layer, x, group))
        responses = rows @ view.weights(group).T
        each = view.units // layer.groups
        expected = answer[:, group * each : (group + 1) * each].permute(0, 2, 3, 1).flatten(0, 2)
        assert torch.allclose(responses, expected, atol=1e-12)
        pieces = torch.cat([piece.clone() for piece in view.chunks(x, Scratch(), group)])
        assert torch.equal(pieces, rows)
        scratch = Scratch()
        for _ in range(2):  # a kept buffer holds what the last user left in it
            turned = [one.clone() for one in view.chunks(x, scratch, group, turned=True)]
        assert torch.equal(view.straight(torch.cat(turned)), rows)
        weights = view.weights(group, turned=True)
        assert torch.equal(view.straight(weights), view.weights(group))
        assert torch.allclose(torch.cat(turned) @ weights.T, responses, atol=1e-12)
    assert view.positions(tuple(x.shape)) * len(x) == len(rows)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@given(convolutions(), st.integers(0, 1000), st.floats(0.05, 1.0))
@settings(derandomize=True, max_examples=120, deadline=None)
def test_patches_at_drawn_places_are_those_rows_and_none_else(drawn, seed, share):
    layer, x = drawn
    view = LayerView(layer)
    total = len(x) * view.positions(tuple(x.shape))
    count = max(1, int(share * total))
    places = view.places(x, count, torch.Generator().manual_seed(seed))
    if count == total:
        assert places is None
        return
    assert len(places) == count
    assert len(places.unique()) == count
    assert 0 <= int(places.min()) <= int(places.max()) < total
    again = view.places(x, count, torch.Generator().manual_seed(seed))
    assert torch.equal(places, again)
    for group in range(view.groups):
        expected = view.inputs(x, group)[places]
        for turned in (False, True):
            pieces = view.chunks(x, Scratch(), group, turned=turned, places=places)
            rows = torch.cat([piece.clone() for piece in pieces])
            assert torch.equal(view.straight(rows, turned=turned), expected)


def test_every_place_is_drawn_as_often():
    view = LayerView(nn.Conv2d(1, 2, 3, bias=False))
    x = torch.zeros(2, 1, 5, 5)
    generator = torch.Generator().manual_seed(0)
    for count, runs in ((3, 3000), (12, 1000)):
        drawn = torch.cat([view.places(x, count, generator) for _ in range(runs)])
        counts = torch.bincount(drawn, minlength=18)
        expected = count * runs / 18
        assert float((counts - expected).abs().max()) < 5 * expected**0.5


def test_places_are_drawn_in_pieces_too(monkeypatch):
    monkeypatch.setattr("hebblab.nn.layers.CHUNK", 7)
    view = LayerView(nn.Conv2d(2, 4, 3, padding=1, bias=False))
    x = torch.rand(3, 2, 6, 5, generator=torch.Generator().manual_seed(0))
    places = view.places(x, 20, torch.Generator().manual_seed(0))
    pieces = [piece.clone() for piece in view.chunks(x, Scratch(), places=places)]
    assert [len(piece) for piece in pieces] == [7, 7, 6]
    assert torch.equal(torch.cat(pieces), view.inputs(x)[places])


@pytest.mark.parametrize("groups", [1, 2])
def test_ready_patches_are_rows_as_they_are(monkeypatch, groups):
    monkeypatch.setattr("hebblab.nn.layers.CHUNK", 7)
    layer = nn.Conv2d(4, 6, 3, groups=groups, padding=1, bias=False)
    view = LayerView(layer)
    x = torch.rand(20, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    ready = x.flatten(1)
    view.check(ready)
    places = view.places(ready, 5, torch.Generator().manual_seed(0))
    for group in range(groups):
        own = x.view(20, groups, -1)[:, group]
        assert torch.equal(view.inputs(ready, group), own)
        for turned in (False, True):
            for some, wanted in ((None, own), (places, own[places])):
                pieces = view.chunks(ready, Scratch(), group, turned=turned, places=some)
                rows = torch.cat([piece.clone() for piece in pieces])
                assert torch.equal(view.straight(rows, turned=turned), wanted)
    with pytest.raises(InvalidValue, match=r"Inputs \(20, 35\) do not fit"):
        view.check(ready[:, 1:])


def test_a_convolution_learns_from_ready_patches_what_it_learns_from_their_images():
    x = torch.rand(40, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    moved = []
    for inputs in (x, x.flatten(1)):
        torch_layer = nn.Conv2d(3, 8, 5, bias=False)
        model = nn.Sequential(torch_layer)
        trainer = HebbianTrainer(
            model, rules.create("soft-wta"), Local(model.named_parameters()), None, seed=3
        )
        trainer.run([inputs], epochs=1)
        moved.append(torch_layer.weight.detach().clone())
    assert torch.allclose(*moved, atol=1e-7)


@pytest.mark.parametrize("name", sorted(rules.available()))
def test_memory_has_a_bound_whatever_the_batch(name):
    generator = torch.Generator().manual_seed(0)
    taken = []
    for images in (100, 400):
        layer = nn.Conv2d(4, 16, 3, padding=1, padding_mode="reflect", groups=2, bias=False)
        model = nn.Sequential(layer)
        trainer = HebbianTrainer(
            model, rules.create(name), Local(model.named_parameters(), lr=0.01), None
        )
        trainer.run([torch.rand(images, 4, 8, 8, generator=generator)], epochs=1)
        taken.append(trainer.learners["0"].scratch.bytes)
    assert taken[0] == taken[1]
    fan_in, units = 18, 8
    padded = 64 * 2 * 10 * 10
    assert taken[0] <= 4 * (4096 * (fan_in + 16 * units) + padded + 4 * units * (fan_in + units))


@pytest.mark.parametrize("mode", ["reflect", "circular"])
def test_padding_beyond_the_image_is_refused(mode):
    view = LayerView(nn.Conv2d(1, 2, 3, padding=4, padding_mode=mode, bias=False), "conv")
    with pytest.raises(InvalidValue, match=f"{mode.capitalize()} padding needs more pixels"):
        view.inputs(torch.zeros(1, 1, 3, 3))


RULES = [
    ("krotov-hopfield", {"p": 3.0}),
    ("hebb", {}),
    ("instar", {}),
    ("oja", {}),
    ("hard-wta", {"similarity": "dot"}),  # by cosine all inputs of one number are alike
    ("soft-wta", {"temperature": 0.5}),
    ("softhebb", {"temperature": 0.5}),
    ("sanger", {}),
    ("hpca", {}),
    ("oja-subspace", {}),
]


@given(convolutions(), st.sampled_from(RULES))
@settings(derandomize=True, max_examples=120, deadline=None)
def test_a_convolution_learns_by_the_linear_rule_on_its_patches_group_by_group(drawn, chosen):
    layer, x = drawn
    name, knobs = chosen
    model = nn.Sequential(layer)
    trainer = HebbianTrainer(
        model,
        rules.create(name, **knobs),
        Local(model.named_parameters(), lr=0.1),
        None,
        initialize=False,
    )
    before = layer.weight.detach().clone()
    each = before.shape[0] // layer.groups
    expected = np.concatenate(
        [
            reference.RULES[name](
                true_patches(layer, x, group),
                before[group * each : (group + 1) * each].reshape(each, -1).numpy(),
                **knobs,
            )
            for group in range(layer.groups)
        ]
    )
    trainer.run([x], epochs=1)
    moved = (layer.weight.detach() - before).reshape(len(before), -1)
    scale = max(np.abs(expected).max(), 1.0)
    assert np.abs(moved.numpy() - 0.1 * expected).max() < 1e-9 * scale


@pytest.mark.parametrize("chunk", [1, 7, 30, 64, 100_000])
def test_pieces_are_the_rows_whatever_their_size(monkeypatch, chunk):
    monkeypatch.setattr("hebblab.nn.layers.CHUNK", chunk)
    generator = torch.Generator().manual_seed(0)
    layer = nn.Conv2d(2, 6, 3, padding=1, bias=False)
    x = torch.rand(5, 2, 7, 9, generator=generator)
    view = LayerView(layer)
    pieces = [piece.clone() for piece in view.chunks(x, Scratch())]
    assert torch.equal(torch.cat(pieces), view.inputs(x))
    line = 9
    assert max(len(piece) for piece in pieces) <= max(chunk, line)
    assert len(pieces) == {1: 35, 7: 35, 30: 15, 64: 5, 100_000: 1}[chunk]


@pytest.mark.parametrize("name", ["krotov-hopfield", "hard-wta", "soft-wta"])
def test_pieces_do_not_show_in_what_is_learnt(monkeypatch, name):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(5, 2, 9, 7, generator=generator, dtype=torch.float64)
    changes = []
    for chunk in (10, 100_000):
        monkeypatch.setattr("hebblab.nn.layers.CHUNK", chunk)
        layer = nn.Conv2d(2, 6, 3, bias=False, dtype=torch.float64)
        model = nn.Sequential(layer)
        optimizer = Local(model.named_parameters())
        trainer = HebbianTrainer(model, rules.create(name), optimizer, None)
        changes.append(trainer.change("0", x))
    assert torch.allclose(*changes, atol=1e-12)


def test_a_linear_layer_is_what_it_is():
    layer = nn.Linear(6, 4, bias=False)
    view = LayerView(layer, "hidden")
    assert (view.units, view.fan_in, view.groups, view.unit_shape) == (4, 6, 1, (6,))
    x = torch.rand(3, 6)
    assert torch.equal(view.inputs(x), x)
    assert torch.equal(view.weights(), layer.weight)
    assert not view.weights().requires_grad
    assert view.positions((6,)) == 1
    assert [len(piece) for piece in view.chunks(x, Scratch())] == [3]


def test_a_convolutions_units_have_a_shape():
    view = LayerView(nn.Conv2d(4, 6, (3, 5), groups=2, bias=False))
    assert (view.units, view.fan_in, view.groups, view.unit_shape) == (6, 30, 2, (2, 3, 5))
    assert view.weights().shape == (6, 30)
    assert view.weights(1).shape == (3, 30)


def test_rows_are_scaled_in_place_whatever_the_memory_format():
    for layer in (
        nn.Linear(6, 4, bias=False),
        nn.Conv2d(3, 4, 3, bias=False),
        nn.Conv2d(3, 4, 3, bias=False).to(memory_format=torch.channels_last),
    ):
        before = layer.weight.detach().clone()
        LayerView(layer).scale_(torch.tensor([1.0, 2.0, 0.0, -1.0]))
        assert torch.equal(layer.weight[0], before[0])
        assert torch.equal(layer.weight[1], 2 * before[1])
        assert not layer.weight[2].any()
        assert torch.equal(layer.weight[3], -before[3])


def test_what_no_rule_trains_is_refused_by_name():
    with pytest.raises(InvalidValue, match="Layer 'head' is a ReLU"):
        LayerView(nn.ReLU(), "head")
    with pytest.raises(InvalidValue, match="Layer 'head' is a Conv1d"):
        LayerView(nn.Conv1d(1, 1, 1), "head")
    with pytest.raises(InvalidValue, match=r"Layer 'head' has a bias.*bias=False"):
        LayerView(nn.Linear(2, 2), "head")
    with pytest.raises(InvalidValue, match="Layer 'head' has no weights yet: pass a batch"):
        LayerView(nn.LazyLinear(2, bias=False), "head")


@pytest.mark.parametrize(
    ("kernel", "options", "image"),
    [((5, 5), {}, "4×9"), ((1, 10), {}, "4×9"), ((3, 3), {"dilation": 2}, "4×9")],
)
def test_a_kernel_larger_than_its_image_is_refused(kernel, options, image):
    view = LayerView(nn.Conv2d(1, 2, kernel, bias=False, **options), "conv")
    with pytest.raises(InvalidValue, match=f"kernel of layer 'conv' does not fit into its {image}"):
        view.inputs(torch.zeros(2, 1, 4, 9))
    with pytest.raises(InvalidValue, match="does not fit"):
        view.positions((1, 4, 9))
