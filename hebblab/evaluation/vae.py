"""Variational autoencoders with a network as their encoder: as published, and well-posed."""

import copy
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hebblab.data import Batches
from hebblab.data.images import Inputs
from hebblab.errors import InvalidValue
from hebblab.evaluation.backprop import drawn_anew, ready
from hebblab.evaluation.features import Inlet
from hebblab.training.features import feature_path

LATENT = 256
EPOCHS = 20
BATCH = 64
_FALLING = 10  # epoch after which the published learning rate is halved each time

_PUBLISHED = ": as published it does not train this network"

Part = Callable[[float, float], None]


@dataclass(frozen=True)
class Form:
    """Which of the two.

    Attributes:
        published: Lagani's: the squared error averaged over pixels and half the divergence
            summed over latents, which is a β-VAE of β near 768 on 32×32 colour images; the decoder
            is told where each maximum of the encoder's pooling was; SGD. Otherwise β is 1, the
            output's variance is the one of greatest likelihood, nothing is told, and Adam.
        note: In words.
    """

    published: bool
    note: str


FORMS = {
    "vae-lagani": Form(True, "mean squared error + KL/2, encoder's pooling indices, SGD 1e-3"),
    "vae": Form(False, "β = 1, fitted output variance, no pooling indices, Adam 1e-3"),
}


class Autoencoder(nn.Module):
    """The way to a network's features, a latent, and the same way backwards.

    What is reconstructed is what the first layer is given: inputs after whatever prepares them.

    Args:
        modules: The encoder; trained as it is.
        shape: Of one input.
        published: See `Form`.
    """

    def __init__(self, modules: nn.Sequential, shape: tuple[int, ...], published: bool) -> None:
        super().__init__()
        self._encoder, self._published = modules, published
        shapes = self._shapes(torch.zeros(2, *shape))
        width = math.prod(shapes[-1])
        # Drawn on no device, so that nobody else's random numbers change.
        self._code = nn.Linear(width, 2 * LATENT, device="meta").to_empty(device="cpu")
        first = nn.Linear(LATENT, width, device="meta").to_empty(device="cpu")
        self._open = nn.Sequential(first, nn.ReLU())
        self._steps: list[tuple[nn.Module, tuple[int, ...]]] = []
        layers = [m for m in modules if isinstance(m, nn.Linear | nn.Conv2d)]
        decoder = nn.ModuleList()
        for module, before in zip(reversed(list(modules)), reversed(shapes[:-1]), strict=True):
            if isinstance(module, nn.Linear | nn.Conv2d):
                back = _transposed(module)
                if module is not layers[0]:
                    back.extend([nn.ReLU(), _norm(module)])
                elif published:
                    back.append(_norm(module))
                decoder.append(back)
                self._steps.append((back, before))
            elif isinstance(module, nn.MaxPool2d | nn.AvgPool2d | nn.Flatten):
                self._steps.append((module, before))
        self._decoder = decoder
        self._end = shapes[-1]
        self._preparing = list(itertools.takewhile(_prepares, modules))

    def forward(self, inputs: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Return reconstructions, and each sample's divergence from the prior in nats.

        Without a generator the latent is its mean.
        """
        x, places = inputs, []
        for module in self._encoder:
            if isinstance(module, nn.MaxPool2d):
                x, found = F.max_pool2d(
                    x,
                    module.kernel_size,
                    module.stride,
                    module.padding,
                    module.dilation,
                    module.ceil_mode,
                    return_indices=True,
                )
                places.append(found)
            else:
                x = module(x)
        features = x.flatten(1)
        if not self._published:
            # Many features would move the latent by many units in one step.
            features = features / math.sqrt(features.shape[1])
        mean, spread = self._code(features).chunk(2, dim=1)
        spread = spread.clamp(-20, 20)
        divergence = 0.5 * (mean.square() + spread.exp() - 1 - spread).sum(dim=1)
        latent = mean
        if generator is not None:
            noise = torch.randn(mean.shape, generator=generator)
            latent = mean + noise * (0.5 * spread).exp()
        return self._decoded(latent, places), divergence

    def loss(self, inputs: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return the negative evidence bound in the form's own units, a mean over samples."""
        output, divergence = self(inputs, generator)
        for module in self._preparing:
            inputs = module(inputs)
        error = (output - inputs).square()
        bound: Tensor
        if self._published:
            bound = error.mean() + 0.5 * divergence.mean()
        else:
            # The Gaussian likelihood at the variance that makes it greatest.
            size = inputs[0].numel()
            bound = 0.5 * size * error.mean().clamp_min(1e-8).log() + divergence.mean()
        return bound

    def _decoded(self, latent: Tensor, places: list[Tensor]) -> Tensor:
        x: Tensor = self._open(latent).view(-1, *self._end)
        for module, shape in self._steps:
            if isinstance(module, nn.MaxPool2d) and self._published:
                stride = module.kernel_size if module.stride is None else module.stride
                kernel, apart, padding = map(_sizes, (module.kernel_size, stride, module.padding))
                x = F.max_unpool2d(x, places.pop(), kernel, apart, padding, shape[-2:])
            elif isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
                x = F.interpolate(x, size=shape[-2:])
            elif isinstance(module, nn.Flatten):
                x = x.reshape(-1, *shape)
            else:
                assert isinstance(module, nn.Sequential)
                for rank, part in enumerate(module):
                    if rank == 0 and isinstance(part, nn.ConvTranspose2d):
                        x = part(x, output_size=list(shape[-2:]))
                    else:
                        x = part(x)
                x = x.reshape(-1, *shape)
        return x

    def _shapes(self, x: Tensor) -> list[tuple[int, ...]]:
        found = [tuple(x.shape[1:])]
        with torch.no_grad():
            for module in copy.deepcopy(self._encoder).eval():
                x = module(x)
                found.append(tuple(x.shape[1:]))
        return found


def trained_as_encoder(
    network: nn.Sequential,
    form: Form,
    training: Inputs,
    validation: Inlet,
    seed: int,
    report: Part,
    centre: Tensor | None = None,
    unit_norm: bool = False,
    epochs: int | None = None,
) -> nn.Sequential:
    """Return a network of the same shape whose layers were an autoencoder's encoder.

    Up to the last layer before the readout, drawn anew; 256 latents, batches of 64, 20 epochs, and
    the weights of the epoch with the best validation bound. Learning rate 1e-3: published, SGD
    with Nesterov momentum 0.9, halved after each of the epochs 10 to 19; otherwise Adam.

    Source: Lagani et al. 2022, and their HebbianPCA.

    Args:
        network: Left as it is.
        form: One of `FORMS`.
        training: Images or Vectors; their labels are not looked at.
        validation: Chooses the epoch.
        seed: Of weights, order and latents.
        report: Called as (done, total); what it raises ends the training.
        centre: Subtracted from each input.
        unit_norm: Whether inputs are brought to length one.
        epochs: Other than 20.

    Raises:
        InvalidValue: The bound stopped being a number.
    """
    epochs = EPOCHS if epochs is None else epochs
    with torch.inference_mode(False), torch.enable_grad():
        generator = torch.Generator().manual_seed(seed)
        model = drawn_anew(network, generator)
        auto = Autoencoder(feature_path(model).modules, training.shape, form.published)
        _draw(auto, generator)
        optimizer: torch.optim.Optimizer
        if form.published:
            optimizer = torch.optim.SGD(auto.parameters(), lr=1e-3, momentum=0.9, nesterov=True)
        else:
            optimizer = torch.optim.Adam(auto.parameters(), lr=1e-3)
        batches = Batches(training, min(BATCH, len(training)), generator, centre)
        best, weights = math.inf, copy.deepcopy(model.state_dict())
        for epoch in range(epochs):
            auto.train()
            for done, (inputs, _) in enumerate(batches):
                report(epoch + done / len(batches), epochs)
                optimizer.zero_grad()
                auto.loss(ready(inputs, unit_norm), generator).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            if form.published and epoch + 1 >= _FALLING:
                for group in optimizer.param_groups:
                    group["lr"] /= 2
            bound = _bound(auto, validation, seed)
            if not math.isfinite(bound):
                why = _PUBLISHED if form.published else ""
                raise InvalidValue(
                    f"The autoencoder's bound is no number any more after epoch {epoch + 1}{why}; "
                    "leave this control out."
                )
            if bound < best:
                best, weights = bound, copy.deepcopy(model.state_dict())
        model.load_state_dict(weights)
        return model.requires_grad_(False).eval()


@torch.no_grad()
def _bound(auto: Autoencoder, validation: Inlet, seed: int) -> float:
    auto.eval()
    generator, total = torch.Generator().manual_seed(seed), 0.0
    for inputs in validation.chunks(BATCH):
        total += float(auto.loss(inputs, generator)) * len(inputs)
    return total / len(validation)


def _draw(auto: Autoencoder, generator: torch.Generator) -> None:
    """Draw every layer as torch would, those of the decoder too."""
    drawn_anew(auto, generator, copied=False)
    with torch.no_grad():
        for module in auto.modules():
            if isinstance(module, nn.ConvTranspose2d):
                bound = 1 / math.sqrt(module.weight[0].numel())
                for parameter in module.parameters():
                    parameter.uniform_(-bound, bound, generator=generator)


def _prepares(module: nn.Module) -> bool:
    """Whether a module before all others changes inputs, and neither their form nor itself."""
    others = nn.Linear | nn.Conv2d | nn.Flatten | nn.MaxPool2d | nn.AvgPool2d
    return not isinstance(module, others | nn.modules.batchnorm._BatchNorm)


def _transposed(layer: nn.Linear | nn.Conv2d) -> nn.Sequential:
    """Return what leads back through a layer."""
    back: nn.Module
    if isinstance(layer, nn.Linear):
        back = nn.Linear(layer.out_features, layer.in_features, device="meta")
    else:
        # Padding by name keeps the size, as half a kernel does.
        if isinstance(layer.padding, str):
            padding = [0 if layer.padding == "valid" else k // 2 for k in layer.kernel_size]
        else:
            padding = list(layer.padding)
        back = nn.ConvTranspose2d(
            layer.out_channels,
            layer.in_channels,
            _pair(layer.kernel_size),
            _pair(layer.stride),
            _pair(padding),
            groups=layer.groups,
            dilation=_pair(layer.dilation),
            device="meta",
        )
    return nn.Sequential(back.to_empty(device="cpu"))


def _pair(sizes: Sequence[int]) -> tuple[int, int]:
    return sizes[0], sizes[1]


def _sizes(given: int | tuple[int, int]) -> list[int]:
    return [given, given] if isinstance(given, int) else list(given)


def _norm(layer: nn.Linear | nn.Conv2d) -> nn.Module:
    if isinstance(layer, nn.Linear):
        return nn.BatchNorm1d(layer.in_features)
    return nn.BatchNorm2d(layer.in_channels)
