"""What the server answers: the page, its kernel's socket, and a few words in between."""

import asyncio
from typing import Any

from jupyter_server.auth.identity import IdentityProvider, User
from jupyter_server.services.kernels.handlers import KernelHandler
from tornado.httputil import HTTPServerRequest
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from hebblab.serving.frames import V1
from hebblab.serving.gate import plain_page
from hebblab.serving.policy import is_loopback
from hebblab.serving.room import Full, Hasty, Room
from hebblab.serving.seats import Seat

MOST_UNSENT = 32 * 2**20
SENTENCES = {404: "There is no such page here.", 405: "This is not something the lab does."}


class Anybody(IdentityProvider):  # type: ignore[misc]
    """Whoever came through the gate; it asked for the token already."""

    async def _get_user(self, handler: RequestHandler) -> User:
        return User("visitor")

    @property
    def auth_enabled(self) -> bool:
        """Without a login page."""
        return False

    @property
    def logout_available(self) -> bool:
        """Without a logout page."""
        return False


class Plain(RequestHandler):  # type: ignore[misc]
    """Says what went wrong in one sentence, whatever it was."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Send a small page that needs no template."""
        sentence = SENTENCES.get(status_code, "That did not work; see the server's log.")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(plain_page(sentence))


class Nothing(Plain):
    """Every address that means nothing."""

    def prepare(self) -> None:
        """Say so."""
        self.send_error(404)


class Page(Plain):
    """The dashboard: one seat a visit."""

    SUPPORTED_METHODS = ("GET",)

    def initialize(self, room: Room) -> None:
        """Take the room whose seats are given away."""
        self._room = room
        self._seat: Seat | None = None

    async def get(self) -> None:
        """Send the page as its kernel fills it."""
        self.set_header("Cache-Control", "no-store")
        address = self.request.remote_ip or ""
        try:
            seat = self._room.take(address, self.request.query, is_loopback(address))
        except Full:
            most = self._room.limits.visitors
            self._later(503, 5, f"The room is full, {self._room.visitors} of {most}.")
            return
        except Hasty:
            self._later(429, 30, "Too many pages were opened from your computer within a minute.")
            return
        self._seat = seat
        try:
            async for piece in seat.page():
                self.write(piece or "<script>window.voila_heartbeat()</script>\n")
                await self.flush()
        except StreamClosedError:
            return  # the visitor left; on_connection_close takes the seat back
        if seat.gone:
            self.write(plain_page("The lab could not start; see the server's log."))
        self._room.hand_over(seat)

    def on_connection_close(self) -> None:
        """Take the seat back from a visitor who left before the page was whole."""
        if self._seat is not None and self._seat.handed_out is None:
            self._room.free(self._seat)

    def _later(self, status: int, seconds: int, sentence: str) -> None:
        self.set_status(status)
        self.set_header("Retry-After", str(seconds))
        again = f'<meta http-equiv="refresh" content="{seconds}">'
        self.finish(plain_page(f"{sentence} This page tries again by itself.", head=again))


class Leave(Plain):
    """A page says that it closes. The gate has seen to it that it speaks for itself."""

    SUPPORTED_METHODS = ("POST",)

    def initialize(self, room: Room) -> None:
        """Take the room."""
        self._room = room

    def post(self, kernel_id: str) -> None:
        """End the kernel of a page."""
        self.set_status(204 if self._room.leave(kernel_id) else 404)


class StillLoading(Leave):
    """A page whose socket is not open yet says that it is on its way."""

    def post(self, kernel_id: str) -> None:
        """Keep its kernel a while longer."""
        self._room.sign_of_life(kernel_id)
        self.set_status(204)


class KernelModel(Plain, KernelHandler):  # type: ignore[misc]
    """What the page asks about its kernel before it connects; nothing can be changed here."""

    SUPPORTED_METHODS = ("GET",)


class Channels(Plain, VoilaKernelWebsocketHandler):  # type: ignore[misc]
    """A kernel's socket, closed when its page stops reading."""

    def __init__(self, application: Any, request: HTTPServerRequest, **kwargs: Any) -> None:
        super().__init__(application, request, **kwargs)
        self._unsent = 0

    def check_origin(self, origin: str | None = None) -> bool:
        """Rely on the gate."""
        return True

    def write_message(self, message: Any, binary: bool = False) -> Any:
        """Send a message unless the page is gone, or too much waits to be read."""
        if self.ws_connection is None:
            return None
        size = len(message) if isinstance(message, (bytes, str)) else 1024
        if self._unsent + size > MOST_UNSENT:
            self.close(1008, "not reading")
            return None
        # Voila looks for a header in any bytes as the v1 protocol lays them out; in those of the
        # older one it reads a count of up to 2^64 and never comes back. They hold no source code.
        older = isinstance(message, bytes) and self.selected_subprotocol != V1
        above: Any = super(VoilaKernelWebsocketHandler, self) if older else super()
        sent: Any = above.write_message(message, binary)
        if sent is not None:
            self._unsent += size
            sent.add_done_callback(lambda future: self._sent(size, future))
        return sent

    def _sent(self, size: int, future: asyncio.Future[None]) -> None:
        self._unsent -= size
        if not future.cancelled():
            future.exception()  # the page left; on_close says so
