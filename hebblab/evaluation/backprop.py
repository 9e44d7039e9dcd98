"""The same network trained end to end by backpropagation: what the shape alone can do."""

import copy
import math
from collections.abc import Callable
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hebblab.data import Batches
from hebblab.data.images import Inputs
from hebblab.evaluation.features import Inlet
from hebblab.nn import RePU
from hebblab.nn.initial import redraw_
from hebblab.training.features import feature_path

EPOCHS = 30
PATIENCE = 5
STEPS = 1500  # that a small data set may take, however many epochs they are
BATCH = 64
RATE = 1e-3
NOTE = (
    f"Adam {RATE:g}, batches of {BATCH}, at most {EPOCHS} epochs or {STEPS:,} steps, the best "
    "epoch by validation accuracy"
)

Part = Callable[[float, float], None]
M = TypeVar("M", bound=nn.Module)


def trained_end_to_end(
    network: nn.Sequential,
    training: Inputs,
    validation: Inlet,
    classes: int,
    seed: int,
    report: Part,
    centre: Tensor | None = None,
    unit_norm: bool = False,
) -> nn.Sequential:
    """Return a network of the same shape, drawn anew and trained on all labels.

    Torch's own start, ReLU where the network has a steeper RePU (its gradient would vanish), Adam
    1e-3, batches of 64, 30 epochs (of small data sets as many as make 1,500 steps) or until a
    sixth of them in a row were no better, and the weights of the epoch with the best validation
    accuracy. A network that does not end in one output for each
    class gets a readout that does.

    Args:
        network: Left as it is.
        training: Images or Vectors.
        validation: Chooses the epoch.
        classes: Number of classes.
        seed: Of weights, order and dropout.
        report: Called as (done, total); what it raises ends the training.
        centre: Subtracted from each input.
        unit_norm: Whether inputs are brought to length one.
    """
    with torch.inference_mode(False), torch.enable_grad():
        generator = torch.Generator().manual_seed(seed)
        model = _same_shape(network, training, classes, generator)
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
        batches = Batches(training, min(BATCH, len(training)), generator, centre)
        epochs = max(EPOCHS, math.ceil(STEPS / len(batches)))
        patience = max(PATIENCE, PATIENCE * epochs // EPOCHS)
        best, weights, since = -1, copy.deepcopy(model.state_dict()), 0
        for epoch in range(epochs):
            model.train()
            for done, (inputs, labels) in enumerate(batches):
                report(epoch + done / len(batches), epochs)
                optimizer.zero_grad()
                loss = F.cross_entropy(model(ready(inputs, unit_norm)), labels)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            right = _right(model, validation)
            since += 1
            if right > best:
                best, weights, since = right, copy.deepcopy(model.state_dict()), 0
            if since >= patience:
                break
        model.load_state_dict(weights)
        model.requires_grad_(False)
        return model.eval()


class Dropout(nn.Module):
    """Dropout that draws from a generator of its own, so that nobody else's numbers change."""

    def __init__(self, share: float, generator: torch.Generator) -> None:
        super().__init__()
        self._share, self._generator = share, generator

    def forward(self, x: Tensor) -> Tensor:
        """Return the input, or while training a part of it, scaled up."""
        if not self.training or self._share == 0:
            return x
        kept = torch.rand(x.shape, generator=self._generator) >= self._share
        return x * kept.to(x) / (1 - self._share)

    def __deepcopy__(self, _memo: object) -> "Dropout":
        return Dropout(self._share, self._generator)


def drawn_anew(network: M, generator: torch.Generator, copied: bool = True) -> M:
    """Return a network of the same shape to be trained: torch's own start, ReLU, own dropout.

    Args:
        network: Any module, nested or not.
        generator: Draws the weights; dropout goes on drawing from it.
        copied: Leave the network as it is, and return another.
    """
    model = copy.deepcopy(network).float().cpu() if copied else network
    for module in model.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
        if isinstance(module, RePU):
            module.n = min(module.n, 1.0)
            module.thresholds = module.lateral = None  # learnt by the rules
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_parameters()
        for name, child in module.named_children():
            if isinstance(child, nn.Dropout):
                setattr(module, name, Dropout(child.p, generator))
    model.requires_grad_(True)
    redraw_(model, generator)
    return model


def _same_shape(
    network: nn.Sequential, training: Inputs, classes: int, generator: torch.Generator
) -> nn.Sequential:
    if _reads_out(network, classes):
        return drawn_anew(network, generator)
    model = copy.deepcopy(network).float().cpu()
    modules = copy.deepcopy(feature_path(model).modules).eval()
    with torch.no_grad():
        width = modules(torch.zeros(1, *training.shape)).numel()
    # Beside the network's own modules, so that its layers keep their names; drawn on no device, so
    # that nobody else's random numbers change.
    readout = nn.Linear(width, classes, device="meta").to_empty(device="cpu")
    model.add_module("flatten-for-readout", nn.Flatten())
    model.add_module("readout-of-classes", readout)
    return drawn_anew(model, generator)


def _reads_out(network: nn.Sequential, classes: int) -> bool:
    modules = [m for m in network.modules() if not list(m.children())]
    last = modules[-1]
    layers = [m for m in modules if isinstance(m, nn.Linear | nn.Conv2d)]
    return len(layers) > 1 and isinstance(last, nn.Linear) and last.out_features == classes


def ready(inputs: Tensor, unit_norm: bool) -> Tensor:
    """Return a batch as it enters the network: at length one, where asked."""
    if not unit_norm:
        return inputs
    flat = inputs.flatten(1)
    length = torch.linalg.vector_norm(flat, dim=1, keepdim=True).clamp_min(1e-12)
    found: Tensor = (flat / length).view(inputs.shape)
    return found


@torch.no_grad()
def answered(model: nn.Sequential, inlet: Inlet) -> Tensor:
    """Return the class that a trained network takes each input for, int64 (inputs,)."""
    model.eval()
    return torch.cat([model(inputs).argmax(1) for inputs in inlet.chunks(BATCH)])


def _right(model: nn.Sequential, validation: Inlet) -> int:
    return int((answered(model, validation) == validation.labels).sum())
