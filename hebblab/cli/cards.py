"""Cards in a terminal: a title, fields in words, tables; no text is ever read as markup."""

import shutil
import textwrap
from collections.abc import Iterable, Sequence

import typer

_WIDEST = 96


def title(name: str, text: str) -> None:
    """Print a card's first line, and a rule under it."""
    line = f"{text} ({name})" if text and text != name else name
    typer.echo(f"{line}\n{'─' * len(line)}")


def paragraph(text: str, heading: str = "") -> None:
    """Print a paragraph, wrapped to the terminal; nothing where there is no text."""
    if not text:
        return
    start = f"{heading}: " if heading else ""
    typer.echo("\n" + textwrap.fill(start + " ".join(text.split()), width()))


def width() -> int:
    """Return how many characters a line may have: the terminal's, as far as one reads with ease."""
    return max(40, min(shutil.get_terminal_size().columns, _WIDEST))


def table(rows: Iterable[Sequence[str]], headings: Sequence[str] = ()) -> None:
    """Print rows in aligned columns; the last column wraps."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, show_header=bool(headings))
    for heading in headings:
        grid.add_column(heading, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    console = Console()
    console.print(grid, width=min(console.width, _WIDEST))
