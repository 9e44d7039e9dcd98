"""The card of a rule set as plain text, as Markdown and as HTML; what people wrote stays text."""

import re
from base64 import b64encode
from collections.abc import Iterable
from html import escape
from pathlib import Path
from textwrap import TextWrapper
from typing import TYPE_CHECKING

from hebblab.knobs import Knob
from hebblab.rules.equations import mathml, textual

if TYPE_CHECKING:
    from hebblab.rules.cards import Card, Section

_NARROWEST = 40
TURNED = "live: may be turned while a run goes on; restart: needs a fresh one"
_COLUMNS = ("", "knob", "what it does", "accepts", "default", "turned")
_LEFT = 'style="text-align:left"'


def text(card: "Card", width: int) -> str:
    """Return a card as plain text, in lines of at most `width` characters."""
    width = max(width, _NARROWEST)
    head = _plain(f"{card.title} ({card.name})" if card.title != card.name else card.name)
    equation = "\n".join("  " + _plain(line) for line in textual(card.equation).split("\n"))
    parts = [f"{head}\n{'─' * len(head)}", _filled(card.summary, width), equation]
    parts += [_section_text(section, width) for section in card.lead]
    if card.knobs:
        said = _filled(f"Knobs ({TURNED})", width)
        parts.append("\n".join([said, *(_knob_text(knob, width) for knob in card.knobs)]))
    parts += [_section_text(section, width) for section in card.rest]
    if card.picture is not None:
        parts.append(f"Picture\n{_filled(card.picture.caption, width)}\n{card.picture.path}")
    return "\n\n".join(part for part in parts if part.strip())


def markdown(card: "Card") -> str:
    """Return a card as Markdown; the picture is within it."""
    parts = [f"## {_marked(card.title)} (`{_code(card.name)}`)", _marked(card.summary)]
    if card.equation:
        parts.append(f"$$\\begin{{gathered}}{_latex(card.equation)}\\end{{gathered}}$$")
    if card.picture is not None:
        caption = _marked(card.picture.caption)
        parts += [f"![{caption}]({_address(card.picture.path)})", caption]
    parts += map(_section_markdown, card.lead)
    if card.knobs:
        rows = [_COLUMNS, ("---",) * len(_COLUMNS)]
        for knob in card.knobs:
            symbol, name, *told = map(_marked, _cells(knob))
            rows.append((symbol, f"`{_code(knob.name)}`" if name else "", *told))
        parts += ["### Knobs", "\n".join(f"| {' | '.join(row)} |" for row in rows)]
    parts += map(_section_markdown, card.rest)
    return "\n\n".join(part for part in parts if part) + "\n"


def html(card: "Card") -> str:
    """Return a card as HTML; the picture is within it, the equation MathML."""
    equation = "".join(f"<div>{line}</div>" for line in mathml(card.equation))
    # Notebooks look for formulas between dollar signs in whatever does not forbid it.
    return (
        '<article class="hebblab-card mathjax_ignore" style="max-width:60em">'
        f"<h3>{escape(card.title)} <code>{escape(card.name)}</code></h3>"
        f"<p>{escape(card.summary)}</p>{_figure(card)}"
        f'<div style="margin:1em 0;font-size:115%">{equation}</div>'
        f"{''.join(map(_section_html, card.lead))}"
        f'<div style="clear:both">{_table(card.knobs)}</div>'
        f"{''.join(map(_section_html, card.rest))}</article>"
    )


def _filled(said: str, width: int, start: str = "", indent: str = "") -> str:
    wrapper = TextWrapper(
        width, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False
    )
    return wrapper.fill(_plain(said))


def accepts(knob: Knob) -> str:
    """Return what a knob accepts, in words.

    >>> accepts(Knob("k", "k", "rank", 2, 2, 100, "integer", "Which.", up_to="units"))
    'a whole number from 2 to the number of units'
    """
    if knob.up_to:
        return f"a whole number from {int(knob.low or 0)} to the number of units"
    return knob.bounds


def turned(knob: Knob) -> str:
    """Return whether a knob may be turned while a run goes on, in a word."""
    return "live" if knob.live else "restart"


def _cells(knob: Knob) -> tuple[str, ...]:
    symbol = knob.symbol if knob.symbol != knob.name else ""
    return symbol, knob.name, knob.help, accepts(knob), knob.text(knob.default), turned(knob)


def _plain(said: str) -> str:
    """Return a text in one line, without what would steer a terminal."""
    return "".join(sign for sign in " ".join(said.split()) if sign.isprintable())


def _section_text(section: "Section", width: int) -> str:
    mark = "- " if len(section.texts) > 1 else ""
    lines = (_filled(one, width, mark, " " * len(mark)) for one in section.texts)
    return "\n".join([section.heading, *lines])


def _section_markdown(section: "Section") -> str:
    mark, apart = ("- ", "\n") if len(section.texts) > 1 else ("", "")
    said = apart.join(mark + _marked(one) for one in section.texts)
    return f"### {_marked(section.heading)}\n\n{said}"


def _knob_text(knob: Knob, width: int) -> str:
    symbol, name, help_, accepted, default, when = map(_plain, _cells(knob))
    head = f"  {symbol}{', ' if symbol else ''}{name} = {default}"
    words = f"{help_} {accepted[:1].upper()}{accepted[1:]}; {when}."
    inside = " " * 6
    return f"{head}\n{_filled(words, width, inside, inside)}"


def _figure(card: "Card") -> str:
    if card.picture is None:
        return ""
    path, caption, width, height = card.picture
    return (
        f'<figure style="float:left;margin:0 2em 1em 0;width:{2 * width}px">'
        f'<img src="{_address(path)}" alt="{escape(caption)}" width="{2 * width}" '
        f'height="{2 * height}" style="image-rendering:pixelated">'
        f"<figcaption><small>{escape(caption)}</small></figcaption></figure>"
    )


def _table(knobs: Iterable[Knob]) -> str:
    rows = ["".join(f"<td {_LEFT}>{escape(cell)}</td>" for cell in _cells(knob)) for knob in knobs]
    if not rows:
        return ""
    heads = "".join(f"<th {_LEFT}>{head}</th>" for head in _COLUMNS)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f"<h4>Knobs</h4><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
        f"<small>{TURNED}</small>"
    )


def _section_html(section: "Section") -> str:
    texts = [escape(one) for one in section.texts]
    body = f"<p>{texts[0]}</p>"
    if len(texts) > 1:
        body = f"<ul>{''.join(f'<li>{one}</li>' for one in texts)}</ul>"
    head = f"<h4>{escape(section.heading)}</h4>"
    return f'<section style="display:flow-root">{head}{body}</section>'


def _address(path: Path) -> str:
    return f"data:image/png;base64,{b64encode(path.read_bytes()).decode()}"


def _marked(said: str) -> str:
    """Return a text whose signs mean nothing in Markdown, in one line."""
    quoted = re.sub(r"([\\`*_\[\]#|$~])", r"\\\1", _plain(said))
    return quoted.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(name: str) -> str:
    return _plain(name).replace("`", "'").replace("|", "¦")


def _latex(equation: str) -> str:
    """Return LaTeX in one line that cannot end its own formula, nor be anything but one."""
    signs = {"$": r"\$", "<": r"\lt ", ">": r"\gt ", "`": "'", "](": "] ("}
    return re.sub(r"\\.|[$<>`]|\]\(", lambda found: signs.get(found[0], found[0]), _plain(equation))
