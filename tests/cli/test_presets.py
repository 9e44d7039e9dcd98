import pytest

from hebblab import presets
from hebblab.cli.serve import preset_names


def test_the_list_names_every_preset_and_what_to_expect(command):
    done = command("presets")
    words = " ".join(done.stdout.split())
    assert done.exit_code == 0
    for name in presets.available():
        assert name in words
    assert "about 7 min" in words


@pytest.mark.parametrize("name", presets.available())
def test_one_says_source_time_and_every_setting(command, name):
    done = command("presets", name)
    recipe = presets.get(name)
    words = " ".join(done.stdout.split())
    assert done.exit_code == 0
    for part in (name, recipe.source, recipe.expect, recipe.data, recipe.network):
        assert part in words
    for layer in recipe.rules:
        for knob in recipe.rule(layer).knobs():
            assert f"{knob} = " in words


def test_an_unknown_preset_is_2_with_the_nearest(command):
    done = command("presets", "mnist-kroto")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Did you mean 'mnist-krotov'" in done.stderr


def test_serve_knows_the_same_names():
    assert preset_names() == presets.available()
