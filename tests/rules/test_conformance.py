"""Every rule against its second reading, and what all rules promise: a row of the table each."""

import copy
import pickle

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from hebblab import InvalidValue, Local, rules
from hebblab.errors import Diverged
from hebblab.nn import Scratch
from hebblab.rules import Rows, Rule
from hebblab.training import HebbianTrainer
from tests.references.patches import patches
from tests.rules.table import CASES, FACTS, ROWS, TABLE, named

all_rows = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
all_cases = pytest.mark.parametrize("case", CASES, ids=named)
fused_cases = pytest.mark.parametrize(
    "case",
    [case for case in CASES if rules.get(case[0].name).fused is not Rule.fused],
    ids=named,
)
accumulating_cases = pytest.mark.parametrize(
    "case", [case for case in CASES if rules.get(case[0].name).any_order()], ids=named
)

SCENES = {
    "signed": {},
    "positive": {"signed": False},
    "one sample": {"samples": 1},
    "many units": {"units": 13, "fan_in": 3},
    "two inputs": {"fan_in": 2},
}


def scene(seed=0, samples=6, fan_in=5, units=7, signed=True):
    """Inputs of which one is all zero, and weights."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, fan_in, generator=generator, dtype=torch.float64)
    weights = torch.randn(units, fan_in, generator=generator, dtype=torch.float64)
    if not signed:
        inputs, weights = inputs.abs(), weights.abs()
    inputs[3:4] = 0
    return inputs, weights


def worst(found, expected):
    """The largest difference by the largest entry."""
    size = expected.abs().max().double().clamp_min(1e-300)
    return float((found.double() - expected.double()).abs().max() / size)


def roughness(rule, inputs, weights):
    """What float32 may cost: an error of u is one of u/T in the exponent of a softmax."""
    warm = getattr(rule, "temperature", None)
    if warm is None or getattr(rule, "competition", "softmax") != "softmax":
        return 1e-5
    size = float(rule.ranking(inputs, weights).abs().max())
    return max(1e-5, 2e-7 * size / warm)


def spread(found, weights):
    if not isinstance(found, Rows):
        return found
    return torch.zeros_like(weights).index_copy(0, found.indices, found.values)


def test_the_table_has_a_row_for_every_rule():
    ours = [n for n in rules.available() if rules.get(n).__module__.startswith("hebblab.")]
    assert sorted(ROWS) == ours
    assert len(ours) >= 14


@all_cases
def test_the_update_is_the_definition(case):
    row, knobs = case
    for one in SCENES.values():
        inputs, weights = scene(**one)
        found = row.rule(**knobs).update(inputs, weights)
        expected = row.read(inputs, weights, **knobs)
        assert worst(found, expected) < 1e-10

        inputs, weights = inputs.float(), weights.float()
        rule = row.rule(**knobs)
        rough, exact = rule.update(inputs, weights), row.read(inputs, weights, **knobs)
        assert worst(rough, exact) < roughness(rule, inputs, weights)


@all_cases
def test_dtype_and_arguments_are_kept_and_a_second_call_says_the_same(case):
    row, knobs = case
    for dtype in (torch.float32, torch.float64):
        rule = row.rule(**knobs)
        inputs, weights = (one.to(dtype) for one in scene())
        before = inputs.clone(), weights.clone()
        found = rule.update(inputs, weights).clone()
        assert found.dtype is dtype
        assert found.shape == weights.shape
        assert found.device == weights.device
        assert found.abs().max() > 0
        assert torch.equal(rule.update(inputs, weights), found), "a rule must not move by itself"
        assert torch.equal(inputs, before[0])
        assert torch.equal(weights, before[1])


@all_cases
@pytest.mark.parametrize("units", [4, 17])
def test_statistics_of_uneven_pieces_add_up(case, units):
    row, knobs = case
    if knobs.get("k", 1) > units or units % (knobs.get("rows") or 1):
        units = 12
    rule = row.rule(**knobs)
    inputs, weights = scene(2, samples=23, units=units)
    for sizes in ([1, 3, 7, 1, 5, 2, 4], [12, 11]):
        parts = [rule.statistics(piece, weights) for piece in inputs.split(sizes)]
        total = parts[0]
        for part in parts[1:]:
            total = tuple(map(torch.add, total, part))
        for whole, summed in zip(rule.statistics(inputs, weights), total, strict=True):
            assert worst(summed, whole) < 1e-12
        assert worst(rule.change(total, weights), rule.update(inputs, weights)) < 1e-10


@accumulating_cases
@pytest.mark.parametrize("samples", [23, 600])
def test_pieces_that_are_accumulated_are_the_whole(case, samples):
    row, knobs = case
    rule = row.rule(**knobs)
    inputs, weights = scene(2, samples=samples, units=400 if samples > 23 else 12)
    inputs, weights = inputs.float(), weights.float()
    scratch = Scratch()
    for _ in range(2):
        total = None
        for piece in inputs.split([samples // 3, samples - samples // 3 - 5, 5]):
            total = rule.accumulated(piece, weights, total, scratch)
        expected = rule.update(inputs, weights)
        assert worst(rule.change(total, weights), expected) < 5 * roughness(rule, inputs, weights)


@all_rows
def test_another_order_of_inputs_is_another_order_of_columns(row):
    inputs, weights = scene(8)
    turned = torch.randperm(inputs.shape[1], generator=torch.Generator().manual_seed(1))
    found = row.rule().update(inputs[:, turned], weights[:, turned])
    assert worst(found, row.rule().update(inputs, weights)[:, turned]) < 1e-12


@all_rows
def test_the_number_of_samples_is_counted_exactly(row):
    inputs, weights = scene()
    samples = row.rule().statistics(inputs.float(), weights.float())[-1]
    assert samples.ndim == 0
    assert samples.dtype in (torch.int64, torch.float64)
    assert int(samples) == len(inputs), "samples that are all zero count"


@all_rows
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_strides_do_not_show(row, dtype):
    rule = row.rule()
    inputs, weights = (t.to(dtype) for t in scene())
    strided = inputs.T.contiguous().T, torch.stack((weights, weights), dim=2)[:, :, 1]
    assert worst(rule.update(*strided), rule.update(inputs, weights)) < 1e-5


@all_rows
def test_half_precision_is_kept(row):
    inputs, weights = scene()
    found = row.rule().update(inputs.bfloat16(), weights.bfloat16())
    assert found.dtype is torch.bfloat16
    assert torch.isfinite(found).all()


@pytest.mark.parametrize(("name", "fact"), FACTS, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_known(name, fact):
    assert fact.__name__.startswith(name.replace("-", "_")), "a fact is filed under its rule"
    fact()


@all_cases
def test_extreme_inputs_stay_finite(case):
    row, knobs = case
    rule = row.rule(**knobs)
    inputs, weights = scene(5)
    small = torch.full_like(inputs, 1e-310)
    for extreme in (inputs * 0, inputs[:1], inputs[3:4], inputs * 1e15, small, small * 0 + 5e-324):
        assert torch.isfinite(rule.update(extreme, weights)).all()
        assert torch.isfinite(rule.update(extreme, weights * 0)).all()
    rough, weights = inputs.float(), weights.float()
    denormal = torch.full_like(rough, 1e-42)
    for extreme in (rough * 0, rough[:1], rough[3:4], denormal, rough * row.huge):
        assert torch.isfinite(rule.update(extreme, weights)).all()
        assert torch.isfinite(rule.update(extreme, weights * 1e-30)).all()


@all_rows
@pytest.mark.parametrize("size", [1e30, 1e38])
def test_inputs_beyond_float32_are_refused_as_diverging_or_stay_finite(row, size):
    layer = nn.Sequential(nn.Linear(5, 8, bias=False))
    trainer = HebbianTrainer(
        layer, row.rule(), Local(layer.named_parameters(), lr=0.01), None, initialize=False
    )
    inputs, weights = scene(units=8)
    layer[0].weight.data.copy_(weights)
    before = layer[0].weight.detach().clone()
    try:
        trainer.learn("0", inputs.float() * size / 3)
    except Diverged as error:
        assert "finite numbers" in str(error)
        assert torch.equal(layer[0].weight, before)
    assert torch.isfinite(layer[0].weight).all()


@all_rows
def test_knobs_at_their_bounds_stay_finite(row):
    inputs, weights = scene(6, samples=9)
    for name, knob in row.rule().knobs().items():
        if knob.choices or knob.scale == "switch":
            continue
        for value in (knob.low, knob.for_units(len(weights)).high):
            for inputs_at in (inputs, inputs * 1e4, inputs * 1e-4):
                for dtype in (torch.float32, torch.float64):
                    rule = row.rule(**{name: value})
                    found = rule.update(inputs_at.to(dtype), weights.to(dtype))
                    assert torch.isfinite(found).all(), (name, value)


@all_cases
def test_samples_that_are_all_zero_have_no_winner(case):
    row, knobs = case
    inputs, weights = scene(seed=4)
    rule = row.rule(**knobs)
    still = knobs.get("weight_decay", 0.0)
    decay = 2.0 if row.moves_without_input and knobs.get("variant") != "2015" else still
    blank = rule.update(inputs * 0, weights)
    assert torch.allclose(blank, -decay * weights, rtol=1e-12, atol=0)
    kept = inputs[[0, 1, 2, 4, 5]]
    padded = torch.cat((torch.zeros(20, inputs.shape[1]).double(), kept))
    if getattr(rule, "reduction", "mean") == "mean":
        expected = row.read(padded, weights, **knobs)
    else:
        expected = rule.update(kept, weights)
    assert worst(rule.update(padded, weights), expected) < 1e-10


@all_rows
def test_the_order_of_samples_does_not_matter(row):
    inputs, weights = scene(7)
    rule = row.rule()
    assert worst(rule.update(inputs.flip(0), weights), rule.update(inputs, weights)) < 1e-12


@all_rows
def test_another_order_of_units_is_another_order_of_rows_unless_units_are_ordered(row):
    inputs, weights = scene(8)
    turned = torch.randperm(len(weights), generator=torch.Generator().manual_seed(1))
    rule = row.rule()
    apart = worst(rule.update(inputs, weights[turned]), rule.update(inputs, weights)[turned])
    assert (apart > 1e-3) if rule.ordered else (apart < 1e-12)


@all_rows
def test_ties_go_to_the_lowest_index(row):
    """Whole numbers, so that equal rows have exactly equal responses."""
    generator = torch.Generator().manual_seed(9)
    weights = torch.randint(-3, 4, (4, 6), generator=generator).double().repeat(3, 1)
    inputs = torch.randint(-3, 4, (9, 6), generator=generator).double()
    for knobs in row.tied:
        expected = row.read(inputs, weights, **knobs)
        for dtype in (torch.float64, torch.float32):
            rule = row.rule(**knobs)
            found = rule.update(inputs.to(dtype), weights.to(dtype))
            assert worst(found, expected) < roughness(rule, inputs, weights)


@fused_cases
def test_the_fast_path_is_the_update(case):
    row, knobs = case
    rule = row.rule(**knobs)
    for samples, units, fan_in in ((3, 20, 4), (600, 400, 12), (700, 1000, 7), (250, 2000, 3)):
        generator = torch.Generator().manual_seed(samples)
        weights = torch.rand(units, fan_in, generator=generator)
        inputs = torch.rand(samples, fan_in, generator=generator)
        inputs[::50] = 0
        scratch = Scratch()
        for _ in range(2):
            found = rule.fused(inputs, weights, scratch)
            if found is None:
                break
            expected = rule.update(inputs, weights)
            assert worst(spread(found, weights), expected) < 5 * roughness(rule, inputs, weights)
            weights = weights + 0.1 * spread(found, weights)


@pytest.mark.parametrize("name", sorted({case[0].name for case in fused_cases.args[1]}))
def test_a_large_batch_takes_the_fast_path(name):
    setting = {"competition": "hard"} if name in ("hebb", "oja") else {}
    rule = rules.create(name, **setting)
    inputs, weights = torch.rand(600, 12), torch.rand(400, 12)
    assert rule.fused(inputs, weights, Scratch()) is not None


drawn_layers = st.fixed_dictionaries(
    {
        "each": st.integers(1, 3),
        "units": st.sampled_from([4, 6]),
        "groups": st.integers(1, 3),
        "kernel": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "stride": st.tuples(st.integers(1, 2), st.integers(1, 3)),
        "padding": st.tuples(st.integers(0, 2), st.integers(0, 2)),
        "dilation": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "mode": st.sampled_from(["zeros", "reflect", "replicate", "circular"]),
        "last": st.booleans(),
        "seed": st.integers(0, 1000),
    }
)


@all_rows
@settings(
    max_examples=36,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(drawn=drawn_layers, place=st.integers(0, 99))
def test_a_convolution_learns_by_the_linear_rule_on_its_true_patches(row, drawn, place):
    # Which processors take bfloat16 is the layer's affair.
    usual = [knobs for knobs in row.settings if "precision" not in knobs]
    knobs = usual[place % len(usual)]
    groups = drawn["groups"]
    units = drawn["units"] if drawn["units"] >= knobs.get("k", 1) else 8
    layer = nn.Conv2d(
        drawn["each"] * groups,
        units * groups,
        drawn["kernel"],
        stride=drawn["stride"],
        padding=drawn["padding"],
        dilation=drawn["dilation"],
        groups=groups,
        bias=False,
        padding_mode=drawn["mode"],
        dtype=torch.float64,
    )
    generator = torch.Generator().manual_seed(drawn["seed"])
    shape = 2, layer.in_channels, 6, 5
    images = torch.randn(shape, generator=generator, dtype=torch.float64)
    images[0, :, :3] = 0
    kernels = torch.randn(layer.weight.shape, generator=generator, dtype=torch.float64)
    layer.weight.data.copy_(kernels)
    if drawn["last"]:
        layer = layer.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    network = nn.Sequential(layer)
    trainer = HebbianTrainer(
        network,
        row.rule(**knobs),
        Local(network.named_parameters(), lr=0.1),
        None,
        initialize=False,
    )
    found = trainer.change("0", images)
    (top, left), rows = drawn["padding"], kernels.flatten(1)
    for group in range(groups):
        seen = patches(
            images.numpy(),
            drawn["kernel"],
            drawn["stride"],
            (left, left, top, top),
            drawn["dilation"],
            groups,
            group,
            drawn["mode"],
        )
        own = slice(group * units, (group + 1) * units)
        expected = row.rule(**knobs).update(torch.from_numpy(seen), rows[own])
        assert worst(spread(found, rows)[own], expected) < 1e-9


@all_rows
def test_a_large_convolution_learns_by_the_linear_rule_on_its_true_patches(row):
    generator = torch.Generator().manual_seed(3)
    network = nn.Sequential(nn.Conv2d(3, 96, 5, padding=2, bias=False))
    network[0].weight.data.uniform_(0, 0.3, generator=generator)
    images = torch.rand(6, 3, 32, 32, generator=generator)
    images[:, :, :12] = 0
    trainer = HebbianTrainer(
        network, row.rule(), Local(network.named_parameters(), lr=0.1), None, initialize=False
    )
    seen = nn.functional.unfold(images, 5, padding=2).transpose(1, 2).reshape(-1, 75)
    weights = network[0].weight.detach().flatten(1)
    expected = row.rule().update(seen.double(), weights.double())
    found = spread(trainer.change("0", images), weights)
    rule = row.rule()
    assert worst(found, expected) < 20 * roughness(rule, seen, weights)


@all_rows
def test_a_linear_layer_in_the_trainer_learns_by_the_rule(row):
    generator = torch.Generator().manual_seed(3)
    network = nn.Sequential(nn.Linear(30, 400, bias=False))
    network[0].weight.data.uniform_(0, 0.3, generator=generator)
    before = network[0].weight.detach().clone()
    inputs = torch.rand(600, 30, generator=generator)
    trainer = HebbianTrainer(
        network, row.rule(), Local(network.named_parameters(), lr=0.01), None, initialize=False
    )
    trainer.learn("0", inputs)
    expected = before.double() + 0.01 * row.rule().update(inputs.double(), before.double())
    limit = 10 * roughness(row.rule(), inputs, before)
    assert worst(network[0].weight.detach(), expected) < limit


@all_rows
@pytest.mark.parametrize(
    "through", [copy.copy, copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))]
)
def test_copies_say_the_same(row, through):
    inputs, weights = scene()
    rule = row.rule(**row.settings[-1])
    rule.advance(rule.statistics(inputs, weights), 0.01)
    other = through(rule)
    assert other.values() == rule.values()
    assert torch.equal(other.update(inputs, weights), rule.update(inputs, weights))


@all_rows
def test_it_passes_the_checks_that_any_rule_can_be_put_through(row):
    report = rules.check(row.name)
    assert report.passed, str(report)
    assert report["declared"].verdict == "passed"


@all_rows
@pytest.mark.parametrize(
    ("inputs", "weights", "words"),
    [
        (
            torch.zeros(3, 5),
            torch.zeros(9, 6),
            r"\(3, 5\) and weights \(9, 6\) do not fit.*5 and 6",
        ),
        (torch.zeros(5), torch.zeros(9, 5), r"inputs must be \(samples, fan_in\).*\(5,\)"),
        (torch.zeros(2, 3, 5), torch.zeros(9, 5), r"not of shape \(2, 3, 5\)"),
        (torch.zeros(3, 5), torch.zeros(5), r"weights must be \(units, fan_in\).*\(5,\)"),
        (torch.zeros(0, 5), torch.zeros(9, 5), r"inputs are empty.*\(0, 5\)"),
        (torch.zeros(3, 5), torch.zeros(0, 5), r"weights are empty.*\(0, 5\)"),
        (torch.zeros(3, 5).long(), torch.zeros(9, 5), "are int64 and weights.*float32"),
        (torch.zeros(3, 5).long(), torch.zeros(9, 5).long(), "must be of one floating dtype"),
        (torch.ones(3, 5).to_sparse(), torch.ones(9, 5), r"inputs \(3, 5\) are no dense tensor"),
        (torch.ones(3, 5), torch.ones(9, 5).to_sparse(), r"weights \(9, 5\) are no dense tensor"),
        (torch.zeros(3, 5).double(), torch.zeros(9, 5), "are float64 and weights.*float32"),
        (torch.zeros(3, 5).cfloat(), torch.zeros(9, 5).cfloat(), "complex64"),
        (torch.full((3, 5), torch.nan), torch.zeros(9, 5), "inputs .* hold 15 values of 15"),
        (torch.full((3, 5), torch.inf), torch.zeros(9, 5), "NaN or infinite"),
        (torch.zeros(3, 5), torch.full((9, 5), torch.nan), "weights .* hold 45 values of 45"),
        (torch.ones(3, 5), torch.eye(5)[:2].log(), r"weights \(2, 5\) hold 8 values of 10"),
        (torch.zeros(3, 5).numpy(), torch.zeros(9, 5), "inputs must be a tensor.*not ndarray"),
        (torch.zeros(3, 5), None, "weights must be a tensor.*not NoneType"),
        (torch.zeros(3, 5, device="meta"), torch.zeros(9, 5), "inputs are on meta.*weights on cpu"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(row, inputs, weights, words):
    with pytest.raises(InvalidValue, match=words):
        row.rule().update(inputs, weights)
