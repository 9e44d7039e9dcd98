import subprocess
import sys

import pytest

import hebblab
from hebblab import cli
from hebblab.errors import HebblabError, InvalidValue, UnknownName, WrongState


def test_help_names_every_command_and_imports_no_torch(environment):
    code = (
        "import sys\n"
        "from hebblab.cli import main\n"
        "sys.argv = ['hebblab', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    code = end.code\n"
        "heavy = {'torch', 'rich', 'voila', 'tornado', 'numpy'} & set(sys.modules)\n"
        "print(code, sorted(heavy))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "0 []", done.stdout + done.stderr
    for name in ("serve", "lab", "run", "data", "rules", "presets", "doctor"):
        assert f"\n  {name} " in done.stdout


def test_the_module_is_the_command(process):
    done = process("--version")
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        f"hebblab {hebblab.__version__}\n",
        "",
    )


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("run", "--nonsense"),
        ("run", "mnist-krotov", "another"),
        ("serve", "--port", "many"),
        ("data", "get"),
        ("data", "nonsense"),
    ],
)
def test_a_wrong_command_is_2_and_says_nothing_on_stdout(command, words):
    done = command(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Error" in done.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownName("There is no such thing."), 2),
        (InvalidValue("That is refused."), 2),
        (WrongState("Port 8866 is taken."), 1),
        (HebblabError("It failed."), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_what_hebblab_refuses_is_one_sentence_and_a_code(command, monkeypatch, error, code):
    import hebblab.serving

    def refuse(**_given):
        raise error

    monkeypatch.setattr(hebblab.serving, "serve", refuse)
    done = command("serve")
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr == (f"{error}\n" if str(error) else "")


def test_a_fault_of_ours_is_one_sentence_and_1(monkeypatch, capsys):
    import hebblab.serving

    def fail(**_given):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(hebblab.serving, "serve", fail)
    monkeypatch.setattr(sys, "argv", ["hebblab", "serve"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr()
    assert (end.value.code, said.out) == (1, "")
    assert said.err.startswith("hebblab failed: RuntimeError: two lines (")
    assert said.err.count("\n") == 1
