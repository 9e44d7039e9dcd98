"""The authors' own implementations of the Krotov-Hopfield rule, where a person has their sources.

`HEBBLAB_PEERS` names a folder with clones of `Joxis/pytorch-hebbian` and
`DimaKrotov/Biological_Learning`, or of one of them. Their code runs as it is; none of it is here.
"""

import importlib
import json
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from hebblab.experiments.papers.paper import NotRun

VARIABLE = "HEBBLAB_PEERS"


def pytorch_hebbian_classes() -> tuple[Any, Any]:
    """Return PyTorch-Hebbian's KrotovsRule and Local.

    Raises:
        NotRun: Their sources are not here.
    """
    package = _found("pytorch-hebbian/pytorch_hebbian", "https://github.com/Joxis/pytorch-hebbian")
    # Their package's own __init__ asks for more than these two modules need.
    for name, place in (
        ("hebblab_peer", package),
        ("hebblab_peer.rules", package / "learning_rules"),
        ("hebblab_peer.optimizers", package / "optimizers"),
    ):
        module = types.ModuleType(name)
        module.__path__ = [str(place)]
        sys.modules[name] = module
    optimizers: Any = importlib.import_module("torch.optim.optimizer")
    if not hasattr(optimizers, "required"):
        optimizers.required = object()
    rule = importlib.import_module("hebblab_peer.rules.krotov").KrotovsRule
    return rule, importlib.import_module("hebblab_peer.optimizers.local").Local


def pytorch_hebbian(layer: nn.Linear, rate: float) -> Callable[[Tensor], None]:
    """Return one step of PyTorch-Hebbian's KrotovsRule and Local on rows (samples, fan_in).

    Raises:
        NotRun: Their sources are not here.
    """
    kind, local = pytorch_hebbian_classes()
    rule = kind()
    optimizer = local(named_params=[("hidden.weight", layer.weight)], lr=rate)

    def step(rows: Tensor) -> None:
        change = rule.update(rows, layer.weight)
        optimizer.local_step(change, layer_name="hidden")

    return step


def numpy_notebook(units: int, batch: int) -> Callable[[Tensor], None]:
    """Return one epoch of the authors' notebook over rows (samples, fan_in), without its plot.

    Raises:
        NotRun: The notebook is not here.
    """
    place = _found(
        "Biological_Learning/Unsupervised_learning_algorithm_MNIST.ipynb",
        "https://github.com/DimaKrotov/Biological_Learning",
    )
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
    numpy = importlib.import_module("numpy")

    def epoch(rows: Tensor) -> None:
        space: dict[str, Any] = {"np": numpy}
        exec(settings, space)
        images = rows.double().numpy()
        space.update(M=images, Ns=len(images), N=images.shape[1], Nep=1, Num=batch, hid=units)
        exec(program, space)

    return epoch


def _found(path: str, address: str) -> Path:
    named = os.environ.get(VARIABLE)
    if not named:
        raise NotRun(f"{VARIABLE} names no folder with a clone of {address}")
    place = Path(named) / path
    if not place.exists():
        raise NotRun(f"{VARIABLE} holds no {path.partition('/')[0]}; clone {address} there")
    return place
