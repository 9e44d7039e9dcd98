"""What a page may send over its socket: sound frames, at a bearable rate, on bearable subjects.

jupyter_server trusts the counts at the head of a frame. A frame of eight bytes that claims 2^64
parts keeps the server's only thread busy for ever, so every frame is judged before it is read.
"""

import json
import struct
import time
from itertools import pairwise
from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

V1 = "v1.kernel.websocket.jupyter.org"
MOST_PARTS = 64
LARGEST_MESSAGE = 4 * 2**20


def is_sound(frame: bytes | str, v1: bool) -> bool:
    """Return whether the counts and offsets at the head of a frame fit the frame.

    Args:
        frame: as it came from the page; text is JSON, which states no counts.
        v1: whether the socket speaks the v1 framing (64-bit little-endian) or the older one
            (32-bit big-endian).

    >>> is_sound(struct.pack("<Q", 2**40), v1=True)
    False
    >>> is_sound(struct.pack("!I", 0x7FFFFFFF) + bytes(100), v1=False)
    False
    >>> is_sound(struct.pack("<7Q", 6, 56, 57, 58, 59, 60, 61) + b"s{{{{", v1=True)
    True
    """
    if isinstance(frame, str):
        return not v1
    width, order = (8, "<Q") if v1 else (4, "!I")
    if len(frame) < width:
        return False
    (count,) = struct.unpack_from(order, frame)
    fewest = 6 if v1 else 1
    if not fewest <= count <= MOST_PARTS or width * (count + 1) > len(frame):
        return False
    offsets = struct.unpack_from(order[0] + order[1] * count, frame, width)
    ends = (width * (count + 1), *offsets, len(frame))
    return all(start <= end for start, end in pairwise(ends))


class Allowance:
    """So much a second, and a little saved up.

    >>> allowance = Allowance(rate=2.0, burst=4.0)
    >>> [allowance.takes(3.0, now=0.0), allowance.takes(3.0, now=0.0), allowance.takes(3.0, now=1)]
    [True, False, True]
    """

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._left = burst
        self._at: float | None = None

    def takes(self, amount: float, now: float | None = None) -> bool:
        """Spend `amount` if so much is there, and say whether it was."""
        now = time.monotonic() if now is None else now
        if self._at is not None:
            self._left = min(self.burst, self._left + self.rate * (now - self._at))
        self._at = now
        if amount > self._left:
            return False
        self._left -= amount
        return True


class Guard(ZMQChannelsWebsocketConnection):  # type: ignore[misc]
    """A kernel's connection that closes instead of reading a frame that does not add up."""

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        """Pass a sound message on to the kernel."""
        if not is_sound(incoming_msg, self.subprotocol == V1):
            self.refuse(1003, "malformed frame")
            return
        try:
            self.deliver(incoming_msg)
        except Exception as error:
            # Whatever a frame makes a parser raise ends this socket and nothing else.
            self.log.info("Closing a socket: %s in its message", type(error).__name__)
            self.refuse(1003, "malformed message")

    def deliver(self, message: bytes | str) -> None:
        """Hand a sound frame to jupyter_server."""
        super().handle_incoming_message(message)

    def refuse(self, code: int, reason: str) -> None:
        """Close this page's socket."""
        self.websocket_handler.close(code, reason)


class VisitorGuard(Guard):
    """The connection of a page that nobody vouches for.

    Beyond sound frames it holds a page to 200 messages and 4 MiB a second, lets it open no comm
    but the widget manager's own, and gives a kernel no more than four sockets.
    """

    most_sockets = 4
    most_comms = 32

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._messages = Allowance(rate=200.0, burst=400.0)
        self._bytes = Allowance(rate=LARGEST_MESSAGE, burst=2.0 * LARGEST_MESSAGE)
        self._comms = 0

    def connect(self) -> Any:
        """Connect to the kernel unless too many sockets already do."""
        connected = self.multi_kernel_manager._kernel_connections.get(self.kernel_id, 0)
        if connected < self.most_sockets:
            return super().connect()
        # Counted all the same, because the close that follows counts down.
        self.multi_kernel_manager.notify_connect(self.kernel_id)
        self.refuse(1008, "too many sockets")
        return _nothing()

    def deliver(self, message: bytes | str) -> None:
        """Hand a frame on if its rate and its subject are those of a page."""
        if not (self._messages.takes(1.0) and self._bytes.takes(float(len(message)))):
            self.refuse(1008, "too many messages")
            return
        channel, kind, target = subject(message, self.subprotocol == V1)
        if channel not in ("shell", "control"):
            raise ValueError("a page sends on shell and control only")
        if kind == "comm_open":
            self._comms += 1
            if target != "jupyter.widget.control" or self._comms > self.most_comms:
                self.log.debug("Dropped a comm that a page wanted to open")
                return
        super().deliver(message)


def subject(frame: bytes | str, v1: bool) -> tuple[str, str, str]:
    """Return channel, message type and, where a comm is opened, its target, of a sound frame."""
    if v1:
        assert isinstance(frame, bytes)
        offsets = struct.unpack_from(f"<{int.from_bytes(frame[:8], 'little')}Q", frame, 8)
        parts = [frame[start:end] for start, end in pairwise(offsets)]
        for part in parts[1:5]:
            check_text(part)
        channel, kind = parts[0].decode(), json.loads(parts[1])["msg_type"]
        content = json.loads(parts[4]) if kind == "comm_open" else {}
    else:
        if isinstance(frame, bytes):
            start, end = struct.unpack_from("!II", frame + b"\xff" * 4, 4)
            end = end if int.from_bytes(frame[:4], "big") > 1 else len(frame)
            frame = frame[start:end]
        check_text(frame)
        message = json.loads(frame)
        channel, kind = message.get("channel") or "shell", message["header"]["msg_type"]
        content = message["content"]
    return channel, kind, str(content.get("target_name", ""))


def check_text(words: bytes | str) -> None:
    r"""Refuse JSON with half a surrogate pair in it.

    A kernel that repeats such text, as in "No such comm", cannot encode it and then stands still
    for ten seconds at each message.

    Raises:
        UnicodeEncodeError: if there is one.

    >>> check_text(r'["\ud83d\ude00", "\\ud800"]')
    >>> check_text(rb'"\ud800"')
    Traceback (most recent call last):
    ...
    UnicodeEncodeError: 'utf-8' codec can't encode character '\ud800' in position 1: surrogates ...
    """
    escape = b"\\ud" if isinstance(words, bytes) else "\\ud"
    if escape in words.lower():  # type: ignore[operator]
        json.dumps(json.loads(words), ensure_ascii=False).encode()


async def _nothing() -> None:
    """Be awaited where a connection would have been."""
