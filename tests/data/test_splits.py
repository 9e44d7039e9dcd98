import pytest
import torch

from hebblab.data.splits import stratified
from hebblab.errors import InvalidValue


def test_parts_are_disjoint_complete_and_stratified():
    labels = torch.arange(3).repeat_interleave(torch.tensor([10, 20, 50]))
    parts = stratified(labels)
    assert sorted(torch.cat(parts).tolist()) == list(range(80))
    assert [labels[rows].bincount().tolist() for rows in parts] == [
        [6, 12, 30],
        [2, 4, 10],
        [2, 4, 10],
    ]


def test_parts_are_mixed_and_always_the_same():
    labels = torch.arange(10).repeat_interleave(100)
    parts = stratified(labels)
    for rows in parts:
        # Sorted by class, the first sixty would show one or two.
        assert len(set(labels[rows[:60]].tolist())) >= 8
    for rows, again in zip(parts, stratified(labels), strict=True):
        assert torch.equal(rows, again)


def test_global_randomness_is_left_alone():
    before = torch.get_rng_state()
    stratified(torch.zeros(10).long())
    assert torch.equal(torch.get_rng_state(), before)


def test_too_few_are_refused():
    with pytest.raises(InvalidValue, match=r"too few images .* \(2\): at least five"):
        stratified(torch.tensor([0, 1]))
