"""Equations of rules beyond LaTeX: as MathML of a few harmless elements, and as plain text."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

_SPACE = "{http://www.w3.org/1998/Math/MathML}"
_LINES = re.compile(r"\\\\|\\newline\b|\\qquad\b")
_ALIGNED = re.compile(r"\\(begin|end)\{(aligned|align\*?|gathered|split|cases)\}|&")
_TABLES = re.compile(r"\\begin\{[a-z]*(matrix|array)\}")
_FENCES = frozenset("⟨⟩‖|⌊⌋⌈⌉")
LONGEST = 1000

_SIGNS = {
    "pm": "±",
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
_WORDS = frozenset(["exp", "log", "max", "min", "tanh"])
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_GREEK = {"lambda": "lamda", "Lambda": "lamda"}  # as Unicode spells it

ELEMENTS = frozenset(
    [
        "math",
        "mrow",
        "mi",
        "mn",
        "mo",
        "mtext",
        "mspace",
        "msub",
        "msup",
        "msubsup",
        "mfrac",
        "msqrt",
        "mroot",
        "mover",
        "munder",
        "munderover",
        "mtable",
        "mtr",
        "mtd",
        "mstyle",
        "mpadded",
    ]
)
ATTRIBUTES = frozenset(
    [
        "accent",
        "columnalign",
        "data-symbol",
        "fence",
        "form",
        "lspace",
        "mathvariant",
        "maxsize",
        "minsize",
        "rspace",
        "separator",
        "stretchy",
        "width",
    ]
)


@lru_cache(maxsize=256)
def _rendered(latex: str, symbols: frozenset[str]) -> tuple[str, ...]:
    if len(latex) > LONGEST:
        latex = latex[: LONGEST - 1] + "…"
    if _TABLES.search(latex):
        parts = [latex]
    else:
        parts = [p for p in _LINES.split(_ALIGNED.sub(" ", latex)) if p.strip(" ,;")]
    return tuple(_line(part.strip(), symbols) for part in parts)


def mathml(latex: str, symbols: Iterable[str] = ()) -> list[str]:
    r"""Return an equation as MathML, one element `math` for each of its lines.

    Lines end at `\\` and at `\qquad`, so that the page can set them side by side or below each
    other. What cannot be read stands as the text that it is.

    Args:
        latex: The equation, as `rule.equation` has it.
        symbols: Knobs' symbols. Where one stands for the knob, its `mi` carries `data-symbol`, so
            that the page can light it; the Δ of Δw is a difference and no knob.

    >>> (line,) = mathml("r - k", symbols="k")
    >>> print(line.partition("<mrow>")[2].removesuffix("</mrow></math>"))
    <mi>r</mi><mo>−</mo><mi data-symbol="k">k</mi>
    """
    return list(_rendered(latex, frozenset(symbols)))


def _line(latex: str, symbols: frozenset[str]) -> str:
    # Half a tenth of a second of import, and only a page needs it.
    from latex2mathml.converter import convert

    try:
        read = ElementTree.fromstring(convert(latex))
    except Exception:
        # The converter raises whatever it meets; an equation is never worth a dashboard.
        read = Element(_SPACE + "math")
        ElementTree.SubElement(read, _SPACE + "mtext").text = latex
    root = _clean(read)
    _mark(root, symbols)
    root.set("xmlns", _SPACE[1:-1])
    return ElementTree.tostring(root, encoding="unicode")


def _clean(element: Element) -> Element:
    tag = element.tag.removeprefix(_SPACE)
    made = Element(tag if tag in ELEMENTS else "mrow")
    made.attrib = {k: v for k, v in element.attrib.items() if k in ATTRIBUTES}
    made.text = element.text if tag in ELEMENTS else None
    if made.tag == "mi" and made.text in _FENCES:
        made.tag = "mo"
        made.set("stretchy", "false")
    made.extend(_clean(child) for child in element)
    return made


def _mark(element: Element, symbols: frozenset[str]) -> None:
    children = list(element)
    for child, following in zip(children, [*children, None][1:], strict=True):
        if child.tag == "mi" and child.text in symbols and not _differs(child, following):
            child.set("data-symbol", child.text or "")
        _mark(child, symbols)


def _differs(sign: Element, following: Element | None) -> bool:
    if sign.text != "Δ" or following is None:
        return False
    while len(following):
        following = following[0]
    return following.tag == "mi" and (following.text or "")[:1] in {"w", "W", "M", "m"}


def textual(latex: str) -> str:
    r"""Return an equation as plain text, a line for each of its lines; unknown commands stay.

    >>> print(textual(r"\Delta w_i = r_i \, (x - w_i) \\ r = \mathrm{softmax}(s / T)"))
    Δw_i = r_i (x - w_i)
    r = softmax(s / T)
    """
    return "\n".join(filter(None, map(_written, _LINES.split(latex.replace("\n", " ")))))


def _written(line: str) -> str:
    line = re.sub(r"\s+(\\text\s*\{-)", r"\1", line)  # k \text{-th} is one word
    line = re.sub(r"\\(?:text|mathrm|operatorname)\s*\{([^{}]*)\}", r"\1", line)
    line = re.sub(r"\\t?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r"\1/{\2}", line)
    line = re.sub(r"\\[,;:! ]|\\(?:big|nolimits)(?![A-Za-z])|\\\n", " ", line)
    line = re.sub(r"_\s*\{([^{}]*\s[^{}]*)\}", r"_(\1)", line)
    line = re.sub(r"\\([A-Za-z]+|\|)( ?)", _sign, line)
    line = re.sub(r"\^\{?([0-9ᵀ])\}?", lambda found: found[1].translate(_RAISED), line)
    line = " ".join(re.sub(r"[{}]", "", line).split())
    return re.sub(r"([(⟨])\s+", r"\1", re.sub(r"\s+([)⟩_])", r"\1", line))


def _sign(match: re.Match[str]) -> str:
    command, space = match.groups()
    if command in _SIGNS:
        return _SIGNS[command] + space
    if command in _WORDS:
        return command + space
    case = "CAPITAL" if command[0].isupper() else "SMALL"
    try:
        return unicodedata.lookup(f"GREEK {case} LETTER {_GREEK.get(command, command).upper()}")
    except KeyError:
        return match.group()
