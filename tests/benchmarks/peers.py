"""The authors' own implementations, where a person has put their repositories side by side.

`HEBBLAB_PEERS` names a folder with clones of `Joxis/pytorch-hebbian`,
`DimaKrotov/Biological_Learning`, `NeuromorphicComputing/SoftHebb` and `GabrieleLagani/HebbianPCA`,
or of some of them. Their code runs as it is; nothing of it is kept here.
"""

import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hebblab.experiments.papers import peers
from hebblab.experiments.papers.paper import NotRun


def folder() -> Path | None:
    """Return the folder of the peers, if one is named and there."""
    named = os.environ.get(peers.VARIABLE)
    return Path(named) if named and Path(named).is_dir() else None


def pytorch_hebbian() -> tuple[Any, Any] | None:
    """Return PyTorch-Hebbian's KrotovsRule and Local classes."""
    try:
        return peers.pytorch_hebbian_classes()
    except NotRun:
        return None


def convolution(name: str, layer: Any, images: Any) -> Callable[[], None] | None:
    """Return the update of a layer by the code of the rule's authors, where it is at hand."""
    place = folder()
    if place is None or name not in ("softhebb", "hpca"):
        return None
    return (_softhebb if name == "softhebb" else _hebbian_pca)(place, layer, images)


def _softhebb(peers: Path, layer: Any, images: Any) -> Callable[[], None] | None:
    """Return SoftHebb's demo: its layer's forward pass in training, and the step of its weights."""
    place = peers / "SoftHebb" / "demo.py"
    if not place.is_file():
        return None
    # Only its data come from torchvision.
    vision = types.ModuleType("torchvision")
    vision.datasets = types.SimpleNamespace(CIFAR10=object)  # type: ignore[attr-defined]
    with _standing_in("torchvision", torchvision=vision):
        module = _run("peer_softhebb", place)
    theirs = module.SoftHebbConv2d(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size[0],
        padding=layer.padding[0],
        t_invert=1,
    )
    theirs.weight.data.copy_(layer.weight.detach())

    def run() -> None:
        with torch.no_grad():
            theirs(images)
            theirs.weight.add_(theirs.weight.grad, alpha=0.01)

    return run


def _hebbian_pca(peers: Path, layer: Any, images: Any) -> Callable[[], None] | None:
    """Return HebbianPCA's `compute_update`, as its configurations of HPCA set it."""
    place = peers / "HebbianPCA"
    if not (place / "hebb").is_dir():
        return None
    utils = types.ModuleType("neurolab.utils")
    utils.shape2size = lambda shape: int(np.prod(shape))  # type: ignore[attr-defined]
    sys.path.insert(0, str(place))
    try:
        with _standing_in("neurolab", "neurolab.utils", **{"neurolab.utils": utils}):
            sys.modules["neurolab"].utils = utils  # type: ignore[attr-defined]
            hebb = importlib.import_module("hebb")
    finally:
        sys.path.remove(str(place))
    theirs = hebb.HebbianConv2d(
        layer.in_channels, layer.out_channels, list(layer.kernel_size), lrn_act=torch.relu
    )
    theirs.weight.data.copy_(layer.weight.detach())

    def run() -> None:
        theirs.compute_update(images)
        with torch.no_grad():
            theirs.weight.add_(theirs.delta_w, alpha=0.01)

    return run


@contextmanager
def _standing_in(*names: str, **known: types.ModuleType) -> Iterator[None]:
    """Let empty modules stand for those that a peer imports and here does not need."""
    before = {name: sys.modules.get(name) for name in names}
    for name in names:
        sys.modules[name] = known.get(name) or types.ModuleType(name)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


def _run(name: str, place: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def numpy_notebook(
    images: np.ndarray[Any, Any], units: int, batch: int
) -> Callable[[], None] | None:
    """Return the training cell of the authors' notebook over `images`, without its plot."""
    try:
        epoch = peers.numpy_notebook(units, batch)
    except NotRun:
        return None
    rows = torch.from_numpy(images)
    return lambda: epoch(rows)
