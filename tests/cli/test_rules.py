import pytest

from hebblab import rules
from hebblab.cli.rules import textual


def test_the_list_names_every_rule(command):
    done = command("rules")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    for name in rules.available():
        assert any(line.startswith(name) for line in lines)


@pytest.mark.parametrize("name", rules.available())
def test_a_card_has_every_part(command, name):
    done = command("rules", name)
    rule = rules.create(name)
    words = " ".join(done.stdout.split())
    assert done.exit_code == 0
    assert words.startswith(f"{rule.title} ({name})")
    for part in (rule.summary, rule.history, rule.source, rule.advice):
        assert " ".join(part.split()) in words
    for knob in rule.knobs().values():
        assert knob.name in words
        assert knob.help.split()[0] in words
    assert textual(rule.equation) in done.stdout


@pytest.mark.parametrize("name", rules.available())
def test_equations_of_ours_are_read_whole(name):
    text = textual(rules.get(name).equation)
    assert text.strip().startswith("Δw_i =")
    assert not set("\\{}") & set(text)


def test_a_command_that_is_unknown_stays_as_it_is():
    assert textual(r"\frac{a}{b} + \Omega") == "  \\fracab + Ω"


def test_an_unknown_rule_is_2_with_the_nearest(command):
    done = command("rules", "ojo")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Did you mean 'oja'" in done.stderr


def test_a_persons_texts_are_never_markup(command):
    import hebblab as hl

    class Bold(hl.Rule):
        """Makes [bold red]everything[/] [link=x]loud[/link]."""

        name = "bold"
        loud: float = hl.knob(0.5, low=0, high=1, help="[blink]How[/blink] loud.")

        def update(self, inputs, weights):
            return weights * 0

    hl.rules.register(Bold)
    try:
        done = command("rules", "bold")
    finally:
        rules.unregister("bold")
    assert "Makes [bold red]everything[/] [link=x]loud[/link]." in done.stdout
    assert "[blink]How[/blink]" in done.stdout
