"""The page of a paper's results, in Markdown."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from hebblab.experiments.papers.data import Source
from hebblab.experiments.papers.paper import NOT_REPRODUCED, NOT_RUN, ORDERING, REPRODUCED, Claim
from hebblab.experiments.papers.results import PaperResult

_Rest = TypeVar("_Rest")


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
    return {
        "claims": (f"Claims · {title}", _claims(result)),
        "numbers": (f"Numbers · {title}", f"{_numbers(result)}\n\n{_images(result)}".strip()),
        "beside": (f"Also recorded, run by run{also}", _beside(result)),
        "deviations": (
            f"Deviations{also}",
            "\n".join(f"- {one}" for one in result.paper.deviations),
        ),
        "not run": (f"Not run{also}", _left(result)),
        "made": (f"How this was made{also}", _made(result)),
    }


def other_data(source: Source) -> str:
    """Return what must be said of data that are not the paper's; nothing of those that are."""
    if source.exact:
        return ""
    return (
        f"**The data are {source.title}, and not the set of the paper.** Our numbers are of this "
        "copy; published ones, where there are any, of the exact set: only orders can be compared."
    )


def _claims(result: PaperResult) -> str:
    """Return the paper's own claims, those of ours, and how all of them are judged."""
    judged = list(zip(result.paper.claims, result.claims, strict=True))
    judged.sort(key=lambda one: one[1][1] == NOT_RUN)
    rows = [(one, (text, f"**{called(one, word)}**", why)) for one, (text, word, why) in judged]
    theirs = [row for one, row in rows if not one.ours]
    ours = [row for one, row in rows if one.ours]
    parts = [
        grid(("claim of the paper", "here", "why"), theirs) if theirs else "",
        grid(("control or claim of ours", "here", "why"), ours) if ours else "",
        _correction(result.paper.claims),
    ]
    return "\n\n".join(part for part in parts if part)


def called(claim: Claim, word: str) -> str:
    """Return what a verdict is called: what nobody published cannot be reproduced, but holds."""
    return _HELD.get(word, word) if claim.ours else word


_HELD = {REPRODUCED: "holds", ORDERING: "holds", NOT_REPRODUCED: "not shown"}


def _correction(claims: Sequence[Claim]) -> str:
    if len(claims) < 2:
        return ""
    told = "Each claim is judged at 95 %, in differences paired by seed"
    against = [claim.against for claim in claims if claim.against]
    rows = [row for row in dict.fromkeys(against) if against.count(row) > 1]
    if rows:
        named = " and of those with ".join(f"“{row}”" for row in rows)
        told += f". The p-values of comparisons with {named} are corrected together (Holm)"
    return f"{told}. No correction is made for there being {len(claims)} claims on the page."


def _images(result: PaperResult) -> str:
    """Return what intervals over runs leave out: which images are scored."""
    scored = [
        one
        for key in result.results.known()
        for one in result.results.numbers(*key).values()
        if key[2].startswith("test accuracy") and {"low", "high", "n"} <= set(one)
    ]
    if not scored:
        return ""
    half, images = max(((one["high"] - one["low"]) / 2, int(one["n"])) for one in scored)
    return (
        f"Intervals over runs do not cover the choice of the {images:,} test images, which are the "
        f"same in all runs: of one run by itself, Wilson's interval is up to ±{half:.2f} points."
    )


def _left(result: PaperResult) -> str:
    """Return what has no number, and why: one line for what shares layers, seeds and reason."""
    seeds = _together(
        (str(cell.seed), (cell.condition, cell.layer, reason))
        for cell, reason in sorted(result.reasons.items())
    )
    known = {(cell.condition, cell.layer) for cell in (*result.outcomes, *result.reasons)}
    for condition in result.paper.conditions:
        for layer in result.paper.layers:
            if (condition, layer) not in known:
                seeds[condition, layer, result.results.reason(condition, layer)] = ()
    layers = _together(
        (layer, (condition, reason, those)) for (condition, layer, reason), those in seeds.items()
    )
    conditions = _together(
        (condition, (places, those, reason))
        for (condition, reason, those), places in layers.items()
    )
    lines = []
    for (places, those, reason), names in conditions.items():
        where = f" · {', '.join(places)}" if len(places) < len(result.paper.layers) else ""
        which = f" · seed{'s' * (len(those) > 1)} {', '.join(those)}" if those else ""
        lines.append(f"- {'; '.join(names)}{where}{which}: {reason}")
    return "\n".join(lines)


def _together(named: Iterable[tuple[str, _Rest]]) -> dict[_Rest, tuple[str, ...]]:
    """Return the names that share the rest, in order."""
    found: dict[_Rest, tuple[str, ...]] = {}
    for name, rest in named:
        found[rest] = (*found.get(rest, ()), name)
    return found


def _numbers(result: PaperResult) -> str:
    rows = []
    records = result.table.to_dict("records")
    records.sort(key=lambda row: not math.isfinite(row["ours"]))
    for row in records:
        interval = row["note"] if math.isfinite(row["ours"]) else ""
        if math.isfinite(row["low"]):
            interval = f"{number(row['low'])} to {number(row['high'])} ({row['interval']})"
        if row["n"] > 1 and not row["measure"].endswith(", %"):
            interval = f"each: {', '.join(number(value) for value in _runs(result, row))}"
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


def _runs(result: PaperResult, row: dict[Any, Any]) -> Iterable[float]:
    return result.results.values(row["condition"], row["layer"], row["measure"]).values()


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
    lines.append(f"- CPU time: {burnt / 60:.1f} min")
    lines.append(f"- settings: `{result.paper.settings!r}`")
    lines.append(f"- again: `hebblab paper {result.paper.name}{_chosen(result)}`")
    return "\n".join(lines)


def _chosen(result: PaperResult) -> str:
    """Return the options that choose what was run, where that is not all."""
    cells, paper = (*result.outcomes, *result.reasons), result.paper
    told = ""
    conditions = [one for one in paper.conditions if one in {cell.condition for cell in cells}]
    if len(conditions) < len(paper.conditions):
        told += f' --cells "{";".join(conditions)}"'
    layers = [one for one in paper.layers if one in {cell.layer for cell in cells}]
    if len(layers) < len(paper.layers):
        told += f" --layers {','.join(layers)}"
    seeds = sorted({cell.seed for cell in cells})
    if seeds != sorted(paper.seeds):
        told += f" --seeds {','.join(map(str, seeds))}" + "," * (len(seeds) == 1)
    return told


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
