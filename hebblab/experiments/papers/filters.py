"""Filters of a convolution by Krotov-Hopfield: on 5×5 patches, and on what the authors cut."""

import itertools
import math
from typing import Any

import torch
from torch import Tensor, nn

from hebblab import metrics, rules
from hebblab.data import Batches, Dataset, Images
from hebblab.experiments.papers.learning import generator, learn, network
from hebblab.experiments.papers.paper import Report
from hebblab.nn import PatchConv2d, RePU
from hebblab.nn.initial import draw_
from hebblab.nn.published import Builder
from hebblab.recipes import Recipe
from hebblab.training import HebbianTrainer, Local

LAYER = "conv"
KERNEL = 5

_PICTURES = 2  # a batch of the rule: 1,152 patches of 28×28 images
_RATE = 0.04
_START = "normal(0, 1)"
_KNOBS: dict[str, Any] = {"delta": 0.4, "k": 4, "p": 4.0}
NORM = "standardise"  # each patch to mean 0 and deviation 1
_OF_FORM: dict[str, Any] = {**_KNOBS, "input_norm": NORM, "patch_norm": True}


def convolution(units: int) -> Builder:
    """Return the builder of the paper's network with any number of filters."""

    def build(image_shape: tuple[int, ...], classes: int) -> nn.Sequential:
        channels, height, width = image_shape
        side = [(size - KERNEL + 1) // 2 for size in (height, width)]
        model = nn.Sequential()
        model.add_module(LAYER, PatchConv2d(channels, units, KERNEL, bias=False))
        model.add_module("norm", nn.BatchNorm2d(units))
        model.add_module("activation", RePU())
        model.add_module("pool", nn.MaxPool2d(2))
        model.add_module("flatten", nn.Flatten())
        model.add_module("readout", nn.Linear(units * math.prod(side), classes))
        # Pooling and batch norm take a third of the time where a position's units lie together.
        # Not all versions of torch declare the argument.
        move: Any = model.to
        move(memory_format=torch.channels_last)
        return model

    return build


def runs(images: Tensor) -> Tensor:
    """Return what the authors' code takes for patches, (samples, 25).

    Their `extract_image_patches` reorders the windows before it cuts the values into pieces of 25:
    a piece is 25 consecutive values of a shifted image, row after row, and no 5×5 patch.

    Source: utils.py of Talloen et al., PyTorch-Hebbian.

    Args:
        images: (batch, 1, height, width).

    >>> runs(torch.arange(36.0).view(1, 1, 6, 6))[0, :6].tolist()
    [0.0, 1.0, 6.0, 7.0, 1.0, 2.0]
    """
    windows = images.unfold(2, KERNEL, 1).unfold(3, KERNEL, 1)
    return windows.permute(0, 4, 5, 1, 2, 3).reshape(-1, KERNEL**2)


def on_runs(
    dataset: Dataset,
    units: int,
    updates: int,
    seed: int,
    report: Report,
    about: dict[str, object],
) -> nn.Sequential:
    """Return the network whose filters learned from what the authors' code cuts."""
    # Modules draw from the global generator while they are built.
    with torch.random.fork_rng(devices=[]):
        model = convolution(units)(dataset.image_shape, len(dataset.classes))
    drawn = dataset.train
    assert isinstance(drawn, Images)
    flat = nn.Sequential(
        nn.Linear(KERNEL**2, units, bias=False, device="meta").to_empty(device="cpu"), nn.Identity()
    )
    filters = flat[0].weight
    assert isinstance(filters, Tensor)
    draw_(filters, _START, generator(seed, "init"))
    optimizer = Local(flat.named_parameters(), lr=_RATE)
    rule = rules.create("krotov-hopfield", **_KNOBS)
    trainer = HebbianTrainer(flat, rule, optimizer, initialize=False)
    batches = Batches(drawn, _PICTURES, generator(seed, "order"))
    endless = itertools.chain.from_iterable(itertools.repeat(batches))
    for step, (images, _) in enumerate(itertools.islice(endless, updates)):
        optimizer.param_groups[0]["lr"] = _RATE * (1 - step / updates)
        trainer.learn("0", runs(images))
        if step % 500 == 0:
            report(step / updates, f"learning, update {step:,}")
    kernel = model.get_submodule(LAYER).weight
    assert isinstance(kernel, Tensor)
    with torch.no_grad():
        kernel.copy_(filters.view_as(kernel))
    about |= _seen(filters, updates, _KNOBS["p"])
    return model


def on_patches(
    dataset: Dataset,
    units: int,
    updates: int,
    seed: int,
    report: Report,
    about: dict[str, object],
) -> nn.Sequential:
    """Return the network whose filters learned from 5×5 patches."""
    return _learnt(_KNOBS, dataset, units, updates, seed, report, about)


def on_form(
    dataset: Dataset,
    units: int,
    updates: int,
    seed: int,
    report: Report,
    about: dict[str, object],
) -> nn.Sequential:
    """Return the network whose filters learned from patches of mean 0 and deviation 1.

    What is left of a patch then is its form, and no filter wins by being bright.
    """
    return _learnt(_OF_FORM, dataset, units, updates, seed, report, about)


def _learnt(
    knobs: dict[str, Any],
    dataset: Dataset,
    units: int,
    updates: int,
    seed: int,
    report: Report,
    about: dict[str, object],
) -> nn.Sequential:
    with network(f"paper-conv-{units}", convolution(units)) as name:
        recipe = Recipe(
            data="fashion-mnist",
            network=name,
            rules={LAYER: {"rule": "krotov-hopfield", **knobs, "init": _START}},
            batch_size=_PICTURES,
            steps=updates,
            learning_rate=_RATE,
            decay="linear",
            seed=seed,
        )
        learnt = learn(recipe, dataset, report)
    kernel = learnt.model.get_submodule(LAYER).weight
    assert isinstance(kernel, Tensor)
    about |= _seen(kernel.flatten(1), learnt.steps, knobs["p"])
    return learnt.model


def fixed() -> dict[str, Any]:
    """Return what decides the filters and is no argument."""
    rule = {"pictures": _PICTURES, "rate": _RATE, "start": _START, **_KNOBS}
    return {"kernel": KERNEL, "rule": rule, "of form": _OF_FORM}


def _seen(filters: Tensor, updates: int, p: float) -> dict[str, object]:
    """Return what tells learnt filters from collapsed ones."""
    unit = nn.functional.normalize(filters.detach(), dim=1)
    likeness = (unit @ unit.T).fill_diagonal_(-1).amax(dim=1)
    return {
        "updates": updates,
        "converged": metrics.convergence(filters.detach(), p).converged,
        "median likeness to the nearest filter": round(float(likeness.median()), 4),
    }
