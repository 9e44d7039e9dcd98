import itertools

import pytest
import torch

from hebblab.errors import InvalidValue, UnknownName
from hebblab.evaluation import subset


def uneven():
    labels = torch.cat([torch.full((n,), c) for c, n in enumerate((500, 300, 200))])
    return labels[torch.randperm(1000, generator=torch.Generator().manual_seed(5))]


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.333, 1.0])
@pytest.mark.parametrize("number", [0, 4])
def test_shares_hold_each_class_in_proportion(share, number):
    labels = uneven()
    rows = subset(labels, share, number=number)
    assert len(rows) == len(set(rows.tolist())) == round(1000 * share)
    counts = torch.bincount(labels[rows], minlength=3)
    assert (counts - share * torch.tensor([500, 300, 200])).abs().max() <= 1


def test_numbers_of_each_class():
    labels = uneven()
    assert torch.bincount(labels[subset(labels, per_class=10, number=3)]).tolist() == [10, 10, 10]


def test_the_least_and_the_most_that_can_be_asked_for_are_given():
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 2])
    assert labels[subset(labels, per_class=1)].tolist() == [0, 1, 2]
    assert labels[subset(labels, per_class=2)].tolist() == [0, 0, 1, 1, 2, 2]
    assert labels[subset(labels, 3 / 7)].tolist() == [0, 1, 2]
    assert subset(labels, 1.0).tolist() == list(range(7))
    assert torch.equal(subset(labels, 3 / 7), subset(labels, 3 / 7, number=0))


def test_numbers_have_nothing_in_common_and_shares_hold_each_other():
    labels = uneven()
    small, large = (
        [set(subset(labels, s, number=n).tolist()) for n in range(5)] for s in (0.05, 0.2)
    )
    for one, other in itertools.combinations(large, 2):
        assert not one & other
    assert all(inner <= outer for inner, outer in zip(small, large, strict=True))
    assert set().union(*large) == set(range(1000))


def test_a_seed_repeats_and_another_differs():
    labels = uneven()
    assert torch.equal(subset(labels, 0.1, seed=3), subset(labels, 0.1, seed=3))
    assert not torch.equal(subset(labels, 0.1, seed=3), subset(labels, 0.1, seed=4))


def test_random_sampling_does_not_look_at_classes():
    labels = uneven()
    drawn = [
        subset(labels, 0.1, number=number, seed=seed, sampling="random")
        for number in range(5)
        for seed in range(4)
    ]
    sizes = {tuple(torch.bincount(labels[rows], minlength=3).tolist()) for rows in drawn}
    assert all(sum(size) == 100 for size in sizes)
    assert len(sizes) > 10


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"share": 0.002}, "2 labels, fewer than the 3 classes"),
        ({"share": 0.0}, "above 0 and at most 1"),
        ({"share": 1.5}, "above 0 and at most 1"),
        ({"share": True}, "above 0 and at most 1"),
        ({"per_class": 201}, "class 2 has 200"),
        ({"per_class": 0}, "whole number from 1"),
        ({}, "either share= or per_class="),
        ({"share": 0.1, "per_class": 3}, "either share= or per_class="),
        ({"share": 0.1, "number": 5}, "from 0 to 4"),
        ({"share": 0.1, "classes": 4}, "none of class 3"),
    ],
)
def test_subsets_that_cannot_be_are_refused(given, said):
    with pytest.raises(InvalidValue, match=said):
        subset(uneven(), **given)
    with pytest.raises(UnknownName, match="sampling"):
        subset(uneven(), 0.1, sampling="stratifed")


@pytest.mark.parametrize(
    ("labels", "seed", "said"),
    [
        (torch.zeros(10), 0, "int64"),
        (torch.zeros(5, 2).long(), 0, "int64"),
        (torch.zeros(0).long(), 0, "no label"),
        (uneven(), "a", "whole number"),
    ],
)
def test_labels_and_seeds_that_are_none_are_refused(labels, seed, said):
    with pytest.raises(InvalidValue, match=said):
        subset(labels, per_class=1, seed=seed)


def test_the_least_share_is_said_in_plain_digits():
    with pytest.raises(InvalidValue, match=r"Ask for at least 100 %\."):
        subset(torch.arange(10), share=0.1)
    with pytest.raises(InvalidValue, match=r"Ask for at least 3\.4 %\."):
        subset(torch.arange(3).repeat(30), share=0.01)
