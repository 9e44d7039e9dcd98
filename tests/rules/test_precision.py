"""Products of numbers rounded to bfloat16: how far off, where refused, and nothing left behind."""

import pytest
import torch

from hebblab import InvalidValue, Local, rules
from hebblab.nn import Scratch
from hebblab.rules import precision
from hebblab.training import HebbianTrainer


def products():
    return torch.backends.mkldnn.matmul.fp32_precision


def scene(samples=600, units=400, fan_in=784):
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(units, fan_in, generator=generator)
    return torch.rand(samples, fan_in, generator=generator), weights


def test_the_product_is_that_of_rounded_numbers_and_the_switch_stands_as_before():
    inputs, weights = scene()
    before = products()
    found = precision.product(inputs, weights, "bfloat16", Scratch())
    assert products() == before
    rounded = [one.to(torch.bfloat16).double() for one in (inputs, weights)]
    assert torch.allclose(found.double(), rounded[0] @ rounded[1].T, rtol=1e-6)
    exact = inputs.double() @ weights.double().T
    assert 1e-6 < float(((found - exact) / exact).abs().max()) < 2**-8
    plain = precision.product(inputs, weights, "float32", Scratch())
    assert torch.allclose(plain.double(), exact, rtol=1e-6)


def test_the_switch_stands_as_before_after_an_error():
    before = products()
    with pytest.raises(RuntimeError):
        precision.product(torch.rand(3, 4), torch.rand(5, 6), "bfloat16", Scratch())
    assert products() == before


def test_the_fast_path_is_the_update_at_bfloat16_too():
    inputs, weights = scene()
    for knobs in ({}, {"p": 3.0, "k": 7}):
        rule = rules.create("krotov-hopfield", precision="bfloat16", reduction="mean", **knobs)
        found = rule.fused(inputs, weights, Scratch())
        spread = torch.zeros_like(weights).index_copy(0, found.indices, found.values)
        assert torch.allclose(spread, rule.update(inputs, weights), atol=1e-6)


def test_the_error_of_an_update_is_that_of_a_few_units_that_answer_alike():
    inputs, weights = scene(1000)
    exact, rough = (
        rules.create("krotov-hopfield", precision=one, reduction="mean").update(inputs, weights)
        for one in ("float32", "bfloat16")
    )
    off = (rough - exact).abs().amax(dim=1) > 1e-3 * exact.abs().max()
    assert 0 < float(off.float().mean()) < 0.5
    assert float((rough - exact).norm() / exact.norm()) < 0.5


def test_it_is_refused_with_the_reason_where_it_gains_nothing(monkeypatch):
    monkeypatch.setattr(precision, "missing", lambda: "this processor has none")
    rule = rules.create("krotov-hopfield", precision="bfloat16")
    with pytest.raises(InvalidValue, match="no gain for layer 'layer': this processor has none"):
        rule.check_layer(10)
    model = torch.nn.Sequential(torch.nn.Linear(4, 3, bias=False))
    with pytest.raises(InvalidValue, match="Use 'float32'"):
        HebbianTrainer(model, rule, Local(model.named_parameters()), None)
    rules.create("krotov-hopfield").check_layer(10)


def test_what_a_processor_lacks_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert "no bfloat16 instructions" in precision.missing()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert precision.missing() == ""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert precision.missing() == ""
