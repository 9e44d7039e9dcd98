"""The server behind `hebblab serve`: a Voila that answers for one notebook and nothing else."""

import asyncio
import contextlib
import html
import logging
import os
import re
import signal
import sys
import webbrowser
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import FileSystemBytecodeCache
from jupyter_client import KernelManager
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler
from traitlets.config import Config
from voila.app import Voila
from voila.notebook_renderer import NotebookRenderer

from hebblab.serving import addresses, handlers
from hebblab.serving.forks import MODULES, Warm
from hebblab.serving.frames import LARGEST_MESSAGE, VisitorGuard
from hebblab.serving.gate import Gate, SecurityHeaders
from hebblab.serving.kernels import (
    KERNEL_NAME,
    Kernels,
    OwnKernelSpecs,
    environment,
    kernel_configuration,
)
from hebblab.serving.page import (
    EXTENSIONS,
    NO_MATHJAX,
    PLOTLY_NAME,
    PLOTLY_SCRIPT,
    page_config,
)
from hebblab.serving.policy import KERNEL_ID, Policy, own_names
from hebblab.serving.room import Left, Limits, Room
from hebblab.serving.seats import Seat
from hebblab.serving.statics import Shelf, ShelfHandler
from hebblab.serving.workspace import copy_notebook


@dataclass(frozen=True)
class Serving:
    """One server, described."""

    notebook: Path
    host: str = "127.0.0.1"
    port: int | None = None
    token: str | None = field(default=None, repr=False)
    allow_hosts: Sequence[str] = ()
    base_url: str = "/"
    limits: Limits = field(default_factory=Limits)
    preset: str | None = None
    browser: bool = True


class LabServer(Voila):  # type: ignore[misc]
    """A Voila server with a gate in front, one notebook, and a room of limited size."""

    def __init__(self, serving: Serving, folder: Path) -> None:
        self.serving = serving
        self.folder = folder
        self.ipython_dir = str(folder / "ipython")
        self.compiled = FileSystemBytecodeCache(str(folder / "templates"))
        notebook = folder / "notebook" / serving.notebook.name
        copy_notebook(serving.notebook, notebook, KERNEL_NAME)
        config = Config(
            {
                "VoilaConfiguration": {
                    "template": "hebblab",
                    "theme": "light",
                    "allow_template_override": "NO",
                    "allow_theme_override": "NO",
                    "file_allowlist": [],
                    # Who sits at this machine may read what went wrong in a cell.
                    "show_tracebacks": serving.token is None,
                    "multi_kernel_manager_class": Kernels,
                    "kernel_spec_manager_class": OwnKernelSpecs,
                },
            }
        )
        config.merge(kernel_configuration(str(folder / "k")))
        super().__init__(
            config=config,
            notebook_path=str(notebook),
            base_url=serving.base_url,
            connection_dir=str(folder / "k"),
            config_file_paths=[],
            open_browser=False,
            # Its warnings are about a notebook that nobody signed and messages that were dropped.
            log_level=logging.ERROR,
            token="",
            identity_provider_class=handlers.Anybody,
            kernel_websocket_connection_class=VisitorGuard,
        )

    def init_settings(self) -> dict[str, Any]:
        """Return Voila's settings with ours over them."""
        settings: dict[str, Any] = super().init_settings()
        # A page may talk to its widgets and do nothing else; it may not shut its kernel down.
        self.kernel_manager.allowed_message_types = [
            "comm_open",
            "comm_close",
            "comm_msg",
            "comm_info_request",
            "kernel_info_request",
        ]
        settings |= {
            "compress_response": True,
            "websocket_max_message_size": LARGEST_MESSAGE,
            "default_handler_class": handlers.Nothing,
            # No page has mathematics for MathJax; a stand-in keeps its loader quiet.
            "mathjax_url": f"{self.base_url}hebblab/static/empty.js",
            "log_function": self._after,
        }
        return settings

    def init_handlers(self) -> list[Any]:
        """Return the only addresses that mean something."""
        base, room = re.escape(self.base_url), {"room": self.room}
        shelf = Shelf(
            groups={
                "static": self.static_paths,
                "template": self.static_paths,
                "extension": self.labextensions_path,
            },
            files={PLOTLY_NAME: PLOTLY_SCRIPT, "empty.js": NO_MATHJAX},
        )
        self.shelf = shelf
        allowed = "|".join(re.escape(name) for name in EXTENSIONS)
        kernel = rf"(?P<kernel_id>{KERNEL_ID})"
        return [
            (base, handlers.Page, room),
            (base + rf"api/kernels/{kernel}", handlers.KernelModel),
            (base + rf"api/kernels/{kernel}/channels", handlers.Channels),
            (base + rf"voila/api/shutdown/({KERNEL_ID})", handlers.Leave, room),
            (base + rf"hebblab/loading/({KERNEL_ID})", handlers.StillLoading, room),
            *(
                (base + path, ShelfHandler, {"shelf": shelf, "group": group})
                for path, group in (
                    ("hebblab/static/(.+)", ""),
                    ("voila/static/(.+)", "static"),
                    ("voila/templates/hebblab/static/(.+)", "template"),
                    (rf"voila/labextensions/((?:{allowed})/.+)", "extension"),
                )
            ),
        ]

    def _after(self, handler: RequestHandler) -> None:
        """Take a script that was sent for a sign of life; nothing is logged."""
        if isinstance(handler, ShelfHandler):
            self.room.loading(handler.request.remote_ip or "")

    async def serve(self, sockets: list[Any]) -> None:
        """Answer on `sockets` until cancelled; then end every kernel."""
        self.port = sockets[0].getsockname()[1]
        self.app = Application(**self.init_settings())
        self.app.transforms.append(SecurityHeaders)
        self.room = Room(self.kernel_manager, self.render, self.serving.limits)
        warm = self.kernel_manager.warm = Warm(MODULES, environment(os.environ))
        await warm.start()
        self.app.add_handlers(".*", self.init_handlers())
        policy = Policy(
            hosts=own_names(self.serving.host, self.serving.allow_hosts),
            token=self.serving.token,
            base_url=self.base_url,
            named=frozenset(self.serving.allow_hosts),
            port=self.port,
        )
        server = HTTPServer(
            Gate(self.app, policy),
            max_body_size=2**16,
            body_timeout=10.0,
            idle_connection_timeout=300.0,
        )
        server.add_sockets(sockets)
        stopped = _stop_signal()
        errands = [asyncio.ensure_future(self._announce()), asyncio.ensure_future(self._watch())]
        try:
            await stopped.wait()
        finally:
            server.stop()
            for errand in errands:
                errand.cancel()
            await asyncio.gather(*errands, return_exceptions=True)
            # In this order: the room must know that it closes before its kernels end.
            await asyncio.gather(self.room.close(), warm.close())
            await server.close_all_connections()

    async def render(self, seat: Seat, query: str) -> AsyncIterator[str]:
        """Yield the page while its kernel starts and runs the notebook.

        The head goes out at once, so that the browser loads its scripts beside the kernel's start.
        """
        async with contextlib.AsyncExitStack() as turn:
            kernel_id = self.kernel_manager.new_kernel_id()
            kernel = asyncio.ensure_future(self._start_kernel(seat, kernel_id, query, turn))
            try:
                renderer = NotebookRenderer(
                    voila_configuration=self.voila_configuration,
                    traitlet_config=self.config,
                    notebook_path=Path(self.notebook_path).name,
                    template_paths=self.template_paths,
                    config_manager=self.config_manager,
                    contents_manager=self.contents_manager,
                    base_url=self.base_url,
                    kernel_spec_manager=self.kernel_spec_manager,
                    page_config=page_config(self.base_url, self.labextensions_path),
                    mathjax_url="",
                    mathjax_config="",
                )
                await renderer.initialize()
                # Compiling the template anew for each of thirty pages would hold up the others.
                renderer.exporter.environment.bytecode_cache = self.compiled
                async for piece, _ in renderer.generate_content_generator(kernel_id, kernel):
                    yield piece
            finally:
                # Whatever happened, the seat must know a kernel that was started for it.
                await asyncio.wait([kernel])

    async def _start_kernel(
        self, seat: Seat, kernel_id: str, query: str, turn: contextlib.AsyncExitStack
    ) -> KernelManager:
        """Start a seat's kernel when its turn comes; the turn ends with the page."""
        await turn.enter_async_context(self.room.turns)
        if seat.left:
            raise Left
        given = {
            "HEBBLAB_PRESET": self.serving.preset or "",
            "VOILA_BASE_URL": self.base_url,
            "QUERY_STRING": query,
        }
        seat.kernel_id = await self.kernel_manager.start_kernel(
            kernel_id=kernel_id,
            kernel_name=KERNEL_NAME,
            path="",
            env={name: value for name, value in given.items() if value},
        )
        return self.kernel_manager.get_kernel(seat.kernel_id)

    async def _announce(self) -> None:
        """Print the address once the server has answered under it."""
        host = addresses.reachable_host(self.serving.host)
        probe = addresses.address(host, self.port, self.base_url) + "hebblab/static/empty.js"
        headers = {"Authorization": f"token {self.serving.token}"} if self.serving.token else {}
        request = HTTPRequest(probe, headers=headers, request_timeout=5.0)
        for _ in range(20):
            with contextlib.suppress(Exception):
                await AsyncHTTPClient().fetch(request)
                break
            await asyncio.sleep(0.25)
        url = addresses.address(host, self.port, self.base_url, self.serving.token)
        sys.stdout.write(url + "\n")
        sys.stdout.flush()
        sys.stderr.write(f"Up to {self.room.limits.visitors} visitors. Ctrl-C ends it.\n")
        if self.serving.browser:
            await asyncio.to_thread(webbrowser.open, self._door(url))
        # Compressed before anybody waits for it.
        await self.shelf.get("", PLOTLY_NAME)

    def _door(self, url: str) -> str:
        """Return what a browser may be started with: other accounts can read its command line."""
        if self.serving.token is None:
            return url
        door = self.folder / "open.html"
        door.touch(mode=0o600)
        door.write_text(f'<meta http-equiv="refresh" content="0;url={html.escape(url)}">')
        return door.as_uri()

    async def _watch(self) -> None:
        """Sweep the room once a second."""
        while True:
            try:
                await self.room.sweep()
            except Exception:
                self.log.exception("The room could not be swept")
            await asyncio.sleep(1.0)


def _stop_signal() -> asyncio.Event:
    """Return an event that a polite request to end sets; Ctrl-C cancels the task by itself."""
    stopped = asyncio.Event()
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    return stopped
