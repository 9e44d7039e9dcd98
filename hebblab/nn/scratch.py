"""Buffers that a hot loop takes again and again instead of allocating."""

import torch
from torch import Tensor

_VIEWS = 256  # shapes remembered; those that differ from step to step must not pile up


class Scratch:
    """Named buffers, kept between steps and grown when asked for more.

    A buffer's content is whatever the last user left in it.

    >>> scratch = Scratch()
    >>> first = scratch.take("responses", (2, 3), torch.zeros(1))
    >>> first.data_ptr() == scratch.take("responses", (1, 3), torch.zeros(1)).data_ptr()
    True
    """

    def __init__(self) -> None:
        self._kept: dict[str, Tensor] = {}
        self._views: dict[tuple[str, tuple[int, ...]], Tensor] = {}
        self.notes: dict[str, object] = {}

    @property
    def bytes(self) -> int:
        """How much memory the buffers take."""
        return sum(kept.numel() * kept.element_size() for kept in self._kept.values())

    def take(
        self, name: str, shape: tuple[int, ...], like: Tensor, dtype: torch.dtype | None = None
    ) -> Tensor:
        """Return a buffer of `shape` on the device of `like`, of its dtype unless one is given."""
        dtype = dtype or like.dtype
        view = self._views.get((name, shape))
        if view is not None and view.dtype == dtype and view.device == like.device:
            return view
        size = 1
        for length in shape:
            size *= length
        kept = self._kept.get(name)
        if kept is None or kept.numel() < size or kept.dtype != dtype or kept.device != like.device:
            kept = torch.empty(size, dtype=dtype, device=like.device)
            self._kept[name] = kept
            self._views = {key: one for key, one in self._views.items() if key[0] != name}
        if len(self._views) == _VIEWS:
            self._views.clear()
        view = kept[:size].view(shape)
        self._views[name, shape] = view
        return view
