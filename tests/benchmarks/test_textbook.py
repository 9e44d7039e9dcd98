"""What the rules are timed against computes the same."""

import pytest
import torch
from torch import nn

from hebblab import LayerView, rules

from . import textbook

KNOBS = {"hebb": {"competition": "hard"}}


@pytest.mark.parametrize("name", sorted(textbook.UPDATES))
def test_the_textbook_is_the_rule(name):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(60, 7, generator=generator, dtype=torch.float64)
    weights = torch.rand(9, 7, generator=generator, dtype=torch.float64)
    expected = rules.create(name, **KNOBS.get(name, {})).update(inputs, weights)
    assert torch.allclose(textbook.UPDATES[name](inputs, weights), expected, atol=1e-12)


def test_its_k_th_is_the_rules():
    generator = torch.Generator().manual_seed(0)
    inputs, weights = (torch.randn(n, 7, generator=generator).double() for n in (60, 9))
    expected = rules.create("krotov-hopfield", k=5, p=3.0).update(inputs, weights)
    assert torch.allclose(textbook.krotov_hopfield(5, 3.0)(inputs, weights), expected)


@pytest.mark.parametrize("mode", ["zeros", "reflect"])
def test_its_patches_are_the_layers(mode):
    layer = nn.Conv2d(2, 4, 3, padding=1, padding_mode=mode, bias=False)
    images = torch.rand(3, 2, 6, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(textbook.patches(images, layer), LayerView(layer).inputs(images))
