"""Images in memory: uint8 pixels and labels, checked once, so that nobody below asks again."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, shown


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """Images of one size with a label each, as bytes.

    Attributes:
        pixels: uint8, (N, C, H, W), 0 to 255.
        labels: int64, (N,), counted from 0.

    Raises:
        InvalidValue: For any other type, rank or length, and for no images at all.

    >>> Images(torch.zeros(2, 1, 28, 28, dtype=torch.uint8), torch.tensor([0, 1]))
    Images(2 of 1×28×28)
    """

    pixels: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        _check_tensor("pixels", self.pixels, torch.uint8, "(N, C, H, W)", 4)
        _check_labels(self.labels, len(self.pixels))

    def __len__(self) -> int:
        return len(self.pixels)

    def __repr__(self) -> str:
        return f"Images({len(self):,} of {'×'.join(map(str, self.shape))})"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one image, (C, H, W)."""
        return tuple(self.pixels.shape[1:])


@dataclass(frozen=True, eq=False, repr=False)
class Vectors:
    """Inputs that are no images, with a label each.

    Attributes:
        values: float32, (N, D), finite.
        labels: int64, (N,), counted from 0.

    Raises:
        InvalidValue: For any other type, rank or length, and for values that are not finite.

    >>> Vectors(torch.zeros(2, 5), torch.tensor([0, 1]))
    Vectors(2 of 5)
    """

    values: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        _check_tensor("values", self.values, torch.float32, "(N, D)", 2)
        _check_labels(self.labels, len(self.values))
        if not torch.isfinite(self.values).all():
            raise InvalidValue("values must be finite, and some are NaN or infinite.")

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Vectors({len(self):,} of {self.values.shape[1]})"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one vector, (D,)."""
        return tuple(self.values.shape[1:])


Inputs = Images | Vectors


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Three disjoint splits of one set.

    Attributes:
        name: What `load` was asked for.
        train: What a network learns from.
        validation: What a person looks at while tuning.
        test: What is looked at once, at the end.
        classes: One name for each label.
        notes: What was left out while loading, one sentence each.

    Raises:
        InvalidValue: If the splits differ in kind or size, or a label has no class.

    >>> import hebblab.data
    >>> digits = hebblab.data.load("mnist-5k")
    >>> digits
    Dataset('mnist-5k', 1×28×28, 10 classes, 3,000 + 1,000 + 1,000)
    >>> digits.fingerprint[:8]
    '2d98f672'
    """

    name: str
    train: Inputs
    validation: Inputs
    test: Inputs
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.classes or not all(isinstance(name, str) for name in self.classes):
            raise InvalidValue(f"classes must be names, at least one, not {shown(self.classes)}.")
        for split in ("train", "validation", "test"):
            inputs = getattr(self, split)
            if not isinstance(inputs, Images | Vectors):
                raise InvalidValue(f"{split} must be Images or Vectors, not {shown(inputs)}.")
            if type(inputs) is not type(self.train) or inputs.shape != self.train.shape:
                raise InvalidValue(
                    f"The splits must hold inputs of one size: train holds {self.train!r}, "
                    f"{split} {inputs!r}."
                )
            highest = int(inputs.labels.max())
            if highest >= len(self.classes):
                raise InvalidValue(
                    f"{split} has the label {highest}, but with {len(self.classes)} classes "
                    f"labels run from 0 to {len(self.classes) - 1}."
                )

    def __repr__(self) -> str:
        size = "×".join(map(str, self.image_shape))
        lengths = " + ".join(f"{len(part):,}" for part in (self.train, self.validation, self.test))
        return f"Dataset({self.name!r}, {size}, {len(self.classes)} classes, {lengths})"

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape of one input: (C, H, W), or (D,) for vectors."""
        return self.train.shape

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the three splits: equal if and only if every pixel and label is equal."""
        digest = hashlib.sha256()
        for inputs in (self.train, self.validation, self.test):
            content = inputs.pixels if isinstance(inputs, Images) else inputs.values
            for tensor in (content, inputs.labels):
                array = tensor.detach().cpu().contiguous().numpy()
                digest.update(f"{array.dtype.name}{array.shape};".encode())
                digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).data)
        return digest.hexdigest()


def _check_tensor(name: str, tensor: object, dtype: torch.dtype, axes: str, rank: int) -> None:
    wanted = f"{name} must be a {str(dtype).removeprefix('torch.')} tensor {axes}"
    if not isinstance(tensor, Tensor):
        raise InvalidValue(f"{wanted}, not {type(tensor).__name__}.")
    if tensor.dtype is not dtype or tensor.ndim != rank:
        given = f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
        raise InvalidValue(f"{wanted}, not {given}.")
    if tensor.numel() == 0:
        raise InvalidValue(f"{wanted} with at least one element, not {tuple(tensor.shape)}.")


def _check_labels(labels: object, length: int) -> None:
    _check_tensor("labels", labels, torch.int64, "(N,)", 1)
    assert isinstance(labels, Tensor)
    if len(labels) != length:
        raise InvalidValue(f"There are {length:,} inputs and {len(labels):,} labels.")
    if int(labels.min()) < 0:
        raise InvalidValue(f"Labels count from 0; the lowest here is {int(labels.min())}.")
