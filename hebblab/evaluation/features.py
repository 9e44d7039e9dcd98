"""Features of many images within a memory bound."""

import copy
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hebblab.data import Images, as_floats
from hebblab.data.images import Inputs
from hebblab.errors import InvalidValue
from hebblab.evaluation.working import digest
from hebblab.nn import PatchConv2d, RePU
from hebblab.nn.initial import draw_
from hebblab.training.features import FeaturePath

WIDEST = 8192  # features of one image; wider maps are averaged down
_ACTIVATIONS = 8 << 20  # values of the largest activation held at once: 32 MiB
_CALIBRATION = 512  # images that batch-norm statistics are taken from
_PATCHES = 100_000  # that whitening is fitted to, at the most

Start = str | Callable[[Tensor, torch.Generator], object]


class Inlet:
    """How inputs enter: as a batch has them, less the centre, at unit norm where asked.

    Args:
        images: Images or Vectors.
        rows: Which of them, int64; None is all.
        centre: Subtracted from each.
        unit_norm: Divide each input by its Euclidean norm; blank inputs stay zero.
    """

    def __init__(
        self, images: Inputs, rows: Tensor | None, centre: Tensor | None, unit_norm: bool
    ) -> None:
        self._images, self._rows = images, rows
        self._centre, self._unit_norm = centre, unit_norm
        self.labels = images.labels if rows is None else images.labels[rows]

    def __len__(self) -> int:
        return len(self.labels)

    def chunks(self, size: int) -> Iterator[Tensor]:
        """Yield the inputs in order, at most `size` at a time, each chunk a tensor of its own."""
        for first in range(0, len(self), size):
            last = min(first + size, len(self))
            yield self._take(slice(first, last))

    def spread(self, count: int) -> Tensor:
        """Return `count` inputs spread evenly over all, or all."""
        count = min(count, len(self))
        return self._take(torch.arange(count) * len(self) // count)

    def _take(self, places: slice | Tensor) -> Tensor:
        rows = places if self._rows is None else self._rows[places]
        images = self._images
        content = images.pixels if isinstance(images, Images) else images.values
        part = type(images)(content[rows], images.labels[rows])
        inputs = as_floats(part, centre=self._centre)
        if self._unit_norm:
            flat = inputs.flatten(1)
            flat.div_(torch.linalg.vector_norm(flat, dim=1, keepdim=True).clamp_min(1e-12))
        return inputs


class Extractor:
    """A private, frozen copy of the way to a layer's features.

    Batch-norm statistics are taken anew, from the training images under these weights: running
    averages of a network that is still learning, or was never run forward, belong to others.

    Args:
        path: The way, whose modules are copied and left alone.
        training: Images that batch-norm statistics come from.
        redraw: Where the layers' weights start, by name, if they are to be drawn at random; a
            bias becomes zero, and nothing that was learnt stays: no adaptive threshold, and no
            whitening of patches that came from learnt features.
        generator: Of the drawing.
        device: Where the features are computed; by default where the modules are.

    Raises:
        InvalidValue: The images do not fit the network.
    """

    def __init__(
        self,
        path: FeaturePath,
        training: Inlet,
        redraw: Mapping[str, Start] | None = None,
        generator: torch.Generator | None = None,
        device: torch.device | None = None,
    ) -> None:
        self._modules = copy.deepcopy(path.modules).eval()
        for module in self._modules.modules():
            module._forward_hooks.clear()
            module._forward_pre_hooks.clear()
        self.device = device or next(self._modules.parameters()).device
        if redraw is not None:
            assert generator is not None
            for place, name in path.learned.items():
                _draw(self._modules[place], redraw[name], generator)
            for module in self._modules.modules():
                if isinstance(module, RePU):
                    module.thresholds = module.lateral = None
        try:
            largest, self.shape = self._measure(training.spread(1))
        except RuntimeError as error:
            raise InvalidValue(
                f"The network does not fit inputs of shape {tuple(training.spread(1).shape[1:])}: "
                f"{error}"
            ) from error
        self._chunk = max(1, min(1024, _ACTIVATIONS // largest))
        self._side = _side(self.shape)
        self.width = math.prod(self.shape)
        if self._side is not None:
            self.width = self.shape[0] * self._side[0] * self._side[1]
        self._calibrate(training)
        if redraw is not None:
            self._whiten_anew(sorted(path.learned)[1:], training, generator)

    @cached_property
    def identity(self) -> str:
        """SHA-256 of all that makes features of inputs: modules, their settings and weights."""
        found = hashlib.sha256(f"{self._modules}{self._side}".encode())
        for name, tensor in self._modules.state_dict().items():
            found.update(f"{name}{digest(tensor)}".encode())
        return found.hexdigest()

    @property
    def note(self) -> str:
        """What was done to features too many to keep, in words; empty if nothing was."""
        if self._side is None:
            return ""
        return (
            f"maps of {self.shape[1]} × {self.shape[2]} averaged to "
            f"{self._side[0]} × {self._side[1]}"
        )

    def of(self, inputs: Tensor) -> Tensor:
        """Return the features of one chunk of inputs, (samples, width)."""
        features: Tensor = self._modules(inputs.to(self.device))
        if self._side is not None:
            features = F.adaptive_avg_pool2d(features, self._side)
        return features.flatten(1)

    def all(self, inlet: Inlet, report: Callable[[int, int], None]) -> Iterator[Tensor]:
        """Yield the features of all inputs, chunk by chunk."""
        done = 0
        for inputs in inlet.chunks(self._chunk):
            report(done, len(inlet))
            yield self.of(inputs)
            done += len(inputs)

    def _measure(self, one: Tensor) -> tuple[int, tuple[int, ...]]:
        values = one.to(self.device)
        largest = values.numel()
        for module in self._modules:
            values = module(values)
            largest = max(largest, values.numel())
        return largest, tuple(values.shape[1:])

    def _whiten_anew(
        self, deep: list[int], training: Inlet, generator: torch.Generator | None
    ) -> None:
        """Fit the whitening of deep layers' patches to what those layers are given now."""
        for place in deep:
            conv = self._modules[place]
            if not isinstance(conv, PatchConv2d) or conv.matrix is None:
                continue
            assert generator is not None
            parts = torch.split(training.spread(_CALIBRATION), self._chunk)
            given = torch.cat([self._modules[:place](part.to(self.device)) for part in parts])
            conv.fit_patches(given, generator, _PATCHES, conv.epsilon)
            self._calibrate(training)

    def _calibrate(self, training: Inlet) -> None:
        norms = [
            module
            for module in self._modules.modules()
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats
        ]
        if not norms:
            return
        for module in norms:
            module.reset_running_stats()
            module.momentum = None
            module.train()
        sample = training.spread(_CALIBRATION)
        for first in range(0, len(sample), max(2, self._chunk)):
            part = sample[first : first + max(2, self._chunk)]
            if len(part) > 1 or first == 0:
                self._modules(part.to(self.device))
        self._modules.eval()


def collect(chunks: Iterator[Tensor], samples: int, width: int, like: torch.device) -> Tensor:
    """Gather chunks of features into one float32 matrix (samples, width), allocated once."""
    features = torch.empty(samples, width, device=like)
    first = 0
    for chunk in chunks:
        features[first : first + len(chunk)] = chunk
        first += len(chunk)
    return features


def _side(shape: tuple[int, ...]) -> tuple[int, int] | None:
    if len(shape) != 3 or math.prod(shape) <= WIDEST:
        return None
    channels, height, width = shape
    shrink = math.sqrt(WIDEST / (channels * height * width))
    return max(1, int(height * shrink)), max(1, int(width * shrink))


def _draw(module: nn.Module, start: Start, generator: torch.Generator) -> None:
    weight, bias = module.weight, module.bias
    assert isinstance(weight, Tensor)
    drawn = torch.empty(weight.shape, dtype=weight.dtype)
    if callable(start):
        start(drawn, generator)
    else:
        draw_(drawn, start, generator)
    weight.copy_(drawn)
    if isinstance(bias, Tensor):
        bias.zero_()
