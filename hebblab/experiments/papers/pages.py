"""The page of a paper's results, in Markdown."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from hebblab.experiments.papers.paper import NOT_RUN
from hebblab.experiments.papers.results import PaperResult


def page(result: PaperResult) -> str:
    """Return the page: claims first, then the table, what differs, and how it was made."""
    paper, title = result.paper, result.source.title
    parts = [f"# {result.heading}", paper.citation]
    if not result.source.exact:
        parts.append(
            f"**The data are {title}, and not the set of the paper.** Its numbers stand beside "
            "published ones for orientation; no number here is one of the published set."
        )
    parts += paper.notes
    parts.append(f"## Claims · {title}")
    rows = [(text, f"**{word}**", why) for text, word, why in result.claims]
    parts.append(grid(("claim", "here", "why"), rows))
    parts.append(f"## Numbers · {title}")
    parts.append(_numbers(result))
    if paper.deviations:
        parts.append("## Deviations")
        parts.append("\n".join(f"- {one}" for one in paper.deviations))
    if result.reasons:
        parts.append("## Not run")
        reasons = [f"- {cell}: {reason}" for cell, reason in sorted(result.reasons.items())]
        parts.append("\n".join(reasons))
    parts.append("## How this was made")
    parts.append(_made(result))
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _numbers(result: PaperResult) -> str:
    rows = []
    for row in result.table.to_dict("records"):
        interval = ""
        if math.isfinite(row["low"]):
            interval = f"{number(row['low'])} to {number(row['high'])} ({row['interval']})"
        published = number(row["published"])
        if published and math.isfinite(row["published_half"]):
            published += f" ± {number(row['published_half'])}"
        if published:
            published += f" {row['source']}"
        ours = number(row["ours"]) or row["note"]
        rows.append(
            (
                row["condition"],
                row["layer"],
                row["measure"],
                ours,
                interval,
                "" if ours.startswith(NOT_RUN) else str(row["n"]),
                published,
            )
        )
    heads = ("", "layer", "measure", "ours", "95 % interval", "runs", "published")
    return grid(heads, rows)


def _made(result: PaperResult) -> str:
    outcomes: list[dict[str, Any]] = list(result.outcomes.values())
    if not outcomes:
        return "Nothing was run."
    lines = []
    for key in ("machine", "date", "hebblab", "torch", "python"):
        told = sorted({str(outcome["made"].get(key, "")) for outcome in outcomes} - {""})
        lines.append(f"- {key}: {', '.join(told)}")
    last: dict[tuple[str, int], float] = {}
    for cell, outcome in result.outcomes.items():
        where = (cell.condition, cell.seed)
        last[where] = max(last.get(where, 0.0), float(outcome["cpu_seconds"]))
    burnt = sum(last.values())
    lines.append(f"- CPU time: {burnt / 60:.1f} min, one thread a cell")
    lines.append(f"- settings: `{result.paper.settings!r}`")
    lines.append(f"- again: `hebblab paper {result.paper.name}`")
    return "\n".join(lines)


def number(value: float) -> str:
    """Return a number as tables have it; nothing for one that is none.

    >>> number(97.6432), number(0.0423), number(float("nan"))
    ('97.64', '0.0423', '')
    """
    if not math.isfinite(value):
        return ""
    return f"{value:.2f}" if abs(value) >= 1 or value == 0 else f"{value:.3g}"


def grid(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
