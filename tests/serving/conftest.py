"""Real servers in processes of their own, with a kernel that starts in a second."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

from tests.serving.visitors import Server

# A kernel that needs neither torch nor widgets: it answers what it is asked over one comm.
CELL = """
import json, os, sys
from comm import create_comm
line = create_comm(target_name="echo")

@line.on_msg
def answer(message):
    asked = message["content"]["data"]["ask"]
    told = {"environment": dict(os.environ), "modules": sorted(sys.modules), "pid": os.getpid(),
            "startup": "a_startup_file_was_read" in globals()}
    picture = [b"picture" * 1000] if asked == "picture" else None
    line.send({"asked": asked, "told": told.get(asked)}, buffers=picture)

print("comm:" + line.comm_id)
"""

# The public function, with a cheap notebook and limits that a test can wait for.
DRIVER = """
import json, sys
from pathlib import Path
from hebblab.serving import app, server
from hebblab.serving.room import Limits
given = json.loads(sys.argv[1])
folder, limits, guarded = Path(given.pop("folder")), given.pop("limits"), given.pop("guarded")
app.notebooks_folder = lambda: folder
server.MODULES = given.pop("modules")
app.Limits = lambda **usual: Limits(**{**usual, **limits})
if not guarded:
    from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
    server.VisitorGuard = ZMQChannelsWebsocketConnection
try:
    app.serve(browser=False, **given)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture(scope="session")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose lab.ipynb starts in a second."""
    folder = tmp_path_factory.mktemp("notebooks")
    cell = nbformat.v4.new_code_cell(CELL.strip())
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder / "lab.ipynb")
    return folder


Start = Callable[..., Server]


@pytest.fixture(scope="module")
def start(notebooks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start servers, and leave none of them or their kernels behind."""
    servers: list[Server] = []

    def start(
        limits: dict[str, Any] | None = None,
        env: dict[str, str] | None = None,
        guarded: bool = True,
        modules: tuple[str, ...] = ("ipykernel.kernelapp",),
        **given: Any,
    ) -> Server:
        given = {"port": 0, "folder": str(notebooks), "guarded": guarded, **given}
        given["modules"] = modules
        given["limits"] = {"spare": 0, **(limits or {})}
        log = tmp_path_factory.mktemp("server") / "stderr.txt"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-c", DRIVER, json.dumps(given)],
                env={**os.environ, **(env or {})},
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )
        assert process.stdout is not None
        servers.append(Server(process, process.stdout.readline().strip(), log))
        assert servers[-1].url, log.read_text()
        return servers[-1]

    yield start
    for server in servers:
        for visitor in server.visitors:
            visitor.hang_up()
        children = []
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(server.process.pid).children(recursive=True)
        server.stop()
        assert server.process.stdout is not None
        server.process.stdout.close()
        _, left = psutil.wait_procs(children, timeout=5)
        for child in left:
            child.kill()
        assert not left, "kernels outlived their server"
