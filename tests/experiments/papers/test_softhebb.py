"""SoftHebb's experiment at tiny size."""

from hebblab.experiments.papers import data, softhebb


def nothing(*_):
    pass


def test_softhebb_yields_its_layers_in_order(digits):
    settings = softhebb.Settings("softhebb-cnn-quarter", 40, 40, epochs=1)
    part = data.portion(digits, 1, 40, 40, 40)
    found = list(softhebb.on(part, settings, softhebb.SOFT, ("L1", "L3"), 1, nothing))
    assert [one.layer for one in found] == ["L1", "L3"]
    hard = softhebb.recipe(settings, softhebb.HARD, 1)
    assert {entry["temperature"] for entry in hard.rules.values()} == {0.01}
