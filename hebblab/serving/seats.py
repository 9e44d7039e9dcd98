"""A seat: one kernel with the page that it filled, or is filling."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass(eq=False)
class Seat:
    """One kernel and the page that it filled, or is filling."""

    kernel_id: str | None = None
    address: str = ""
    pieces: list[str] = field(default_factory=list)
    finished: bool = False
    gone: bool = False
    left: bool = False
    connected: bool = False
    niceness: int = 0
    worked: float = 0.0
    handed_out: float | None = None
    last_sign: float = 0.0
    task: asyncio.Task[None] | None = None
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    async def page(self, breath: float = 10.0) -> AsyncIterator[str]:
        """Yield the page as it comes, and an empty piece when nothing came for `breath` seconds."""
        sent = 0
        while True:
            while sent < len(self.pieces):
                sent += 1
                yield self.pieces[sent - 1]
            if self.finished:
                return
            self.grown.clear()
            try:
                await asyncio.wait_for(self.grown.wait(), breath)
            except TimeoutError:
                yield ""
