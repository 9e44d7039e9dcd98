import math

import numpy as np
import pytest
import torch

from hebblab import metrics
from hebblab.errors import InvalidValue
from tests.references import metrics as reference


def sample(rows=50, units=7):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(rows, units, generator=generator)


def test_statistics_agree_with_the_reference():
    activations = sample().relu()
    found = metrics.activation_statistics(activations)
    mean, std, active, wins, entropy = reference.activation_statistics(activations)
    assert found.mean == pytest.approx(mean)
    assert found.std == pytest.approx(std)
    assert found.share_active == pytest.approx(active)
    assert found.wins.tolist() == wins.tolist()
    assert found.win_entropy == pytest.approx(entropy)


def test_chunks_do_not_show(monkeypatch):
    whole = metrics.activation_statistics(sample())
    monkeypatch.setattr("hebblab.metrics.activations._CHUNK", 20)
    parts = metrics.activation_statistics(sample())
    assert parts.wins.tolist() == whole.wins.tolist()
    assert (parts.mean, parts.std) == (pytest.approx(whole.mean), pytest.approx(whole.std))


def test_every_position_of_a_convolution_is_a_sample():
    maps = sample(2 * 3 * 4, 5).view(2, 3, 4, 5).permute(0, 3, 1, 2)
    found = metrics.activation_statistics(maps)
    rows = metrics.activation_statistics(sample(2 * 3 * 4, 5))
    assert found.wins.tolist() == rows.wins.tolist()
    assert found.mean == pytest.approx(rows.mean)


def test_blank_inputs_are_left_out_of_everything():
    activations = torch.tensor([[1.0, 0.0], [0.0, 3.0], [9.0, 0.0]])
    inputs = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    found = metrics.activation_statistics(activations, inputs)
    assert found.wins.tolist() == [1, 1]
    assert found.mean == 1.0
    assert found.share_active == 0.5


def test_blank_images_are_seen_through_their_shape():
    inputs = torch.zeros(2, 1, 3, 3)
    inputs[1, 0, 2, 2] = 1.0
    found = metrics.activation_statistics(torch.ones(2, 4), inputs)
    assert int(found.wins.sum()) == 1


def test_patches_of_images_may_be_blank_one_by_one():
    inputs = torch.zeros(2, 3, 9)
    inputs[1, 2] = 1.0
    found = metrics.activation_statistics(torch.rand(6, 4) + 0.1, inputs)
    assert int(found.wins.sum()) == 1


def test_a_silent_sample_has_no_winner_unless_responses_tell():
    activations = torch.zeros(2, 3)
    assert metrics.activation_statistics(activations).wins.tolist() == [0, 0, 0]
    responses = torch.tensor([[-3.0, -1.0, -2.0], [-1.0, -3.0, -2.0]])
    found = metrics.activation_statistics(activations, responses=responses)
    assert found.wins.tolist() == [1, 1, 0]
    assert found.share_active == 0.0


def test_ties_go_to_the_first_unit():
    assert metrics.activation_statistics(torch.ones(4, 3)).wins.tolist() == [4, 0, 0]


@pytest.mark.parametrize(
    ("rows", "entropy"),
    [
        (torch.eye(4), 1.0),
        (torch.tensor([[1.0, 0, 0, 0]] * 5), 0.0),
        (torch.eye(4)[[0, 1, 0, 1]], 0.5),
        (torch.ones(3, 1), 0.0),
    ],
)
def test_entropy_is_one_when_even_and_zero_when_one_takes_all(rows, entropy):
    assert metrics.activation_statistics(rows).win_entropy == pytest.approx(entropy)


def test_a_sample_of_blank_inputs_alone_says_nothing():
    found = metrics.activation_statistics(torch.ones(3, 2), torch.zeros(3, 5))
    assert (found.mean, found.std, found.share_active, found.win_entropy) == (0, 0, 0, 0)
    assert found.wins.tolist() == [0, 0]


def test_huge_activations_do_not_overflow():
    found = metrics.activation_statistics(torch.tensor([[1e38, -1e38], [1e38, -1e38]]))
    assert math.isfinite(found.std)
    assert found.std == pytest.approx(1e38)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(InvalidValue, match="inputs hold 3 samples"):
        metrics.activation_statistics(sample(), torch.ones(3, 2))
    with pytest.raises(InvalidValue, match="responses"):
        metrics.activation_statistics(sample(), responses=sample(4))
    with pytest.raises(InvalidValue, match=r"must be \(samples, units\)"):
        metrics.activation_statistics(torch.ones(2, 3, 4))


def test_results_are_frozen():
    found = metrics.activation_statistics(sample())
    with pytest.raises(AttributeError):
        found.mean = 3.0
    assert np.asarray(found.wins).sum() == 50
