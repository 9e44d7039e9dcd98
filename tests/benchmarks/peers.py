"""The authors' own implementations, where a person has put their repositories side by side.

`HEBBLAB_PEERS` names a folder with clones of `Joxis/pytorch-hebbian` and
`DimaKrotov/Biological_Learning`. Their code runs as it is; nothing of it is kept here.
"""

import importlib
import json
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


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
