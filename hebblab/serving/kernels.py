"""Kernels that know nothing of the person's configuration and little of its environment."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from traitlets.config import Config

import hebblab
from hebblab.serving.forks import Warm

KERNEL_NAME = "hebblab"
_PROVISIONER = EntryPoint(
    KERNEL_NAME,
    "hebblab.serving.forks:ForkingProvisioner",
    KernelProvisionerFactory.GROUP_NAME,
)
# Told by hand, so that a checkout that nobody installed has it too.
KernelProvisionerFactory.provisioners[KERNEL_NAME] = _PROVISIONER

_PASSED_ON = frozenset(
    {
        "PATH",
        *("HOME", "USER", "LOGNAME", "USERPROFILE", "HOMEDRIVE", "HOMEPATH"),
        *("APPDATA", "LOCALAPPDATA", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"),
        *("TEMP", "TMP", "TMPDIR", "LANG", "TZ"),
        *("LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"),
        # Without these two no Windows process starts.
        *("SYSTEMROOT", "WINDIR"),
        # What Voila tells a kernel about the request.
        *("SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "SERVER_NAME", "SERVER_PORT"),
        *("SERVER_PROTOCOL", "SERVER_SOFTWARE", "VOILA_BASE_URL", "VOILA_SERVER_URL"),
    }
)
_PASSED_ON_FAMILIES = ("LC_", "OMP_", "MKL_", "HEBBLAB_")
_NEVER = ("TOKEN", "SECRET", "PASSWORD")


def environment(source: Mapping[str, str]) -> dict[str, str]:
    """Return what of an environment a visitor's kernel may know.

    >>> environment({"LC_ALL": "C", "AWS_SECRET_ACCESS_KEY": "x", "HEBBLAB_TOKEN": "y"})
    {'LC_ALL': 'C'}
    """
    return {
        name: value
        for name, value in source.items()
        if (name.upper() in _PASSED_ON or name.upper().startswith(_PASSED_ON_FAMILIES))
        and not any(word in name.upper() for word in _NEVER)
    }


def seats_in_memory(megabytes: int = 250) -> int:
    """Return how many visitors' kernels fit the memory that is free now, at least one.

    Args:
        megabytes: that one kernel takes for itself; 250 covers the CPU build of torch.
    """
    free = int(psutil.virtual_memory().available)
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        free = min(free, limit - int(Path("/sys/fs/cgroup/memory.current").read_text()))
    except (OSError, ValueError):
        pass  # no container limits this process
    return max(1, free // (megabytes * 2**20))


def kernel_command(ipython_dir: str) -> list[str]:
    """Return the command of a kernel: this interpreter, without start-up files or a history."""
    command = [
        *(sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"),
        f"--ipython-dir={ipython_dir}",
        "--HistoryManager.enabled=False",
        "--IPKernelApp.exec_PYTHONSTARTUP=False",
        # A page could fill the server's terminal with warnings about what it sends.
        "--IPKernelApp.log_level=50",
    ]
    home = Path(hebblab.__file__).resolve().parent.parent
    if (home / "pyproject.toml").exists():
        # A checkout that nobody installed is found all the same.
        command.append(f"--IPKernelApp.exec_lines=import sys; sys.path.append({str(home)!r})")
    return command


class OwnKernelSpecs(KernelSpecManager):  # type: ignore[misc]
    """Knows one kernel: this interpreter."""

    def find_kernel_specs(self) -> dict[str, str]:
        """Return the one name there is."""
        return {KERNEL_NAME: ""}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the specification of the one kernel."""
        if kernel_name != KERNEL_NAME:
            raise NoSuchKernel(kernel_name)
        return KernelSpec(
            argv=kernel_command(self.parent.ipython_dir),
            display_name="hebblab",
            language="python",
            metadata={
                "debugger": False,
                "supported_encryption": ["curve"],
                "kernel_provisioner": {"provisioner_name": KERNEL_NAME},
            },
        )

    def get_all_specs(self) -> dict[str, Any]:
        """Return the one kernel in the form of Jupyter's listing."""
        spec = self.get_kernel_spec(KERNEL_NAME)
        return {KERNEL_NAME: {"resource_dir": "", "spec": spec.to_dict()}}


class Kernels(AsyncMappingKernelManager):  # type: ignore[misc]
    """Starts each kernel with the small environment, and with nothing on the server's stdout.

    Attributes:
        warm: the process that kernels are forked from; None: each starts by itself.
    """

    warm: Warm | None = None

    async def start_kernel(self, **kwargs: Any) -> str:
        """Start a kernel and return its id."""
        given = kwargs.pop("env", {})
        env = environment({**os.environ, **given}) | {"HEBBLAB_SERVED": "1"}
        kernel_id = await super().start_kernel(env=env, stdout=subprocess.DEVNULL, **kwargs)
        return str(kernel_id)

    async def alive(self, kernel_id: str) -> bool:
        """Return whether a kernel is there and its process runs."""
        return kernel_id in self and bool(await self.get_kernel(kernel_id).is_alive())

    def lower(self, kernel_id: str, niceness: int) -> bool:
        """Let the server, and kernels that start, go before this one; return whether that is done.

        Where one computer trains for a class it would otherwise answer nobody in time.
        """
        pid = self._pid(kernel_id)
        if pid is None or not hasattr(os, "setpriority"):
            return True
        try:
            os.setpriority(os.PRIO_PGRP, pid, niceness)
            # Linux for desktops weighs sessions before processes, and a kernel is a session.
            Path(f"/proc/{pid}/autogroup").write_text(str(niceness))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return True
        except OSError:
            return False  # too soon after another one's: the system wants a pause in between
        return True

    def worked(self, kernel_id: str) -> float:
        """Return the seconds that a kernel has computed; 0.0 for one that has ended."""
        pid = self._pid(kernel_id)
        if pid is None:
            return 0.0
        try:
            spent = psutil.Process(pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(spent.user + spent.system)

    def _pid(self, kernel_id: str) -> int | None:
        pid: int | None = getattr(self.get_kernel(kernel_id).provisioner, "pid", None)
        return pid

    async def end_all(self) -> None:
        """End every kernel at once, those that are just starting too."""
        for _ in range(5):
            starting = [task for task in self._pending_kernels.values() if not task.done()]
            await asyncio.gather(*starting, return_exceptions=True)
            kernel_ids = self.list_kernel_ids()
            if not kernel_ids:
                return
            ends = (self.shutdown_kernel(kernel_id, now=True) for kernel_id in kernel_ids)
            # One may have ended by itself meanwhile; the next round looks again.
            await asyncio.gather(*ends, return_exceptions=True)

    def part(self, kernel_id: str) -> None:
        """Tell the pages of a kernel that it is no more, and close their sockets."""
        for connection in list(ZMQChannelsWebsocketConnection._open_sockets):
            if connection.kernel_id == kernel_id:
                with contextlib.suppress(Exception):  # this socket is closing already
                    connection._send_status_message("dead")
                    connection.websocket_handler.close(1001, "the kernel ended")

    def sockets(self, kernel_id: str) -> int:
        """Return how many pages are connected to a kernel."""
        return int(self._kernel_connections.get(kernel_id, 0))


def kernel_configuration(connection_dir: str) -> Config:
    """Return how kernels are reached: over files where that works, else encrypted over loopback."""
    # The longest address of a kernel must fit the 104 bytes that every system grants a socket.
    by_file = sys.platform != "win32" and len(connection_dir) + len("/kernel-36-ipc-1") + 34 < 104
    manager: dict[str, Any] = {"autorestart": False, "shutdown_wait_time": 2.0}
    manager |= {"transport": "ipc"} if by_file else {"transport_encryption": "auto"}
    return Config({"KernelManager": manager, "MappingKernelManager": {"cull_idle_timeout": 0}})
