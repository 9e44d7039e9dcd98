"""The warm process and what it forks, asked without a server in between."""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from hebblab.serving.forks import MODULES, NoFork, Warm
from hebblab.serving.kernels import (
    Kernels,
    OwnKernelSpecs,
    environment,
    kernel_command,
    kernel_configuration,
)
from hebblab.serving.nursery import KERNEL_TITLE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are for Linux")

# Weights of a short run, once more after the usual number of threads has been at work.
DIGEST = """
import hashlib, torch
from hebblab.live import Session
with Session("mnist-krotov", seed=3) as session:
    session.step(40)
    weights = session.model().state_dict()
    digest = hashlib.sha256(b"".join(w.numpy().tobytes() for w in weights.values())).hexdigest()
torch.set_num_threads(2)
assert torch.ones(5_000_000).sum().item() == 5_000_000
print("digest", digest)
"""


class World:
    """Kernels without a server, forked from a warm process where there is one."""

    def __init__(self, folder: Path, modules=("ipykernel.kernelapp",), **more: str) -> None:
        self.folder = folder
        for name in ("k", "ipython"):
            (folder / name).mkdir()
        config = kernel_configuration(str(folder / "k"))
        self.kernels = Kernels(config=config, connection_dir=str(folder / "k"))
        self.kernels.ipython_dir = str(folder / "ipython")
        self.kernels.kernel_spec_manager = OwnKernelSpecs(parent=self.kernels)
        self.environment = environment(os.environ) | more
        self.warm = self.kernels.warm = Warm(modules, self.environment)

    async def __aenter__(self):
        await self.warm.start()
        return self

    async def __aexit__(self, *_):
        await self.kernels.end_all()
        await self.warm.close()
        assert self.warm.pid is None
        assert os.listdir(self.folder / "k") == []

    async def kernel(self) -> tuple[str, psutil.Process]:
        kernel_id = await self.kernels.start_kernel(kernel_name="hebblab", cwd=str(self.folder))
        return kernel_id, psutil.Process(self.kernels.get_kernel(kernel_id).provisioner.pid)

    async def run(self, kernel_id: str, code: str) -> str:
        """Run code in a kernel; return what it printed, or the name of its exception."""
        client = self.kernels.get_kernel(kernel_id).client()
        client.start_channels()
        heard = []

        def hear(message):
            content = message["content"]
            heard.append(content.get("text", "") + content.get("ename", ""))

        try:
            await client.wait_for_ready(timeout=60)
            await client.execute_interactive(code, timeout=60, output_hook=hear)
        finally:
            client.stop_channels()
        return "".join(heard)

    async def fork(self, line: str):
        """Fork a kernel that runs one line before it listens."""
        arguments = kernel_command(str(self.folder / "ipython"))[3:]
        arguments[1] = str(self.folder / "unused.json")
        arguments += [f"--IPKernelApp.exec_lines={line}"]
        return await self.warm.fork(arguments, self.environment, str(self.folder))


def lived(test):
    """Run a test in an event loop of its own."""

    def run(tmp_path_factory, caplog):
        folder = tmp_path_factory.mktemp("w")
        asyncio.run(asyncio.wait_for(test(folder, caplog), 100))

    run.__name__ = test.__name__
    return run


async def until(event, what, limit=20.0):
    for _ in range(int(limit / 0.02)):
        if event():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited for: {what}")


@lived
async def test_a_kernel_is_a_fork_of_a_process_with_one_thread_and_stands_alone(folder, caplog):
    async with World(folder) as world:
        kernel_id, process = await world.kernel()
        warm = psutil.Process(world.warm.pid)
        assert (process.name(), process.ppid()) == (KERNEL_TITLE, warm.pid)
        assert warm.num_threads() == 1
        assert os.getsid(process.pid) == process.pid != os.getsid(warm.pid)
        theirs = {os.readlink(f) for f in Path(f"/proc/{warm.pid}/fd").iterdir()}
        own = {os.readlink(f) for f in Path(f"/proc/{process.pid}/fd").iterdir()}
        shared = {name for name in theirs & own if name.startswith(("socket:", "pipe:"))}
        stderr = os.readlink(f"/proc/{warm.pid}/fd/2")
        assert shared - {stderr} == set()
        draws = "import random, numpy, os; print(random.random(), numpy.random.rand(), os.getcwd())"
        first = await world.run(kernel_id, draws)
        other_id, _ = await world.kernel()
        other = await world.run(other_id, draws)
        assert first.split()[2] == other.split()[2] == str(folder)
        assert set(first.split()[:2]).isdisjoint(other.split()[:2])
        assert caplog.text == ""


@lived
async def test_a_fork_has_all_that_a_dashboard_imports_and_trains_to_the_same_bits(folder, caplog):
    async with World(folder, MODULES) as world:
        kernel_id, process = await world.kernel()
        late = await world.run(
            kernel_id,
            "import sys; before = set(sys.modules)\n"
            "import hebblab as hl\nlab = hl.Lab(); lab.session.step(3); lab.close()\n"
            "print(*{name.partition('.')[0] for name in set(sys.modules) - before})",
        )
        assert process.ppid() == world.warm.pid
        heavy = {name.partition(".")[0] for name in MODULES} | {"IPython", "pydantic"}
        assert heavy.isdisjoint(late.split())
        forked = await world.run(kernel_id, DIGEST)
        # Widgets' messages find their way although ipywidgets was there before the kernel.
        targets = "from comm import get_comm_manager; print(*get_comm_manager().targets)"
        assert "jupyter.widget.control" in await world.run(kernel_id, targets)
    alone = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DIGEST],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert forked == alone.stdout
    assert len(forked.split()[1]) == 64


@lived
async def test_interrupt_and_restart_reach_a_fork(folder, caplog):
    async with World(folder) as world:
        kernel_id, process = await world.kernel()
        sleeping = asyncio.ensure_future(
            world.run(kernel_id, "import time; print('asleep', flush=True); time.sleep(60)")
        )
        await asyncio.sleep(1.0)
        while not sleeping.done():
            await world.kernels.interrupt_kernel(kernel_id)
            # Time enough: a second interrupt would meet the telling of the first.
            await asyncio.wait([sleeping], timeout=5.0)
        assert "KeyboardInterrupt" in sleeping.result()
        await world.run(kernel_id, "kept = 1")
        await world.kernels.restart_kernel(kernel_id)
        again = psutil.Process(world.kernels.get_kernel(kernel_id).provisioner.pid)
        assert again.pid != process.pid and again.ppid() == world.warm.pid
        assert not process.is_running()
        assert await world.run(kernel_id, "kept") == "NameError"


@lived
async def test_ends_are_reported_as_they_were_and_touch_nobody_else(folder, caplog):
    async with World(folder) as world:
        bystander_id, _ = await world.kernel()
        fork = await world.fork("import os; os._exit(7)")
        await until(lambda: fork.poll() is not None, "its end")
        assert (fork.poll(), fork.wait()) == (7, 7)
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV):
            fork = await world.fork(f"import os; os.killpg(0, {int(number)})")
            await until(lambda fork=fork: fork.poll() is not None, "its end")
            assert fork.poll() == -number
        for end, number in (("terminate", signal.SIGTERM), ("kill", signal.SIGKILL)):
            fork = await world.fork("import time; time.sleep(60)")
            getattr(fork, end)()
            await until(lambda fork=fork: fork.poll() is not None, "its end")
            assert fork.poll() == -number
            fork.kill()  # it is over: nobody else can be meant
        # A process group of a fork goes with it.
        fork = await world.fork("import subprocess; subprocess.Popen(['sleep', '61']).wait()")
        process = psutil.Process(fork.pid)
        await until(lambda: process.children(), "its child")
        (child,) = process.children()
        fork.kill()
        await until(lambda: not child.is_running() or child.status() == "zombie", "its child's end")
        assert "1" in await world.run(bystander_id, "print(1)")


@lived
async def test_without_the_warm_process_kernels_start_by_themselves_and_it_is_said_once(
    folder, caplog
):
    caplog.set_level(logging.WARNING)
    async with World(folder) as world:
        _, process = await world.kernel()
        warm = psutil.Process(world.warm.pid)
        warm.kill()
        await until(lambda: world.warm.pid is None, "the news of its end")
        await until(lambda: not process.is_running(), "the end of its forks")
        with pytest.raises(NoFork):
            await world.fork("pass")
        for _ in range(2):
            kernel_id, alone = await world.kernel()
            assert alone.ppid() == os.getpid() and alone.name() != KERNEL_TITLE
        assert "2" in await world.run(kernel_id, "print(1 + 1)")
    said = [one.getMessage() for one in caplog.records if "cannot be forked" in one.getMessage()]
    assert len(said) == 1 and "status -9" in said[0]


@lived
async def test_a_process_with_a_second_thread_is_not_forked(folder, caplog):
    caplog.set_level(logging.WARNING)
    (folder / "threaded.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    modules = ("ipykernel.kernelapp", "threaded")
    async with World(folder, modules, PYTHONPATH=str(folder)) as world:
        _, alone = await world.kernel()
        assert alone.ppid() == os.getpid()
        assert psutil.Process(world.warm.pid).num_threads() == 2
    assert "it has 2 threads" in caplog.text


@lived
async def test_a_module_that_fails_leaves_ordinary_kernels(folder, caplog):
    caplog.set_level(logging.WARNING)
    async with World(folder, ("no_such_module",)) as world:
        kernel_id, alone = await world.kernel()
        assert alone.ppid() == os.getpid()
        assert "3" in await world.run(kernel_id, "print(3)")
    assert "ended with status 1" in caplog.text


@lived
async def test_nothing_outlives_a_closed_or_a_killed_owner(folder, caplog):
    async with World(folder) as world:
        _, process = await world.kernel()
        warm = psutil.Process(world.warm.pid)
    gone, left = psutil.wait_procs([warm, process], timeout=5)
    assert left == [] and len(gone) == 2
    code = (
        "import asyncio, os, signal, sys\n"
        "from hebblab.serving.forks import Warm\n"
        "async def main():\n"
        "    warm = Warm(('ipykernel.kernelapp',), dict(os.environ))\n"
        "    await warm.start()\n"
        "    line = '--IPKernelApp.exec_lines=import time; time.sleep(60)'\n"
        "    fork = await warm.fork(['-f', sys.argv[1], line], dict(os.environ), '/')\n"
        "    print(warm.pid, fork.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    owner = subprocess.run(
        [sys.executable, "-c", code, str(folder / "unused.json")],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert owner.returncode == -signal.SIGKILL
    processes = []
    for pid in owner.stdout.split():
        with contextlib.suppress(psutil.NoSuchProcess):  # it may be gone by now
            processes.append(psutil.Process(int(pid)))
    assert psutil.wait_procs(processes, timeout=5)[1] == []


@lived
async def test_a_lowered_kernel_goes_last_and_one_that_ended_is_no_trouble(folder, caplog):
    async with World(folder) as world:
        kernel_id, process = await world.kernel()
        for _ in range(100):  # the system wants a pause between two such changes
            if world.kernels.lower(kernel_id, 10):
                break
            await asyncio.sleep(0.05)
        assert process.nice() == 10
        group = Path(f"/proc/{process.pid}/autogroup")
        if group.exists() and (weighed := group.read_text().split()):
            assert weighed[-1] == "10"
        await until(lambda: world.kernels.worked(kernel_id) > 0.0, "a tick of work")
        assert world.kernels.worked(kernel_id) <= sum(process.cpu_times()[:2])
        process.kill()
        await until(lambda: not process.is_running(), "its end")
        assert world.kernels.lower(kernel_id, 19)
        assert world.kernels.worked(kernel_id) == 0.0
