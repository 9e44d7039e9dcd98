from xml.etree import ElementTree

import pytest

from hebblab import rules
from hebblab.rules.equations import ATTRIBUTES, ELEMENTS, mathml, textual

MATH = "{http://www.w3.org/1998/Math/MathML}"


def lit(lines):
    return [
        e.text
        for line in lines
        for e in ElementTree.fromstring(line).iter()
        if e.get("data-symbol")
    ]


def text(line):
    return "".join(ElementTree.fromstring(line).itertext()).replace("\u00a0", " ")


def test_a_rule_becomes_mathematics():
    (line,) = mathml(r"\Delta w_i = g_i (x - \langle w_i, x\rangle w_i)")
    root = ElementTree.fromstring(line)
    assert root.tag == MATH + "math"
    assert len(root.findall(f".//{MATH}msub")) == 4
    assert text(line) == "Δwi=gi(x−⟨wi,x⟩wi)"
    # Brackets are operators, not variables.
    assert {e.text for e in root.iter(MATH + "mo")} >= {"⟨", "⟩"}


@pytest.mark.parametrize(
    "latex",
    [
        r"a = b \\ c = d",
        r"a = b \qquad c = d",
        r"\begin{aligned} a &= b \\ c &= d \end{aligned}",
    ],
)
def test_lines_stand_apart(latex):
    assert [text(line) for line in mathml(latex)] == ["a=b", "c=d"]


def test_a_matrix_keeps_its_rows():
    (line,) = mathml(r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}")
    assert len(ElementTree.fromstring(line).findall(f".//{MATH}mtr")) == 2


def test_only_a_knob_s_own_symbol_can_light():
    lines = mathml(
        r"\Delta w_i = g_i x \\ g = -\Delta \text{ for the } k\text{-th}", ["Δ", "k", "p"]
    )
    assert lit(lines) == ["Δ", "k"]
    assert lit(mathml(r"\Delta W_{ij} = \gamma x", ["Δ", "γ"])) == ["γ"]
    assert lit(mathml(r"\Delta w = x")) == []


@pytest.mark.parametrize(
    "latex",
    [
        r"\text{<script>alert(1)</script>}",
        r"\href{javascript:alert(1)}{w}",
        r"<img src=x onerror=alert(1)>",
        r"\style{background:url(x)}{w} \class{x}{y} \color{red}{w}",
        r"\unicode{60}script",
    ],
)
def test_nothing_but_harmless_elements_comes_out(latex):
    for line in mathml(latex):
        for element in ElementTree.fromstring(line).iter():
            assert element.tag.removeprefix(MATH) in ELEMENTS
            assert set(element.attrib) <= ATTRIBUTES


@pytest.mark.parametrize("latex", [r"\frac{1", r"w_", r"\left( x", r"}{", r"\begin{matrix} a"])
def test_what_cannot_be_read_stands_as_it_was_written(latex):
    assert text("".join(mathml(latex))) != ""


def test_a_huge_text_is_cut():
    lines = mathml("w" * 100_000)
    assert sum(map(len, lines)) < 40_000


def test_an_empty_equation_has_no_lines():
    assert mathml("") == []


@pytest.mark.parametrize("name", rules.available())
def test_equations_of_ours_are_read_whole(name):
    text = textual(rules.get(name).equation)
    assert text.startswith(("Δw_i =", "ΔW ="))
    assert not set("\\{}") & set(text)


@pytest.mark.parametrize(
    ("latex", "plain"),
    [
        (r"w_i^2 \, y x^\top", "w_i² y xᵀ"),
        (r"\sum\nolimits_{j \le i} u_j", "Σ_(j ≤ i) u_j"),
        (r"\big( \exp(-x) \big) \pm \tanh(\lambda)", "(exp(-x)) ± tanh(λ)"),
        (r"\tfrac{1}{\tau} M", "1/τ M"),
        (r"a = b \qquad c = d", "a = b\nc = d"),
        (r"\mathcal{a} + \Omega", "\\mathcala + Ω"),
    ],
)
def test_an_equation_in_plain_text(latex, plain):
    assert textual(latex) == plain
