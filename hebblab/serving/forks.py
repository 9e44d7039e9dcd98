"""Kernels forked from the warm process: how the server starts it, asks it, and does without it."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner

import hebblab

log = logging.getLogger(__name__)

PROGRAM = Path(__file__).with_name("nursery.py")
# All that a dashboard's kernel imports until its first step.
MODULES = (
    "torch",
    "ignite.engine",
    "ipykernel.kernelapp",
    "ipywidgets",
    "anywidget",
    "numpy.random",
    "latex2mathml.converter",
    "hebblab.dashboard.lab",
)


class NoFork(Exception):
    """The warm process is gone, or would not fork."""


class Fork:
    """A forked kernel, as `subprocess.Popen` shows a process."""

    stdin = stdout = stderr = None

    def __init__(self, warm: "Warm", pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._warm = warm

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        return self.returncode

    def wait(self) -> int | None:
        """Return the exit status; the provisioner asks once there is one."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the kernel and to what it started."""
        if self.returncode is None:
            self._warm.signal(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class Warm:
    """The warm process, as the server sees it.

    Args:
        modules: what it imports before the first fork.
        environment: all that it and its forks know of the server's environment.
    """

    def __init__(self, modules: Sequence[str], environment: Mapping[str, str]) -> None:
        self._modules = modules
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._asked: dict[int, asyncio.Future[Fork]] = {}
        self._forks: dict[int, Fork] = {}
        self._number = 0
        self._is_warm = False
        self._apologised = False
        self.closed = False

    @property
    def pid(self) -> int | None:
        """Its process, while it can be asked for forks."""
        return self._process.pid if self._process is not None and self._writer else None

    async def start(self) -> None:
        """Start it where a process can be forked while torch is in it; return at once."""
        if sys.platform != "linux":
            # Elsewhere system libraries forbid it, or nothing would end forks with the server.
            self.apologise("only Linux can")
            return
        ours, theirs = socket.socketpair()
        home = str(Path(hebblab.__file__).resolve().parent.parent)
        boot = (
            f"import runpy, sys; sys.path.append({home!r}); "
            f"runpy.run_path({str(PROGRAM)!r}, run_name='__main__')"
        )
        given = [str(theirs.fileno()), str(os.getpid()), *self._modules]
        try:
            self._process = subprocess.Popen(
                # Without -P it would import what lies in the folder that the server runs in.
                [sys.executable, "-P", "-c", boot, *given],
                # NumPy's linear algebra would start threads when it is imported.
                env={**self._environment, "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            self.apologise(str(error))
            return
        finally:
            theirs.close()
        reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        self._listening = asyncio.ensure_future(self._listen(reader))

    async def fork(self, argv: Sequence[str], env: Mapping[str, str], cwd: str) -> Fork:
        """Return a new kernel.

        Args:
            argv: its arguments.
            env: its whole environment.
            cwd: its folder.

        Raises:
            NoFork: if the warm process is gone or refuses.
        """
        self._number += 1
        number = self._number
        told: asyncio.Future[Fork] = asyncio.get_running_loop().create_future()
        self._asked[number] = told
        try:
            self._say(fork=number, argv=list(argv), env=dict(env), cwd=cwd)
            return await told
        finally:
            del self._asked[number]

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to a fork, if it has not ended."""
        with contextlib.suppress(NoFork):  # its forks went with it
            self._say(signal=number, pid=pid)

    async def close(self) -> None:
        """End it and every fork."""
        self.closed = True
        self._hang_up()
        if self._process is None:
            return
        if not self._is_warm:
            self._process.kill()  # it would hear that nobody is there only after its imports
        try:
            await asyncio.to_thread(self._process.wait, 5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._listening is not None:
            await self._listening

    def apologise(self, why: str) -> None:
        """Say once that kernels start slowly, and why."""
        if not self._apologised:
            self._apologised = True
            log.warning(
                "Kernels cannot be forked from a warm process (%s). Each starts by itself, which "
                "takes longer and more memory.",
                why,
            )

    def _say(self, **words: Any) -> None:
        if self._writer is None:
            raise NoFork("there is none")
        self._writer.write(json.dumps(words).encode() + b"\n")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                self._hear(json.loads(line))
        if self._writer is not None:
            self._hang_up()
            assert self._process is not None
            self.apologise(f"it ended with status {await asyncio.to_thread(self._process.wait)}")
        for told in self._asked.values():
            if not told.done():
                told.set_exception(NoFork("it ended"))
        for fork in self._forks.values():
            fork.returncode = -signal.SIGKILL
        self._forks.clear()

    def _hear(self, said: Mapping[str, Any]) -> None:
        told = self._asked.get(said.get("forked", said.get("refused", 0)))
        if "forked" in said:
            fork = self._forks[said["pid"]] = Fork(self, said["pid"])
            if told is None or told.done():
                fork.kill()  # who asked for it did not wait
            else:
                told.set_result(fork)
        elif "refused" in said and told is not None and not told.done():
            told.set_exception(NoFork(said["why"]))
        elif "warm" in said:
            self._is_warm = True
        elif "ended" in said:
            ended = self._forks.pop(said["ended"], None)
            if ended is not None:
                ended.returncode = said["status"]

    def _hang_up(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


class ForkingProvisioner(LocalProvisioner):  # type: ignore[misc]
    """Starts a kernel as a fork of the warm process, else as a process of its own."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel; return how it is reached."""
        warm: Warm | None = getattr(self.parent.parent, "warm", None)
        if warm is not None and (warm.pid is not None or warm.closed):
            # What stands before is the interpreter and its -m ipykernel_launcher.
            arguments, folder = cmd[3:], str(kwargs.get("cwd") or Path.cwd())
            try:
                self.process = await warm.fork(arguments, kwargs["env"], folder)
            except NoFork as error:
                if warm.closed:
                    raise
                warm.apologise(str(error))
            else:
                self.pid, self.pgid, self.cwd = self.process.pid, None, folder
                return self.connection_info
        return await super().launch_kernel(cmd, **kwargs)
