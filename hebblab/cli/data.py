"""`hebblab data`: which data sets there are, fetching and checking them."""

from typing import Annotated

import typer

app = typer.Typer(help="List, fetch and check data sets.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="See: hebblab data list")]


@app.callback(invoke_without_command=True)
def data(context: typer.Context) -> None:
    """List, fetch and check data sets."""
    if context.invoked_subcommand is None:
        list_sets()


@app.command("list")
def list_sets() -> None:
    """List the data sets and what is here of them."""
    from rich.console import Console
    from rich.table import Table

    from hebblab import data

    table = Table(box=None, pad_edge=False, show_header=True)
    for heading in ("name", "what", "inputs", "shape", "here"):
        table.add_column(heading, justify="right" if heading == "inputs" else "left")
    for name in data.available():
        about = data.describe(name)
        shape = "×".join(map(str, about.image_shape))
        here = "yes" if about.present else f"no ({_size(about.download_bytes)} to fetch)"
        if about.where is None:
            here = "drawn from a seed"
        table.add_row(name, about.title, f"{about.images:,}", shape, here)
    Console().print(table)
    typer.echo(
        f"\nFolder: {data.folder()} (HEBBLAB_DATA names another one)\n"
        "`hebblab data get NAME` fetches a set. A folder of images or an .npz file needs no name:\n"
        "its path does, as in `hebblab run --set data=PATH`."
    )


@app.command()
def get(name: Name) -> None:
    """Fetch what is missing or damaged of a data set, and check it."""
    from hebblab import data

    where = data.get(name)
    if where is None:
        typer.echo(f"{name} is drawn from a seed: there is nothing to fetch.")
    else:
        typer.echo(f"{name} is whole, in {where}")


@app.command()
def check(name: Name) -> None:
    """Read a data set against its published digests."""
    from hebblab import data

    about = data.check(name)
    if about.where is None:
        typer.echo(f"{name} is whole: {about.images:,} points, drawn from a seed")
        return
    typer.echo(f"{name} is whole: {about.images:,} images, {_size(about.bytes)}, in {about.where}")


def _size(count: int) -> str:
    """Return a number of bytes as people say it.

    >>> _size(1_663_000), _size(170_498_071)
    ('1.7 MB', '170 MB')
    """
    megabytes = count / 1e6
    return f"{megabytes:.1f} MB" if megabytes < 10 else f"{megabytes:,.0f} MB"
