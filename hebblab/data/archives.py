"""Sets in an .npz: headers are judged before data is read, and nothing is ever unpickled."""

import math
import os
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hebblab.data.images import Dataset, Images, Inputs, Vectors
from hebblab.data.splits import stratified
from hebblab.data.store import named, reason
from hebblab.errors import DataUnavailable, InvalidValue

BYTES_LIMIT = 4 * 2**30
_ARRAYS_LIMIT = 64
_CLASSES_LIMIT = 10_000

Array = NDArray[Any]

_LAYOUTS = (
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("x_train", "y_train", "x_test", "y_test"),
    ("images", "labels"),
)
_VALIDATION = {
    "train_images": ("validation_images", "validation_labels"),
    "x_train": ("x_validation", "y_validation"),
}


@dataclass(frozen=True)
class Header:
    """What the head of an array says of it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def from_npz(path: str | PathLike[str]) -> Dataset:
    """Return the set in an .npz file.

    Accepted names of arrays: `train_images`, `train_labels`, `test_images`, `test_labels`, and if
    it has one, `validation_images`, `validation_labels`; or those of Keras, `x_train`, `y_train`,
    `x_test`, `y_test` (`x_validation`, `y_validation`); or `images` and `labels`, split 60 : 20 :
    20 by a fixed seed. Without validation arrays a fifth of the training images is taken. `classes`
    may hold the names, an array of strings.

    Images are uint8, (N, H, W), (N, H, W, C) or (N, C, H, W) with C = 1 or 3; vectors are float32
    or float64, (N, D). Labels are integers from 0, (N,) or (N, 1).

    Raises:
        DataUnavailable: If the file is missing, damaged, too large or holds anything else.
    """
    path = Path(os.path.expanduser(path))
    try:
        headers = read_headers(path)
        keys = _layout(headers)
        arrays = read_arrays(path, [*keys, *(["classes"] if "classes" in headers else [])])
        labels = [_labels(key, arrays[key]) for key in keys[1::2]]
        contents = [_contents(key, arrays[key]) for key in keys[::2]]
        classes = _classes(arrays.get("classes"), labels)
        splits = [_inputs(c, own) for c, own in zip(contents, labels, strict=True)]
        if len(splits) == 1:
            splits = [_take(splits[0], rows) for rows in stratified(labels[0])]
        elif len(splits) == 2:
            rest, held = stratified(labels[0], (0.2,))
            splits = [_take(splits[0], rest), _take(splits[0], held), splits[1]]
        else:
            splits = [splits[0], splits[2], splits[1]]
        train, validation, test = splits
        return Dataset(path.name, train, validation, test, classes)
    except (DataUnavailable, InvalidValue) as error:
        raise DataUnavailable(f"{named(path)} cannot be used: {str(error).rstrip('.')}.") from None


def read_headers(path: Path) -> dict[str, Header]:
    """Return the headers of all arrays of an .npz without reading any data.

    Raises:
        DataUnavailable: If it is no .npz, has an array of objects, or would not fit.
    """
    with _opened(path) as archive:
        names = archive.namelist()
        if len(names) > _ARRAYS_LIMIT or len(set(names)) < len(names):
            raise DataUnavailable(f"it holds more than {_ARRAYS_LIMIT} arrays, or a name twice")
        headers = {
            info.filename.removesuffix(".npy"): _header(archive, info)
            for info in archive.infolist()
            if info.filename.endswith(".npy")
        }
    total = sum(math.prod(header.shape) * header.dtype.itemsize for header in headers.values())
    if total > BYTES_LIMIT:
        raise DataUnavailable(
            f"it needs {total / 2**30:,.0f} GiB of memory; {BYTES_LIMIT // 2**30} GiB are allowed"
        )
    return headers


def read_arrays(path: Path, keys: Iterable[str]) -> dict[str, Array]:
    """Return arrays whose headers `read_headers` has accepted."""
    with _opened(path) as archive:
        arrays = {}
        for key in keys:
            try:
                with archive.open(f"{key}.npy") as file:
                    arrays[key] = np.lib.format.read_array(file, allow_pickle=False)
            except (
                ValueError,
                EOFError,
                OSError,
                RuntimeError,
                zlib.error,
                zipfile.BadZipFile,
            ) as error:
                raise DataUnavailable(f"the array {key} is damaged ({reason(error)})") from None
    return arrays


def _opened(path: Path) -> zipfile.ZipFile:
    if not os.path.isfile(path):
        raise DataUnavailable("there is no such file")
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DataUnavailable(f"it is no whole .npz file ({reason(error)})") from None


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Header:
    name = info.filename
    try:
        with archive.open(info) as file:
            version = np.lib.format.read_magic(file)
            if version == (1, 0):
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            elif version == (2, 0):
                shape, _, dtype = np.lib.format.read_array_header_2_0(file)
            else:
                raise ValueError(f"version {version}")
            start = file.tell()
    except Exception as error:  # a hostile header can make the parser raise anything
        raise DataUnavailable(f"{name} is no array ({reason(error)})") from None
    if dtype.hasobject:
        raise DataUnavailable(f"{name} holds Python objects, which are never loaded")
    if min(shape, default=0) < 0 or info.file_size != start + math.prod(shape) * dtype.itemsize:
        raise DataUnavailable(f"{name} is not as long as its header says")
    return Header(shape, dtype)


def _layout(headers: dict[str, Header]) -> list[str]:
    """Return the keys to read: images and labels of train, test, validation, or of everything."""
    for keys in _LAYOUTS:
        if all(key in headers for key in keys):
            validation = _VALIDATION.get(keys[0], ())
            present = [key for key in validation if key in headers]
            if len(present) == 1:
                raise DataUnavailable(f"it has {present[0]} but not both of {validation}")
            return [*keys, *present]
    wanted = "; ".join(", ".join(keys) for keys in _LAYOUTS)
    held = ", ".join(sorted(headers)) or "none"
    raise DataUnavailable(f"its arrays are named {held[:200]}; wanted are {wanted}")


def _labels(key: str, array: Array) -> Tensor:
    if array.dtype.kind not in "iu" or array.ndim not in (1, 2) or array.size != len(array):
        raise DataUnavailable(f"{key} must be integers (N,), not {array.dtype} {array.shape}")
    return torch.from_numpy(array.reshape(-1).astype(np.int64))


def _contents(key: str, array: Array) -> Tensor:
    if array.ndim == 2 and array.dtype.kind == "f" and array.dtype.itemsize in (4, 8):
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    if array.dtype != np.uint8 or array.ndim not in (3, 4):
        raise DataUnavailable(
            f"{key} must be uint8 images (N, H, W), (N, H, W, C) or (N, C, H, W), or float32 "
            f"vectors (N, D), not {array.dtype} {array.shape}"
        )
    if array.ndim == 3:
        array = array[:, None]
    elif array.shape[1] not in (1, 3):
        if array.shape[3] not in (1, 3):
            raise DataUnavailable(f"{key} has the shape {array.shape}, without 1 or 3 channels")
        array = array.transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(array))


def _classes(names: Array | None, labels: list[Tensor]) -> tuple[str, ...]:
    if names is not None:
        if names.dtype.kind != "U" or names.ndim != 1:
            raise DataUnavailable(f"classes must be strings (K,), not {names.dtype} {names.shape}")
        return tuple(names.tolist())
    count = 1 + max((int(own.max()) for own in labels if len(own)), default=0)
    if count > _CLASSES_LIMIT:
        raise DataUnavailable(f"its labels run up to {count - 1:,}; they count classes from 0")
    return tuple(str(label) for label in range(count))


def _inputs(content: Tensor, labels: Tensor) -> Inputs:
    return Images(content, labels) if content.dtype is torch.uint8 else Vectors(content, labels)


def _take(inputs: Inputs, rows: Tensor) -> Inputs:
    content = inputs.pixels if isinstance(inputs, Images) else inputs.values
    return _inputs(content[rows], inputs.labels[rows])
