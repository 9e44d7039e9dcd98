import json
import signal
import subprocess
import sys

import pytest

import hebblab as hl

SHORT = ("--set", "steps=30")


def test_json_is_one_object_with_a_row_for_every_number(command, kept):
    done = command(
        "evaluate", *SHORT, "--probes", "linear,linear@1%", "--controls", "pixels", "--json"
    )
    assert done.exit_code == 0
    assert len(kept) == 1, "what training frees, it takes again"
    assert done.stdout.count("\n") == 1
    about = json.loads(done.stdout)
    found = {(row["representation"], row["probe"]): row for row in about["rows"]}
    assert set(found) == {(r, p) for r in ("learned", "pixels") for p in ("linear", "linear@1%")}
    assert (about["split"], about["test_opened"], about["step"]) == ("validation", 0, 30)
    assert 0.5 < found["learned", "linear"]["value"] < 1
    assert found["learned", "linear"]["n"] == 1000
    assert "Evaluating" in done.stderr


def test_it_is_what_the_library_says(command):
    done = command("evaluate", *SHORT, "--seed", "3", "--json")
    with hl.Session("mnist-krotov", steps=30, seed=3) as session:
        session.start()
        session.wait()
        table = hl.evaluate(session, seed=3).table
    rows = json.loads(done.stdout)["rows"]
    assert [row["value"] for row in rows] == table.value.tolist()


def test_words_say_split_and_intervals(command):
    done = command("evaluate", *SHORT, "--split", "test", "--controls", "none")
    assert "scored on 1,000 test images, opened 1 time so far" in done.stdout
    assert " % to " in done.stdout
    assert "pixels" not in done.stdout


def test_a_recipes_file_is_evaluated_as_the_preset(command, tmp_path):
    recipe = hl.presets.get("mnist-krotov").changed(steps=30)
    path = tmp_path / "mine.json"
    path.write_text(recipe.model_dump_json())
    ours, theirs = (command("evaluate", *words, "--json") for words in ((str(path),), SHORT))
    values = [[row["value"] for row in json.loads(one.stdout)["rows"]] for one in (ours, theirs)]
    assert values[0] == values[1]


def test_an_edited_runs_recipe_is_refused(command, tmp_path):
    with hl.Session("mnist-krotov") as session:
        session.step(2)
        session.edit(delta=0.2)
        session.step(2)
        session.save(tmp_path)
    done = command("evaluate", str(tmp_path / "recipe.json"))
    assert done.exit_code == 2
    assert "was edited while it learned" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("mnist-kroto",), 2, "Did you mean 'mnist-krotov'"),
        (("--probes", "liner"), 2, "Did you mean 'linear'"),
        (("--probes", ""), 2, "at least one probe"),
        (("--probes", "linear@0.1%"), 2, "fewer than the 10 classes"),
        (("--controls", "pixel"), 2, "Did you mean 'pixels'"),
        (("--layers", "hiden"), 2, "Did you mean 'hidden'"),
        (("--split", "tset"), 2, "Did you mean 'test'"),
        (("--validation", "within-labels"), 2, "for probes of few labels"),
        (("--set", "delta=3"), 2, "from 0 to 2"),
        (("no.json",), 1, "could not be read"),
        (("mnist-hebb-explodes",), 1, "step"),
    ],
)
def test_what_is_refused_is_a_sentence_and_a_code(command, words, code, said):
    done = command("evaluate", "--json", *words)
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr
    if code == 2:
        assert "Training" not in done.stderr


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("{", 2, "That is no recipe"),
        ("[]", 2, "That is no recipe"),
        ('{"recipe": 3}', 2, "That is no recipe"),
        ('{"rules": 3}', 2, "That is no recipe"),
        ('{"rules": {"*": {"rule": "ojo"}}}', 2, "Did you mean 'oja'"),
        ('{"recipe": {"sede": 3}}', 2, "Did you mean 'seed'"),
        ('{"schema_version": 2}', 2, "this hebblab reads version 1"),
        (b"\xff\xfe{", 1, "could not be read"),
    ],
)
def test_a_file_that_is_no_recipe_is_named(command, tmp_path, text, code, said):
    path = tmp_path / "wrong.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = command("evaluate", str(path))
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr
    assert f"recipe {path}" in done.stderr
    assert "Training" not in done.stderr


def test_a_recipes_file_that_cannot_be_read_is_named(command, tmp_path):
    folder = tmp_path / "folder.json"
    folder.mkdir()
    for path in (folder, tmp_path / "missing.json"):
        done = command("evaluate", str(path))
        assert (done.exit_code, done.stdout) == (1, "")
        assert f"The recipe {path} could not be read" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to one process")
def test_ctrl_c_is_130_and_prints_no_table(environment, tmp_path):
    words = "evaluate mnist-krotov --set speed=20 --set steps=100000"
    with subprocess.Popen(
        [sys.executable, "-m", "hebblab", *words.split()],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert "Training" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "Interrupted" in err
    assert "Traceback" not in err
