import pytest
import torch

from hebblab import InvalidValue
from hebblab.nn.initial import check, draw_, redraw_


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("uniform(0, 1)", "uniform(0, 1)"),
        (" uniform( -0.5 ,.5 ) ", "uniform(-0.5, 0.5)"),
        ("normal(0,2e-2)", "normal(0, 0.02)"),
        ("normal(0, 0.0357142857142857)", "normal(0, 0.0357142857142857)"),
        ("normal(0, 1/sqrt(fan_in))", "normal(0, 1/sqrt(fan_in))"),
        ("normal(0,25 / sqrt( fan-in ) )", "normal(0, 25/sqrt(fan_in))"),
        ("normal(0.5, 1/sqrt(fan_in))", "normal(0.5, 1/sqrt(fan_in))"),
        ("normal(0/sqrt(fan_in), 1)", "normal(0, 1)"),
        (
            "uniform(-1/sqrt(fan_in), 1.0/sqrt(fan_in))",
            "uniform(-1/sqrt(fan_in), 1/sqrt(fan_in))",
        ),
        ("uniform(0, 2/sqrt(fan_in))", "uniform(0, 2/sqrt(fan_in))"),
    ],
)
def test_a_start_has_one_spelling_and_loses_nothing(written, canonical):
    assert check(written) == canonical
    assert check(canonical) == canonical


@pytest.mark.parametrize(
    "start",
    [
        None,
        3,
        "",
        "uniform",
        "uniform(0)",
        "uniform(1, 0)",
        "uniform(1, 1)",
        "normal(0, 0)",
        "normal(0, -1)",
        "normal(0, 1, 2)",
        "normal(nan, 1)",
        "uniform(0, inf)",
        "uniform(0, 1e9)",
        "uniform(0, 1e999)",
        "uniform(1.2.3, 4)",
        "uniform(1.2.3/sqrt(fan_in), 4)",
        "normal(0, 1/sqrt(fan_out))",
        "normal(0, 1/fan_in)",
        "normal(0, 1/sqrt(784))",
        "normal(0, 0/sqrt(fan_in))",
        "normal(0, -1/sqrt(fan_in))",
        "uniform(1/sqrt(fan_in), -1/sqrt(fan_in))",
        "uniform(-1/sqrt(fan_in), 1)",  # empty or not, depending on the layer
        "uniform(0.1, 2/sqrt(fan_in))",
        "uniform(0, 1001/sqrt(fan_in))",
        "gamma(1, 2)",
        "uniform(0, 1)" * 100,
        "__import__('os')",
    ],
)
def test_what_is_no_start_is_refused(start):
    with pytest.raises(InvalidValue) as refused:
        check(start)
    assert len(str(refused.value)) < 300
    with pytest.raises(InvalidValue):
        draw_(torch.zeros(2, 2), start, generator())


def test_a_draw_has_its_bounds_or_its_deviation():
    weights = draw_(torch.empty(100, 784), "uniform(-0.2, 0.6)", generator())
    assert -0.2 <= float(weights.min()) < -0.19
    assert 0.59 < float(weights.max()) < 0.6
    weights = draw_(torch.empty(100, 784), "normal(1, 0.02)", generator())
    assert float(weights.mean()) == pytest.approx(1, abs=1e-3)
    assert float(weights.std()) == pytest.approx(0.02, abs=1e-3)


@pytest.mark.parametrize("shape", [(100, 784), (100, 3, 5, 5), (2000, 1)])
def test_a_start_may_go_by_how_many_weights_a_unit_has(shape):
    root = torch.Size(shape[1:]).numel() ** 0.5
    weights = draw_(torch.empty(shape), "normal(0, 3/sqrt(fan_in))", generator())
    assert float(weights.std()) == pytest.approx(3 / root, rel=0.05)
    assert float(weights.mean()) == pytest.approx(0, abs=0.2 / root)
    weights = draw_(torch.empty(shape), "uniform(-1/sqrt(fan_in), 2/sqrt(fan_in))", generator())
    assert -1 / root <= float(weights.min()) < -0.98 / root
    assert 1.98 / root < float(weights.max()) < 2 / root


def test_one_over_the_root_is_what_torch_draws():
    layer = torch.nn.Linear(100, 50, bias=False)
    redraw_(layer, generator())
    start = "uniform(-1/sqrt(fan_in), 1/sqrt(fan_in))"
    assert torch.equal(draw_(torch.empty(50, 100), start, generator()), layer.weight.detach())


def test_the_generator_decides_and_nothing_else():
    before = torch.random.get_rng_state()
    one = draw_(torch.empty(9, 4), "uniform(0, 1)", generator())
    assert torch.equal(draw_(torch.ones(9, 4), "uniform(0, 1)", generator()), one)
    assert not torch.equal(draw_(torch.empty(9, 4), "uniform(0, 1)", generator(1)), one)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_memory_format_does_not_show():
    plain = torch.empty(4, 3, 5, 5)
    turned = torch.empty(4, 3, 5, 5).to(memory_format=torch.channels_last)
    for weights in (plain, turned):
        draw_(weights, "normal(0, 1)", generator())
    assert torch.equal(plain, turned)


def test_layers_are_drawn_as_torch_would_from_an_owned_generator():
    network = torch.nn.Sequential(torch.nn.Conv2d(2, 4, 5), torch.nn.Linear(100, 50))
    redraw_(network, generator())
    first = [parameter.clone() for parameter in network.parameters()]
    for layer, bound in ((network[0], 50**-0.5), (network[1], 0.1)):
        for parameter in (layer.weight, layer.bias):
            assert 0.5 * bound < float(parameter.detach().abs().max()) <= bound
    redraw_(network, generator())
    assert all(map(torch.equal, first, network.parameters()))
