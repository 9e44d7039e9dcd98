from pathlib import Path

import pytest

from hebblab import rules


def test_the_list_names_every_rule(command):
    done = command("rules")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    for name in rules.available():
        assert any(line.startswith(name) for line in lines)


@pytest.mark.parametrize("name", rules.available())
def test_a_card_has_every_part(command, name):
    done = command("rules", name)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == rules.card(name).to_text(80) + "\n"
    *_, path = done.stdout.splitlines()
    assert Path(path).read_bytes().startswith(b"\x89PNG")


def test_a_card_is_as_wide_as_the_terminal_and_no_wider_than_one_reads(command, monkeypatch):
    for columns, width in (("50", 50), ("20", 40), ("300", 96)):
        monkeypatch.setenv("COLUMNS", columns)
        assert command("rules", "oja").stdout == rules.card("oja").to_text(width) + "\n"


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
