"""SoftHebb's experiment at tiny size."""

from hebblab.experiments.papers import data, softhebb


def test_softhebb_yields_its_layers_in_order(digits, told):
    settings = softhebb.Settings("softhebb-cnn-quarter", 40, 40, epochs=1)
    part = data.portion(digits, 1, 40, 40, 40)
    found = told(softhebb, part, settings, softhebb.SOFT, ("L1", "L3"))
    assert [one.layer for one in found] == ["L1", "L3"]
    hard = softhebb.recipe(settings, softhebb.HARD, 1)
    assert {entry["temperature"] for entry in hard.rules.values()} == {0.01}
