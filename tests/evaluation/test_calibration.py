import numpy as np
import pytest
import sklearn.calibration
import torch

from hebblab.errors import InvalidValue
from hebblab.evaluation import calibration_error, reliability
from hebblab.evaluation.calibration import error_interval


def test_by_hand_in_two_bins():
    # Bin (0, .5]: none. Bin (.5, 1]: confidence (.9 + .7 + .6 + .8) / 4 = .75, accuracy 2 / 4.
    probabilities = torch.tensor([[0.9, 0.1], [0.3, 0.7], [0.6, 0.4], [0.2, 0.8]])
    found = reliability(probabilities, torch.tensor([0, 0, 0, 0]), bins=2)
    assert found.count.tolist() == [0, 4]
    assert found.confidence[1] == pytest.approx(0.75)
    assert found.accuracy[1] == pytest.approx(0.5)
    assert found.confidence[0].isnan()
    assert found.error == pytest.approx(0.25)


def test_by_hand_in_four_bins():
    # (.5, .75]: .6 right, .7 wrong: |.5 - .65| = .15. (.75, 1]: .8 and 1.0 right: |1 - .9| = .1.
    probabilities = torch.tensor([[0.6, 0.4], [0.7, 0.3], [0.2, 0.8], [0.0, 1.0]])
    labels = torch.tensor([0, 1, 1, 1])
    assert calibration_error(probabilities, labels, bins=4) == pytest.approx((0.15 + 0.1) / 2)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    found = reliability(torch.tensor([[0.75, 0.25]]), torch.tensor([0]), bins=4)
    assert found.count.tolist() == [0, 0, 1, 0]


def test_bins_are_scikit_learns():
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.randn(500, 4, generator=generator).mul_(2).softmax(1).double()
    labels = torch.randint(0, 4, (500,), generator=generator)
    found = reliability(probabilities, labels, bins=15)
    sure, chosen = probabilities.max(1)
    accuracy, confidence = sklearn.calibration.calibration_curve(
        (chosen == labels).numpy(), sure.numpy(), n_bins=15
    )
    filled = found.count > 0
    assert found.accuracy[filled].numpy() == pytest.approx(accuracy)
    assert found.confidence[filled].numpy() == pytest.approx(confidence)
    weights = found.count[filled].numpy() / 500
    assert found.error == pytest.approx(float(np.abs(accuracy - confidence) @ weights))


@pytest.mark.parametrize("sharpness", [0.2, 3.0])
def test_the_interval_is_that_of_a_mean_of_gaps_with_the_sign_of_their_bin(sharpness):
    generator = torch.Generator().manual_seed(3)
    scores = torch.randn(700, 5, generator=generator)
    labels = (scores + torch.randn(700, 5, generator=generator)).argmax(1)
    probabilities = (scores * sharpness).softmax(1).double()
    found = reliability(probabilities, labels, bins=10)
    low, high = error_interval(found, probabilities, labels)

    sure, right = probabilities.numpy().max(1), (probabilities.argmax(1) == labels).numpy()
    place = np.ceil(sure * 10).astype(int)
    gaps = right - sure
    signed = gaps * np.array([np.sign(gaps[place == one].mean()) for one in place])
    half = 1.96 * signed.std() / np.sqrt(700)
    assert found.error == pytest.approx(signed.mean())
    assert (low, high) == pytest.approx((signed.mean() - half, signed.mean() + half))
    assert 0 < low < high < 1


def test_an_interval_ends_where_errors_do():
    probabilities = torch.tensor([[0.6, 0.4]] * 5)
    labels = torch.tensor([0, 0, 0, 1, 1])
    low, high = error_interval(reliability(probabilities, labels, 1), probabilities, labels)
    assert low == 0.0 and 0 < high < 0.5
    probabilities = torch.tensor([[0.99, 0.01]] * 3)
    labels = torch.tensor([1, 1, 0])
    assert error_interval(reliability(probabilities, labels, 1), probabilities, labels)[1] == 1.0


def test_sure_and_right_has_no_error_and_sure_and_wrong_has_all():
    assert calibration_error(torch.eye(3), torch.tensor([0, 1, 2])) == 0
    assert calibration_error(torch.eye(3), torch.tensor([1, 2, 0])) == 1


@pytest.mark.parametrize(
    ("probabilities", "labels", "bins", "said"),
    [
        (torch.tensor([[2.0, 1.0]]), torch.tensor([0]), 15, "softmax"),
        (torch.tensor([[1.5, -0.5]]), torch.tensor([0]), 15, "softmax"),
        (torch.tensor([[torch.nan, 1.0]]), torch.tensor([0]), 15, "softmax"),
        (torch.eye(2), torch.tensor([0]), 15, "2 rows and 1 labels"),
        (torch.ones(0, 2), torch.ones(0).long(), 15, "at least one answer"),
        (torch.eye(2).numpy(), torch.tensor([0, 1]), 15, "floating tensor"),
        (torch.eye(2), torch.tensor([0, 2]), 15, "from 0 to 1"),
        (torch.eye(2), [0, 1], 15, "int64 tensor"),
        (torch.eye(2), torch.tensor([0, 1]), 0, "bins"),
        (torch.eye(2), torch.tensor([0, 1]), True, "bins"),
    ],
)
def test_what_is_no_probability_is_refused(probabilities, labels, bins, said):
    with pytest.raises(InvalidValue, match=said):
        reliability(probabilities, labels, bins)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bins", [5, 10, 15, 25, 100])
def test_a_probability_on_an_edge_is_in_the_bin_below(bins, dtype):
    upper = torch.arange(1, bins + 1) / torch.tensor(bins, dtype=dtype)
    upper = upper[upper > 0.5]
    found = reliability(torch.stack([upper, 1 - upper], 1), torch.zeros(len(upper)).long(), bins)
    assert int(found.count.max()) == 1
    assert found.count[-1] == 1
