"""The commands in the order in which help lists them; refusals become sentences and exit codes."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hebblab.cli import data, doctor, evaluate, lab, paper, presets, rules, run, serve
from hebblab.errors import HebblabError, InvalidValue, UnknownName
from hebblab.version import __version__


class Commands(TyperGroup):
    """Turns what hebblab refuses into one sentence on stderr and an exit code."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order in which people need them."""
        return ["serve", "lab", "run", "evaluate", "paper", "data", "rules", "presets", "doctor"]

    def invoke(self, ctx: Any) -> Any:
        """Invoke the command that was chosen."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except HebblabError as error:
            typer.echo(str(error), err=True)
            wrong = isinstance(error, UnknownName | InvalidValue)
            raise typer.Exit(2 if wrong else 1) from None


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"hebblab {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def hebblab(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Watch a network learn from images, with no labels and no backpropagation."""


app.command()(serve.serve)
app.command()(lab.lab)
app.command()(run.run)
app.command()(evaluate.evaluate)
app.command()(paper.paper)
app.add_typer(data.app, name="data")
app.command()(rules.rules)
app.command()(presets.presets)
app.command()(doctor.doctor)
