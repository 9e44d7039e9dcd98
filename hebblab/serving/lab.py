"""`hebblab lab`: JupyterLab on a writable copy of the notebooks, with settings of its own."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hebblab
from hebblab.errors import InvalidValue, WrongState, shown
from hebblab.serving import addresses
from hebblab.serving.workspace import jupyter_environment, notebooks_folder, workspace

USUAL_PORT = 8888
PATIENCE = 120.0


def lab(
    port: int | None = None, browser: bool = True, directory: str | Path = "hebblab-notebooks"
) -> None:
    """Open JupyterLab on a copy of the notebooks, until interrupted.

    Prints the address with its token, alone on a line, once it answers. JupyterLab listens on
    loopback, asks no other host for news or extensions, and keeps its settings to itself.

    Args:
        port: to listen on; None: 8888 or the next free one.
        browser: whether to open the page.
        directory: where the copy is; made if need be. Files that are there stay as they are.

    Raises:
        InvalidValue: if the directory cannot be made or written.
        WrongState: if the named port is taken, or JupyterLab ends before it answers.
        KeyboardInterrupt: after an interruption, once JupyterLab and its kernels are gone.
    """
    folder = copy_notebooks(Path(directory))
    (listening,) = addresses.listen("127.0.0.1", addresses.checked_port(port), USUAL_PORT)
    number = int(listening.getsockname()[1])
    listening.close()
    token = secrets.token_hex(24)
    with workspace() as own, _ended_by_sigterm():
        configure(own, folder, number, token)
        command = [sys.executable, "-m", "jupyterlab", "--no-browser"]
        if getattr(os, "geteuid", lambda: 1)() == 0:
            command.append("--allow-root")  # as in a container
        with subprocess.Popen(command, env=environment(own), stdout=sys.stderr) as process:
            try:
                _wait_until_it_answers(process, number, token)
                page = "lab/tree/quickstart.ipynb"
                page = page if (folder / "quickstart.ipynb").exists() else "lab"
                url = addresses.address("127.0.0.1", number, f"/{page}", token)
                sys.stdout.write(url + "\n")
                sys.stdout.flush()
                if browser:
                    door = own / "open.html"
                    door.touch(mode=0o600)
                    door.write_text(f'<meta http-equiv="refresh" content="0;url={url}">')
                    webbrowser.open(door.as_uri())
                process.wait()
            finally:
                _end(process)


def copy_notebooks(directory: Path) -> Path:
    """Copy the notebooks that are not there yet, and return the folder.

    Raises:
        InvalidValue: if the folder cannot be made or written.
    """
    source = notebooks_folder()
    try:
        for path in sorted(source.rglob("*")):
            target = directory / path.relative_to(source)
            if path.suffix != ".ipynb" or ".ipynb_checkpoints" in path.parts or target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidValue(
            f"The notebooks cannot be copied to {shown(str(directory))} ({error.strerror}). "
            "Name another folder with --dir."
        ) from error
    return directory.resolve()


def configure(own: Path, folder: Path, port: int, token: str) -> None:
    """Write JupyterLab's configuration where only this account can read it."""
    server = {
        "ServerApp": {
            "ip": "127.0.0.1",
            "port": port,
            "port_retries": 0,
            "open_browser": False,
            "root_dir": str(folder),
            "answer_yes": True,
            "kernel_websocket_connection_class": "hebblab.serving.frames.Guard",
            "log_level": "WARN",
        },
        "IdentityProvider": {"token": token, "cookie_options": {"SameSite": "Lax"}},
        "PasswordIdentityProvider": {"allow_password_change": False},
        "LabApp": {
            "news_url": None,
            "check_for_updates_class": "jupyterlab.handlers.announcements.NeverCheckForUpdate",
            "extension_manager": "readonly",
            "user_settings_dir": str(own / "data" / "settings"),
            "workspaces_dir": str(own / "data" / "workspaces"),
        },
    }
    _write(own / "config" / "jupyter_server_config.json", server)
    disabled = [
        "@jupyterlab/apputils-extension:announcements",
        "@jupyterlab/extensionmanager-extension",
    ]
    page = {"disabledExtensions": dict.fromkeys(disabled, True)}
    _write(own / "config" / "labconfig" / "page_config.json", page)


def environment(own: Path, source: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of JupyterLab: the person's, but with settings of its own."""
    forgotten = ("JUPYTER", "PYTHONSTARTUP")
    given = os.environ if source is None else source
    kept = {name: value for name, value in given.items() if not name.startswith(forgotten)}
    kept |= jupyter_environment(own)
    home = Path(hebblab.__file__).resolve().parent.parent
    if (home / "pyproject.toml").exists():
        paths = [str(home), *filter(None, [kept.get("PYTHONPATH")])]
        kept["PYTHONPATH"] = os.pathsep.join(paths)
    return kept


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(content))


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, token: str) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/status", headers={"Authorization": f"token {token}"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError, urllib.error.URLError), opener.open(request, timeout=5):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
            break
    raise WrongState("JupyterLab did not start; what it said stands above.")


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Leave by way of SystemExit when asked to end, so that JupyterLab is not left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End JupyterLab and, with it, its kernels; a terminal's Ctrl-C has reached it already."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0.5)
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
