"""The command line: one file per command, and one place for exit codes."""

import os
import sys
import traceback

from hebblab.cli.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command that was typed, and exit: 0 done, 1 failed, 2 wrong, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        # A console that lacks Δ shows a question mark instead of failing.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    # torch's own switch: without it the maps of a convolution are fresh 4 kB pages at every batch,
    # which takes longer than the arithmetic. Processes that this one starts inherit it.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    try:
        app(prog_name="hebblab")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("HEBBLAB_DEBUG"):
            traceback.print_exc()
        what = " ".join(f"{type(error).__name__}: {error}".split())
        sys.stderr.write(
            f"hebblab failed: {what[:500]} (`hebblab doctor` checks the installation; "
            "HEBBLAB_DEBUG=1 shows where it happened)\n"
        )
        sys.exit(1)
