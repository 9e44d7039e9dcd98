"""Processes that compute for another one, and end when it does."""

import multiprocessing
import os
import threading

from hebblab.live.heap import keep_freed_memory


def ready() -> None:
    """Ready a process of a pool: it keeps the memory it frees, and ends with its parent.

    A parent that is killed cannot end its processes, and these hold both ends of the queue that
    they wait for: they would wait for ever. Files are written whole or not at all, so that what is
    under way is lost and nothing else.
    """
    keep_freed_memory()
    if multiprocessing.parent_process() is not None:
        threading.Thread(target=_end_with_parent, name="hebblab-parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
