"""Batches of resident inputs: one gather and one product a step, into buffers that are reused."""

from collections.abc import Iterator

import torch
from torch import Tensor

from hebblab.data.images import Images, Inputs
from hebblab.errors import InvalidValue, shown

# A tensor, because with a plain number the default dtype would decide how the product is rounded.
_SCALE = torch.tensor(1 / 255, dtype=torch.float32)


class Batches:
    """Seeded batches; each `iter()` is one epoch in a new order.

    The two tensors of a batch are buffers: the next batch overwrites them, so copy what must
    last. The last, partial batch of an epoch is dropped. `resize` changes the size of those to
    come, in an epoch under way too.

    Args:
        images: Images or Vectors.
        batch_size: Inputs a batch, 1 to the number of inputs.
        generator: Draws every order; a CPU generator that the caller owns.
        centre: Subtracted from each input, (C, H, W) in [0, 1] or (D,).

    Raises:
        InvalidValue: For a batch larger than the data and anything else that does not fit.

    >>> import hebblab.data
    >>> digits = hebblab.data.load("mnist-5k")
    >>> batches = Batches(digits.train, 100, torch.Generator().manual_seed(0))
    >>> len(batches)
    30
    >>> inputs, labels = next(iter(batches))
    >>> inputs.shape, inputs.dtype, labels.shape
    (torch.Size([100, 1, 28, 28]), torch.float32, torch.Size([100]))
    """

    def __init__(
        self,
        images: Inputs,
        batch_size: int,
        generator: torch.Generator,
        centre: Tensor | None = None,
    ) -> None:
        self._content = _rows(images)
        check_batch_size(batch_size, len(images))
        if not isinstance(generator, torch.Generator) or generator.device.type != "cpu":
            raise InvalidValue(
                f"generator must be a torch.Generator on the CPU, not {shown(generator)}."
            )
        self.generator = generator
        self._labels = images.labels
        self._shape = images.shape
        self._centre = _flat_centre(images, centre)
        self.resize(batch_size)

    def resize(self, batch_size: int) -> None:
        """Make the next batches as large as this; those handed out stay as they are.

        An epoch under way keeps its order: its next batch is the next inputs of it, and it ends
        when fewer are left than a batch takes.

        Raises:
            InvalidValue: The batch is larger than the data; nothing is changed.

        >>> from hebblab.data import Vectors
        >>> vectors = Vectors(torch.arange(10.0).view(10, 1), torch.zeros(10).long())
        >>> batches = Batches(vectors, 2, torch.Generator().manual_seed(0))
        >>> epoch = iter(batches)
        >>> next(epoch)[0].flatten().tolist()
        [4.0, 1.0]
        >>> batches.resize(5)
        >>> [inputs.flatten().tolist() for inputs, _ in epoch]
        [[7.0, 5.0, 3.0, 9.0, 0.0]]
        """
        check_batch_size(batch_size, len(self._content))
        self.batch_size = batch_size
        # Made under inference mode, the buffers could never be written outside it.
        with torch.inference_mode(False):
            shape = (batch_size, *self._shape)
            self._inputs = torch.empty(shape, dtype=torch.float32, device=self._content.device)
            self._flat = self._inputs.view(batch_size, -1)
            self._gathered = self._content.new_empty((batch_size, self._content.shape[1]))
            self._chosen = self._labels.new_empty(batch_size)

    def recentre(self, centre: Tensor) -> None:
        """Subtract another centre from the next batch on; for inputs that are written over."""
        assert self._centre is not None
        self._centre.copy_(centre.reshape(-1))

    def __len__(self) -> int:
        return len(self._content) // self.batch_size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self._content), generator=self.generator)
        order = order.to(self._content.device)
        taken = 0
        while taken + self.batch_size <= len(order):
            rows = order[taken : taken + self.batch_size]
            taken += self.batch_size
            self._fill(rows)
            yield self._inputs, self._chosen

    def _fill(self, rows: Tensor) -> None:
        if self._content.dtype is torch.uint8:
            torch.index_select(self._content, 0, rows, out=self._gathered)
            torch.mul(self._gathered, _SCALE, out=self._flat)
        else:
            torch.index_select(self._content, 0, rows, out=self._flat)
        if self._centre is not None:
            self._flat.sub_(self._centre)
        torch.index_select(self._labels, 0, rows, out=self._chosen)


def mean_image(images: Inputs) -> Tensor:
    """Return the mean of all inputs, (C, H, W) in [0, 1], or (D,) for vectors.

    >>> white = Images(torch.full((4, 1, 2, 2), 255, dtype=torch.uint8), torch.zeros(4).long())
    >>> mean_image(white).tolist()
    [[[1.0, 1.0], [1.0, 1.0]]]
    """
    content = _rows(images)
    if content.dtype is torch.uint8:
        # Whole numbers, so the mean is the same whatever the number of threads.
        mean = content.sum(0, dtype=torch.int64).double() / (255 * len(content))
    else:
        mean = content.double().mean(0)
    return mean.float().view(images.shape)


def as_floats(images: Inputs, limit: int | None = None, centre: Tensor | None = None) -> Tensor:
    """Return inputs as a batch has them: float32 in [0, 1], less `centre`, in stored order.

    Args:
        images: Images or Vectors.
        limit: At most so many, evenly spaced, so that a set sorted by class gives every class.
        centre: Subtracted from each.

    Returns:
        (N, C, H, W), or (N, D) for vectors: a tensor of the caller's own.

    >>> import hebblab.data
    >>> as_floats(hebblab.data.load("mnist-5k").validation, limit=200).shape
    torch.Size([200, 1, 28, 28])
    """
    content = _rows(images)
    if limit is not None:
        _check_count("limit", limit, None)
        if limit < len(content):
            content = content[torch.arange(limit, device=content.device) * len(content) // limit]
    flat = content * _SCALE if content.dtype is torch.uint8 else content.clone()
    mean = _flat_centre(images, centre)
    if mean is not None:
        flat.sub_(mean)
    return flat.view(-1, *images.shape)


def _rows(images: Inputs) -> Tensor:
    if not isinstance(images, Inputs):
        raise InvalidValue(f"Images or Vectors are needed here, not {shown(images)}.")
    content = images.pixels if isinstance(images, Images) else images.values
    return content.reshape(len(content), -1)


def _flat_centre(images: Inputs, centre: Tensor | None) -> Tensor | None:
    if centre is None:
        return None
    if not isinstance(centre, Tensor) or tuple(centre.shape) != images.shape:
        given = tuple(centre.shape) if isinstance(centre, Tensor) else shown(centre)
        raise InvalidValue(f"centre must be a tensor {images.shape} like one input, not {given}.")
    return centre.detach().to(torch.float32).reshape(-1).clone()


def check_batch_size(batch_size: object, inputs: int) -> None:
    """Refuse a batch that so many inputs cannot fill.

    Raises:
        InvalidValue: It is no whole number from 1 to the number of inputs.

    >>> check_batch_size(100, inputs=100)
    """
    _check_count("The batch size", batch_size, inputs)


def _check_count(what: str, count: object, most: int | None) -> None:
    bounds = f"a whole number from 1{f' to {most:,}, the number of inputs' if most else ''}"
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InvalidValue(f"{what} must be {bounds}, not {shown(count)}.")
    if most is not None and count > most:
        raise InvalidValue(f"{what} must be {bounds}; {shown(count)} is more than the data holds.")
