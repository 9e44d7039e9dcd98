"""What long work does with the memory it frees: it keeps it."""

import ctypes
import platform

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, for what it allocates next; return whether it will.

    glibc hands large blocks back to the system at once and gets them page by page, zeroed, with
    the next layer's output: of training a convolution that can be half of the time. The process
    stays as large as it ever was, so this is for processes that end with their work. Nothing that
    is computed changes. Other C libraries go on as they are.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    return tell is not None and bool(tell(_MMAP_MAX, 0)) and bool(tell(_TRIM_THRESHOLD, -1))
