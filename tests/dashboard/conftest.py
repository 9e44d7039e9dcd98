import threading
import time

import pytest


@pytest.fixture
def until():
    """Wait for an event, looking every hundredth of a second, and fail by its name."""

    def wait(event, what, limit=60.0):
        end, pause = time.monotonic() + limit, threading.Event()
        while not event():
            assert time.monotonic() < end, f"waited {limit:.0f} s for: {what}"
            pause.wait(0.01)

    return wait


@pytest.fixture
def threads():
    """The names of our threads that began with this test and live."""
    before = set(threading.enumerate())

    def names():
        return sorted(
            t.name
            for t in threading.enumerate()
            if t not in before and t.is_alive() and t.name.startswith("hebblab-")
        )

    return names
