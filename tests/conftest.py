"""What every test may count on."""

import os

# Before torch is imported, for threads and processes that tests start have their own count.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch


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
