"""The authors' own implementations, where a person has put their repositories side by side.

`HEBBLAB_PEERS` names a folder with clones of `Joxis/pytorch-hebbian`,
`DimaKrotov/Biological_Learning`, `NeuromorphicComputing/SoftHebb` and `GabrieleLagani/HebbianPCA`,
or of some of them. Their code runs as it is; nothing of it is kept here.
"""

import importlib
import importlib.util
import json
import os
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch


def folder() -> Path | None:
    """Return the folder of the peers, if one is named and there."""
    named = os.environ.get("HEBBLAB_PEERS")
    return Path(named) if named and Path(named).is_dir() else None


def pytorch_hebbian(peers: Path) -> tuple[Any, Any] | None:
    """Return PyTorch-Hebbian's KrotovsRule and Local classes."""
    package = peers / "pytorch-hebbian" / "pytorch_hebbian"
    if not package.is_dir():
        return None
    # Their package's own __init__ asks for torchvision; the two modules wanted here do not.
    for name, place in (
        ("peer", package),
        ("peer.rules", package / "learning_rules"),
        ("peer.optimizers", package / "optimizers"),
    ):
        module = types.ModuleType(name)
        module.__path__ = [str(place)]  # type: ignore[attr-defined]
        sys.modules[name] = module
    optimizers = importlib.import_module("torch.optim.optimizer")
    if not hasattr(optimizers, "required"):
        optimizers.required = object()  # type: ignore[attr-defined]
    rule = importlib.import_module("peer.rules.krotov").KrotovsRule
    local = importlib.import_module("peer.optimizers.local").Local
    return rule, local


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
    peers: Path, images: np.ndarray[Any, Any], units: int, batch: int
) -> Callable[[], None] | None:
    """Return the training cell of the authors' notebook over `images`, without its plot."""
    place = peers / "Biological_Learning" / "Unsupervised_learning_algorithm_MNIST.ipynb"
    if not place.is_file():
        return None
    cells = [
        "".join(cell["source"])
        for cell in json.loads(place.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
    ]
    settings = next(cell for cell in cells if "eps0" in cell and "Nep=" in cell)
    training = next(cell for cell in cells if "for nep in range" in cell)
    kept = [
        line
        for line in training.splitlines()
        if not line.startswith(("%", "fig=")) and "draw_weights" not in line
    ]
    program = compile("\n".join(kept), str(place), "exec")
    space: dict[str, Any] = {"np": np}
    exec(settings, space)
    space.update(M=images, Ns=len(images), N=images.shape[1], Nep=1, Num=batch, hid=units)

    def run() -> None:
        exec(program, space)

    return run
