"""`hebblab paper`: experiments of papers, run here and laid beside what was published."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hebblab.cli import cards
from hebblab.cli.progress import reporting
from hebblab.errors import InvalidValue, shown

if TYPE_CHECKING:
    from hebblab.experiments.papers import Paper, PaperResult


def paper(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Of one paper.")] = None,
    cells: Annotated[
        str | None,
        typer.Option(metavar="C", help='What is compared, by name: --cells "raw pixels;backprop"'),
    ] = None,
    layers: Annotated[
        str | None, typer.Option(metavar="L", help="As 1-3, 1,3 or names; all by default.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="N", help="How many, or which, as 4,5,6.")
    ] = None,
    jobs: Annotated[
        str, typer.Option(metavar="N", help="Processes side by side, one thread each.")
    ] = "1",
    folder: Annotated[
        Path,
        typer.Option("--dir", metavar="DIR", help="Of the results: NAME.md, and a file a cell."),
    ] = Path("hebblab-papers"),
    cost_only: Annotated[
        bool, typer.Option("--cost", help="Say what it would cost, and run nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")
    ] = False,
) -> None:
    """Run a paper's experiment and print our numbers beside the published ones.

    Each finished cell is a file in --dir; the same command goes on where it was cut off.
    """
    from hebblab.experiments import papers
    from hebblab.live.heap import keep_freed_memory

    if name is None:
        _list()
        return
    chosen = papers.get(name)
    selection = {
        "cells": None if cells is None else _split(cells, ";"),
        "layers": None if layers is None else _places(layers),
        "seeds": None if seeds is None else _seeds(seeds),
        "jobs": _whole(jobs, "--jobs"),
    }
    chosen.chosen(*(selection[key] for key in ("cells", "layers", "seeds")))  # type: ignore[arg-type]
    source = chosen.data()
    cost = chosen.cost(**selection, folder=folder)  # type: ignore[arg-type]
    typer.echo(f"{chosen.title} · {source.title}", err=True)
    typer.echo(f"This machine takes {cost}.", err=True)
    if cost_only:
        if as_json:
            told = {"seconds": cost.seconds, "cells": cost.cells, "at_most": cost.at_most}
            typer.echo(json.dumps(told))
        return
    keep_freed_memory()
    try:
        with reporting(name) as report:
            result = chosen.run(**selection, folder=folder, progress=report)  # type: ignore[arg-type]
    except KeyboardInterrupt:
        typer.echo(
            f"Interrupted. Finished cells are in {folder / name}; the same command goes on.",
            err=True,
        )
        raise typer.Exit(130) from None
    page = result.write(folder)
    if as_json:
        typer.echo(json.dumps(result.to_json()))
    else:
        _show(result)
        typer.echo(f"\nThe whole page is {page}.")


def _list() -> None:
    from hebblab.experiments import papers

    every = [papers.get(name) for name in papers.available()]
    cards.table(
        ((one.name, _minutes(one), one.title) for one in every), ("name", "CPU time", "what")
    )
    typer.echo("\n`hebblab paper NAME` says what it costs here, then runs it.")


def _minutes(paper: "Paper") -> str:
    from hebblab.experiments.papers import costs

    return costs.duration(60 * paper.minutes)


def _show(result: "PaperResult") -> None:
    from hebblab.experiments.papers import pages

    cards.title(result.heading, "")
    rows = []
    for row in result.table.to_dict("records"):
        ours = pages.number(row["ours"])
        if ours and pages.number(row["low"]):
            ours += f" ({pages.number(row['low'])} to {pages.number(row['high'])})"
        rows.append(
            (
                row["condition"],
                row["layer"],
                row["measure"],
                f"{ours} {row['note']}".strip(),
                str(row["n"]) if row["n"] else "",
                pages.number(row["published"]),
            )
        )
    cards.table(rows, ("", "layer", "measure", "ours (95 %)", "runs", "published"))
    for claim, (text, word, why) in zip(result.paper.claims, result.claims, strict=True):
        cards.paragraph(f"{pages.called(claim, word)}. {text} {why}")


def _split(text: str, by: str) -> list[str]:
    return [part.strip() for part in text.split(by) if part.strip()]


def _places(text: str) -> list[str | int]:
    """Return layers as they are written: places, ranges of them, or names.

    >>> _places("1-3"), _places("1,L3")
    ([1, 2, 3], [1, 'L3'])
    """
    found: list[str | int] = []
    for part in _split(text, ","):
        first, dash, last = part.partition("-")
        if dash and first.isdecimal() and last.isdecimal():
            found += range(int(first), int(last) + 1)
        else:
            found.append(int(part) if part.isdecimal() else part)
    if not found:
        raise InvalidValue(f"--layers takes 1-3, 1,3 or names, not {shown(text)}.")
    return found


def _seeds(text: str) -> int | list[int]:
    parts = [_whole(part, "--seeds", 0 if "," in text else 1) for part in _split(text, ",")]
    if not parts:
        raise InvalidValue(f"--seeds takes how many, or which, as 4,5,6, not {shown(text)}.")
    return parts if "," in text else parts[0]


def _whole(text: str, option: str, least: int = 1) -> int:
    if not text.strip().isdecimal() or int(text) < least:
        raise InvalidValue(f"{option} takes whole numbers from {least}, not {shown(text)}.")
    return int(text)
