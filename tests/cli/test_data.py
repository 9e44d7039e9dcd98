import pytest

from hebblab import data


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HEBBLAB_DATA", str(tmp_path / "sets"))
    return tmp_path / "sets"


@pytest.mark.parametrize("words", [("data",), ("data", "list")])
def test_the_list_says_what_is_here_and_where(command, words, empty_folder):
    done = command(*words)
    assert done.exit_code == 0
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    for name in data.available():
        assert name in lines
    assert "yes" in lines["mnist-5k"]
    assert "no (12 MB to fetch)" in lines["mnist"]
    assert str(empty_folder) in done.stdout


def test_a_set_is_checked(command):
    done = command("data", "check", "mnist-5k")
    assert done.exit_code == 0
    assert done.stdout.startswith("mnist-5k is whole: 5,000 images")


def test_what_needs_no_fetching_is_whole(command):
    done = command("data", "get", "mnist-5k")
    assert done.exit_code == 0
    assert done.stdout.startswith("mnist-5k is whole, in ")


def test_a_missing_set_is_1_and_names_folder_and_command(command, empty_folder):
    done = command("data", "check", "mnist")
    assert (done.exit_code, done.stdout) == (1, "")
    assert str(empty_folder) in done.stderr
    assert "hebblab data get mnist" in done.stderr


@pytest.mark.parametrize("verb", ["get", "check"])
def test_an_unknown_set_is_2_with_the_nearest(command, verb):
    done = command("data", verb, "mnist5k")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Did you mean 'mnist-5k'" in done.stderr
