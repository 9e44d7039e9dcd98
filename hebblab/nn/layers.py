"""Linear and Conv2d layers as one thing: rows of inputs and rows of weights."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from hebblab.errors import InvalidValue
from hebblab.nn import unfolding
from hebblab.nn.patches import PatchConv2d
from hebblab.nn.scratch import Scratch

CHUNK = 4096  # patches at once: they stay in a core's cache, and memory has a bound


class LayerView:
    """A layer as a learning rule sees it: `inputs (samples, fan_in)`, `weights (units, fan_in)`.

    A convolution's samples are its true patches: one row for each image and position, zeros or
    whatever `padding_mode` says at the rim. A grouped convolution is `groups` layers that share
    a clock.

    Rows are in the order of the weights, (channels, height, width). Memory copies patches several
    times faster in the order (height, width, channels): `chunks`, `weights` and `straight` take
    and give that one where they are told `turned=True`.

    Args:
        module: A `torch.nn.Linear` or `torch.nn.Conv2d` without bias.
        name: What errors call the layer.

    Raises:
        InvalidValue: Another kind of module, one whose weights do not exist yet, or a bias, which
            no Hebbian rule trains.

    >>> import torch
    >>> view = LayerView(nn.Conv2d(4, 6, 3, groups=2, bias=False))
    >>> view.units, view.fan_in, view.groups
    (6, 18, 2)
    >>> view.inputs(torch.zeros(5, 4, 8, 8), group=1).shape
    torch.Size([180, 18])
    """

    def __init__(self, module: nn.Module, name: str = "layer") -> None:
        if not isinstance(module, nn.Linear | nn.Conv2d):
            raise InvalidValue(
                f"Layer {name!r} is a {type(module).__name__}; "
                "Hebbian rules train Linear and Conv2d layers."
            )
        if isinstance(module.weight, nn.UninitializedParameter):
            raise InvalidValue(
                f"Layer {name!r} has no weights yet: pass a batch through the model first."
            )
        if module.bias is not None:
            raise InvalidValue(
                f"Layer {name!r} has a bias, which no Hebbian rule trains: make it with bias=False."
            )
        self.module = module
        self.name = name
        self.units = int(module.weight.shape[0])
        self.fan_in = module.weight[0].numel()
        self.groups = module.groups if isinstance(module, nn.Conv2d) else 1
        self._patches = module if isinstance(module, PatchConv2d) else None
        self._form = unfolding.Form.of(module) if isinstance(module, nn.Conv2d) else None

    @property
    def unit_shape(self) -> tuple[int, ...]:
        """Shape of one unit's weights in the layer: (fan_in,) or (channels, height, width)."""
        return tuple(self.module.weight.shape[1:])

    def weights(self, group: int | None = None, *, turned: bool = False) -> Tensor:
        """Return the weights as rows (units, fan_in), to read; `scale_` changes them.

        Args:
            group: Only that group's units.
            turned: A copy in the order of turned chunks, where that is another.
        """
        weight = self.module.weight.detach()
        if group is not None and self.groups > 1:
            each = self.units // self.groups
            weight = weight[group * each : (group + 1) * each]
        if turned and self._turns:
            weight = weight.permute(0, 2, 3, 1)
        return weight.reshape(-1, self.fan_in)

    def straight(self, rows: Tensor, *, turned: bool = True) -> Tensor:
        """Return rows (any, fan_in) of turned chunks in the order of the weights."""
        if not (turned and self._turns):
            return rows
        channels, high, wide = self.unit_shape
        return rows.view(-1, high, wide, channels).permute(0, 3, 1, 2).reshape(-1, self.fan_in)

    @property
    def _turns(self) -> bool:
        """Whether the two orders differ, and nothing is known of the one only."""
        shape = self.unit_shape
        whitened = self._patches is not None and self._patches.matrix is not None
        return len(shape) == 3 and shape[0] > 1 and shape[1] * shape[2] > 1 and not whitened

    def scale_(self, factors: Tensor) -> None:
        """Multiply each unit's weights in place; `factors` is (units,)."""
        weight = self.module.weight.detach()
        weight.mul_(factors.view(-1, *(1 for _ in self.unit_shape)))

    def check(self, x: Tensor) -> None:
        """Refuse a batch that the layer cannot take; reads its shape alone, no values.

        Raises:
            InvalidValue: It is empty, not dense, or of another shape or dtype than the weights.
        """
        weight = self.module.weight
        if isinstance(self.module, nn.Conv2d):
            ready = x.ndim == 2 and x.shape[1] == self.groups * self.fan_in
            fits = ready or (x.ndim == 4 and x.shape[1] == self.module.in_channels)
            wanted = f"(images, {self.module.in_channels}, height, width)"
        else:
            fits = x.ndim >= 1 and x.shape[-1] == self.fan_in
            wanted = f"(samples, {self.fan_in})"
        shape = tuple(x.shape)
        if not fits:
            raise InvalidValue(
                f"Inputs {shape} do not fit layer {self.name!r} with weights "
                f"{tuple(weight.shape)}: they must be {wanted}."
            )
        if x.numel() == 0:
            raise InvalidValue(f"The batch for layer {self.name!r} is empty: its shape is {shape}.")
        if x.layout != torch.strided:
            raise InvalidValue(
                f"Inputs {shape} of layer {self.name!r} are no dense tensor: use .to_dense() first."
            )
        if x.dtype != weight.dtype:
            found, own = (str(t.dtype).removeprefix("torch.") for t in (x, weight))
            raise InvalidValue(
                f"Inputs {shape} are {found} and layer {self.name!r} is {own}: convert them first, "
                f"for example images.to(torch.{own}) / 255."
            )

    def inputs(self, x: Tensor, group: int = 0) -> Tensor:
        """Return all rows (samples, fan_in) that `x`, a batch for the layer, holds for a group."""
        if self._form is None:
            return x.reshape(-1, self.fan_in)
        own = self._own(x, group)
        if x.ndim == 2:
            rows = own
        else:
            self.positions(tuple(x.shape))
            images = unfolding.framed(own, self._form, Scratch(), last=False)
            rows = unfolding.windows(images, self._form, last=False).reshape(-1, self.fan_in)
        return rows if self._patches is None else self._patches.seen(rows, Scratch(), group)

    def chunks(
        self,
        x: Tensor,
        scratch: Scratch,
        group: int = 0,
        *,
        turned: bool = False,
        places: Tensor | None = None,
    ) -> Iterator[Tensor]:
        """Yield the rows of `x` in pieces of at most `CHUNK` patches, or one line of an image.

        Pieces of a convolution share one buffer of `scratch`: use each before asking for the next.

        Args:
            x: A batch for the layer; for a convolution also ready patches (samples, groups ·
                fan_in), each as (channels, height, width).
            scratch: Keeps the buffers: a chunk and, where they have to be padded or turned, the
                images it is cut from. That is a bound, however large the batch.
            group: Of a grouped convolution.
            turned: Whether rows may come in the order that is copied fastest.
            places: Only these patches, by their number among all of the batch; see `places`.
        """
        if self._form is None:
            yield x.reshape(-1, self.fan_in)
            return
        last = turned and (self._turns or self.unit_shape[0] == 1)
        own = self._own(x, group)
        if x.ndim == 2:
            ready = own if places is None else own.index_select(0, places.to(x.device))
            pieces = self._ready(ready, scratch, last and self._turns)
        elif places is None:
            pieces = self._cut(own, scratch, last)
        else:
            pieces = self._picked(own, scratch, places, last)
        for rows in pieces:
            yield rows if self._patches is None else self._patches.seen(rows, scratch, group)

    def places(self, x: Tensor, count: int, generator: torch.Generator) -> Tensor | None:
        """Draw which patches of a batch to learn from, (count,), none twice.

        None where there are no more than `count`, so that all are taken.
        """
        total = len(x) if x.ndim == 2 else len(x) * self.positions(tuple(x.shape))
        return None if count >= total else unfolding.distinct(total, count, generator)

    def patches(self, x: Tensor, places: Tensor, scratch: Scratch, group: int = 0) -> Tensor:
        """Return some patches of a batch as they are in its images, of any dtype; see `places`."""
        assert self._form is not None
        buffer = scratch.take("patches", (len(places), self.fan_in), x)
        return unfolding.gathered(self._own(x, group), places, self._form, scratch, buffer, False)

    def _own(self, x: Tensor, group: int) -> Tensor:
        """Return a group's channels of a batch, or its part of ready patches."""
        each = x.shape[1] // self.groups
        return x if self.groups == 1 else x[:, group * each : (group + 1) * each]

    def _ready(self, x: Tensor, scratch: Scratch, turn: bool) -> Iterator[Tensor]:
        channels, high, wide = self.unit_shape
        for first in range(0, len(x), CHUNK):
            piece = x[first : first + CHUNK]
            if not turn:
                yield piece
                continue
            buffer = scratch.take("patches", tuple(piece.shape), x)
            turned = piece.view(-1, channels, high, wide).permute(0, 2, 3, 1)
            buffer.view(turned.shape).copy_(turned)
            yield buffer

    def _cut(self, x: Tensor, scratch: Scratch, last: bool) -> Iterator[Tensor]:
        assert self._form is not None
        self.positions(tuple(x.shape))
        height, width = self._form.places(*x.shape[2:])
        whole = max(1, CHUNK // (height * width))
        lines = height if height * width <= CHUNK else max(1, CHUNK // width)
        for first in range(0, len(x), whole):
            images = unfolding.framed(x[first : first + whole], self._form, scratch, last)
            cut = unfolding.windows(images, self._form, last)
            for line in range(0, height, lines):
                piece = cut[:, line : line + lines]
                rows = piece.shape[0] * piece.shape[1] * piece.shape[2]
                buffer = scratch.take("patches", (rows, self.fan_in), x)
                yield unfolding.copy_(buffer, piece, last)

    def _picked(self, x: Tensor, scratch: Scratch, places: Tensor, last: bool) -> Iterator[Tensor]:
        assert self._form is not None
        self.positions(tuple(x.shape))
        for first in range(0, len(places), CHUNK):
            here = places[first : first + CHUNK].to(x.device, non_blocking=True)
            buffer = scratch.take("patches", (len(here), self.fan_in), x)
            yield unfolding.gathered(x, here, self._form, scratch, buffer, last)

    def positions(self, image_shape: tuple[int, ...]) -> int:
        """Return how many samples one input of `image_shape` gives.

        Raises:
            InvalidValue: The kernel does not fit into the image.
        """
        if self._form is None:
            return 1
        module = self.module
        size = self._form.places(*image_shape[-2:])
        if min(size) < 1:
            kernel = "×".join(str(k) for k in module.kernel_size)
            image = "×".join(str(n) for n in image_shape[-2:])
            raise InvalidValue(
                f"The {kernel} kernel of layer {self.name!r} does not fit into its {image} input."
            )
        return size[0] * size[1]
