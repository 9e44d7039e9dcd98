"""Features computed once and kept: in memory up to a bound, beyond it in a file."""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from hebblab.errors import DataUnavailable, InvalidValue, shown, unknown
from hebblab.evaluation.standard import NOT_FINITE

MEMORY = 512 << 20
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_CHUNK = 4 << 20  # numbers of a chunk that is read


class Features:
    """The features of some inputs, (samples, width), read in chunks of float32.

    Attributes:
        samples: How many inputs.
        width: Features of one.
    """

    def __init__(self, kept: Tensor, device: torch.device) -> None:
        self._kept, self._device = kept, device
        self.samples, self.width = kept.shape

    def __len__(self) -> int:
        return self.samples

    def chunks(self, rows: Tensor | None = None) -> Iterator[tuple[Tensor, slice]]:
        """Yield (features, place) of all inputs, or of some rows: never more than a chunk.

        Args:
            rows: int64, which; by default all, in order. `place` counts among them.
        """
        count = self.samples if rows is None else len(rows)
        size = max(1, min(4096, _CHUNK // self.width))
        for first in range(0, count, size):
            place = slice(first, min(first + size, count))
            part = self._kept[place] if rows is None else self._kept[rows[place]]
            yield part.to(self._device, torch.float32), place

    def take(self, rows: Tensor) -> Tensor:
        """Return the features of some rows, float32 (rows, width)."""
        return self._kept[rows].to(self._device, torch.float32)

    def whole(self) -> Tensor:
        """Return the features of all inputs, float32; in memory only as far as they are used."""
        return self._kept.to(self._device, torch.float32)


class FeatureCache:
    """Keeps features by what determines them, under a bound on memory.

    Args:
        memory: Bytes held in memory, at least 1 MiB; more goes to a file in a temporary folder,
            which `close()` removes.
        dtype: "float32", or "bfloat16" at half the size and three digits.

    Raises:
        InvalidValue: The bound is too small.
        UnknownName: There is no such dtype.

    >>> with FeatureCache() as cache:
    ...     features = cache.get("ones", 3, 2, lambda: [torch.ones(3, 2)])
    ...     features.whole().sum(), cache.get("ones", 3, 2, lambda: []) is features
    (tensor(6.), True)
    """

    def __init__(self, memory: int = MEMORY, dtype: str = "float32") -> None:
        if isinstance(memory, bool) or not isinstance(memory, int) or memory < 1 << 20:
            raise InvalidValue(f"memory must be at least 1,048,576 bytes, not {shown(memory)}.")
        if dtype not in _DTYPES:
            raise unknown("dtype of features", dtype, _DTYPES)
        self._dtype, self._left = _DTYPES[dtype], memory
        self._known: dict[Hashable, Features] = {}
        self._folder: Path | None = None
        self._finalizer: weakref.finalize[..., FeatureCache] | None = None

    @property
    def folder(self) -> Path | None:
        """Where features lie that memory did not hold; None while there are none."""
        return self._folder

    def get(
        self,
        key: Hashable,
        samples: int,
        width: int,
        compute: Callable[[], Iterable[Tensor]],
        device: torch.device | None = None,
    ) -> Features:
        """Return the features of this key, computed if they are not known.

        Args:
            key: Of all that determines them.
            samples: How many inputs.
            width: Features of one.
            compute: Gives chunks (any, width) of all inputs, in order.
            device: Where they are used.

        Raises:
            InvalidValue: A feature is not finite; nothing is kept.
            DataUnavailable: The file cannot be written; nothing is kept.
        """
        known = self._known.get(key)
        if known is not None:
            return known
        size = samples * width * self._dtype.itemsize
        if size <= self._left:
            kept = torch.empty(samples, width, dtype=self._dtype)
            first = 0
            for chunk in self._checked(compute()):
                kept[first : first + len(chunk)] = chunk
                first += len(chunk)
            self._left -= size
        else:
            kept = self._spilled(samples, width, compute())
        features = Features(kept, device or torch.device("cpu"))
        self._known[key] = features
        return features

    def _checked(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        for chunk in chunks:
            if not bool(torch.isfinite(chunk.sum())) and not bool(torch.isfinite(chunk).all()):
                raise InvalidValue(NOT_FINITE)
            yield chunk

    def _spilled(self, samples: int, width: int, chunks: Iterable[Tensor]) -> Tensor:
        path = self._place() / f"{len(self._known)}.features"
        try:
            with path.open("wb") as file:
                # Written, not mapped, while it grows: a full disk is an error then, and no signal.
                for chunk in self._checked(chunks):
                    ready = chunk.to("cpu", self._dtype).contiguous()
                    file.write(ready.view(torch.uint8).numpy().data)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise DataUnavailable(
                f"The features need {samples * width * self._dtype.itemsize / 1e9:.1f} GB in "
                f"{path.parent}: {error.strerror or error}. Make room, or give more memory=, or "
                'dtype="bfloat16".'
            ) from error
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        mapped = torch.from_file(str(path), False, samples * width, dtype=self._dtype)
        return mapped.view(samples, width)

    def _place(self) -> Path:
        if self._folder is None:
            try:
                folder = Path(tempfile.mkdtemp(prefix="hebblab-features-"))
            except OSError as error:
                raise DataUnavailable(
                    f"There is no folder for features that memory does not hold: "
                    f"{error.strerror or error}. Give more memory=."
                ) from error
            self._folder = folder
            self._finalizer = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return self._folder

    def close(self) -> None:
        """Forget all features and remove the folder."""
        self._known.clear()
        if self._finalizer is not None:
            self._finalizer()
        self._folder = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
