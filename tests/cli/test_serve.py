from pathlib import Path

import pytest

import hebblab.serving


@pytest.fixture
def asked(monkeypatch) -> dict:
    """What the server was asked for, in place of a server."""
    given: dict = {}
    monkeypatch.setattr(hebblab.serving, "serve", lambda **words: given.update(words))
    monkeypatch.setattr(hebblab.serving, "lab", lambda **words: given.update(words))
    return given


def test_serve_without_words(command, asked):
    assert command("serve").exit_code == 0
    assert asked == {
        "preset": None,
        "port": None,
        "host": "127.0.0.1",
        "token": None,
        "allow_hosts": (),
        "base_url": "/",
        "max_visitors": None,
        "browser": True,
    }


def test_serve_with_every_word(command, asked):
    words = (
        "serve mnist-soft-wta --port 9000 --host 0.0.0.0 --token secret --allow-host a.example "
        "--allow-host b.example --base-url /course --max-visitors 30 --no-browser"
    )
    assert command(*words.split()).exit_code == 0
    assert asked == {
        "preset": "mnist-soft-wta",
        "port": 9000,
        "host": "0.0.0.0",
        "token": "secret",
        "allow_hosts": ("a.example", "b.example"),
        "base_url": "/course",
        "max_visitors": 30,
        "browser": False,
    }


def test_serve_refuses_an_unknown_preset_at_once(command, asked):
    done = command("serve", "mnist-kroto")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Did you mean 'mnist-krotov'" in done.stderr
    assert not asked


def test_lab_with_every_word(command, asked):
    assert command("lab", "--port", "9001", "--no-browser", "--dir", "my notebooks").exit_code == 0
    assert asked == {"port": 9001, "browser": False, "directory": Path("my notebooks")}
