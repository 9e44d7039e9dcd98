"""The cards of rules: complete, the same in every form, and safe with whatever a person wrote."""

import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from hebblab import InvalidValue, UnknownName, knob, rules
from hebblab.rules.cards import OPTIMIZERS, PICTURES
from hebblab.rules.equations import ATTRIBUTES, ELEMENTS, textual
from hebblab.rules.rule import Rule
from tests import pictures

ESCAPE = "\x1b[31m"
HOSTILE = f"</p><script>alert(1)</script> $x$ | `a` *b* [c](javascript:d) {ESCAPE}red"
HEADINGS = {
    "history": "History",
    "advice": "What to try",
    "converges_to": "Where it settles",
    "limits": "At its limits",
    "source": "Source",
}
TAGS = ELEMENTS | {
    *("article", "h3", "h4", "code", "p", "figure", "img", "figcaption", "small", "div", "section"),
    *("table", "thead", "tbody", "tr", "th", "td", "ul", "li"),
}


class Reader(HTMLParser):
    """What a browser would make of HTML: its texts, elements and attributes."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = set(), [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return words("".join(self.texts))


class Bare(Rule):
    name = "bare"

    def update(self, inputs, weights):
        return weights * 0


class Hostile(Rule):
    name = "hostile`|"
    title = HOSTILE
    equation = HOSTILE + r"\\$$"
    source = HOSTILE
    history = HOSTILE
    converges_to = HOSTILE
    disagreements = (HOSTILE, HOSTILE)
    gamma: float = knob(0.5, symbol=HOSTILE, low=0, high=1, help=HOSTILE)

    def update(self, inputs, weights):
        return weights * 0


Hostile.__doc__ = HOSTILE


def words(text):
    return " ".join(text.split())


@pytest.fixture(params=rules.available())
def name(request):
    if rules.get(request.param).__module__.split(".")[0] != "hebblab":
        pytest.skip("defined by another test")
    return request.param


def test_every_rule_says_where_it_settles_its_limits_and_what_was_chosen(name):
    rule = rules.get(name)
    for part in HEADINGS:
        assert len(getattr(rule, part)) > 20, part
        assert getattr(rule, part)[0].isupper(), part
    assert rule.disagreements
    for text in rule.disagreements:
        topic, _, told = text.partition(": ")
        assert told, text
        assert len(topic) < 20
        assert "Here" in told


def test_every_form_of_a_card_holds_every_part(name):
    rule, card = rules.get(name), rules.card(name)
    listed = dict(card.lead) | dict(card.rest)
    assert (card.name, card.title, card.summary) == (name, rule.title, rule().summary)
    assert {part: listed[HEADINGS[part]] for part in HEADINGS} == {
        part: (getattr(rule, part),) for part in HEADINGS
    }
    assert listed["Where its sources disagree"] == rule.disagreements
    assert listed["With momentum or Adam"] == (OPTIMIZERS,)
    assert f"rate at {rule.learning_rate:g}" in listed["Start"][0]
    html = Reader(card.to_html()).text
    # In Markdown the signs that would mean something are quoted.
    marked = words(re.sub(r"\\([\\`*_\[\]#|$~])", r"\1", card.to_markdown())).replace("&lt;", "<")
    plain = words(card.to_text()).replace("- ", "")
    for text in [card.summary, *(text for texts in listed.values() for text in texts)]:
        assert words(text) in html
        assert words(text) in marked
        assert words(text).replace("- ", "") in plain
    for one in rule.declared().values():
        for text in (one.name, one.symbol, one.help, one.text(one.default)):
            assert words(text) in html
            assert words(text) in marked
            assert words(text) in plain


def test_the_text_keeps_to_its_width(name):
    for width in (40, 72, 100):
        _, _, *lines, path = rules.card(name).to_text(width).splitlines()
        equation = [f"  {line}" for line in textual(rules.get(name).equation).splitlines()]
        assert [line for line in lines if len(line) > width and line not in equation] == []
        assert path == str(PICTURES / f"{name}.png")
    assert rules.card(name).to_text(1) == rules.card(name).to_text(40)


def test_html_is_well_formed_and_asks_for_nothing(name):
    read = Reader(rules.card(name).to_html())
    assert read.tags <= TAGS
    known = ATTRIBUTES | {"class", "style", "src", "alt", "width", "height", "xmlns"}
    assert {key for key, _ in read.attributes} <= known
    (source,) = [value for key, value in read.attributes if key == "src"]
    assert source.startswith("data:image/png;base64,")


def test_a_card_is_made_from_a_name_a_class_or_a_rule():
    assert rules.card("oja") == rules.card(rules.Oja) == rules.card(rules.Oja(k=3))
    card = rules.card("oja")
    assert repr(card) == str(card) == card.to_text()
    assert card._repr_markdown_() == card.to_markdown()
    assert card._repr_html_() == card.to_html()


def test_knobs_say_what_they_accept_and_when_they_are_turned():
    text = words(rules.card("som").to_text(100))
    assert "σ, radius = 5 How far on the sheet" in text
    assert "A number from 0.1 to 50; live." in text
    assert "A whole number from 0 to the number of units; restart." in text
    assert "One of gaussian, bubble; live." in text


def test_what_a_fresh_run_sets_is_said():
    (start,) = dict(rules.card("hebb").rest)["Start"]
    assert start == (
        "Weights begin as normal(0, 0.02), the rate at 0.01, and a fresh run sets row_norm on."
    )
    (start,) = dict(rules.card("hard-wta").rest)["Start"]
    assert start.endswith("a fresh run sets thresholds on.")


def test_a_rule_of_ones_own_has_a_card_of_what_it_declares():
    card = rules.card(Bare)
    assert (card.title, card.knobs, card.picture) == ("bare", (), None)
    assert [section.heading for section in card.lead] == []
    assert [section.heading for section in card.rest] == ["With momentum or Adam", "Start"]
    for form in (card.to_text(), card.to_markdown(), card.to_html()):
        assert "Knobs" not in form
        assert "bare" in form
    assert "img" not in Reader(card.to_html()).tags


@pytest.mark.parametrize("name", ["oja", "../pictures/oja"])
def test_no_rule_of_ones_own_borrows_a_picture(name):
    mine = type("Mine", (rules.Oja,), {"name": name, "__module__": __name__})
    assert rules.card(mine).picture is None


def test_what_a_person_wrote_stays_text():
    card = rules.card(Hostile)
    read = Reader(card.to_html())
    assert read.tags <= TAGS
    assert words(HOSTILE.replace(ESCAPE, "")) in read.text.replace(ESCAPE, "")
    assert ("class", "hebblab-card mathjax_ignore") in read.attributes
    marked = card.to_markdown()
    # Whatever stands unquoted is ours.
    quoted = re.sub(r"\\.", "", marked)
    assert "<" not in quoted
    assert "](" not in quoted
    assert quoted.count("$$") == 2
    assert quoted.count("$") == 4
    rows = [line for line in quoted.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {7}
    assert quoted.count("`") == 4
    text = card.to_text()
    assert "\x1b" not in text
    assert "<script>alert(1)</script>" in words(text)


def test_what_is_no_rule_has_no_card():
    with pytest.raises(UnknownName, match="Did you mean 'oja'"):
        rules.card("ojo")
    with pytest.raises(InvalidValue, match=r"takes a rule's name, a class .* not 3"):
        rules.card(3)
    with pytest.raises(InvalidValue, match="not <class 'int'>"):
        rules.card(int)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"disagreements": "one text"}, "disagreements must be a tuple of texts"),
        ({"disagreements": (1,)}, "disagreements must be a tuple of texts"),
        ({"converges_to": None}, "converges_to must be a text"),
        ({"limits": 3}, "limits must be a text"),
    ],
)
def test_a_registered_rule_declares_texts(declared, said):
    wrong = type("Wrong", (Bare,), {"name": "wrong", "__module__": __name__, **declared})
    with pytest.raises(InvalidValue, match=said):
        rules.register(wrong)
    assert "wrong" not in rules.available()


def test_every_rule_has_a_small_picture_and_no_picture_lacks_its_rule(name):
    picture = rules.card(name).picture
    assert picture.path.stat().st_size <= pictures.LARGEST
    assert (picture.width, picture.height) == (178, 118)
    assert re.match(r"What (all 24|the first 24 of 100) units learned in \d+ ", picture.caption)
    with Image.open(picture.path) as image:
        assert image.format == "PNG"
        assert len(image.getcolors()) > 3
    assert {path.stem for path in PICTURES.glob("*.png")} == set(pictures.RUNS)


@pytest.mark.parametrize("name", ["krotov-hopfield", "sanger", "som"])
def test_a_picture_is_what_a_run_leaves(name):
    images, caption = pictures.learned(name)
    picture = rules.card(name).picture
    again = Image.open(io.BytesIO(pictures.painted(images, caption)))
    with Image.open(picture.path) as kept:
        likeness = np.corrcoef(ink(again).ravel(), ink(kept).ravel())[0, 1]
        # Another picture would not pass for it.
        assert np.corrcoef(ink(again)[::-1].ravel(), ink(kept).ravel())[0, 1] < 0.9
    assert likeness > 0.95
    assert caption == picture.caption


def ink(image):
    return np.asarray(image.convert("RGB"), float)
