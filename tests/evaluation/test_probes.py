import copy
import dataclasses
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest
import torch
from torch import nn

from hebblab.data import Dataset, Images, Vectors, as_floats
from hebblab.errors import InvalidValue, UnknownName
from hebblab.evaluation import ProbeResult, Score, linear_probe, probes
from hebblab.evaluation.readout import fit_softmax_
from hebblab.nn import RePU


def by_hand(train, scored, features):
    """The probe as its docstring tells it, on features computed by the test."""
    readout = fit_softmax_(features(train), train.labels, 3)
    return readout.correct(features(scored), scored.labels) / len(scored)


def unit(images):
    flat = as_floats(images).flatten(1)
    return flat / flat.norm(dim=1, keepdim=True)


def test_accuracy_is_that_of_a_readout_on_the_named_layer(dataset, dense):
    weights = dense.hidden.weight.detach()
    found = linear_probe(dense, dataset, layer="hidden")
    wanted = by_hand(dataset.train, dataset.validation, lambda i: (unit(i) @ weights.T).relu())
    assert found.accuracy == wanted
    assert found.layer == "hidden"


def test_by_default_the_last_layer_before_the_readout_is_probed(dataset, dense):
    found = linear_probe(dense, dataset)

    def features(images):
        with torch.no_grad():
            return dense[:5](unit(images))

    assert found.layer == "second"
    assert found.accuracy == by_hand(dataset.train, dataset.validation, features)


def test_a_convolution_is_given_pixels_and_fresh_batch_norm(dataset, conv):
    conv.norm.running_mean.fill_(1e6)
    found = linear_probe(conv, dataset)

    def features(images):
        with torch.no_grad():
            maps = conv.conv(as_floats(images))
            train = conv.conv(as_floats(dataset.train))
            mean = train.mean((0, 2, 3), keepdim=True)
            deviation = (train.var((0, 2, 3), keepdim=True) + 1e-5).sqrt()
            return conv.pool(((maps - mean) / deviation).relu()).flatten(1)

    assert found.layer == "conv"
    assert found.accuracy == by_hand(dataset.train, dataset.validation, features)
    assert float(conv.norm.running_mean[0]) == 1e6


def test_raw_pixels_enter_as_they_enter_the_network(dataset, dense, conv):
    on_unit = by_hand(dataset.train, dataset.validation, unit)
    on_pixels = by_hand(dataset.train, dataset.validation, lambda i: as_floats(i).flatten(1))
    assert linear_probe(dense, dataset).raw_pixels == on_unit
    assert linear_probe(conv, dataset).raw_pixels == on_pixels


def test_random_features_have_the_networks_shape_and_their_own_start(dataset, dense):
    generator = torch.Generator().manual_seed(7)
    weights = torch.empty(6, 81).normal_(0, 0.5, generator=generator)
    found = linear_probe(
        dense, dataset, layer="hidden", seed=7, random_weights="normal(0, 0.5)"
    ).random_features
    wanted = by_hand(dataset.train, dataset.validation, lambda i: (unit(i) @ weights.T).relu())
    assert found == wanted


def test_random_features_do_not_depend_on_what_was_learned(dataset, dense):
    other = copy.deepcopy(dense)
    with torch.no_grad():
        other.hidden.weight.mul_(-1)
    found = []
    for network in (dense, other):
        probes._scores.clear()
        found.append(linear_probe(network, dataset, layer="hidden"))
    assert found[0].random_features == found[1].random_features
    assert found[0].accuracy != found[1].accuracy


def test_a_start_may_be_a_function_or_differ_by_layer(dataset, dense):
    def ones(weights, generator):
        weights.fill_(1.0)

    same = linear_probe(dense, dataset, random_weights=ones)
    assert same.random_features < 0.7 < same.raw_pixels  # one feature, six times over
    mixed = {"hidden": "uniform(0, 1)", "second": ones}
    assert linear_probe(dense, dataset, random_weights=mixed).random_features <= 1
    with pytest.raises(InvalidValue, match="nothing of layer 'second'"):
        linear_probe(dense, dataset, random_weights={"hidden": "uniform(0, 1)"})
    with pytest.raises(InvalidValue, match="no start for weights"):
        linear_probe(dense, dataset, random_weights="gaussian")


def test_the_bias_of_random_features_is_zero(dataset):
    network = nn.Sequential(nn.Flatten(), nn.Linear(81, 6), nn.ReLU(), nn.Linear(6, 3))
    with torch.no_grad():
        network[1].bias.fill_(-1e6)
    found = linear_probe(network, dataset)
    assert found.random_features > found.accuracy


def test_test_images_are_scored_only_when_asked_for(dataset, dense):
    assert linear_probe(dense, dataset).accuracy.n == 60
    found = linear_probe(dense, dataset, split="test")
    assert (found.split, found.accuracy.n, found.raw_pixels.n) == ("test", 45, 45)
    for wrong in ("train", "tset", None):
        with pytest.raises(UnknownName, match="split"):
            linear_probe(dense, dataset, split=wrong)


def test_the_network_is_left_as_it_was(dataset, conv):
    conv.activation.eval()
    calls = []
    conv.conv.register_forward_hook(lambda *given: calls.append(given))
    before = {name: tensor.clone() for name, tensor in conv.state_dict().items()}
    modes = [module.training for module in conv.modules()]
    linear_probe(conv, dataset)
    assert [module.training for module in conv.modules()] == modes
    assert all(torch.equal(before[name], t) for name, t in conv.state_dict().items())
    assert not calls
    assert not any(parameter.is_inference() for parameter in conv.parameters())
    assert len(conv.conv._forward_hooks) == 1


def test_nothing_global_is_left_behind(dataset, dense):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    linear_probe(dense, dataset, threads=threads + 1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert float(torch.full((1,), 1e-40).mul_(1.0)) > 0  # denormals are not flushed
    assert not torch.is_inference_mode_enabled()


def test_a_probe_repeats(dataset, dense):
    one = linear_probe(dense, dataset, seed=3)
    probes._scores.clear()
    two = linear_probe(dense, dataset, seed=3)
    assert dataclasses.replace(one, seconds=0) == dataclasses.replace(two, seconds=0)


def test_progress_rises_to_its_total_and_says_what_happens(dataset, dense):
    calls = []
    linear_probe(dense, dataset, progress=lambda *given: calls.append(given))
    done = [call[0] for call in calls]
    assert done == sorted(done)
    assert done[0] == 0
    assert calls[-1][0] == calls[-1][1]
    assert len({call[1] for call in calls}) == 1
    words = " ".join(call[2] for call in calls)
    for stage in ("learned features", "random features", "raw pixels", "fitting", "scoring"):
        assert stage in words


@pytest.mark.parametrize("after", [1, 3, 10])
def test_a_cancelled_probe_stops_at_once(dataset, dense, after):
    asked = []

    def cancel():
        asked.append(1)
        return len(asked) >= after

    with pytest.raises(CancelledError):
        linear_probe(dense, dataset, cancel=cancel)
    assert len(asked) == after
    assert isinstance(linear_probe(dense, dataset), ProbeResult)


def count_fits(monkeypatch):
    fits = []

    def fit(*given, **named):
        fits.append(1)
        return fit_softmax_(*given, **named)

    monkeypatch.setattr(probes, "fit_softmax_", fit)
    return fits


def test_baselines_are_computed_once(dataset, dense, monkeypatch):
    fits = count_fits(monkeypatch)
    first = linear_probe(dense, dataset)
    assert len(fits) == 3
    with torch.no_grad():
        dense.hidden.weight.mul_(-1)
    totals = []
    second = linear_probe(dense, dataset, progress=lambda done, total, text: totals.append(total))
    assert len(fits) == 4
    assert second.raw_pixels == first.raw_pixels
    assert second.random_features == first.random_features
    assert set(totals) == {1000}


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"random_weights": "normal(0, 1)"},
        {"layer": "hidden"},
        {"split": "test"},
        {"centre": torch.full((1, 9, 9), 0.2)},
    ],
)
def test_other_baselines_are_not_mistaken_for_kept_ones(dataset, dense, monkeypatch, change):
    linear_probe(dense, dataset)
    fits = count_fits(monkeypatch)
    linear_probe(dense, dataset, **change)
    assert len(fits) == 3 if change.keys() & {"split", "centre"} else len(fits) == 2


def test_another_activation_has_another_random_baseline(dataset, dense, monkeypatch):
    dense.activation = RePU(1.0)
    linear_probe(dense, dataset, layer="hidden")
    dense.activation.n = 1.5
    fits = count_fits(monkeypatch)
    linear_probe(dense, dataset, layer="hidden")
    assert len(fits) == 2


def test_other_data_have_other_baselines(dataset, dense, monkeypatch):
    linear_probe(dense, dataset)
    changed = dataset.train.pixels.clone()
    changed[0, 0, 0, 0] ^= 1
    other = dataclasses.replace(dataset, train=Images(changed, dataset.train.labels))
    fits = count_fits(monkeypatch)
    linear_probe(dense, other)
    assert len(fits) == 3


def test_kept_baselines_are_bounded(dataset, dense, monkeypatch):
    monkeypatch.setattr(probes, "_KEPT", 3)
    for seed in range(5):
        linear_probe(dense, dataset, seed=seed)
    assert len(probes._scores) == 3


def test_a_centre_is_subtracted(dataset, dense):
    centre = torch.full((1, 9, 9), 0.3)
    weights = dense.hidden.weight.detach()

    def features(images):
        flat = as_floats(images, centre=centre).flatten(1)
        return (flat / flat.norm(dim=1, keepdim=True) @ weights.T).relu()

    found = linear_probe(dense, dataset, layer="hidden", centre=centre)
    assert found.accuracy == by_hand(dataset.train, dataset.validation, features)


def test_blank_images_are_harmless(dataset, dense):
    pixels = dataset.train.pixels.clone()
    pixels[:4] = 0
    blank = dataclasses.replace(dataset, train=Images(pixels, dataset.train.labels))
    assert linear_probe(dense, blank).accuracy > 0.5


def test_vectors_keep_their_length():
    generator = torch.Generator().manual_seed(0)
    parts = []
    for count in (90, 60, 30):
        labels = torch.arange(count) % 3
        angle = torch.rand(count, 1, generator=generator) * 6.3
        ring = torch.cat([angle.cos(), angle.sin()], 1) * (labels[:, None] + 1.0)
        parts.append(Vectors(ring, labels))
    dataset = Dataset("rings", *parts, ("inner", "middle", "outer"))
    network = nn.Sequential(nn.Linear(2, 8, bias=False), nn.ReLU(), nn.Linear(8, 3))
    with torch.no_grad():
        angle = torch.arange(8) * torch.pi / 4
        network[0].weight.copy_(torch.stack([angle.cos(), angle.sin()], 1))
    found = linear_probe(network, dataset)
    # Only the length tells the classes: at unit norm every probe would be at chance.
    assert found.accuracy > 0.9
    assert found.raw_pixels < 0.6


def test_memory_bounds_the_training_images_and_the_note_says_so(dataset, dense):
    many = Images(dataset.train.pixels.repeat(60, 1, 1, 1), dataset.train.labels.repeat(60))
    large = dataclasses.replace(dataset, train=many)
    bound = 1 << 20
    found = linear_probe(dense, large, memory=bound)
    fits = bound // (4 * 81)
    assert found.note == f"fitted on {fits:,} of 5,400 training images"
    probes._scores.clear()
    same = linear_probe(dense, large, memory=bound)
    assert dataclasses.replace(same, seconds=0) == dataclasses.replace(found, seconds=0)
    assert linear_probe(dense, large).note == ""
    with pytest.raises(InvalidValue, match="memory must be at least"):
        linear_probe(dense, large, memory=1000)


def test_no_matrix_of_features_is_larger_than_the_bound(dataset, dense, monkeypatch):
    sizes = []

    def fit(features, *given, **named):
        sizes.append(features.numel() * features.element_size())
        return fit_softmax_(features, *given, **named)

    monkeypatch.setattr(probes, "fit_softmax_", fit)
    many = Images(dataset.train.pixels.repeat(60, 1, 1, 1), dataset.train.labels.repeat(60))
    linear_probe(dense, dataclasses.replace(dataset, train=many), memory=1 << 20)
    assert len(sizes) == 3
    assert max(sizes) <= 1 << 20


def test_wide_maps_are_averaged_to_a_coarser_grid(dataset, conv, monkeypatch):
    monkeypatch.setattr("hebblab.evaluation.features.WIDEST", 5 * 2 * 2)
    found = linear_probe(conv, dataset)
    assert "maps of 3 × 3 averaged to 2 × 2" in found.note
    assert found.accuracy > 0.5


def test_networks_may_be_nested(dataset, dense):
    nested = nn.Sequential(nn.Sequential(dense[:2], dense[2:5]), dense[5])
    assert linear_probe(nested, dataset).accuracy == linear_probe(dense, dataset).accuracy
    assert linear_probe(nested, dataset).layer == "0.1.second"


def test_a_network_of_one_layer_is_probed_at_it(dataset):
    network = nn.Sequential(nn.Flatten(), nn.Linear(81, 6, bias=False))
    assert linear_probe(network, dataset).layer == "1"


def test_what_cannot_be_probed_is_refused_in_words(dataset, dense):
    with pytest.raises(UnknownName, match=r"no layer 'hiden'\. Did you mean 'hidden'"):
        linear_probe(dense, dataset, layer="hiden")
    with pytest.raises(InvalidValue, match="does not fit inputs"):
        linear_probe(nn.Sequential(nn.Flatten(), nn.Linear(80, 3)), dataset)
    with pytest.raises(InvalidValue, match="no Linear or convolution"):
        linear_probe(nn.Sequential(nn.Flatten()), dataset)
    with pytest.raises(InvalidValue, match="Sequential"):
        linear_probe(nn.Linear(81, 3), dataset)
    with torch.no_grad():
        dense.hidden.weight[0, 0] = torch.nan
    with pytest.raises(InvalidValue, match="not finite"):
        linear_probe(dense, dataset)


def test_two_probes_at_once_do_not_disturb_each_other(dataset, dense, conv):
    alone = [linear_probe(network, dataset) for network in (dense, conv)]
    probes._scores.clear()
    start = threading.Barrier(2)

    def probe(network):
        start.wait(timeout=30)
        return linear_probe(network, dataset)

    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(probe, (dense, conv)))
    for one, two in zip(alone, together, strict=True):
        assert dataclasses.replace(one, seconds=0) == dataclasses.replace(two, seconds=0)


def test_a_result_reads_like_the_dashboard(dataset, dense):
    found = linear_probe(dense, dataset, step=420)
    assert found.step == 420
    assert found.seconds > 0
    scores = [Score.of(hits, 1000) for hits in (932, 894, 831)]
    text = str(ProbeResult(*scores, "validation", "hidden", None, 1.0))
    assert text == "93.2 % · raw pixels 89.4 % · random features 83.1 %"
