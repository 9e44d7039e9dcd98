"""What every test may count on."""

import os

# Before torch is imported, for threads and processes that tests start have their own count.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Under `-n 2`, give one process all browsers and servers, and the other one file by one.

    They wait for what several processes of theirs do, and take the longest: they come first and
    never meet each other. A file stays whole, so that what its tests share is made once.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.split("::", 1)[0]
            return "waiting" if file.startswith(("tests/browser/", "tests/serving/")) else file

    config.option.loadscopereorder = False
    return ByFile(config, log)


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small products wait longer for a second thread than they take on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits():
    """5,000 real digits."""
    from hebblab import data

    return data.load("mnist-5k")
