"""The teacher: which units may learn from which row."""

import pytest
import torch

from hebblab import InvalidValue
from hebblab.training import teacher


@pytest.mark.parametrize(("units", "classes"), [(10, 10), (25, 10), (7, 3), (100, 10), (5, 1)])
def test_every_class_has_units_side_by_side_as_many_as_another_or_one_more(units, classes):
    targets = teacher.targets(torch.arange(classes), torch.zeros(units, 2), classes)
    assert targets.shape == (classes, units)
    assert targets.sum(0).tolist() == [1.0] * units, "each unit has one class"
    sizes = targets.sum(1).tolist()
    assert min(sizes) >= 1 and max(sizes) - min(sizes) <= 1
    owner = targets.argmax(0).tolist()
    assert owner == sorted(owner)


def test_they_have_the_dtype_of_the_weights():
    targets = teacher.targets(torch.tensor([1]), torch.zeros(2, 2, dtype=torch.float64), 2)
    assert targets.dtype == torch.float64 and targets.tolist() == [[0.0, 1.0]]


def test_each_patch_has_the_label_of_its_image():
    labels = torch.tensor([2, 0, 1])
    assert teacher.of_rows(labels, 12, None).tolist() == [2] * 4 + [0] * 4 + [1] * 4
    assert teacher.of_rows(labels, 12, torch.tensor([11, 0, 5])).tolist() == [1, 2, 0]
    assert teacher.of_rows(labels, 3, None).tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (None, r"layer 'one' needs a label.*\(images, labels\).*leave teacher off"),
        ([0, 1, 2], "needs a tensor of 3 labels"),
        (torch.tensor([0, 1]), r"3 labels, one an image, not shape \(2,\)"),
        (torch.zeros(3, 3), r"not shape \(3, 3\)"),
        (torch.tensor([0, 1, 3]), "knows 3 classes, 0 to 2; .*from 0 to 3"),
        (torch.tensor([0, -1, 2]), "from -1 to 2"),
        (torch.tensor([0.0, 1.5, 2.0]), "layer 'one' needs whole numbers as labels"),
        (torch.tensor([0.0, torch.nan, 2.0]), "from nan to nan"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, words):
    with pytest.raises(InvalidValue, match=words):
        teacher.judged(labels, 3, 3, "one")


def test_labels_that_fit_are_taken_as_they_are():
    labels = torch.tensor([2, 0, 1])
    assert teacher.judged(labels, 3, 3, "one") is labels
