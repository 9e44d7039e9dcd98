"""The room: who has a kernel, who may get one, and when one is taken back.

One seat is prepared ahead, so that the next visitor waits for neither Python nor torch.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from hebblab.serving.kernels import Kernels
from hebblab.serving.policy import Pace
from hebblab.serving.seats import Seat

log = logging.getLogger(__name__)

Clock = Callable[[], float]

_BEHIND, _LAST = 10, 17  # nicenesses
_TRAINS = 0.7  # seconds of work that a page that only opens does not make


@dataclass(frozen=True)
class Limits:
    """How many may come, and how long an unused kernel is kept.

    Args:
        visitors: seats at most.
        spare: seats prepared before anybody asks.
        connect: seconds from a page's last sign of life to its first socket.
        patience: seconds for which signs of life alone keep a kernel.
        away: seconds for which a kernel waits for its page's socket to come back.
        starts_a_minute: pages that one address may open in a minute; None: as many as it likes.
        calm: seconds without a new visitor before the next seat is prepared.
        at_once: kernels that may start at the same time; the others wait their turn, so that of
            thirty who come together the first need not wait for the last.
        crowd: visitors beyond whom one computer's kernels that train go behind everything else.
    """

    visitors: int = 1
    spare: int = 1
    connect: float = 30.0
    patience: float = 300.0
    away: float = 600.0
    starts_a_minute: int | None = None
    calm: float = 5.0
    at_once: int = max(2, os.cpu_count() or 1)
    crowd: int = 2 * (os.cpu_count() or 1)


class Full(Exception):
    """No seat is free."""


class Hasty(Exception):
    """One address asks for too many seats in a minute."""


class Left(Exception):
    """A visitor left before a kernel was started."""


class Renderer(Protocol):
    """Makes one page, piece by piece, while its kernel runs the notebook."""

    def __call__(self, seat: "Seat", query: str) -> AsyncIterator[str]:
        """Start the kernel, set `seat.kernel_id`, and yield the page."""


class Room:
    """All seats of a server."""

    def __init__(
        self, kernels: Kernels, render: Renderer, limits: Limits, clock: Clock = time.monotonic
    ) -> None:
        self.limits = limits
        self._kernels = kernels
        self._render = render
        self._clock = clock
        self._spare: list[Seat] = []
        self._taken: list[Seat] = []
        self._ending: list[Seat] = []
        self.turns = asyncio.Semaphore(limits.at_once)
        self._starts = Pace(limit=limits.starts_a_minute or 1)
        self._last_take = -limits.calm
        self._closed = False
        self._errands: set[asyncio.Task[None]] = set()

    @property
    def visitors(self) -> int:
        """How many seats are taken; a kernel that has not ended yet still takes its seat."""
        return len(self._taken) + len(self._ending)

    def take(self, address: str, query: str = "", local: bool = True) -> Seat:
        """Give a visitor a seat.

        Args:
            address: of the visitor, for the limit on starts.
            query: of the page's address; the kernel learns it, so it needs a fresh one.
            local: whether the visitor sits at this machine, to whom the limit on starts is spared.

        Raises:
            Full: if all seats are taken.
            Hasty: if this address opened too many pages in the last minute.
        """
        if self._closed or self.visitors >= self.limits.visitors:
            raise Full
        if (
            self.limits.starts_a_minute is not None
            and not local
            and not self._starts.allows(address)
        ):
            raise Hasty
        self._last_take = self._clock()
        ready = [seat for seat in self._spare if not seat.gone and not query]
        seat = ready[0] if ready else self._prepare(query)
        self._spare = [other for other in self._spare if other is not seat]
        seat.address = address
        self._taken.append(seat)
        return seat

    def hand_over(self, seat: Seat) -> None:
        """Note that a visitor has the whole page: from now on it must show itself."""
        seat.handed_out = seat.last_sign = self._clock()
        seat.pieces.clear()

    def sign_of_life(self, kernel_id: str) -> None:
        """Note that a page whose socket is not open yet still loads."""
        for seat in self._taken:
            if seat.kernel_id == kernel_id:
                seat.last_sign = self._clock()

    def loading(self, address: str) -> None:
        """Note that a machine asks for scripts: pages there that are not connected still load."""
        for seat in self._taken:
            if seat.address == address and not seat.connected:
                seat.last_sign = self._clock()

    def leave(self, kernel_id: str) -> bool:
        """Free the seat of a page that closed; return whether there was one."""
        for seat in list(self._taken):
            if seat.kernel_id == kernel_id:
                self.free(seat)
                return True
        return False

    def free(self, seat: Seat) -> None:
        """Take a seat back and end its kernel."""
        if seat in self._taken:
            self._taken.remove(seat)
            self._dismiss(seat)

    async def sweep(self) -> None:
        """Free what nobody uses, and prepare the next seat when things are calm."""
        now = self._clock()
        for seat in list(self._taken):
            if await self._is_deserted(seat, now):
                self.free(seat)
            elif seat.connected and seat.kernel_id is not None:
                self._lower(seat, seat.kernel_id)
        for seat in list(self._spare):
            if seat.gone or (seat.finished and not await self._is_alive(seat)):
                self._spare.remove(seat)
                self._last_take = now + 30.0 - self.limits.calm  # no rush to fail again
                self._dismiss(seat)
        calm = now - self._last_take >= self.limits.calm
        wanted = min(self.limits.spare, self.limits.visitors - self.visitors)
        if calm and not self._closed and len(self._spare) < wanted:
            self._spare.append(self._prepare(""))

    async def close(self) -> None:
        """End every kernel at once."""
        self._closed = True
        seats = (*self._spare, *self._taken, *self._ending)
        for seat in seats:
            seat.left = True
        tasks = [seat.task for seat in seats if seat.task is not None]
        self._spare.clear()
        self._taken.clear()
        await self._kernels.end_all()
        for task in (*tasks, *self._errands):
            task.cancel()
        await asyncio.gather(*tasks, *self._errands, return_exceptions=True)
        await self._kernels.end_all()

    def _lower(self, seat: Seat, kernel_id: str) -> None:
        """Put a kernel whose page is there behind those that start, and behind all if it trains."""
        if seat.niceness < _BEHIND:
            wanted = _BEHIND
        elif (
            seat.niceness < _LAST
            and self.visitors > self.limits.crowd
            and self._kernels.worked(kernel_id) - seat.worked > _TRAINS
        ):
            wanted = _LAST
        else:
            return
        if self._kernels.lower(kernel_id, wanted):
            seat.niceness, seat.worked = wanted, self._kernels.worked(kernel_id)

    def _prepare(self, query: str) -> Seat:
        seat = Seat()
        seat.task = asyncio.ensure_future(self._fill(seat, query))
        return seat

    async def _fill(self, seat: Seat, query: str) -> None:
        try:
            if self._closed:
                return
            async for piece in self._render(seat, query):
                seat.pieces.append(piece)
                seat.grown.set()
        except Left:
            seat.gone = True
        except Exception:
            seat.gone = True
            if not seat.left:
                log.exception("A page could not be made")
        finally:
            seat.finished = True
            seat.grown.set()

    async def _is_alive(self, seat: Seat) -> bool:
        return seat.kernel_id is not None and await self._kernels.alive(seat.kernel_id)

    async def _is_deserted(self, seat: Seat, now: float) -> bool:
        if seat.gone or (seat.kernel_id is not None and not await self._is_alive(seat)):
            return True
        if seat.kernel_id is None or seat.handed_out is None:
            return False
        if self._kernels.sockets(seat.kernel_id):
            seat.connected, seat.last_sign = True, now
            return False
        if seat.connected:
            return now - seat.last_sign > self.limits.away
        return (
            now - seat.last_sign > self.limits.connect
            or now - seat.handed_out > self.limits.patience
        )

    async def _end(self, seat: Seat) -> None:
        if seat.task is not None:
            # Cancelled while it starts a kernel it would leave one that nobody knows.
            while seat.kernel_id is None and not seat.finished:
                seat.grown.clear()
                await seat.grown.wait()
        kernel_id = seat.kernel_id
        if kernel_id is not None and kernel_id in self._kernels:
            self._kernels.part(kernel_id)
            try:
                await self._kernels.shutdown_kernel(kernel_id)
            except Exception:
                log.exception("A kernel did not end when asked")
                if kernel_id in self._kernels:
                    await self._kernels.shutdown_kernel(kernel_id, now=True)
        if seat.task is not None:
            seat.task.cancel()

    def _dismiss(self, seat: Seat) -> None:
        seat.left = True
        self._ending.append(seat)

        async def end() -> None:
            try:
                await self._end(seat)
            except Exception as error:
                log.warning("A kernel did not end as it should: %s", error)
            finally:
                self._ending.remove(seat)

        task = asyncio.ensure_future(end())
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
