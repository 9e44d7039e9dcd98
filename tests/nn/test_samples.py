"""A resident sample of patches: true ones, drawn once, and batches of them."""

import pytest
import torch
from torch import nn

from hebblab import InvalidValue, LayerView, Local, rules
from hebblab.nn.samples import PatchSample
from hebblab.training import HebbianTrainer


def pixels(count=6, channels=1, size=8):
    generator = torch.Generator().manual_seed(0)
    shape = (count, channels, size, size)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("padding", [0, 1])
def test_patches_are_true_ones_and_none_comes_twice(groups, padding):
    layer = nn.Conv2d(2, 4, 3, groups=groups, padding=padding, bias=False)
    images = pixels(channels=2)
    sample = PatchSample(layer, images, count=50, seed=1)
    assert sample.patches.dtype is torch.uint8
    assert sample.patches.shape == (50, 18)
    view = LayerView(layer)
    true = torch.cat([view.inputs(images, group) for group in range(groups)], dim=1)
    known = {tuple(row.tolist()) for row in true}
    drawn = [tuple(row.tolist()) for row in sample.patches]
    assert set(drawn) <= known
    assert len(set(drawn)) == 50
    again = PatchSample(layer, images, count=50, seed=1)
    assert torch.equal(again.patches, sample.patches)
    assert not torch.equal(PatchSample(layer, images, count=50).patches, sample.patches)


def test_all_are_taken_where_there_are_no_more(monkeypatch):
    monkeypatch.setattr("hebblab.nn.samples._AT_ONCE", 17)
    layer = nn.Conv2d(1, 4, 3, bias=False)
    sample = PatchSample(layer, pixels())
    assert len(sample) == 6 * 36
    assert torch.equal(sample.patches, LayerView(layer).inputs(pixels()))


def test_an_epoch_has_every_patch_once_as_floats():
    sample = PatchSample(nn.Conv2d(1, 4, 3, bias=False), pixels(), count=100)
    batches = sample.batches(30, torch.Generator().manual_seed(0))
    assert len(batches) == 3
    first = torch.cat([batch.clone() for batch in batches])
    second = torch.cat([batch.clone() for batch in batches])
    assert first.shape == (90, 9)
    assert 0 <= float(first.min()) <= float(first.max()) <= 1
    assert not torch.equal(first, second)
    rows = {tuple(row) for row in (first * 255).round().to(torch.uint8).tolist()}
    assert len(rows) == 90
    assert rows <= {tuple(row) for row in sample.patches.tolist()}


def test_a_trainer_learns_from_them():
    layer = nn.Conv2d(1, 4, 3, bias=False)
    model = nn.Sequential(layer)
    sample = PatchSample(layer, pixels(), count=100)
    trainer = HebbianTrainer(
        model, rules.create("hard-wta"), Local(model.named_parameters(), lr=0.5), None
    )
    before = layer.weight.detach().clone()
    trainer.run(sample.batches(50, torch.Generator().manual_seed(0)), epochs=3)
    assert trainer.state.iteration == 6
    assert not torch.equal(before, layer.weight)


@pytest.mark.parametrize(
    ("layer", "images", "count", "words"),
    [
        (nn.Linear(3, 2), pixels(), 5, "cut for a Conv2d, not for a Linear"),
        (nn.Conv2d(1, 2, 3, bias=False), pixels().float(), 5, "must be uint8 images .* float32"),
        (nn.Conv2d(1, 2, 3, bias=False), pixels(channels=2), 5, "must be uint8 images"),
        (nn.Conv2d(1, 2, 3, bias=False), pixels()[:0], 5, "must be uint8 images"),
        (nn.Conv2d(1, 2, 3, bias=False), pixels(), 0, "count must be a whole number"),
        (nn.Conv2d(1, 2, 3, bias=False), pixels(), 2.0, "count must be a whole number"),
        (nn.Conv2d(1, 2, 9, bias=False), pixels(), 5, "does not fit"),
    ],
)
def test_what_cannot_be_sampled_is_refused(layer, images, count, words):
    with pytest.raises(InvalidValue, match=words):
        PatchSample(layer, images, count)


@pytest.mark.parametrize("size", [0, 51, 2.0])
def test_a_batch_of_more_than_there_are_is_refused(size):
    sample = PatchSample(nn.Conv2d(1, 4, 3, bias=False), pixels(), count=50)
    with pytest.raises(InvalidValue, match="from 1 to 50 of the patches"):
        sample.batches(size, torch.Generator())
