"""The warm process: it has imported all that a kernel needs, and forks into one when asked.

A program of its own, which the server starts with one end of a socket pair. It has one thread, has
run no parallel operation and holds no socket but that one, so a fork of it is a whole process. It
knows no secret: its environment is the small one of the kernels, and it never sees a token. Forked
kernels have one address layout and one hash seed in common.

Over the socket go lines of JSON. The server asks {"fork": number, "argv", "env", "cwd"} and
{"signal": number, "pid"}; it is told {"warm": true}, {"forked": number, "pid"},
{"refused": number, "why"} and {"ended": pid, "status"}.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

KERNEL_TITLE = "hebblab-kernel"
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15


def main(arguments: Sequence[str]) -> None:
    """Import the modules, then serve forks until the server is gone; forks return as kernels.

    Args:
        arguments: the socket's descriptor, the server's process id, and names of modules.
    """
    descriptor, server, *modules = arguments
    _die_with(int(server))
    with socket.socket(fileno=int(descriptor)) as control:
        gc.disable()
        for name in modules:
            importlib.import_module(name)
        gc.collect()
        # Left out of collections, so that no fork writes on the pages that all of them share.
        gc.freeze()
        _say(control, warm=True)
        wanted = Nursery(control).tend()
    _become(wanted)


class Nursery:
    """Forks, passes signals on and reports ends.

    Args:
        control: this end of the socket pair.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: set[int] = set()

    def tend(self) -> dict[str, Any]:
        """Serve until the server is gone, then exit; in a fork, return what it is to become."""
        with _children_noticed() as noticed:
            for line in self._lines(noticed):
                asked = json.loads(line)
                if "signal" in asked:
                    self._signal(int(asked["pid"]), int(asked["signal"]))
                elif self._fork(asked):
                    return dict(asked)
        self._end()

    def _lines(self, noticed: int) -> Iterator[bytes]:
        """Yield what the server says, and bury children in between."""
        rest = b""
        spoken = self._control.fileno()
        while True:
            ready, _, _ = select.select([spoken, noticed], [], [])
            if noticed in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(noticed, 4096)
                self._bury()
            if spoken in ready:
                heard = self._control.recv(65536)
                if not heard:
                    return
                *lines, rest = (rest + heard).split(b"\n")
                yield from lines

    def _fork(self, asked: dict[str, Any]) -> bool:
        """Fork once; return whether this is the fork."""
        number, itself = asked["fork"], os.getpid()
        try:
            threads = len(os.listdir("/proc/self/task"))
            if threads != 1:
                raise OSError(f"it has {threads} threads")
            pid = os.fork()
        except OSError as error:
            _say(self._control, refused=number, why=str(error))
            return False
        if pid == 0:
            os.setsid()
            _die_with(itself)
            return True
        self._children.add(pid)
        _say(self._control, forked=number, pid=pid)
        return False

    def _signal(self, pid: int, number: int) -> None:
        # A child that nobody buried keeps its number, so the signal cannot meet a stranger.
        if pid not in self._children:
            return
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            os.kill(pid, number)  # it has not made a group of its own yet

    def _bury(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._children.discard(pid)
            _say(self._control, ended=pid, status=os.waitstatus_to_exitcode(status))

    def _end(self) -> NoReturn:
        for pid in self._children:
            self._signal(pid, signal.SIGKILL)
        for _ in self._children:
            os.wait()
        os._exit(0)


@contextlib.contextmanager
def _children_noticed() -> Iterator[int]:
    """Yield a descriptor that can be read after a child ended; a fork gets the usual signals."""
    noticed, noted = os.pipe()
    for descriptor in (noticed, noted):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(noted, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield noticed
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(noticed)
        os.close(noted)


def _become(asked: dict[str, Any]) -> None:
    """Be the kernel that was asked for, in this process, until it ends."""
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    sys.argv[1:] = asked["argv"]
    _name(KERNEL_TITLE)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("500")  # where memory runs out, one kernel goes before the server does
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()  # Python's own generator renews itself
    gc.enable()
    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance()
    app.initialize(asked["argv"])
    if "ipywidgets" in sys.modules:
        # Imported before there was a kernel, it has not told one where widgets' messages go.
        sys.modules["ipywidgets"].register_comm_target()
    app.start()


def _say(control: socket.socket, **words: Any) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the next read ends it
        control.sendall(json.dumps(words).encode() + b"\n")


def _die_with(parent: int) -> None:
    """Have the system kill this process when its parent is gone."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _name(title: str) -> None:
    """Have `ps` and `top` call this process by a name."""
    _prctl(_PR_SET_NAME, ctypes.c_char_p(title.encode()))


def _prctl(option: int, value: Any) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    main(sys.argv[1:])
