"""What a benchmark found, and its place in the README."""

import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
TEACHING = Path(__file__).parents[2] / "docs" / "teaching.md"
_BLOCK = re.compile(r"(<!-- figures:begin -->\n).*?(<!-- figures:end -->)", re.S)


@dataclass(frozen=True)
class Figure:
    """One measured figure: what, how much, and what it had to reach."""

    what: str
    found: str
    goal: str = ""
    fills: tuple[tuple[str, str], ...] = ()  # places in docs/teaching.md, and what stands there

    def row(self) -> str:
        return f"| {self.what} | {self.found} | {self.goal} |"


def machine() -> str:
    """Return the machine in a line."""
    import torch

    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        model = platform.processor() or platform.machine()
    import os

    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()}, Python "
        f"{platform.python_version()}, torch {torch.__version__}, {date.today():%B %Y}"
    )


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as a Markdown table."""
    rows = ["| | found | wanted |", "| --- | --- | --- |", *(one.row() for one in figures)]
    return "\n".join(rows)


def write(figures: list[Figure]) -> None:
    """Put figures into the README: those measured now replace those of the same name."""
    text = README.read_text(encoding="utf-8")
    block = _BLOCK.search(text)
    if block is None:
        raise SystemExit("README.md has no figures:begin and figures:end markers.")
    known: dict[str, Figure] = {}
    for line in block[0].splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if (
            line.startswith("| ")
            and len(cells) == 3
            and cells[0]
            and cells[0] != "---"
            and cells[1] != "found"
        ):
            known[cells[0]] = Figure(*cells)
    known.update({one.what: one for one in figures})
    made = f"{table(known.values())}\n\nMeasured on {machine()} by `python -m tests.benchmarks`.\n"
    text = _BLOCK.sub(lambda m: m[1] + made + m[2], text)
    README.write_text(text, encoding="utf-8")
    places = dict(place for one in figures for place in one.fills)
    if places:
        places["machine"] = machine()
    text = TEACHING.read_text(encoding="utf-8")
    for name, found in places.items():
        begin, end = f"<!-- measure: {name} -->", "<!-- /measure -->"
        text = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", f"{begin}{found}{end}", text)
    TEACHING.write_text(text, encoding="utf-8")
