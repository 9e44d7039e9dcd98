"""Visitors who speak to a real server without a browser, and what they say."""

import contextlib
import json
import re
import signal
import struct
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import websocket

from hebblab.serving.nursery import KERNEL_TITLE

V1 = "v1.kernel.websocket.jupyter.org"
PATIENCE = 60.0


def frame(kind: str, content: dict[str, Any], channel: str = "shell", pad: int = 0) -> bytes:
    """Return a message in the v1 framing, packed by hand."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "session": "test",
        "username": "",
        "msg_type": kind,
        "version": "5.3",
        "date": "2026-01-01T00:00:00Z",
    }
    parts = [json.dumps(part).encode() for part in (header, {}, {"pad": "x" * pad}, content)]
    return pack_v1([channel.encode(), *parts])


def pack_v1(parts: list[bytes]) -> bytes:
    """Join parts behind the table of their offsets."""
    count = len(parts) + 1
    offsets = [8 * (count + 1)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{count + 1}Q", count, *offsets) + b"".join(parts)


def unpack_v1(message: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and content of a message from the server."""
    (count,) = struct.unpack_from("<Q", message)
    offsets = struct.unpack_from(f"<{count}Q", message, 8)
    parts = [message[a:b] for a, b in pairwise(offsets)]
    return json.loads(parts[1]), json.loads(parts[4])


@dataclass
class Server:
    """One running server."""

    process: subprocess.Popen[str]
    url: str
    log: Path
    headers: dict[str, str] = field(default_factory=dict)
    visitors: list["Visitor"] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(urlsplit(self.url).port or 0)

    @property
    def base(self) -> str:
        return urlsplit(self.url).path

    @property
    def token(self) -> str:
        return urlsplit(self.url).query.removeprefix("token=")

    def ask(
        self,
        path: str = "",
        method: str = "GET",
        body: bytes | None = None,
        timeout: float = PATIENCE,
        **headers: str,
    ) -> tuple[HTTPResponse, bytes]:
        """Send one request; header names are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            path = path if path.startswith("/") else self.base + path
            host = named.pop("Host", f"127.0.0.1:{self.port}")
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": host, **self.headers, **named}.items():
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body or b"")))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer, answer.read()

    def upgrade(self, path: str, **headers: str) -> int:
        """Ask for a websocket that is going to be refused, and return the status."""
        asked = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        asked["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
        return self.ask(path, timeout=10.0, **asked, **headers)[0].status

    def latency(self) -> float:
        """Return how long a bystander waits for a small file, in seconds."""
        start = time.monotonic()
        answer, _ = self.ask("hebblab/static/empty.js")
        assert answer.status == 200
        return time.monotonic() - start

    def visit(self, path: str = "", **headers: str) -> "Visitor":
        """Open the page, again where the room is full of kernels that end, as a browser does."""
        end = time.monotonic() + PATIENCE
        answer, body = self.ask(path, **headers)
        while answer.status == 503 and b'http-equiv="refresh"' in body:
            assert time.monotonic() < end, body
            time.sleep(0.2)
            answer, body = self.ask(path, **headers)
        assert answer.status == 200, body
        self.visitors.append(Visitor(self, body.decode()))
        return self.visitors[-1]

    def kernels(self) -> list[psutil.Process]:
        """Return the kernel processes of this server that run."""
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.process.pid).children(recursive=True)
            return [
                child
                for child in children
                if child.status() != psutil.STATUS_ZOMBIE and is_kernel(child)
            ]
        return []

    def stop(self, how: int = signal.SIGINT) -> int:
        """Interrupt the server and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def is_kernel(process: psutil.Process) -> bool:
    """Return whether a process is a kernel, forked or started by itself."""
    try:
        return process.name() == KERNEL_TITLE or "ipykernel_launcher" in process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


class Visitor:
    """A page without a browser: its HTML, its kernel, and a socket to it."""

    def __init__(self, server: Server, page: str) -> None:
        self.server = server
        self.page = page
        self.kernel_id = re.search(r'"kernelId": "([0-9a-f-]{36})"', page)[1]  # type: ignore[index]
        self.comm_id = re.search(r"comm:([0-9a-f]{32})", page)[1]  # type: ignore[index]
        self._socket: websocket.WebSocket | None = None
        self._sockets: list[websocket.WebSocket] = []

    def connect(self, subprotocols: tuple[str, ...] = (V1,)) -> websocket.WebSocket:
        """Open another socket to the kernel."""
        port = self.server.port
        socket = websocket.create_connection(
            f"ws://127.0.0.1:{port}{self.server.base}api/kernels/{self.kernel_id}/channels",
            origin=f"http://127.0.0.1:{port}",
            header=self.server.headers,
            subprotocols=list(subprotocols),
            timeout=PATIENCE,
        )
        self._sockets.append(socket)
        return socket

    def hang_up(self) -> None:
        """Close every socket, and nothing else."""
        for socket in self._sockets:
            socket.close(timeout=1)
        self._sockets.clear()
        self._socket = None

    @property
    def socket(self) -> websocket.WebSocket:
        """The page's own socket."""
        if self._socket is None:
            self._socket = self.connect()
        return self._socket

    def asks(self, what: str = "hello") -> Any:
        """Ask the kernel something and return its answer."""
        content = {"comm_id": self.comm_id, "data": {"ask": what}}
        self.socket.send_binary(frame("comm_msg", content))
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            header, content = unpack_v1(self.socket.recv())
            if header["msg_type"] == "comm_msg" and content["data"].get("asked") == what:
                return content["data"]["told"]
        raise AssertionError(f"the kernel did not answer {what!r}")

    def leave(self) -> int:
        """Close the page as a browser does: beacon, then socket."""
        path = f"voila/api/shutdown/{self.kernel_id}"
        origin = f"http://127.0.0.1:{self.server.port}"
        answer, _ = self.server.ask(path, "POST", Origin=origin)
        self.hang_up()
        return answer.status


def until(event: Callable[[], object], what: str, limit: float = PATIENCE) -> None:
    """Wait for an event, and fail by its name."""
    end = time.monotonic() + limit
    while not event():
        assert time.monotonic() < end, f"waited {limit:.0f} s for: {what}"
        time.sleep(0.05)


def closed(socket: websocket.WebSocket) -> int:
    """Read a socket until the server closes it, and return the code."""
    while True:
        opcode, data = socket.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            socket.shutdown()
            return int(struct.unpack("!H", data[:2])[0])
