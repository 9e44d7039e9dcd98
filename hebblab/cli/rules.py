"""`hebblab rules`: the learning rules, and the card of one."""

import re
import unicodedata
from typing import TYPE_CHECKING, Annotated

import typer

from hebblab.cli import cards

if TYPE_CHECKING:
    from hebblab.knobs import Knob

_SIGNS = {
    "langle": "⟨",
    "rangle": "⟩",
    "sum": "Σ",
    "cdot": "·",
    "times": "×",
    "le": "≤",
    "ge": "≥",
    "to": "→",
    "infty": "∞",
    "top": "ᵀ",
    "odot": "∘",
    "circ": "∘",
    "quad": "  ",
    "qquad": "    ",
    "left": "",
    "right": "",
    "|": "‖",
    "Vert": "‖",
}


def rules(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Of one rule.")] = None,
) -> None:
    """List the learning rules, or show the card of one."""
    import hebblab.rules as registry

    if name is None:
        every = [registry.get(each)() for each in registry.available()]
        listed = ((one.name, one.title, one.summary) for one in every)
        cards.table(listed, ("name", "rule", "what it does"))
        typer.echo("\n`hebblab rules NAME` shows the card of one.")
        return
    rule = registry.get(name)()
    cards.title(rule.name, rule.title)
    cards.paragraph(rule.summary)
    typer.echo("\n" + textual(rule.equation))
    cards.paragraph(rule.history)
    rows = [_row(knob) for knob in rule.knobs().values()]
    if rows:
        typer.echo("")
        cards.table(rows, ("knob", "", "default", "accepts", "what it does"))
    cards.paragraph(f"{rule.learning_rate:g}; the weights start as {rule.initial_weights}.", "Rate")
    cards.paragraph(rule.source, "Source")
    cards.paragraph(rule.advice, "Try")


def _row(knob: "Knob") -> tuple[str, ...]:
    symbol = knob.symbol if knob.symbol != knob.name else ""
    bounds = knob.bounds + (", no more than the units" if knob.up_to else "")
    return knob.name, symbol, knob.text(knob.default), bounds, knob.help


def textual(latex: str) -> str:
    r"""Return an equation as plain text, a line for each of its lines; unknown commands stay.

    >>> print(textual(r"\Delta w_i = r_i \, (x - w_i) \\ r = \mathrm{softmax}(s / T)"))
      Δw_i = r_i (x - w_i)
      r = softmax(s / T)
    """
    lines = []
    for line in re.split(r"\\\\|\n", latex):
        line = re.sub(r"\s+(\\text\s*\{-)", r"\1", line)  # k \text{-th} is one word
        line = re.sub(r"\\(?:text|mathrm|operatorname)\s*\{([^{}]*)\}", r"\1", line)
        line = re.sub(r"\\[,;:! ]", " ", line)
        line = re.sub(r"\\([A-Za-z]+|\|)( ?)", _sign, line)
        line = re.sub(r"[{}]", "", line)
        line = re.sub(r"⟨\s+", "⟨", re.sub(r"\s+⟩", "⟩", " ".join(line.split())))
        if line:
            lines.append("  " + line)
    return "\n".join(lines)


def _sign(match: re.Match[str]) -> str:
    command, space = match.groups()
    if command in _SIGNS:
        return _SIGNS[command] + space
    case = "CAPITAL" if command[0].isupper() else "SMALL"
    try:
        return unicodedata.lookup(f"GREEK {case} LETTER {_GREEK.get(command, command).upper()}")
    except KeyError:
        return match.group()


_GREEK = {"lambda": "lamda", "Lambda": "lamda"}  # as Unicode spells it
