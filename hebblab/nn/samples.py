"""A resident sample of patches: what a first convolution learns from, cut out once."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from hebblab.errors import InvalidValue, shown
from hebblab.nn.layers import LayerView
from hebblab.nn.scratch import Scratch

_AT_ONCE = 4096


class PatchSample:
    """Patches of a convolution's images, drawn once and kept as bytes.

    Batches of it are what a trainer takes for that layer: ready patches instead of images.

    Args:
        layer: A `torch.nn.Conv2d`, the first of its network.
        pixels: Images (N, channels, height, width), uint8.
        count: How many patches are drawn, none twice; all where there are no more.
        seed: Of the draw.

    Attributes:
        patches: (count, channels · height · width of the kernel), uint8.

    Raises:
        InvalidValue: The layer is no convolution, the pixels do not fit it or are no uint8, or the
            count is no whole number from 1 to 10,000,000.

    >>> layer = nn.Conv2d(1, 4, 3, bias=False)
    >>> pixels = torch.arange(50, dtype=torch.uint8).view(2, 1, 5, 5)
    >>> sample = PatchSample(layer, pixels, count=6)
    >>> sample.patches.shape
    torch.Size([6, 9])
    >>> [batch.shape for batch in sample.batches(4, torch.Generator().manual_seed(0))]
    [torch.Size([4, 9])]
    """

    def __init__(
        self, layer: nn.Module, pixels: Tensor, count: int = 200_000, seed: int = 0
    ) -> None:
        if not isinstance(layer, nn.Conv2d):
            raise InvalidValue(
                f"Patches are cut for a Conv2d, not for a {type(layer).__name__}; other layers "
                "learn from the images themselves."
            )
        if type(count) is not int or not 1 <= count <= 10_000_000:
            raise InvalidValue(
                f"count must be a whole number from 1 to 10,000,000, not {shown(count)}."
            )
        fits = pixels.ndim == 4 and pixels.shape[1] == layer.in_channels and len(pixels) > 0
        if not fits or pixels.dtype != torch.uint8:
            raise InvalidValue(
                f"Pixels must be uint8 images (N, {layer.in_channels}, height, width), not "
                f"{str(pixels.dtype).removeprefix('torch.')} {tuple(pixels.shape)}."
            )
        view = LayerView(layer)
        generator = torch.Generator().manual_seed(seed)
        places = view.places(pixels, count, generator)
        if places is None:
            places = torch.arange(len(pixels) * view.positions(tuple(pixels.shape)))
        width = view.groups * view.fan_in
        self.patches = torch.empty(len(places), width, dtype=torch.uint8)
        scratch = Scratch()
        for first in range(0, len(places), _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            for group in range(view.groups):
                own = self.patches[some, group * view.fan_in : (group + 1) * view.fan_in]
                own.copy_(view.patches(pixels, places[some], scratch, group))

    def __len__(self) -> int:
        """Return how many patches there are."""
        return len(self.patches)

    def batches(self, size: int, generator: torch.Generator) -> "PatchBatches":
        """Return batches of `size` patches in [0, 1], each epoch in a new order.

        Raises:
            InvalidValue: The size is no whole number from 1 to the number of patches.
        """
        if type(size) is not int or not 1 <= size <= len(self):
            raise InvalidValue(
                f"A batch has from 1 to {len(self):,} of the patches, not {shown(size)}."
            )
        return PatchBatches(self.patches, size, generator)


class PatchBatches:
    """Ready patches in batches, float32 in buffers that each batch uses again."""

    def __init__(self, patches: Tensor, size: int, generator: torch.Generator) -> None:
        self._patches = patches
        self._size = size
        self._generator = generator
        self._bytes = patches.new_empty(size, patches.shape[1])
        self._values = torch.empty(size, patches.shape[1])

    def __len__(self) -> int:
        """Return how many batches an epoch has; what is left over is dropped."""
        return len(self._patches) // self._size

    def __iter__(self) -> Iterator[Tensor]:
        """Yield the batches of an epoch, (size, fan_in)."""
        order = torch.randperm(len(self._patches), generator=self._generator)
        for first in range(0, len(self) * self._size, self._size):
            yield self.take(order[first : first + self._size])

    def take(self, rows: Tensor) -> Tensor:
        """Return the patches of the numbers `rows` (size,)."""
        torch.index_select(self._patches, 0, rows, out=self._bytes)
        return torch.mul(self._bytes, 1 / 255, out=self._values)
