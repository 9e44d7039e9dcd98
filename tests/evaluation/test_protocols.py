"""Asking everything of a network at once: what is judged, refused, kept, told and left alone."""

import dataclasses
import json
from concurrent.futures import CancelledError

import numpy as np
import pytest
import torch
from torch import nn

import hebblab as hl
from hebblab.data import Dataset, Images, Vectors, as_floats
from hebblab.errors import InvalidValue, UnknownName
from hebblab.evaluation import (
    FeatureCache,
    evaluate,
    judging,
    linear_readout,
    protocols,
    subjects,
)
from hebblab.evaluation.ridge import PENALTIES

EVERY = [
    *("linear", "linear@20%", "linear@3/class", "softmax", "knn", "ncm", "retrieval"),
    *("noise", "occlusion", "calibration", "code", "confusion"),
]
CONTROLS = ["pixels", "random", "pca", "kmeans", "backprop"]


@pytest.fixture(autouse=True)
def nothing_opened():
    subjects._opened.clear()


def unit(images):
    flat = as_floats(images).flatten(1)
    return flat / flat.norm(dim=1, keepdim=True)


def test_linear_on_the_test_images_is_a_ridge_whose_penalty_validation_chose(dataset, dense):
    weights = dense.hidden.weight.detach()

    def features(images):
        return (unit(images) @ weights.T).relu()

    readouts = [
        linear_readout(features(dataset.train), dataset.train.labels, penalty=penalty)
        for penalty in PENALTIES
    ]
    own = features(dataset.validation), dataset.validation.labels
    chosen = max(reversed(readouts), key=lambda one: one.accuracy(*own))
    found = evaluate(dense, dataset, "hidden", controls=[], split="test")
    wanted = chosen.accuracy(features(dataset.test), dataset.test.labels)
    assert found.table.value.tolist() == [wanted]
    assert found.table.note.tolist() == [f"λ = {chosen.penalty:g}"]


def test_validation_images_do_not_choose_their_own_penalty(dataset, dense):
    # Answers to one half do not change with the labels of that half, only with the other's.
    labels = dataset.validation.labels.clone()
    half = torch.zeros(60, dtype=torch.bool)
    half[labels.argsort(stable=True)[::2]] = True
    found = evaluate(dense, dataset, "hidden", controls=[])
    answers = found._answers["learned", "hidden", "linear"]
    weights = dense.hidden.weight.detach()
    train, scored = (
        (unit(part) @ weights.T).relu() for part in (dataset.train, dataset.validation)
    )
    readouts = [linear_readout(train, dataset.train.labels, penalty=p) for p in PENALTIES]
    for own, other in ((half, ~half), (~half, half)):
        right = [int((r.predict(scored[other]) == labels[other]).sum()) for r in readouts]
        place = max(range(len(PENALTIES)), key=lambda at: (right[at], at))
        assert torch.equal(answers[own], readouts[place].predict(scored[own]))


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (45, "45 components"),
        (46, "46 components; of so few images the faintest are noise, which standardising lifts"),
        (
            100,
            "81 components, all there are; the layer has 100 features; of so few images the "
            "faintest are noise, which standardising lifts",
        ),
    ],
)
def test_components_that_few_images_leave_to_noise_are_told(dataset, width, said):
    wide = nn.Sequential(nn.Flatten(), nn.Linear(81, width, bias=False), nn.ReLU())
    found = evaluate(wide, dataset, controls=["pca"])
    assert found.notes["pca"] == said
    assert said in str(found)


def test_the_last_layer_before_the_readout_is_judged_by_default(dataset, dense):
    assert set(evaluate(dense, dataset, controls=["random"]).table.layer) == {"second"}


def test_test_images_are_opened_by_name_and_counted(dataset, dense):
    assert evaluate(dense, dataset).test_opened == 0
    assert evaluate(dense, dataset, split="test").test_opened == 1
    again = evaluate(dense, dataset, split="test")
    assert again.test_opened == 2
    assert set(again.table.n) == {45}
    assert "opened 2 times" in again.caption
    with pytest.raises(UnknownName, match="split"):
        evaluate(dense, dataset, split="tset")
    assert evaluate(dense, dataset).test_opened == 2


def test_an_evaluation_repeats_and_leaves_everything_alone(dataset, conv):
    before = {name: tensor.clone() for name, tensor in conv.state_dict().items()}
    modes = [module.training for module in conv.modules()]
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    one, two = (
        evaluate(conv, dataset, probes=EVERY, controls=CONTROLS, seed=3, threads=1)
        for _ in range(2)
    )
    assert [dataclasses.replace(row, seconds=0) for row in one.rows if row.value == row.value] == [
        dataclasses.replace(row, seconds=0) for row in two.rows if row.value == row.value
    ]
    assert all(torch.equal(before[name], tensor) for name, tensor in conv.state_dict().items())
    assert [module.training for module in conv.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_features_are_computed_once_for_all_probes(dataset, dense, monkeypatch):
    calls = []
    all_of = protocols.Controls.learned

    def counted(self, layer):
        made = all_of(self, layer)
        of = made.extractor.of
        made.extractor.of = lambda inputs: calls.append(len(inputs)) or of(inputs)
        return made

    monkeypatch.setattr(protocols.Controls, "learned", counted)
    probes = ["linear", "linear@20%", "softmax", "knn", "ncm", "retrieval", "confusion", "code"]
    evaluate(dense, dataset, probes=probes, controls=[])
    assert sum(calls) == 90 + 60
    with FeatureCache() as cache:
        for _ in range(3):
            evaluate(dense, dataset, probes=probes, controls=[], cache=cache)
    assert sum(calls) == 2 * (90 + 60)
    with torch.no_grad():
        dense.hidden.weight.mul_(2)
    assert cache.folder is None


def test_other_weights_are_not_mistaken_for_kept_ones(dataset, dense):
    with FeatureCache() as cache:
        before = evaluate(dense, dataset, "hidden", ["ncm"], [], cache=cache).table.value.item()
        with torch.no_grad():
            dense.hidden.weight.zero_()
            dense.hidden.weight[:, 40] = 1
        after = evaluate(dense, dataset, "hidden", ["ncm"], [], cache=cache).table.value.item()
    assert before != after


def test_spilled_and_halved_features_say_the_same(dataset, dense):
    many = Images(dataset.train.pixels.repeat(60, 1, 1, 1), dataset.train.labels.repeat(60))
    large = dataclasses.replace(dataset, train=many)
    whole = evaluate(dense, large, controls=["pixels"])
    small = evaluate(dense, large, controls=["pixels"], memory=1 << 20)
    half = evaluate(dense, large, controls=["pixels"], dtype="bfloat16")
    assert small.table.value.tolist() == whole.table.value.tolist()
    assert np.abs(half.table.value - whole.table.value).max() < 0.07


def test_progress_rises_to_its_total_and_cancel_stops_at_once(dataset, dense):
    calls = []
    evaluate(dense, dataset, probes=["linear", "knn"], progress=lambda *given: calls.append(given))
    done = [call[0] for call in calls]
    assert done == sorted(done)
    assert done[-1] == calls[-1][1]
    assert any("pixels" in call[2] for call in calls)
    for after in (1, 5, 12):
        asked = []
        with pytest.raises(CancelledError):
            evaluate(
                dense,
                dataset,
                controls=CONTROLS,
                cancel=lambda asked=asked, after=after: asked.append(1) or len(asked) >= after,
            )
        assert len(asked) == after


def test_a_centre_is_subtracted_from_all_inputs(dataset, dense):
    centre = torch.full((1, 9, 9), 0.3)
    found = evaluate(dense, dataset, "hidden", "ncm", ["pixels"], centre=centre)

    def means(images):
        flat = as_floats(images, centre=centre).flatten(1)
        return flat / flat.norm(dim=1, keepdim=True)

    train, scored = means(dataset.train), means(dataset.validation)
    middle = torch.stack([train[dataset.train.labels == c].mean(0) for c in range(3)])
    right = torch.cdist(scored, middle).argmin(1) == dataset.validation.labels
    value = found.table.query("representation == 'pixels'").value.item()
    assert value == pytest.approx(float(right.double().mean()))


def test_vectors_are_judged_but_not_occluded():
    generator = torch.Generator().manual_seed(0)
    parts = [
        Vectors(torch.randn(n, 5, generator=generator), torch.arange(n) % 2) for n in (60, 30, 30)
    ]
    dataset = Dataset("vectors", *parts, ("a", "b"))
    network = nn.Sequential(nn.Linear(5, 4, bias=False), nn.ReLU(), nn.Linear(4, 2))
    found = evaluate(network, dataset, probes=["linear", "noise"], controls=CONTROLS)
    assert set(found.table.representation) == {"learned", *CONTROLS}
    with pytest.raises(InvalidValue, match="plain vectors"):
        evaluate(network, dataset, probes=["occlusion"])


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"probes": ["liner"]}, UnknownName, "Did you mean 'linear'"),
        ({"probes": []}, InvalidValue, "at least one probe"),
        ({"probes": [3]}, InvalidValue, "list of names"),
        ({"probes": ["linear@1%"]}, InvalidValue, "fewer than the 3 classes"),
        ({"probes": ["linear@31/class"]}, InvalidValue, "has 30 training"),
        ({"controls": ["pixel"]}, UnknownName, "Did you mean 'pixels'"),
        ({"layers": ["hiden"]}, UnknownName, "Did you mean 'hidden'"),
        ({"layers": []}, InvalidValue, "at least one layer"),
        ({"dtype": "float16"}, UnknownName, "dtype"),
        ({"memory": 5}, InvalidValue, "1,048,576"),
        ({"sampling": "uniform", "probes": "linear@20%"}, UnknownName, "sampling"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(dataset, dense, given, error, said):
    with pytest.raises(error, match=said) as caught:
        evaluate(dense, dataset, **given)
    assert "\n" not in str(caught.value)


def test_data_and_models_that_do_not_fit_are_refused(dataset, dense):
    with pytest.raises(InvalidValue, match=r"hl.Dataset, not None"):
        evaluate(dense)
    with pytest.raises(InvalidValue, match=r"hl.Session is evaluated"):
        evaluate("mnist-krotov", dataset)
    few = Images(dataset.validation.pixels[:5], dataset.validation.labels[:5])
    with pytest.raises(InvalidValue, match="5 images for 3 classes"):
        evaluate(dense, dataclasses.replace(dataset, validation=few))
    rows = dataset.train.labels < 2
    lacking = Images(dataset.train.pixels[rows], dataset.train.labels[rows])
    with pytest.raises(InvalidValue, match="none of class 'bottom'"):
        evaluate(dense, dataclasses.replace(dataset, train=lacking))


@pytest.mark.parametrize("probe", ["linear", "softmax", "knn"])
def test_features_that_are_no_numbers_are_refused(dataset, dense, probe):
    with torch.no_grad():
        dense.hidden.weight.fill_(torch.inf)
    with pytest.raises(InvalidValue, match="not finite"):
        evaluate(dense, dataset, "hidden", probe, [])


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"seed": "a"}, InvalidValue, "seed must be a whole number, not 'a'"),
        ({"seed": 1.5}, InvalidValue, "seed must be a whole number"),
        ({"threads": 0}, InvalidValue, "threads is a whole number from 1 to 1,024, not 0"),
        ({"sampling": "stratfied"}, UnknownName, "stratified"),
    ],
)
def test_settings_are_checked_before_anything_is_drawn(dataset, dense, given, error, said):
    with pytest.raises(error, match=said):
        evaluate(dense, dataset, probes=["ncm"], controls=[], **given)


@pytest.mark.parametrize("probe", ["linear", "softmax", "knn", "ncm", "retrieval", "calibration"])
def test_constant_features_are_refused_by_every_probe_that_learns(dataset, dense, probe):
    dense.hidden.weight.data.fill_(-1.0)
    with pytest.raises(InvalidValue, match=r"learned at hidden: All .* features are the same"):
        evaluate(dense, dataset, "hidden", [probe], [])


def test_a_code_that_never_answers_has_no_numbers_and_says_why(dataset, dense):
    dense.hidden.weight.data.fill_(-1.0)
    table = evaluate(dense, dataset, probes=["code"], controls=[]).table.set_index("measure")
    silent = table.loc[["lifetime sparseness", "population sparseness", "Hoyer sparseness"]]
    assert silent.value.isna().all() and (silent.n == 0).all()
    assert (silent.note == "no unit answers").all()


def test_worse_images_are_answered_under_the_penalty_of_their_clean_copies():
    """Where the noise is nothing, the answers are those for clean images."""
    from tests.evaluation.conftest import fill, spots

    sets = spots(300, 1), spots(90, 2), spots(60, 3)
    dataset = Dataset("spots", *sets, ("top", "middle", "bottom"))
    network = nn.Sequential()
    network.add_module("flatten", nn.Flatten())
    network.add_module("hidden", nn.Linear(81, 40, bias=False))
    network.add_module("readout", nn.Linear(40, 3))
    fill(network, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judging, "NOISE", (0,))
        found = evaluate(network, dataset, probes=["linear", "noise"], controls=["pixels"])
    table = found.table.set_index(["representation", "probe"]).value
    for name in ("learned", "pixels"):
        assert table[name, "noise"] == table[name, "linear"]


def test_a_session_brings_its_data_its_start_and_its_count(tmp_path):
    with hl.Session("mnist-krotov", steps=20) as session:
        session.step(5)
        weights = session.weights()
        found = hl.evaluate(session, split="test")
        assert found.step == 5
        assert found.test_opened == session.test_opened == 1
        assert found.fingerprint == session.dataset.fingerprint
        assert found.notes["random"] == "weights from uniform(0, 0.2)"
        assert len(found.recipe) == 64
        assert torch.equal(session.weights(), weights)
        assert session.steps == 5
        hl.evaluate(session, controls=[])
        session.probe(split="test").result(60)
        session.step(5)
        saved = json.loads((session.save(tmp_path) / "recipe.json").read_text())
        assert saved["test_opened"] == 2
        went_on = session.weights()
    with hl.Session("mnist-krotov", steps=20) as session:
        session.step(10)
        assert torch.equal(session.weights(), went_on)


def test_learned_features_beat_random_ones_and_pixels(digits):
    with hl.Session("mnist-krotov") as session:
        session.start()
        session.wait()
        found = hl.evaluate(session, probes=["linear", "linear@10%"])
    for probe in ("linear", "linear@10%"):
        for control in ("pixels", "random"):
            one = found.compare("learned", control, probe)
            assert one.verdict == "better"
            assert one.difference > 0.03
