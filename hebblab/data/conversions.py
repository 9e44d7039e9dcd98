"""Files to pixels: one look at all headers, then every image decoded once, then kept."""

import hashlib
import logging
import os
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hebblab.data.archives import BYTES_LIMIT, Array, read_arrays, read_headers
from hebblab.data.progress import Progress
from hebblab.data.store import folder, listed, reason, workshop
from hebblab.errors import DataUnavailable, HebblabError, shown

_FORMATS = ("PNG", "JPEG", "BMP", "PPM", "WEBP", "GIF")
_GREY = ("1", "L", "LA")
_COLOUR = ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
_log = logging.getLogger("hebblab")


def convert(paths: Sequence[Path], root: Path, report: Progress) -> Tensor:
    """Return uint8 pixels (N, C, H, W) of files of one size; C is 1 if all are grey, else 3.

    Raises:
        DataUnavailable: If any of them cannot be read or sizes differ, naming and counting them.
    """
    text = f"Converting {root.name}"
    sizes: list[tuple[int, int]] = []
    modes: set[str] = set()
    failed: dict[Path, str] = {}
    for done, path in enumerate(paths):
        report(done, 2 * len(paths), text)
        try:
            size, mode = _look(path)
        except Exception as error:  # a hostile file can make a decoder raise anything
            failed[path] = reason(error)
        else:
            sizes.append(size)
            modes.add(mode)
    _refuse_failed(failed, len(paths), root)
    (width, height), most = Counter(sizes).most_common(1)[0]
    if most < len(paths):
        odd = [
            f"{shown(str(path.relative_to(root)))} has {size[0]}×{size[1]}"
            for path, size in zip(paths, sizes, strict=True)
            if size != (width, height)
        ]
        raise DataUnavailable(
            f"{len(odd):,} of {len(paths):,} images differ from the others' {width}×{height} "
            f"pixels: {listed(odd)}"
        )
    channels = 1 if modes <= set(_GREY) else 3
    if len(paths) * channels * height * width > BYTES_LIMIT:
        raise DataUnavailable(
            f"{len(paths):,} images of {width}×{height} pixels do not fit into "
            f"{BYTES_LIMIT // 2**30} GiB"
        )
    pixels = torch.empty((len(paths), channels, height, width), dtype=torch.uint8)
    array = pixels.numpy()
    for number, path in enumerate(paths):
        report(len(paths) + number, 2 * len(paths), text)
        try:
            array[number] = _decode(path, "L" if channels == 1 else "RGB", (height, width))
        except Exception as error:
            failed[path] = reason(error)
    _refuse_failed(failed, len(paths), root)
    report(2 * len(paths), 2 * len(paths), text)
    return pixels


def kept(root: Path, key: str) -> Tensor | None:
    """Return the pixels that were kept under this key, if they are whole."""
    path = _place(root)
    try:
        read_headers(path)
        arrays = read_arrays(path, ("key", "digest", "pixels"))
        pixels = arrays["pixels"]
        if str(arrays["key"]) != key or str(arrays["digest"]) != _digest(pixels):
            return None
        return torch.from_numpy(pixels)
    except (HebblabError, OSError, TypeError):
        return None


def keep(root: Path, key: str, pixels: Tensor) -> None:
    """Keep pixels for the next time; a folder that cannot be written to is no reason to fail."""
    path = _place(root)
    array = pixels.numpy()
    try:
        with workshop(path.parent) as bench:
            draft = bench / path.name
            np.savez(draft, key=np.array(key), digest=np.array(_digest(array)), pixels=array)
            os.replace(draft, path)
    except OSError as error:
        _log.info("The converted images of %s are not kept: %s", root, reason(error))


def _place(root: Path) -> Path:
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:24]
    return folder() / "converted" / f"{name}.npz"


def _digest(pixels: Array) -> str:
    shape = f"{pixels.dtype.name}{pixels.shape};".encode()
    return hashlib.sha256(
        shape + hashlib.sha256(np.ascontiguousarray(pixels).data).digest()
    ).hexdigest()


def _look(path: Path) -> tuple[tuple[int, int], str]:
    """Return width and height, and the mode, from the header alone."""
    from PIL import Image

    with warnings.catch_warnings():
        # PIL only warns of an image between one and two times its limit.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path, formats=_FORMATS) as image:
            if getattr(image, "is_animated", False):
                raise ValueError("it is animated")
            if image.mode not in _GREY + _COLOUR:
                raise ValueError(f"it has pixels of mode {image.mode}, not 8 bits a channel")
            size, mode = image.size, image.mode
            if image.format == "PNG":
                image.verify()
    return size, mode


def _decode(path: Path, mode: str, size: tuple[int, int]) -> Array:
    from PIL import Image

    with Image.open(path, formats=_FORMATS) as image:
        array = np.asarray(image.convert(mode))
    if array.shape[:2] != size:
        raise ValueError("it changed while it was read")
    return array[None] if mode == "L" else array.transpose(2, 0, 1)


def _refuse_failed(failed: dict[Path, str], total: int, root: Path) -> None:
    if failed:
        words = [f"{shown(str(p.relative_to(root)))} ({why})" for p, why in failed.items()]
        raise DataUnavailable(
            f"{len(failed):,} of {total:,} images cannot be read: {listed(words)}"
        )
