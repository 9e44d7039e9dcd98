"""The networks of the papers, and plain dense ones, as their authors built them."""

import math
from collections.abc import Callable

from torch import nn

from hebblab.errors import InvalidValue
from hebblab.nn.activations import RePU
from hebblab.nn.inputs import InputNorm
from hebblab.nn.norms import RelativeBatchNorm1d, RelativeBatchNorm2d
from hebblab.nn.patches import PatchConv2d
from hebblab.nn.whitening import Whitening

Builder = Callable[[tuple[int, ...], int], nn.Sequential]

_LARGEST = 100_000_000  # weights: 400 MB in float32


def dense(units: int) -> Builder:
    """Return the builder of a hidden layer: whiten, flatten, prepare, hidden, activation, readout.

    Vectors, such as the points of a plane, are not whitened: one sees them as they are.

    Source: Krotov and Hopfield, PNAS 2019 (2,000 units).
    """

    def build(image_shape: tuple[int, ...], classes: int) -> nn.Sequential:
        fan_in = math.prod(image_shape)
        _check_size(fan_in, units)
        _check_size(units, classes)
        network = nn.Sequential()
        if len(image_shape) == 3:
            network.add_module("whiten", Whitening())
        network.add_module("flatten", nn.Flatten())
        network.add_module("prepare", InputNorm())
        network.add_module("hidden", nn.Linear(fan_in, units, bias=False))
        network.add_module("activation", RePU())
        network.add_module("readout", nn.Linear(units, classes))
        return network

    return build


def conv_400(image_shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """One convolution of 400 5×5 kernels, batch norm, RePU, max pooling by 2, readout.

    Source: Talloen et al., PyTorch-Hebbian, section 5.
    """
    channels, height, width = _images("conv-400", image_shape, 6, "5×5 kernels and 2×2 pooling")
    pooled = ((height - 4) // 2) * ((width - 4) // 2)
    _check_size(400, pooled, classes)
    network = nn.Sequential()
    network.add_module("whiten", Whitening())
    network.add_module("prepare", InputNorm())
    network.add_module("conv", PatchConv2d(channels, 400, 5, bias=False))
    network.add_module("norm", nn.BatchNorm2d(400))
    network.add_module("activation", RePU())
    network.add_module("pool", nn.MaxPool2d(2))
    network.add_module("flatten", nn.Flatten())
    network.add_module("readout", nn.Linear(400 * pooled, classes))
    return network


def miconi_cnn(image_shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """Three convolutions of 100 5×5, 196 3×3 and 400 3×3 kernels; 1,600 features of 32×32 images.

    Images are standardised, whitened once `whiten` is fitted, and standardised again; each layer's
    input is standardised, each layer's responses go through the triangle and average pooling by 2.
    No padding.

    Source: Miconi 2021, "Hebbian learning with gradients", the full notebook. Pruned weights and
    thresholds are options of the rules, and none of the network.
    """
    channels, height, width = _images(
        "miconi-cnn", image_shape, 24, "kernels of 5×5, 3×3 and 3×3, each before pooling by 2,"
    )
    network = nn.Sequential()
    network.add_module("whiten", Whitening(standardise=True))
    for layer, (units, kernel) in enumerate(((100, 5), (196, 3), (400, 3)), start=1):
        network.add_module(f"prepare{layer}", InputNorm("standardise"))
        network.add_module(f"conv{layer}", PatchConv2d(channels, units, kernel, bias=False))
        network.add_module(f"activation{layer}", RePU(1.0, triangle=True))
        network.add_module(f"pool{layer}", nn.AvgPool2d(2))
        channels = units
        height, width = (height - kernel + 1) // 2, (width - kernel + 1) // 2
    return _with_readout(network, channels * height * width, classes)


def lagani_cnn(image_shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """Six layers: convolutions of 96 5×5, 128, 192 and 256 3×3 kernels, 4,096 units, readout.

    After every layer ReLU, max pooling by 2 (layers 1 and 3) and batch norm. That of layers 3 to 5
    is the authors' `modified_bn`, here `RelativeBatchNorm2d`: it keeps which channels vary more
    than others. No padding; dropout of one half before the readout, as in their supervised runs.

    Source: Lagani et al. 2022, and their HebbianPCA.
    """
    channels, height, width = _images(
        "lagani-cnn", image_shape, 24, "kernels of 5×5 and three times 3×3, with pooling by 2"
    )
    network = nn.Sequential()
    network.add_module("whiten", Whitening())
    for layer, (units, kernel) in enumerate(((96, 5), (128, 3), (192, 3), (256, 3)), start=1):
        network.add_module(f"prepare{layer}", InputNorm())
        network.add_module(f"conv{layer}", PatchConv2d(channels, units, kernel, bias=False))
        network.add_module(f"activation{layer}", RePU())
        height, width = height - kernel + 1, width - kernel + 1
        if layer in (1, 3):
            network.add_module(f"pool{layer}", nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        norm = nn.BatchNorm2d if layer < 3 else RelativeBatchNorm2d
        network.add_module(f"norm{layer}", norm(units))
        channels = units
    fan_in = channels * height * width
    _check_size(fan_in, 4096)
    network.add_module("flatten", nn.Flatten())
    network.add_module("prepare5", InputNorm())
    network.add_module("fc5", nn.Linear(fan_in, 4096, bias=False))
    network.add_module("activation5", RePU())
    network.add_module("norm5", RelativeBatchNorm1d(4096))
    network.add_module("dropout", nn.Dropout(0.5))
    network.add_module("readout", nn.Linear(4096, classes))
    return network


def softhebb_cnn(name: str, share: int) -> Builder:
    """Return the builder of SoftHebb's three convolutions, at one over `share` of their width.

    A block: batch norm without parameters, convolution padded by reflection (96 5×5, 384 3×3,
    1,536 3×3), triangle to the power 0.7, 1.4 and 1, pooling (maximum of 4×4 at every second place
    twice, then the average of 2×2). Dropout of one half before the readout.

    Source: Journé et al., ICLR 2023, and their SoftHebb.
    """

    def build(image_shape: tuple[int, ...], classes: int) -> nn.Sequential:
        channels, height, width = _images(name, image_shape, 8, "three times pooling by 2")
        network = nn.Sequential()
        network.add_module("whiten", Whitening())
        blocks = ((96, 5, 0.7), (384, 3, 1.4), (1536, 3, 1.0))
        for layer, (full, kernel, power) in enumerate(blocks, start=1):
            units = full // share
            conv = PatchConv2d(
                channels, units, kernel, padding=kernel // 2, padding_mode="reflect", bias=False
            )
            network.add_module(f"norm{layer}", nn.BatchNorm2d(channels, affine=False))
            network.add_module(f"prepare{layer}", InputNorm())
            network.add_module(f"conv{layer}", conv)
            network.add_module(f"activation{layer}", RePU(power, triangle=True))
            pool = nn.AvgPool2d(2) if layer == 3 else nn.MaxPool2d(4, stride=2, padding=1)
            network.add_module(f"pool{layer}", pool)
            channels, height, width = units, height // 2, width // 2
        return _with_readout(network, channels * height * width, classes, dropout=0.5)

    return build


def _with_readout(
    network: nn.Sequential, features: int, classes: int, dropout: float = 0.0
) -> nn.Sequential:
    _check_size(features, classes)
    network.add_module("flatten", nn.Flatten())
    if dropout:
        network.add_module("dropout", nn.Dropout(dropout))
    network.add_module("readout", nn.Linear(features, classes))
    return network


def _images(
    name: str, image_shape: tuple[int, ...], least: int, built: str
) -> tuple[int, int, int]:
    """Return (channels, height, width), or refuse what the network cannot take."""
    if len(image_shape) != 3:
        raise InvalidValue(
            f"{name} needs images; this data set holds plain vectors. Use dense-100."
        )
    channels, height, width = image_shape
    if min(height, width) < least:
        raise InvalidValue(
            f"{name} has {built}, which need images of at least {least}×{least} pixels, not "
            f"{height}×{width}."
        )
    return channels, height, width


def _check_size(*factors: int) -> None:
    weights = math.prod(factors)
    if weights > _LARGEST:
        raise InvalidValue(
            f"That network would have {weights:,} weights in one layer; "
            f"{_LARGEST:,} are the most. Use smaller images or fewer units."
        )


BUILDERS: dict[str, Builder] = {
    **{f"dense-{units}": dense(units) for units in (100, 400, 2000)},
    "conv-400": conv_400,
    "miconi-cnn": miconi_cnn,
    "lagani-cnn": lagani_cnn,
    "softhebb-cnn": softhebb_cnn("softhebb-cnn", 1),
    "softhebb-cnn-half": softhebb_cnn("softhebb-cnn-half", 2),
    "softhebb-cnn-quarter": softhebb_cnn("softhebb-cnn-quarter", 4),
}

__all__ = ["BUILDERS", "Builder", "dense"]
