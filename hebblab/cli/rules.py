"""`hebblab rules`: the learning rules, and the card of one."""

from typing import Annotated

import typer

from hebblab.cli import cards


def rules(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Of one rule.")] = None,
) -> None:
    """List the learning rules, or show the card of one."""
    import hebblab.rules as registry

    if name is not None:
        typer.echo(registry.card(name).to_text(cards.width()))
        return
    every = [registry.get(each)() for each in registry.available()]
    listed = ((one.name, one.title, one.summary) for one in every)
    cards.table(listed, ("name", "rule", "what it does"))
    typer.echo("\n`hebblab rules NAME` shows the card of one.")
