"""`hebblab serve`: checks what was asked for, and runs the server until it is interrupted."""

import asyncio
import logging
import re
import sys
from collections.abc import Sequence

from hebblab.errors import InvalidValue, shown
from hebblab.serving import addresses
from hebblab.serving.kernels import seats_in_memory
from hebblab.serving.policy import is_loopback
from hebblab.serving.room import Limits
from hebblab.serving.server import LabServer, Serving
from hebblab.serving.workspace import jupyter_isolated, notebooks_folder, workspace

USUAL_PORT = 8866
FEWEST_STARTS = 12


def serve(
    preset: str | None = None,
    port: int | None = None,
    host: str = "127.0.0.1",
    token: str | None = None,
    allow_hosts: Sequence[str] = (),
    base_url: str = "/",
    max_visitors: int | None = None,
    browser: bool = True,
) -> None:
    """Serve the dashboard to browsers until interrupted.

    Prints the address, alone on a line, once it answers. Everything else goes to stderr.

    Args:
        preset: the preset that the dashboard opens with; None: its own default.
        port: to listen on; None: 8866 or the next free one.
        host: interface to listen on. Any but loopback demands a token.
        token: what visitors must bring; made where one is needed and none is given.
        allow_hosts: further names under which the server answers; they demand a token too.
        base_url: where the addresses begin, for a server behind a proxy.
        max_visitors: kernels at most; None: what memory holds.
        browser: whether to open the page.

    Raises:
        InvalidValue: if an argument cannot be meant.
        WrongState: if the named port is taken.
        KeyboardInterrupt: after an interruption, once every kernel is gone.
    """
    if max_visitors is not None and (isinstance(max_visitors, bool) or max_visitors < 1):
        raise InvalidValue(f"A room for {shown(max_visitors)} visitors is none; 1 is the least.")
    if preset is not None and not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", preset):
        raise InvalidValue(f"{shown(preset)} is no preset's name. See: hebblab presets")
    names = tuple(addresses.checked_host_name(name) for name in allow_hosts)
    visitors = max_visitors or seats_in_memory()
    run(
        Serving(
            notebook=notebooks_folder() / "lab.ipynb",
            host=host,
            port=addresses.checked_port(port),
            token=addresses.checked_token(token, host, names),
            allow_hosts=names,
            base_url=addresses.checked_base_url(base_url),
            limits=Limits(
                visitors=visitors,
                # A class often shares one address, and each of them brought the token.
                starts_a_minute=None if is_loopback(host) else max(FEWEST_STARTS, visitors),
            ),
            preset=preset,
            browser=browser,
        )
    )


def run(serving: Serving) -> None:
    """Run a server until interrupted; raise KeyboardInterrupt after Ctrl-C."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    # Its warnings are about malformed requests of visitors and Jupyter's ping interval.
    logging.getLogger("tornado").setLevel(logging.ERROR)
    sockets = addresses.listen(serving.host, serving.port, USUAL_PORT)
    with workspace() as folder, jupyter_isolated(folder):
        server = LabServer(serving, folder)
        server.initialize([])
        asyncio.run(server.serve(sockets))
