"""Penalties that few labels choose by themselves, held to scikit-learn's cross-validation."""

import pytest
import sklearn.linear_model
import sklearn.preprocessing
import torch

import hebblab as hl
from hebblab.errors import InvalidValue, UnknownName
from hebblab.evaluation import student_interval
from hebblab.evaluation.ridge import PENALTIES
from hebblab.evaluation.standard import Standard
from hebblab.evaluation.subsets import subset
from hebblab.evaluation.within import chosen_within, folds


def drawn(rows, width, noise):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(rows, width, generator=generator)
    scores = features @ torch.randn(width, 3, generator=generator)
    labels = (scores + noise * torch.randn(rows, 3, generator=generator)).argmax(1)
    return features, labels


def held_out(rows, labels, dealt):
    """Return how often scikit-learn's readouts of four fifths are right on the last, by penalty."""
    array, truth = rows.double().numpy(), labels.numpy()
    found = []
    for penalty in PENALTIES:
        right = 0
        for fold in range(5):
            out = (dealt == fold).numpy()
            model = sklearn.linear_model.Ridge(alpha=penalty * int((~out).sum()))
            model.fit(array[~out], torch.eye(3)[labels].numpy()[~out])
            right += int((model.predict(array[out]).argmax(1) == truth[out]).sum())
        found.append(right)
    return found


def test_each_class_is_dealt_to_all_folds():
    labels = torch.tensor([2, 0, 1, 0, 2, 1, 0, 0, 0, 2, 1, 1, 1, 2, 2])
    dealt = folds(labels)
    for label in range(3):
        assert sorted(dealt[labels == label].tolist()) == [0, 1, 2, 3, 4]
    assert torch.equal(dealt, folds(labels))


def test_two_of_a_class_are_never_held_out_together():
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 2])
    dealt = folds(labels)
    for label in range(3):
        assert len(set(dealt[labels == label].tolist())) > 1


@pytest.mark.parametrize(
    ("rows", "width", "noise"), [(60, 8, 2.0), (60, 8, 30.0), (45, 120, 2.0), (45, 120, 20.0)]
)
def test_the_penalty_is_the_one_cross_validation_chooses(rows, width, noise):
    features, labels = drawn(rows, width, noise)
    standard = Standard.of([features])
    place = chosen_within(features, labels, 3, standard)
    right = held_out(standard.applied(features), labels, folds(labels))
    assert right[place] == max(right)
    assert place == max(at for at, count in enumerate(right) if count == max(right))


def by_hand(features, labels, others, own, rows):
    """Return the accuracy of scikit-learn's readout of some rows under their own penalty."""
    scaler = sklearn.preprocessing.StandardScaler().fit(features.double().numpy())
    ready, scored = (
        torch.from_numpy(scaler.transform(one.double().numpy())) for one in (features, others)
    )
    ready = ready[rows]
    right = held_out(ready, labels[rows], folds(labels[rows]))
    place = max(at for at, count in enumerate(right) if count == max(right))
    model = sklearn.linear_model.Ridge(alpha=PENALTIES[place] * len(rows))
    model.fit(ready.numpy(), torch.eye(3)[labels[rows]].numpy())
    return float((model.predict(scored.numpy()).argmax(1) == own.numpy()).mean())


def test_no_label_but_the_subsets_own_is_used_and_the_difference_is_told(dataset):
    network = torch.nn.Sequential()
    network.add_module("flatten", torch.nn.Flatten())
    network.add_module("hidden", torch.nn.Linear(81, 4, bias=False))
    probes, options = ["linear@20%", "linear"], {"controls": ["pixels"], "split": "test"}
    found = hl.evaluate(network, dataset, probes=probes, validation="within-labels", **options)
    usual = hl.evaluate(network, dataset, probes=probes, **options)
    rows = found.table.query("representation == 'pixels' and probe == 'linear@20%'")
    assert len(rows) == 2
    accuracy, gained = (row for _, row in rows.iterrows())

    def flat(images):
        values = images.pixels.flatten(1).float() / 255
        return values / values.norm(dim=1, keepdim=True)

    train, test = dataset.train, dataset.test
    expected = [
        by_hand(flat(train), train.labels, flat(test), test.labels, chosen)
        for chosen in (subset(train.labels, 0.2, number=number) for number in range(5))
    ]
    mean, low, high = student_interval(expected)
    assert (accuracy.value, accuracy.low, accuracy.high) == pytest.approx((mean, low, high))
    assert "5 folds within" in accuracy.note
    assert "λ = " in accuracy.note
    assert gained.measure == "accuracy gained by 60 more labels to choose λ by"
    other = usual.table.query("representation == 'pixels' and probe == 'linear@20%'").value.item()
    assert gained.value == pytest.approx(other - mean)
    assert "paired" in gained.interval
    same = "representation == 'pixels' and probe == 'linear'"
    assert found.table.query(same).value.item() == usual.table.query(same).value.item()
    assert found.compare("learned", "pixels", "linear@20%").n == 5


def test_what_cannot_choose_by_itself_is_refused(dataset, dense):
    with pytest.raises(UnknownName, match="Did you mean 'within-labels'"):
        hl.evaluate(dense, dataset, probes=["linear@20%"], validation="within-label")
    with pytest.raises(InvalidValue, match="for probes of few labels"):
        hl.evaluate(dense, dataset, validation="within-labels")
    with pytest.raises(InvalidValue, match="single label"):
        hl.evaluate(dense, dataset, probes=["linear@1/class"], validation="within-labels")
