"""`python -m tests.benchmarks [NAME ...] [--write]`: measure, print a table, fill the README."""

import argparse
import importlib
import sys

from . import figures

NAMES = ("rules", "live", "page", "room", "memory", "readout")
QUICK = ("rules", "live", "page")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument(
        "--write", action="store_true", help="put the figures into README.md and docs"
    )
    asked = parser.parse_args()
    for name in asked.names:
        if name not in NAMES:
            parser.error(f"there is no benchmark {name!r}: {', '.join(NAMES)}")
    found = []
    pages = []
    for name in asked.names or QUICK:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        module = importlib.import_module(f"{__package__}.{name}")
        found += module.measure()
        pages += [module.write] if hasattr(module, "write") else []
    print(figures.table(found))
    print(f"\n{figures.machine()}")
    if asked.write:
        figures.write(found)
        for page in pages:
            page()


if __name__ == "__main__":
    main()
