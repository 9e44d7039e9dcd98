"""`hebblab lab`: JupyterLab on a writable copy of the notebooks."""

from pathlib import Path
from typing import Annotated

import typer


def lab(
    port: Annotated[
        int | None, typer.Option(help="Port; 8888 or the next free one by default.")
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the copy is; files that are there stay.")
    ] = Path("hebblab-notebooks"),
) -> None:
    """Open JupyterLab on a copy of the notebooks, until Ctrl-C."""
    import hebblab.serving

    hebblab.serving.lab(port=port, browser=browser, directory=directory)
