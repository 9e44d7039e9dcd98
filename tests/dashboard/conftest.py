import threading
import time
from collections import OrderedDict

import pytest
import torch
from torch import nn

from hebblab import RePU, networks


@pytest.fixture
def until():
    """Wait for an event, looking every hundredth of a second, and fail by its name."""

    def wait(event, what, limit=60.0):
        end, pause = time.monotonic() + limit, threading.Event()
        while not event():
            assert time.monotonic() < end, f"waited {limit:.0f} s for: {what}"
            pause.wait(0.01)

    return wait


@pytest.fixture
def threads():
    """The names of our threads that began with this test and live."""
    before = set(threading.enumerate())

    def names():
        return sorted(
            t.name
            for t in threading.enumerate()
            if t not in before and t.is_alive() and t.name.startswith("hebblab-")
        )

    return names


@pytest.fixture
def deep():
    """Name of a small network of two convolutions, known for one test."""

    def build(image_shape, classes):
        return nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(image_shape[0], 4, 5, bias=False),
                activation1=RePU(),
                pool1=nn.MaxPool2d(2),
                conv2=nn.Conv2d(4, 6, 3, bias=False),
                activation2=RePU(),
                pool2=nn.AvgPool2d(4),
                flatten=nn.Flatten(),
                readout=nn.LazyLinear(classes),
            )
        )

    def made(image_shape, classes):
        network = build(image_shape, classes)
        network(torch.zeros(1, *image_shape))
        return network

    networks.register("two-convolutions", made)
    yield "two-convolutions"
    networks.unregister("two-convolutions")
