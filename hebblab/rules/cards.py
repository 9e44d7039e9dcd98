"""The card of a rule: what it declares of itself, gathered for whoever wants to read it."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from hebblab.errors import InvalidValue, shown
from hebblab.knobs import Knob
from hebblab.rules import pages, registry
from hebblab.rules.rule import Rule

PICTURES = Path(__file__).parent / "pictures"

OPTIMIZERS = (
    "hl.rules.surrogate hands the rule to any optimizer of torch. Plain SGD at the same rate is "
    "the rule itself. Momentum goes on where it went: at 0.9 it acts like ten times the rate, so "
    "take a tenth. Adam makes the steps of all weights alike, so that rare winners move as far as "
    "busy ones; it settles at the same places, given about a tenth of the rate. Weight decay "
    "forgets a second time."
)


class Section(NamedTuple):
    """A part of a card: its heading, and a paragraph for each text."""

    heading: str
    texts: tuple[str, ...]


class Picture(NamedTuple):
    """Weight images that a run of the rule left: where the PNG lies, and what it shows."""

    path: Path
    caption: str
    width: int
    height: int


@dataclass(frozen=True, repr=False)
class Card:
    """Everything a rule declares of itself, as a page.

    A notebook shows it as the last line of a cell; a terminal shows its text.

    Attributes:
        name: What recipes and the command line call the rule.
        title: Its name for people.
        summary: One sentence.
        equation: LaTeX.
        lead: What to know first, in headed sections: where it comes from, what to try, where it
            settles, its limits. What a rule says nothing of is left out.
        knobs: Those it declares.
        rest: What to know then: where its sources disagree, other optimizers, start, source.
        picture: What a run of it left, or None for a rule that is not the package's.
    """

    name: str
    title: str
    summary: str
    equation: str
    lead: tuple[Section, ...]
    knobs: tuple[Knob, ...]
    rest: tuple[Section, ...]
    picture: Picture | None

    def to_text(self, width: int = 88) -> str:
        """Return the card as plain text, in lines of at most `width` characters.

        >>> print(card("sanger").to_text(60).split("History")[0].rstrip())
        Sanger (sanger)
        ───────────────
        <BLANKLINE>
        Units become the principal components in order: each
        explains what those before it left.
        <BLANKLINE>
          Δw_i = u_i (x - Σ_(j ≤ i) u_j w_j)
        """
        return pages.text(self, width)

    def to_markdown(self) -> str:
        r"""Return the card as Markdown, the equation as LaTeX between dollar signs.

        >>> print(card("oja").to_markdown().splitlines()[4])
        $$\begin{gathered}\Delta w_i = y_i \, (x - y_i \, w_i)\end{gathered}$$
        """
        return pages.markdown(self)

    def to_html(self) -> str:
        """Return the card as HTML, the equation as MathML, that needs no script and no address."""
        return pages.html(self)

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def _repr_html_(self) -> str:
        return self.to_html()


def card(rule: str | Rule | type[Rule]) -> Card:
    """Return the card of a rule: equation, knobs, where it settles, what was chosen, a picture.

    Args:
        rule: A name, a class derived from `hebblab.Rule`, or one made from it.

    Raises:
        UnknownName: No rule has that name.
        InvalidValue: That is no rule.

    >>> one = card("softhebb")
    >>> one.title, [knob.symbol for knob in one.knobs]
    ('SoftHebb', ['T', '±', 'reduction', 'ε₀'])
    >>> dict(one.rest)["Source"]
    ('Moraitis et al., Neuromorphic Comput. Eng. 2 (2022) 044017; Journé et al., ICLR 2023',)
    """
    kind = registry.get(rule) if isinstance(rule, str) else rule
    kind = type(kind) if isinstance(kind, Rule) else kind
    if not (isinstance(kind, type) and issubclass(kind, Rule)):
        raise InvalidValue(
            f"card() takes a rule's name, a class derived from hl.Rule, or a rule, not "
            f"{shown(rule)}."
        )
    name = kind.name or kind.__name__
    return Card(
        name=name,
        title=kind.title or name,
        summary=(kind.__doc__ or "").strip().split("\n")[0],
        equation=kind.equation,
        lead=_said(
            ("History", (kind.history,)),
            ("What to try", (kind.advice,)),
            ("Where it settles", (kind.converges_to,)),
            ("At its limits", (kind.limits,)),
        ),
        knobs=tuple(kind.declared().values()),
        rest=_said(
            ("Where its sources disagree", kind.disagreements),
            ("With momentum or Adam", (OPTIMIZERS,)),
            ("Start", (_start(kind),)),
            ("Source", (kind.source,)),
        ),
        picture=_picture(kind.name) if _ours(kind) else None,
    )


def _said(*sections: tuple[str, tuple[str, ...]]) -> tuple[Section, ...]:
    headed = (Section(heading, tuple(filter(None, texts))) for heading, texts in sections)
    return tuple(section for section in headed if section.texts)


def _start(kind: type[Rule]) -> str:
    said = [f"Weights begin as {kind.initial_weights}, the rate at {kind.learning_rate:g}"]
    settings = {**kind.starting_knobs, **kind.starting_options}
    if kind.row_norm:
        settings["row_norm"] = True
    words = {True: "on", False: "off"}
    told = [
        f"{name} {words[value] if isinstance(value, bool) else value}"
        for name, value in settings.items()
    ]
    if told:
        said.append(f"and a fresh run sets {', '.join(told)}")
    return ", ".join(said) + "."


def _ours(kind: type[Rule]) -> bool:
    return kind.__module__.startswith(f"{__package__}.") and kind.name in registry.available()


@cache
def _picture(name: str) -> Picture | None:
    path = PICTURES / f"{name}.png"
    if not path.is_file():
        return None
    # A third of a tenth of a second of import, and only a card needs it.
    from PIL import Image

    with Image.open(path) as image:
        caption = str(image.info.get("Description", ""))
        return Picture(path, caption, image.width, image.height)
