"""A tiny data set whose classes are spots at different places, and networks for it."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from hebblab.data import Dataset, Images
from hebblab.evaluation import probes


def spots(count: int, seed: int) -> Images:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    pixels = torch.randint(0, 90, (count, 1, 9, 9), dtype=torch.uint8, generator=generator)
    bright = torch.rand(count, generator=generator) * 100 + 60
    for image, label, light in zip(pixels, labels.tolist(), bright, strict=True):
        image[0, 3 * label : 3 * label + 3, 2:7] += light.to(torch.uint8)
    return Images(pixels, labels)


@pytest.fixture
def dataset() -> Dataset:
    return Dataset("spots", spots(90, 1), spots(60, 2), spots(45, 3), ("top", "middle", "bottom"))


@pytest.fixture
def dense() -> nn.Sequential:
    network = nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            hidden=nn.Linear(81, 6, bias=False),
            activation=nn.ReLU(),
            second=nn.Linear(6, 4, bias=False),
            tanh=nn.Tanh(),
            readout=nn.Linear(4, 3),
        )
    )
    fill(network, 0)
    return network


@pytest.fixture
def conv() -> nn.Sequential:
    network = nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(1, 5, 3, bias=False),
            norm=nn.BatchNorm2d(5),
            activation=nn.ReLU(),
            pool=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            readout=nn.Linear(45, 3),
        )
    )
    fill(network, 1)
    return network


def fill(network: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.uniform_(-0.5, 1, generator=generator)


@pytest.fixture(autouse=True)
def no_baselines_kept() -> None:
    probes._scores.clear()
