"""Visitors without a browser: each does over HTTP and a websocket what a page does, and no more.

A browser's own work, which every student's computer does for itself, is left out, so that what is
measured is what one computer bears that serves a class.
"""

import asyncio
import json
import re
import struct
import time
import uuid
from itertools import pairwise
from typing import Any
from urllib.parse import urljoin

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

V1 = "v1.kernel.websocket.jupyter.org"
CONTROL = "jupyter.widget.control"


def packed(kind: str, content: dict[str, Any], metadata: dict[str, Any] | None = None) -> bytes:
    """Return a message to a kernel's shell in the v1 framing."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "session": "crowd",
        "username": "",
        "msg_type": kind,
        "version": "5.3",
        "date": "2026-01-01T00:00:00Z",
    }
    parts = [b"shell", *(json.dumps(one).encode() for one in (header, {}, metadata or {}, content))]
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts)


def unpacked(message: bytes) -> tuple[str, dict[str, Any]]:
    """Return type and content of a message from a kernel; its buffers stay unread."""
    (count,) = struct.unpack_from("<Q", message)
    offsets = struct.unpack_from(f"<{count}Q", message, 8)
    parts = [message[a:b] for a, b in pairwise(offsets[:6])]
    return json.loads(parts[1])["msg_type"], json.loads(parts[4])


class Visitor:
    """One page: it loads, shows, answers frames and heartbeats, and presses Start.

    Attributes:
        usable: set once images stand and Start can be pressed.
        changed: set once a frame of a later step came.
        steps: that the bar says were taken.
        frames: of the weight images that were acknowledged.
        failure: what went wrong, or None.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.usable = asyncio.Event()
        self.changed = asyncio.Event()
        self.steps = self.frames = 0
        self.failure: str | None = None
        self._names: dict[str, str] = {}
        self._comms: dict[str, str] = {}
        self._socket: WebSocketClientConnection | None = None
        self._kernel_id = ""
        self._can_start = self._pressed = False

    async def live(self) -> None:
        """Open the page and behave like one until cancelled."""
        try:
            page = (await self._get(self.address)).decode()
            found = re.search(r'"kernelId": "([0-9a-f-]{36})"', page)
            if found is None:
                raise RuntimeError(page[-300:])
            self._kernel_id = found[1]
            scripts = set(re.findall(r'(?:src|href)="(/[^"]+)"|script\.src = "([^"]+)"', page))
            await asyncio.gather(
                *(self._get(urljoin(self.address, one or other)) for one, other in scripts)
            )
            await self._connect()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"

    async def press_start(self) -> float:
        """Press Start; return the seconds until something changed on the page."""
        self._pressed = True
        began = time.perf_counter()
        self._send("bar", {"do": "press", "button": "start"})
        await self.changed.wait()
        return time.perf_counter() - began

    async def leave(self) -> None:
        """Close the page as a browser does."""
        if self._kernel_id:
            leaving = HTTPRequest(
                urljoin(self.address, f"voila/api/shutdown/{self._kernel_id}"),
                method="POST",
                body=b"",
                headers={"Origin": self.address.rstrip("/")},
            )
            await AsyncHTTPClient().fetch(leaving, raise_error=False)
        if self._socket is not None:
            self._socket.close()

    async def _get(self, url: str) -> bytes:
        request = HTTPRequest(url, request_timeout=180.0, connect_timeout=60.0)
        return bytes((await AsyncHTTPClient().fetch(request)).body)

    async def _connect(self) -> None:
        origin = self.address.rstrip("/")
        path = urljoin(self.address, f"api/kernels/{self._kernel_id}/channels")
        request = HTTPRequest(path.replace("http", "ws", 1), headers={"Origin": origin})
        self._socket = await websocket_connect(
            request, subprotocols=[V1], max_message_size=2**26, ping_interval=None
        )
        control = uuid.uuid4().hex
        opening = {"comm_id": control, "target_name": CONTROL, "data": {}}
        await self._write(packed("comm_open", opening, {"version": "1.0.0"}))
        asked = {"comm_id": control, "data": {"method": "request_states"}}
        await self._write(packed("comm_msg", asked))
        while isinstance(message := await self._socket.read_message(), bytes):
            self._hear(*unpacked(message))
        socket = self._socket
        raise ConnectionError(f"hung up: {socket.close_code} {socket.close_reason}")

    async def _write(self, message: bytes) -> None:
        assert self._socket is not None
        await self._socket.write_message(message, binary=True)

    def _send(self, part: str, content: dict[str, Any]) -> None:
        data = {"method": "custom", "content": content}
        message = packed("comm_msg", {"comm_id": self._comms[part], "data": data})
        asyncio.ensure_future(self._write(message)).add_done_callback(lambda done: done.exception())

    def _hear(self, kind: str, content: dict[str, Any]) -> None:
        data = content.get("data") or {}
        if kind != "comm_msg":
            return
        method = data.get("method")
        if method == "update_states":
            self._meet(data["states"])
        elif method in ("update", "echo_update"):
            if self._names.get(content["comm_id"]) == "bar":
                self._look(data["state"].get("view") or {})
        elif method == "custom":
            self._answer(self._names.get(content["comm_id"], ""), data["content"])

    def _meet(self, states: dict[str, Any]) -> None:
        """Greet every part of the dashboard."""
        for comm_id, model in states.items():
            state = model["state"]
            marks = [one[3:] for one in state.get("_dom_classes", ()) if one.startswith("hl-")]
            if "view" not in state or not marks:
                continue
            name = marks[0] if marks[0] not in self._comms else comm_id
            self._names[comm_id], self._comms[name] = name, comm_id
            self._send(name, {"do": "hello", "hidden": False})
            if name == "bar":
                self._look(state["view"])

    def _look(self, view: dict[str, Any]) -> None:
        self.steps = int(view.get("steps", self.steps))
        self._can_start = self._can_start or bool(view.get("can", {}).get("start"))

    def _answer(self, part: str, content: dict[str, Any]) -> None:
        kind = content.get("type")
        if kind == "beat":
            self._send(part, {"do": "beat"})
        elif kind == "chart":
            self._send(part, {"do": "drawn", "id": content["id"]})
        elif kind == "frame":
            self._send(part, {"do": "painted", "id": content["id"]})
            self.frames += 1
            if self._can_start:
                self.usable.set()
            if self._pressed:
                self.changed.set()


async def latency(address: str, waits: list[float]) -> None:
    """Ask the server for a small file twenty times a second, and note how long it took."""
    url = urljoin(address, "hebblab/static/empty.js")
    while True:
        began = time.perf_counter()
        await AsyncHTTPClient().fetch(HTTPRequest(url, request_timeout=60.0))
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(0.05)
