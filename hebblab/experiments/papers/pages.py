"""The page of a paper's results, in Markdown."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from hebblab.experiments.papers.data import Source
from hebblab.experiments.papers.paper import NOT_RUN
from hebblab.experiments.papers.results import PaperResult


def page(result: PaperResult) -> str:
    """Return the page: claims first, then the table, what differs, and how it was made."""
    parts = [f"# {result.heading}", result.paper.citation, other_data(result.source)]
    parts += result.paper.notes
    for heading, text in sections(result).values():
        parts += [f"## {heading}", text] if text else []
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def sections(result: PaperResult) -> dict[str, tuple[str, str]]:
    """Return the parts of the page by name, each as (heading, text); some may be empty."""
    title = result.source.title
    also = "" if result.source.exact else f" · {title}"
    claims = [(text, f"**{word}**", why) for text, word, why in result.claims]
    each = (
        "Each claim is judged by itself at 95 %: intervals are not corrected for there being "
        f"{len(claims)} of them."
        if len(claims) > 1
        else ""
    )
    reasons = [f"- {cell}: {reason}" for cell, reason in sorted(result.reasons.items())]
    return {
        "claims": (f"Claims · {title}", f"{grid(('claim', 'here', 'why'), claims)}\n\n{each}"),
        "numbers": (f"Numbers · {title}", _numbers(result)),
        "beside": (f"Seen beside{also}", _beside(result)),
        "deviations": (
            f"Deviations{also}",
            "\n".join(f"- {one}" for one in result.paper.deviations),
        ),
        "not run": (f"Not run{also}", "\n".join(reasons)),
        "made": (f"How this was made{also}", _made(result)),
    }


def other_data(source: Source) -> str:
    """Return what must be said of data that are not the paper's; nothing of those that are."""
    if source.exact:
        return ""
    return (
        f"**The data are {source.title}, and not the set of the paper.** Its numbers stand beside "
        "published ones for orientation; no number here is one of the published set."
    )


def _numbers(result: PaperResult) -> str:
    rows = []
    for row in result.table.to_dict("records"):
        interval = row["note"] if math.isfinite(row["ours"]) else ""
        if math.isfinite(row["low"]):
            interval = f"{number(row['low'])} to {number(row['high'])} ({row['interval']})"
        published = number(row["published"])
        if published and math.isfinite(row["published_half"]):
            published += f" ± {number(row['published_half'])}"
        if published:
            published += f" ({row['source']})"
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


def _beside(result: PaperResult) -> str:
    """Return what cells say beside their numbers, run by run."""
    seen: dict[tuple[str, str], dict[str, list[str]]] = {}
    for cell, outcome in result.outcomes.items():
        for name, value in outcome["about"].items():
            if isinstance(value, int | float):
                told = f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
                seen.setdefault((cell.condition, cell.layer), {}).setdefault(name, []).append(told)
    rows = [
        (condition, layer, name.replace("_", " "), ", ".join(values))
        for (condition, layer), about in seen.items()
        for name, values in about.items()
    ]
    return grid(("", "layer", "what", "each run"), rows) if rows else ""


def _made(result: PaperResult) -> str:
    outcomes: list[dict[str, Any]] = list(result.outcomes.values())
    if not outcomes:
        return "Nothing was run."
    sets = {(one["data"]["title"], one["data"]["fingerprint"][:12]) for one in outcomes}
    named = (f"{title} (SHA-256 {start}…)" for title, start in sorted(sets))
    lines = [f"- data: {', '.join(named)}"]
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
