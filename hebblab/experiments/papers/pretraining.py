"""Lagani's network before it sees a label: local rules, what they converge to, autoencoders."""

import copy
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from hebblab.data import Dataset, as_floats
from hebblab.evaluation.features import Inlet
from hebblab.evaluation.vae import FORMS, trained_as_encoder
from hebblab.experiments.papers.fixed import departures
from hebblab.experiments.papers.learning import learn, network, part, untrained
from hebblab.experiments.papers.paper import Report
from hebblab.live.run import stream
from hebblab.nn import LayerView, PatchConv2d, RePU, Scratch, Whitening
from hebblab.nn.norms import RelativeBatchNorm1d, RelativeBatchNorm2d
from hebblab.nn.published import Builder
from hebblab.recipes import Recipe
from hebblab.training import feature_path

LAYERS = ("L1", "L2", "L3", "L4", "L5")
NAMES = dict(zip(LAYERS, ("conv1", "conv2", "conv3", "conv4", "fc5"), strict=True))
NONE, PCA, WHITENED = "no pre-training", "PCA of patches", "whitening alone"
SOFT_WTA, HPCA = "soft-WTA", "HPCA"
VAE_PUBLISHED, VAE = "VAE as published", "VAE, β = 1"
WAYS = (NONE, PCA, HPCA, WHITENED, SOFT_WTA, VAE_PUBLISHED, VAE)
RULES = (HPCA, SOFT_WTA)

_CONVS = ((96, 5), (128, 3), (192, 3), (256, 3))
_DENSE = 4096
_ON_WHITE = (WHITENED, SOFT_WTA)
_FITTED_ON = 10_000  # images, at the most
_SETTLED_ON = 1_000
_AT_ONCE = 125
_EPSILON = 1e-2  # of the whitening
_RULES: dict[str, dict[str, object]] = {
    HPCA: {"rule": "hpca"},
    SOFT_WTA: {
        "rule": "soft-wta",
        "similarity": "raised-cosine",
        "temperature": 0.02,
        "reduction": "share2",
    },
}


@dataclass(frozen=True)
class Pretraining:
    """How a network is pre-trained.

    Attributes:
        narrow: Of the published width so much is left out: 2 is half.
        epochs: Of the local rules.
        rate: Theirs.
        batch: Images a step of theirs.
        autoencoder: Epochs of the autoencoders.
    """

    narrow: int = 1
    epochs: int = 2
    rate: float = 1e-3
    batch: int = 8
    autoencoder: int = 20


class ChannelNorm(nn.Module):
    """Brings each channel to mean 0 and deviation 1 over all training images, once fitted."""

    mean: Tensor
    scale: Tensor

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        deviation, mean = torch.std_mean(images, dim=(0, 2, 3), keepdim=True)
        self.register_buffer("mean", mean[0])
        self.register_buffer("scale", 1 / deviation[0].clamp_min(1e-6))

    def forward(self, images: Tensor) -> Tensor:
        """Return images (N, C, H, W)."""
        return (images - self.mean) * self.scale


class ByLength(nn.Module):
    """Divides responses by the length of the weights that gave them: units answer w·x/‖w‖.

    Source: `vector_proj2d` in Lagani et al., HebbianPCA, the output of winner-take-all units.
    """

    def __init__(self, layer: nn.Conv2d | nn.Linear) -> None:
        super().__init__()
        # No child of this module, as it is one of the network's already.
        self._layer = (layer,)

    def forward(self, responses: Tensor) -> Tensor:
        """Return responses (batch, units) or with positions, of the same shape."""
        length: Tensor = torch.linalg.vector_norm(self._layer[0].weight.flatten(1), dim=1)
        return responses / length.clamp_min(1e-12).view(-1, *(1,) * (responses.dim() - 2))


def pretrained(
    dataset: Dataset, settings: Pretraining, way: str, deepest: str, seed: int, report: Report
) -> nn.Sequential:
    """Return Lagani's network after pre-training on images without their labels.

    Networks of a seed start from the same weights (autoencoders from others of the same size), and
    whatever the way, batch norms end with the statistics of training images under the last weights.

    Args:
        dataset: Whose training images are learnt from; autoencoders choose their epoch by its
            validation images.
        settings: Width, epochs, rate.
        way: One of `WAYS`.
        deepest: Layers behind it are left as they were drawn.
        seed: Of weights and order.
        report: Told the share that is done.
    """
    layers = [NAMES[layer] for layer in LAYERS[: LAYERS.index(deepest) + 1]]
    with network(f"paper-lagani-{way}", built(dataset, settings, way)) as name:
        chosen = recipe(settings, way, name, layers, seed)
        if way in RULES:
            model = learn(chosen, dataset, part(report, 0, 0.95)).model
        else:
            model = untrained(chosen, dataset)
    if way in (VAE_PUBLISHED, VAE):
        form = FORMS["vae-lagani" if way == VAE_PUBLISHED else "vae"]
        model = trained_as_encoder(
            model,
            form,
            dataset.train,
            Inlet(dataset.validation, None, None, False),
            stream(seed, "autoencoder"),
            lambda done, total: report(0.95 * done / total, f"{way}, epoch {int(done) + 1}"),
            epochs=settings.autoencoder,
        )
    report(0.95, "settling the batch norms")
    if way == PCA:
        for place, layer in enumerate(layers):
            if place:
                settle_(model, layers[place - 1], dataset)
            _set_to_components_(model, layer, dataset)
    settle_(model, layers[-1], dataset)
    return model


def built(dataset: Dataset, settings: Pretraining, way: str) -> Builder:
    """Return the builder of the network, with what prepares images in front."""
    front = _whitening(dataset) if way in _ON_WHITE else _channels(dataset)
    return partial(_built, front, settings.narrow, way == SOFT_WTA)


def recipe(settings: Pretraining, way: str, name: str, layers: list[str], seed: int) -> Recipe:
    """Return what the layers learn by; where no local rule does, how they start."""
    rule = {
        **_RULES.get(way, _RULES[HPCA]),
        "learning_rate": settings.rate,
        "init": "uniform(-1/sqrt(fan_in), 1/sqrt(fan_in))",
    }
    return Recipe(
        data="cifar-10",
        network=name,
        rules={layer: dict(rule) for layer in layers},
        batch_size=settings.batch,
        epochs=settings.epochs,
        schedule="simultaneous",
        seed=seed,
    )


def fixed() -> dict[str, Any]:
    """Return what decides pre-training and is in no settings."""
    any_size = Pretraining(1, 1, 1e-3, 1, 1)
    recipes = {way: departures(recipe(any_size, way, "any", ["any"], 1)) for way in (NONE, *RULES)}
    images = {"fitted": _FITTED_ON, "settled": _SETTLED_ON, "at once": _AT_ONCE}
    network = {"convolutions": _CONVS, "dense": _DENSE, "epsilon": _EPSILON}
    return {**images, **network, "recipes": recipes}


def settle_(model: nn.Sequential, layer: str, dataset: Dataset) -> None:
    """Give the batch norms up to a layer the statistics of images under the present weights."""
    modules = feature_path(model, layer).modules.eval()
    norms = [one for one in modules if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        for chunk in _chunks(dataset, _SETTLED_ON):
            modules(chunk)
    modules.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _set_to_components_(model: nn.Sequential, layer: str, dataset: Dataset) -> None:
    """Set a layer to the principal axes of its patches' second moment, in pairs of plus and minus.

    That is where HPCA with relu settles. Layers before it are done, and their norms settled.
    """
    module = model.get_submodule(layer)
    assert isinstance(module, nn.Linear | nn.Conv2d)
    before = nn.Sequential(*itertools.takewhile(lambda one: one is not module, model)).eval()
    view, scratch = LayerView(module, layer), Scratch()
    moment = torch.zeros(view.fan_in, view.fan_in, dtype=torch.float64)
    # An image has one patch for a dense layer, and more than enough of them for a convolution.
    images = _SETTLED_ON if isinstance(module, nn.Conv2d) else _FITTED_ON
    with torch.no_grad():
        for chunk in _chunks(dataset, images):
            for rows in view.chunks(before(chunk), scratch):
                moment += (rows.T @ rows).double()
        axes = torch.linalg.eigh(moment).eigenvectors.flip(1).T.float()
        places = torch.arange(view.units)
        signs = (1 - 2 * (places % 2)).float()
        found = axes[places // 2 % view.fan_in] * signs[:, None]
        module.weight.copy_(found.view_as(module.weight))


def _chunks(dataset: Dataset, count: int) -> Iterator[Tensor]:
    """Yield the first images in parts of nearly one size, so that all weigh the same."""
    images = as_floats(dataset.train, min(count, len(dataset.train)))
    yield from torch.tensor_split(images, math.ceil(len(images) / _AT_ONCE))


@lru_cache(maxsize=1)
def _whitening(dataset: Dataset) -> Whitening:
    """Return what whitens whole images; ways with the same seed share it."""
    images = as_floats(dataset.train, min(_FITTED_ON, len(dataset.train)))
    return Whitening().fit(images, _EPSILON)


@lru_cache(maxsize=1)
def _channels(dataset: Dataset) -> ChannelNorm:
    return ChannelNorm(as_floats(dataset.train, min(_FITTED_ON, len(dataset.train))))


def _built(
    front: nn.Module, narrow: int, by_length: bool, image_shape: tuple[int, ...], classes: int
) -> nn.Sequential:
    channels, height, width = image_shape
    model = nn.Sequential()
    model.add_module("whiten", copy.deepcopy(front))
    for number, (full, kernel) in enumerate(_CONVS, start=1):
        units = full // narrow
        conv = PatchConv2d(channels, units, kernel, bias=False)
        model.add_module(f"conv{number}", conv)
        if by_length:
            model.add_module(f"length{number}", ByLength(conv))
        model.add_module(f"activation{number}", RePU())
        height, width = height - kernel + 1, width - kernel + 1
        if number in (1, 3):
            model.add_module(f"pool{number}", nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        norm = nn.BatchNorm2d if number < 3 else RelativeBatchNorm2d
        model.add_module(f"norm{number}", norm(units))
        channels = units
    model.add_module("flatten", nn.Flatten())
    dense = nn.Linear(channels * height * width, _DENSE // narrow, bias=False)
    model.add_module("fc5", dense)
    if by_length:
        model.add_module("length5", ByLength(dense))
    model.add_module("activation5", RePU())
    model.add_module("norm5", RelativeBatchNorm1d(_DENSE // narrow))
    model.add_module("dropout", nn.Dropout(0.5))
    model.add_module("readout", nn.Linear(_DENSE // narrow, classes))
    return model
