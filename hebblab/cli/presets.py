"""`hebblab presets`: the named recipes, and the card of one."""

from typing import Annotated

import typer

from hebblab.cli import cards


def presets(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Of one preset.")] = None,
) -> None:
    """List the presets, or show the source, time and settings of one."""
    import hebblab.presets as named
    from hebblab import rules
    from hebblab.recipes import OPTIONS

    if name is None:
        cards.table(
            (
                (each, _time(named.get(each).seconds), named.get(each).expect)
                for each in named.available()
            ),
            ("name", "time", "what to expect"),
        )
        typer.echo("\n`hebblab presets NAME` shows one; `hebblab serve NAME` opens it.")
        return
    recipe = named.get(name)
    cards.title(name, "")
    cards.paragraph(recipe.source, "Source")
    cards.paragraph(recipe.expect, "Expect")
    cards.paragraph(f"{_time(recipe.seconds)} on a laptop, as fast as it goes.", "Time")
    typer.echo("")
    length = f"{recipe.steps:,} steps" if recipe.steps is not None else f"{recipe.epochs:,} epochs"
    rate = f"linear, to {recipe.decay_floor:g} of it" if recipe.decay == "linear" else "none"
    rows = [
        ("data", recipe.data),
        ("network", recipe.network),
        ("length", length),
        ("batch", f"{recipe.batch_size:,} images"),
        ("decay of the rate", rate),
        ("centred", "yes" if recipe.centre else "no"),
        ("seed", str(recipe.seed)),
        *((f"world's {key}", str(value)) for key, value in recipe.world.items()),
    ]
    for layer, entry in recipe.rules.items():
        rows.append((f"layer {layer}", f"rule {entry['rule']}"))
        rows.append(("", f"learning_rate = {recipe.rate(layer):g}"))
        rows.append(("", f"init = {entry['init']}"))
        options = {key: entry[key] for key in OPTIONS if key != "learning_rate"}
        rows += [
            ("", f"{key} = {OPTIONS[key].text(value)}")
            for key, value in options.items()
            if value is not None and value != OPTIONS[key].default
        ]
        values = recipe.rule(layer).values()
        declared = rules.get(entry["rule"]).declared()
        rows += [("", f"{key} = {declared[key].text(value)}") for key, value in values.items()]
    cards.table(rows)


def _time(seconds: float | None) -> str:
    """Return a duration as people say it.

    >>> _time(2), _time(400)
    ('about 2 s', 'about 7 min')
    """
    if seconds is None:
        return ""
    return f"about {seconds:.0f} s" if seconds < 120 else f"about {seconds / 60:.0f} min"
