import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import hebblab as hl

FIELDS = {
    "preset",
    "seed",
    "steps",
    "epochs",
    "seconds",
    "convergence",
    "probe",
    "weights_sha256",
}


def test_json_is_one_object_and_nothing_else(command, kept):
    done = command("run", "--steps", "30", "--seed", "7", "--json")
    assert done.exit_code == 0
    assert len(kept) == 1, "what training frees, it takes again"
    assert done.stdout.count("\n") == 1
    outcome = json.loads(done.stdout)
    assert set(outcome) == FIELDS
    assert (outcome["preset"], outcome["seed"], outcome["steps"]) == ("mnist-krotov", 7, 30)
    assert (outcome["epochs"], outcome["probe"]) == (1.0, None)
    assert 0 <= outcome["convergence"] <= 1
    assert outcome["seconds"] > 0


def test_the_digest_is_that_of_the_learned_weights_and_the_seed_moves_it(command, process):
    here = json.loads(command("run", "--steps", "20", "--json").stdout)
    there = json.loads(process("run", "mnist-krotov", "--steps", "20", "--json").stdout)
    assert here["weights_sha256"] == there["weights_sha256"]
    with hl.Session("mnist-krotov", steps=20) as session:
        session.start()
        assert session.wait(60)
        own = hashlib.sha256(session.weights().numpy().tobytes()).hexdigest()
    assert here["weights_sha256"] == own
    other = json.loads(command("run", "--steps", "20", "--seed", "2", "--json").stdout)
    assert other["weights_sha256"] != own


def test_the_probe_and_its_baselines_are_numbers(command):
    done = command("run", "--probe", "--json")
    outcome = json.loads(done.stdout)
    probe = outcome["probe"]
    assert set(probe) == {"accuracy", "raw_pixels", "random_features", "split"}
    assert probe["split"] == "validation"
    assert probe["accuracy"] > probe["random_features"] > 0.7
    assert 0.8 < probe["raw_pixels"] < 0.95
    assert outcome["convergence"] > 0.9


def test_convergence_is_null_where_a_rule_holds_no_norm(command):
    done = command("run", "mnist-soft-wta", "--steps", "5", "--json")
    assert json.loads(done.stdout)["convergence"] is None


def test_what_a_preset_could_not_keep_is_said_beside_the_outcome(command):
    done = command("run", "mnist-instar", "--set", "rule=sanger", "--steps", "2", "--json")
    assert done.exit_code == 0 and set(json.loads(done.stdout)) == FIELDS
    assert "unit-norm rows on is left out at layer 'hidden'. 'sanger' holds" in done.stderr
    assert "adaptive thresholds on is left out at layer 'hidden'." in done.stderr
    assert "left out" not in command("run", "--steps", "2").stderr


def test_without_json_it_is_said_in_words(command):
    done = command("run", "--steps", "5", "--set", "delta=0.2", "--probe")
    assert done.exit_code == 0
    assert done.stdout.startswith("mnist-krotov, seed 1: 5 steps (0.1667 epochs) in ")
    assert "raw pixels" in done.stdout
    assert "Training …" in done.stderr


def test_set_reaches_the_run_and_what_is_saved_says_so(command, tmp_path):
    folder = tmp_path / "a" / "run"
    given = ("--set", "delta=0.7", "--set", "batch_size=50", "--epochs", "1")
    done = command("run", *given, "--save", str(folder), "--json")
    assert json.loads(done.stdout)["steps"] == 60
    about = json.loads((folder / "recipe.json").read_text())
    assert about["recipe"]["rules"]["hidden"]["delta"] == 0.7
    assert {path.name for path in folder.iterdir()} == {
        "weights.safetensors",
        "recipe.json",
        "history.csv",
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("mnist-kroto",), "Did you mean 'mnist-krotov'"),
        (("--set", "delta=3"), "Δ (delta) must be a number from 0 to 2"),
        (("--set", "dleta=1"), "Did you mean 'delta'"),
        (("--set", "k=101"), "more than the 100 units"),
        (("--set", "network=dense-4oo"), "Did you mean 'dense-400'"),
        (("--set", "data=mnist-6k"), "Did you mean 'mnist-5k'"),
        (("--set", "batch_size=100000"), "3,000"),
        (("--steps", "0"), "steps must be a whole number from 1"),
        (("--steps", "ten"), "steps must be a whole number from 1"),
        (("--steps", "9" * 500), "steps must be a whole number from 1"),
        (("--epochs", "2.5"), "epochs must be a whole number from 1"),
        (("--seed", "-1"), "seed must be a whole number from 0"),
        (("--steps", "3", "--epochs", "3"), "not both"),
    ],
)
def test_what_is_refused_is_2_before_training(command, words, said):
    done = command("run", "--json", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr) < 1000
    assert "Training" not in done.stderr


def test_a_set_that_is_not_there_is_1_and_names_the_command(process):
    done = process("run", "--set", "data=no/such/folder")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "no/such/folder" in done.stderr


def test_a_folder_that_cannot_be_written_is_said_before_training(command, tmp_path):
    taken = tmp_path / "file"
    taken.write_text("")
    done = command("run", "--save", str(taken / "run"))
    assert (done.exit_code, done.stdout) == (1, "")
    assert "could not be saved" in done.stderr
    assert "Training" not in done.stderr


def test_a_run_that_explodes_is_1_says_when_and_keeps_the_finite_weights(command, tmp_path):
    done = command("run", "mnist-hebb-explodes", "--json", "--save", str(tmp_path / "run"))
    assert (done.exit_code, done.stdout) == (1, "")
    assert "step" in done.stderr
    assert "The last finite weights are in" in done.stderr
    from safetensors.torch import load_file

    weights = load_file(tmp_path / "run" / "weights.safetensors")
    assert all(tensor.isfinite().all() for tensor in weights.values())


def _started(environment, folder, *words: str) -> subprocess.Popen:
    """Start a run that takes long, and return once it trains."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hebblab", "run", "--set", "speed=50", *words],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stderr.readline()
    assert "Training" in line, line + process.stderr.read()
    return process


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to one process")
def test_ctrl_c_holds_says_where_it_stands_saves_and_is_130(environment, tmp_path):
    with _started(environment, tmp_path, "--steps", "100000", "--save", "run") as process:
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - began < 15
    assert out == ""
    assert "Interrupted at step " in err
    assert " of 100,000" in err
    assert "Saved in run." in err
    assert "Traceback" not in err
    steps = json.loads((tmp_path / "run" / "recipe.json").read_text())["steps"]
    assert f"step {steps:,} of" in err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to one process")
def test_an_endless_run_is_ended_by_ctrl_c_and_its_json_says_how_far(environment, tmp_path):
    with _started(environment, tmp_path, "--set", "endless=on", "--json") as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Nothing is kept" in err
    outcome = json.loads(out)
    assert set(outcome) == FIELDS
    assert outcome["probe"] is None


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are of POSIX")
def test_a_terminal_sees_a_bar_and_stdout_stays_one_object(environment, tmp_path):
    import pty

    words = "run --json --steps 40 --set speed=60"
    reader, writer = pty.openpty()
    try:
        done = subprocess.run(
            [*(sys.executable, "-m", "hebblab"), *words.split()],
            env={**environment, "TERM": "xterm", "COLUMNS": "80"},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=writer,
            timeout=60,
        )
        shown = os.read(reader, 65536).decode(errors="replace")
    finally:
        os.close(reader)
        os.close(writer)
    assert json.loads(done.stdout)["steps"] == 40
    assert "Training" in shown
    assert "of 40" in shown
