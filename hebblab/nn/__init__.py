"""Modules and networks, and the one view of a layer that learning rules have."""

from hebblab.nn import networks
from hebblab.nn.activations import RePU
from hebblab.nn.inputs import InputNorm
from hebblab.nn.layers import LayerView
from hebblab.nn.patches import PatchConv2d
from hebblab.nn.samples import PatchSample
from hebblab.nn.scratch import Scratch
from hebblab.nn.whitening import Whitening, zca

__all__ = [
    "InputNorm",
    "LayerView",
    "PatchConv2d",
    "PatchSample",
    "RePU",
    "Scratch",
    "Whitening",
    "networks",
    "zca",
]
