"""Modules and networks, and the one view of a layer that learning rules have."""

from hebblab.nn import networks
from hebblab.nn.activations import RePU
from hebblab.nn.layers import LayerView
from hebblab.nn.scratch import Scratch

__all__ = ["LayerView", "RePU", "Scratch", "networks"]
