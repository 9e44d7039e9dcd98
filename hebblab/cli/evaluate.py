"""`hebblab evaluate`: train, then judge the features by a table of probes beside controls."""

import json
import time
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hebblab.cli.progress import Report, reporting
from hebblab.cli.run import interruptible, train
from hebblab.errors import DataUnavailable, HebblabError, InvalidValue

if TYPE_CHECKING:
    from hebblab.evaluation import Evaluation
    from hebblab.recipes import Recipe

_BETWEEN = 0.1  # seconds between two words about progress


def evaluate(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE_OR_PRESET",
            help="A preset's name, or a recipe's JSON file.",
        ),
    ] = "mnist-krotov",
    probes: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Such as linear,linear@1%,knn,confusion."),
    ] = None,
    controls: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Of pixels,random,pca,kmeans,backprop,vae; or none."),
    ] = None,
    layers: Annotated[
        str | None, typer.Option(metavar="A,B", help="By default the last before the readout.")
    ] = None,
    split: Annotated[
        str, typer.Option(metavar="NAME", help="The images to score: validation or test.")
    ] = "validation",
    validation: Annotated[
        str,
        typer.Option(metavar="NAME", help="What chooses for few labels: images or within-labels."),
    ] = "images",
    seed: Annotated[
        str | None, typer.Option(metavar="S", help="Of the run and of everything drawn.")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A knob or a setting; may be repeated."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")
    ] = False,
) -> None:
    """Train, then judge the features by probes, with controls beside them.

    Every number has its 95 % interval and its n. Test images are scored only by --split test.
    """
    from hebblab.cli.settings import parsed
    from hebblab.evaluation.planning import planned
    from hebblab.live import Session
    from hebblab.live.heap import keep_freed_memory

    found = _recipe(recipe)
    given = list(assignments or ())
    if seed is not None:
        given.append(f"seed={seed}")
    overrides = parsed(given, found)
    options: dict[str, Any] = {"split": split, "validation": validation}
    if probes is not None:
        options["probes"] = _listed(probes)
    if controls is not None:
        options["controls"] = [] if controls == "none" else _listed(controls)
    if layers is not None:
        options["layers"] = _listed(layers)
    keep_freed_memory()
    with interruptible(), Session(found, **overrides) as session:
        for note in session.notes:
            typer.echo(note, err=True)
        # Refused before time is spent on training.
        planned(session.model(), session.dataset, **options)
        done = train(session)
        if session.state == "failed":
            raise HebblabError(str(session.error))
        outcome = _judge(session, options) if done else None
        if outcome is None:
            typer.echo("Interrupted; nothing was judged to the end.", err=True)
            raise typer.Exit(130)
        typer.echo(outcome.to_json() if as_json else str(outcome))


def _judge(session: Any, options: dict[str, Any]) -> "Evaluation | None":
    """Return the table; None after Ctrl-C."""
    from hebblab.evaluation import evaluate

    with reporting("Evaluating") as report:
        try:
            found = evaluate(
                session, seed=session.recipe.seed, progress=_now_and_then(report), **options
            )
        except (KeyboardInterrupt, CancelledError):
            return None
    return found


def _now_and_then(report: Report) -> Any:
    last = 0.0

    def progress(done: int, total: int, text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _BETWEEN:
            last = time.monotonic()
            report(done, total, text)

    return progress


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _recipe(name: str) -> "Recipe":
    from hebblab import presets
    from hebblab.recipes import Recipe

    if not name.endswith(".json"):
        return presets.get(name)
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataUnavailable(f"The recipe {name} could not be read: {reason}.") from error
    try:
        about = json.loads(text)
    except ValueError:
        about = None
    whole = isinstance(about, dict) and "recipe" in about
    if whole and about.get("edits"):
        raise InvalidValue(
            f"{name} is of a run that was edited while it learned, which its recipe alone does "
            "not repeat. Evaluate the session itself: hl.evaluate(session)."
        )
    try:
        return Recipe.model_validate(about["recipe"]) if whole else Recipe.model_validate_json(text)
    except HebblabError as error:
        raise type(error)(f"The recipe {name} cannot be used. {error}") from error
