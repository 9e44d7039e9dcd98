import io
import sys

from hebblab.data.progress import reporting


def test_a_callers_function_hears_the_first_and_the_last_and_few_between():
    heard = []
    with reporting(lambda *told: heard.append(told)) as report:
        for done in range(10_001):
            report(done, 10_000, "Converting")
        report(0, 0, "Downloading")
    assert heard[0] == (0, 10_000, "Converting")
    assert heard[-2:] == [(10_000, 10_000, "Converting"), (0, 0, "Downloading")]
    assert len(heard) < 1000


def test_nothing_is_written_where_no_terminal_is(capsys):
    with reporting(None) as report:
        report(1, 2, "Downloading")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_on_stderr(monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    with reporting(None) as report:
        report(0, 0, "Downloading [red]x")
        report(2, 2, "Downloading [red]x")
    assert "Downloading [red]x" in terminal.getvalue()
    assert capsys.readouterr().out == ""
