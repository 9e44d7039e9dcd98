import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from hebblab.cli import doctor

ROOT = Path(__file__).resolve().parents[2]


def test_every_line_is_well_or_says_what_to_do(process):
    done = process("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    subjects = [line[11:].split(":")[0] for line in lines if line[:9].strip()]
    for subject in (
        "versions",
        "torch",
        "torchvision",
        *doctor.FLOORS,
        "data folder",
        "mnist-5k",
        "memory",
        "writing in current folder",
    ):
        assert subject in subjects
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        mark = line[:9].strip()
        assert mark in ("ok", "attention", "")
        if mark == "attention":
            assert following[:11].strip() == ""
            assert following.strip()


def test_the_floors_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = dict(text.split(">=") for text in project["dependencies"])
    assert doctor.FLOORS.items() <= named.items()


def test_a_package_that_is_missing_blocks(command, monkeypatch):
    monkeypatch.setattr(
        doctor, "findings", lambda: iter([doctor._package("no-such-package-here", "1")])
    )
    done = command("doctor")
    assert done.exit_code == 1
    assert done.stdout.startswith("attention  no-such-package-here: missing\n")
    assert 'pip install "no-such-package-here>=1"' in done.stdout
    assert done.stderr == "The lab cannot run here until that is mended.\n"


def test_an_old_package_is_named_with_its_floor(monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda name: "2.9.0")
    found = doctor._package("jupyter_server", "2.21.1")
    assert "2.9.0, older than 2.21.1" in found.found
    assert "jupyter_server>=2.21.1" in found.advice
    monkeypatch.setattr(metadata, "version", lambda name: "2.21.1.post1")
    assert not doctor._package("jupyter_server", "2.21.1").advice


def test_a_torchvision_that_does_not_load_is_said_with_its_cure(monkeypatch):
    def load(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(doctor, "import_module", load)
    monkeypatch.setattr(metadata, "version", lambda name: "2.13.0+cpu")
    found = doctor._torchvision()
    assert "nms does not exist" in found.found
    assert "--index-url https://download.pytorch.org/whl/cpu" in found.advice
    assert not found.needed


def test_a_folder_that_cannot_be_written_is_said(tmp_path, monkeypatch):
    def refuse(**_given):
        raise PermissionError(13, "Permission denied")

    assert not doctor._writable("home", tmp_path / "not" / "yet").advice
    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    found = doctor._writable("home", tmp_path)
    assert "Permission denied" in found.found
    assert str(tmp_path) in found.advice


@pytest.mark.parametrize(("older", "newer"), [("7.3.9", "7.4"), ("0.5.9", "0.5.13"), ("5", "6.0")])
def test_versions_compare_by_number(older, newer):
    assert doctor._numbers(older) < doctor._numbers(newer)
