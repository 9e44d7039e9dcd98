"""`hebblab serve`: the dashboard in a browser."""

from importlib.resources import files
from typing import Annotated

import typer

from hebblab.errors import unknown


def preset_names() -> tuple[str, ...]:
    """Return the names of the presets, read off their files.

    `hebblab.presets` says the same, but imports torch, which a server needs only in its kernels.

    >>> "mnist-krotov" in preset_names()
    True
    """
    found = [entry.name for entry in (files("hebblab") / "presets").iterdir()]
    return tuple(sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml")))


def serve(
    preset: Annotated[
        str | None, typer.Argument(metavar="PRESET", help="See: hebblab presets")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port; 8866 or the next free one by default.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Interface; 0.0.0.0 serves a whole network, with a token.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None, typer.Option(help="What visitors must bring; made where one is needed.")
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Another name that it answers to; may be repeated."),
    ] = None,
    base_url: Annotated[str, typer.Option(help="Where addresses begin, behind a proxy.")] = "/",
    max_visitors: Annotated[
        int | None, typer.Option(help="Visitors at most; what memory holds by default.")
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
) -> None:
    """Open the dashboard in a browser, until Ctrl-C.

    The address is printed once it answers.
    """
    if preset is not None and preset not in preset_names():
        raise unknown("preset", preset, preset_names())
    import hebblab.serving

    hebblab.serving.serve(
        preset=preset,
        port=port,
        host=host,
        token=token,
        allow_hosts=tuple(allow_host or ()),
        base_url=base_url,
        max_visitors=max_visitors,
        browser=browser,
    )
