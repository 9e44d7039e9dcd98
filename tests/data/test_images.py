import dataclasses

import pytest
import torch

import hebblab.data
from hebblab.data import Dataset, Images, Vectors
from hebblab.errors import InvalidValue

LABELS = torch.tensor([0, 1, 1])


def images(value: int = 0, labels: torch.Tensor = LABELS) -> Images:
    return Images(torch.full((3, 1, 2, 2), value, dtype=torch.uint8), labels)


@pytest.mark.parametrize(
    ("pixels", "labels", "words"),
    [
        (torch.zeros(3, 1, 2, 2), LABELS, "uint8 tensor (N, C, H, W), not float32"),
        (torch.zeros(3, 2, 2, dtype=torch.uint8), LABELS, "not uint8 (3, 2, 2)"),
        ([[[[0]]]], LABELS, "not list"),
        (torch.zeros(0, 1, 2, 2, dtype=torch.uint8), LABELS[:0], "at least one element"),
        (torch.zeros(2, 1, 2, 2, dtype=torch.uint8), LABELS, "2 inputs and 3 labels"),
        (torch.zeros(3, 1, 2, 2, dtype=torch.uint8), LABELS.int(), "int64 tensor (N,), not int32"),
        (torch.zeros(3, 1, 2, 2, dtype=torch.uint8), LABELS[:, None], "not int64 (3, 1)"),
        (torch.zeros(3, 1, 2, 2, dtype=torch.uint8), LABELS - 1, "Labels count from 0"),
    ],
)
def test_images_refuse_what_does_not_fit(pixels, labels, words):
    with pytest.raises(InvalidValue) as refusal:
        Images(pixels, labels)
    assert words in str(refusal.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_vectors_must_be_finite(value):
    values = torch.zeros(3, 4)
    values[1, 2] = value
    with pytest.raises(InvalidValue, match="finite"):
        Vectors(values, LABELS)


def test_vectors_refuse_other_types():
    with pytest.raises(InvalidValue, match="float32"):
        Vectors(torch.zeros(3, 4, dtype=torch.float64), LABELS)


def test_dataset_refuses_labels_without_a_class():
    with pytest.raises(InvalidValue, match="validation has the label 1, but with 1 classes"):
        Dataset("x", images(labels=LABELS * 0), images(), images(labels=LABELS * 0), ("only",))


def test_dataset_refuses_splits_of_different_sizes_or_kinds():
    other = Images(torch.zeros(3, 1, 2, 3, dtype=torch.uint8), LABELS)
    vectors = Vectors(torch.zeros(3, 4), LABELS)
    for odd in (other, vectors):
        with pytest.raises(InvalidValue, match="one size"):
            Dataset("x", images(), images(), odd, ("a", "b"))
    with pytest.raises(InvalidValue, match="must be Images or Vectors"):
        Dataset("x", images(), None, images(), ("a", "b"))


@pytest.mark.parametrize("classes", [(), (1, 2)])
def test_dataset_refuses_classes_that_are_no_names(classes):
    with pytest.raises(InvalidValue, match="classes must be names"):
        Dataset("x", images(), images(), images(), classes)


def test_values_are_frozen_and_shown_briefly():
    dataset = Dataset("x", images(), images(), images(), ("a", "b"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset.train = images()
    assert repr(dataset) == "Dataset('x', 1×2×2, 2 classes, 3 + 3 + 3)"
    assert dataset.image_shape == (1, 2, 2)


def test_fingerprint_sees_every_pixel_label_split_and_shape():
    def make(train=None, validation=None):
        return Dataset("x", train or images(), validation or images(1), images(2), ("a", "b"))

    same = make().fingerprint
    assert len(same) == 64
    assert same == make().fingerprint
    touched = images()
    touched.pixels[2, 0, 1, 1] = 1
    relabelled = images(labels=torch.tensor([1, 1, 1]))
    different = {
        make(touched).fingerprint,
        make(relabelled).fingerprint,
        make(images(1), images()).fingerprint,
    }
    assert len(different) == 3
    assert same not in different


def test_fingerprint_does_not_depend_on_the_layout_in_memory():
    pixels = torch.arange(24, dtype=torch.uint8).view(3, 2, 2, 2)
    strided = pixels.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    assert not strided.is_contiguous()
    one, two = (Dataset("x", *[Images(own, LABELS)] * 3, ("a", "b")) for own in (pixels, strided))
    assert one.fingerprint == two.fingerprint


def test_the_public_names_are_there():
    for name in hebblab.data.__all__:
        assert getattr(hebblab.data, name) is not None
