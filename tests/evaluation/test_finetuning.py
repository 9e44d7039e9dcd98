import copy
import dataclasses
from collections import OrderedDict
from concurrent.futures import CancelledError

import numpy as np
import pytest
import torch
from torch import nn

import hebblab as hl
from hebblab import Diverged, InvalidValue, UnknownName
from hebblab.data import Dataset, Vectors
from hebblab.evaluation import finetune, finetuning
from hebblab.evaluation.finetuning import _batches
from hebblab.evaluation.tuned import first_within

QUICK = {"learning_rate": 0.05, "weight_decay": 1e-3, "batch_size": 16}


def test_it_learns_and_leaves_the_network_and_the_global_generator_alone(conv, dataset):
    before, state = copy.deepcopy(conv.state_dict()), torch.get_rng_state()
    modes = [module.training for module in conv.modules()]
    tuned = finetune(conv, dataset, epochs=6, **QUICK)
    assert float(tuned.score("test")) > 0.8
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], tensor) for name, tensor in conv.state_dict().items())
    assert [module.training for module in conv.modules()] == modes
    assert not torch.equal(tuned.network.conv.weight, conv.conv.weight), "end to end"
    assert not any(module.training for module in tuned.network.modules())
    again = finetune(conv, dataset, epochs=6, **QUICK)
    assert torch.equal(again.network.conv.weight, tuned.network.conv.weight)
    other = finetune(conv, dataset, epochs=6, seed=1, **QUICK)
    assert not torch.equal(other.network.conv.weight, tuned.network.conv.weight)


def test_two_epochs_are_nesterov_steps_with_decay_of_every_parameter():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(12, 5)).astype(np.float32)
    labels = np.arange(12) % 3
    part = Vectors(torch.from_numpy(values), torch.from_numpy(labels))
    dataset = Dataset("points", part, part, part, ("a", "b", "c"))
    network = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3))
    rate, momentum, decay = 0.1, 0.9, 0.05
    tuned = finetune(
        network,
        dataset,
        "0",
        epochs=2,
        batch_size=12,
        learning_rate=rate,
        momentum=momentum,
        weight_decay=decay,
        dropout=0.0,
        keep="last",
        seed=3,
    )
    fresh = finetune(network, dataset, "0", epochs=1, learning_rate=0.0, keep="last", seed=3)
    start = {name: one.double().numpy() for name, one in fresh.network.state_dict().items()}
    w, b = start["0.weight"], start["0.bias"]
    v, c = start["readout-of-classes.weight"], start["readout-of-classes.bias"]
    parameters, speeds = [w, b, v, c], [np.zeros_like(one) for one in (w, b, v, c)]
    truth = np.eye(3)[labels]
    for _ in range(2):
        w, b, v, c = parameters
        hidden = values @ w.T + b
        scores = hidden @ v.T + c
        shares = np.exp(scores - scores.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        error = (shares - truth) / len(values)
        back = error @ v
        gradients = [back.T @ values, back.sum(0), error.T @ hidden, error.sum(0)]
        gradients = [g + decay * p for g, p in zip(gradients, parameters, strict=True)]
        speeds = [momentum * s + g for s, g in zip(speeds, gradients, strict=True)]
        parameters = [
            p - rate * (g + momentum * s)
            for p, g, s in zip(parameters, gradients, speeds, strict=True)
        ]
    found = [one.numpy() for one in tuned.network.state_dict().values()]
    for one, wanted in zip(found, parameters, strict=True):
        np.testing.assert_allclose(one, wanted, atol=2e-5)


def test_the_rate_is_halved_after_the_steady_epochs_as_by_milestones(dense, dataset):
    tuned = finetune(dense, dataset, epochs=7, steady=3, learning_rate=0.01)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=range(3, 7), gamma=0.5)
    wanted = []
    for _ in range(7):
        wanted.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert [one.learning_rate for one in tuned.history] == pytest.approx(wanted)
    assert [one.number for one in tuned.history] == [1, 2, 3, 4, 5, 6, 7]


def scored_by(monkeypatch, values):
    """Let the epochs have these validation accuracies, and keep the weights of each."""
    seen = []

    def told(model, _inlet, _report=None):
        seen.append(copy.deepcopy(model.state_dict()))
        return hl.Score.of(values[len(seen) - 1], 10)

    monkeypatch.setattr(finetuning, "scored", told)
    return seen


def test_the_first_best_epoch_is_kept_with_all_its_tensors(conv, dataset, monkeypatch):
    seen = scored_by(monkeypatch, [3, 8, 8, 5])
    tuned = finetune(conv, dataset, epochs=4, **QUICK)
    assert tuned.best_epoch == 2
    assert float(tuned.validation) == 0.8
    for name, tensor in tuned.network.state_dict().items():
        assert torch.equal(tensor, seen[1][name]), name
    assert tuned.epochs_until(0.3) == 1
    assert tuned.epochs_until(0.95) == 2


def test_patience_ends_it(conv, dataset, monkeypatch):
    scored_by(monkeypatch, [3, 8, 5, 7, 9])
    tuned = finetune(conv, dataset, epochs=5, patience=2, **QUICK)
    assert [tuned.best_epoch, len(tuned.history)] == [2, 4]


def test_the_last_epoch_looks_at_no_validation_label(conv, dataset):
    wrong = dataclasses.replace(
        dataset,
        validation=dataclasses.replace(dataset.validation, labels=dataset.validation.labels * 0),
    )
    one, two = (finetune(conv, data, epochs=3, keep="last", **QUICK) for data in (dataset, wrong))
    assert torch.equal(one.network.conv.weight, two.network.conv.weight)
    assert one.best_epoch == 3
    assert [epoch.validation for epoch in one.history] == [None] * 3
    assert float(one.validation) == float(one.score("validation"))
    with pytest.raises(InvalidValue, match="best"):
        one.epochs_until(0.95)


def test_it_is_cut_behind_what_belongs_to_the_layer(dataset):
    block = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    network = nn.Sequential(
        OrderedDict(
            first=block,
            pool=nn.MaxPool2d(2),
            dropout=nn.Dropout(0.5),
            second=nn.Conv2d(4, 6, 3, bias=False),
            activation=nn.ReLU(),
            flatten=nn.Flatten(),
            readout=nn.Linear(6, 3),
        )
    )
    added = ["flatten-for-readout", "dropout-for-readout", "readout-of-classes"]
    tuned = finetune(network, dataset, "first.0", epochs=1)
    assert [name for name, _ in tuned.network.named_children()] == [
        *("first-0", "first-1", "first-2", "pool"),
        *added,
    ]
    assert tuned.network[-1].in_features == 36
    whole = finetune(network, dataset, epochs=1)
    assert whole.layer == "second"
    assert whole.network(torch.zeros(2, 1, 9, 9)).shape == (2, 3)
    assert tuned.network.pool is not network.pool


def test_only_some_labels_are_used(conv, dataset):
    tuned = finetune(conv, dataset, share=0.2, epochs=2, seed=4)
    assert torch.bincount(dataset.train.labels[tuned.rows]).tolist() == [6, 6, 6]
    drawn = finetune(conv, dataset, share=0.2, epochs=2, sampling="random", seed=4)
    assert len(drawn.rows) == 18
    labels = torch.zeros_like(dataset.train.labels)
    labels[drawn.rows] = dataset.train.labels[drawn.rows]
    blind = dataclasses.replace(dataset, train=dataclasses.replace(dataset.train, labels=labels))
    # Drawn whatever their class, so that the hidden labels cannot move the draw.
    again = finetune(conv, blind, share=0.2, epochs=2, sampling="random", seed=4)
    assert torch.equal(drawn.network.conv.weight, again.network.conv.weight)
    assert len(finetune(conv, dataset, per_class=2, epochs=1).rows) == 6
    with pytest.raises(InvalidValue, match="fewer than"):
        finetune(conv, dataset, share=0.02)


def test_every_label_is_in_one_batch_and_no_batch_is_of_one():
    generator = torch.Generator().manual_seed(0)
    for count, size, wanted in ((17, 4, [4, 4, 4, 5]), (16, 4, [4] * 4), (3, 8, [3])):
        rows = torch.arange(count) + 100
        found = _batches(rows, size, generator)
        assert [len(one) for one in found] == wanted
        assert sorted(torch.cat(found).tolist()) == rows.tolist()


def test_progress_rises_to_the_end_and_a_cancelled_one_stops(conv, dataset):
    heard = []
    finetune(conv, dataset, epochs=2, progress=lambda *said: heard.append(said))
    done = [one for one, *_ in heard]
    assert done == sorted(done)
    assert heard[-1][0] == heard[-1][1]
    assert "fine-tuning conv on 90 labels" in heard[0][2]
    asked = iter([False, False, True])
    with pytest.raises(CancelledError):
        finetune(conv, dataset, cancel=lambda: next(asked))


def test_a_session_brings_its_data_and_its_looks_at_test_images_are_counted():
    recipe = hl.Recipe(steps=5, network="dense-20", centre=True)
    with hl.Session(recipe) as session:
        session.start()
        session.wait()
        before = session.weights("hidden")
        tuned = finetune(session, share=0.02, epochs=1)
        assert len(tuned.rows) == 60
        tuned.score("test")
        assert session.test_opened == 1
        assert torch.equal(session.weights("hidden"), before)


def test_weights_that_explode_are_said(dataset):
    network = nn.Sequential(nn.Flatten(), nn.Linear(81, 6), nn.Linear(6, 3))
    with pytest.raises(Diverged, match="Lower learning_rate"):
        finetune(network, dataset, learning_rate=10.0, weight_decay=10.0, keep="last")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"epochs": 0}, "epochs"),
        ({"epochs": True}, "epochs"),
        ({"batch_size": 1}, "batch_size"),
        ({"steady": -1}, "steady"),
        ({"patience": 0}, "patience"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"momentum": 1.0}, "momentum"),
        ({"weight_decay": "0.1"}, "weight_decay"),
        ({"dropout": 1.0}, "dropout"),
        ({"share": 0.0}, "share"),
        ({"share": 0.5, "per_class": 2}, "either"),
        ({"keep": "last", "patience": 3}, "patience"),
    ],
)
def test_impossible_numbers_are_refused_in_words(dense, dataset, wrong, said):
    with pytest.raises(InvalidValue, match=said):
        finetune(dense, dataset, **wrong)


def test_unknown_names_and_misfits_are_refused_in_words(conv, dense, dataset):
    with pytest.raises(UnknownName, match="layer"):
        finetune(dense, dataset, "hiden")
    with pytest.raises(UnknownName, match="best"):
        finetune(dense, dataset, keep="bset")
    with pytest.raises(InvalidValue, match=r"hl\.Dataset"):
        finetune(dense)
    three = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 3))
    with pytest.raises(InvalidValue, match="does not fit"):
        finetune(three, dataset)
    tuned = finetune(dense, dataset, epochs=1)
    with pytest.raises(UnknownName, match="split"):
        tuned.score("tset")
    for share in (0, 1.5, True):
        with pytest.raises(InvalidValue, match="share"):
            tuned.epochs_until(share)


def test_epochs_until_a_share_of_the_best_by_hand():
    scores = [0.10, 0.57, 0.588, 0.6, 0.59]
    assert [first_within(scores, share) for share in (0.95, 0.98, 1.0)] == [2, 3, 4]
