"""Who wins where scores are equal, missing, or fewer than the winners asked for."""

import pytest
import torch

import hebblab as hl
from hebblab import InvalidValue
from hebblab.rules.competition import compete, ranked
from tests.references import rules as reference


def test_ranks_are_by_falling_score_and_rising_index():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 15, (400, 30), generator=generator).float()
    for k in (1, 2, 5, 29, 30):
        expected = [reference.order(row)[:k] for row in scores.tolist()]
        assert ranked(scores, k).tolist() == expected


def test_where_all_scores_are_equal_the_first_units_rank():
    for units in (3, 100, 400):
        assert ranked(torch.zeros(2, units), 3).tolist() == [[0, 1, 2]] * 2


def test_more_winners_than_units_are_refused():
    with pytest.raises(InvalidValue, match="k = 4 is more than the 3 units"):
        ranked(torch.zeros(2, 3), 4)
    with pytest.raises(InvalidValue, match="more than the 3 units"):
        hl.rules.winners(torch.zeros(2, 3), 4)


def test_winners_are_marked_and_silence_has_none():
    responses = torch.tensor([[0.2, 0.9, 0.9], [0.0, 0.0, 0.0], [-3.0, -1.0, -2.0]])
    assert hl.rules.winners(responses).tolist() == [[0, 1, 0], [0, 0, 0], [0, 1, 0]]
    assert hl.rules.winners(responses, 2).tolist() == [[0, 1, 1], [0, 0, 0], [0, 1, 1]]
    assert responses[0, 0] == torch.tensor(0.2)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 3.0])
def test_proportional_shares_add_up_to_one_or_are_none(exponent):
    scores = torch.tensor([[1.0, 3.0, -2.0], [-1.0, -2.0, -3.0], [1e-30, 0.0, 0.0]])
    alive = torch.ones(3, 1)
    shares = compete(scores, scores, alive, "proportional", exponent=exponent)
    assert shares[0].tolist() == pytest.approx(
        [1 / (1 + 3**exponent), 3**exponent / (1 + 3**exponent), 0]
    )
    assert not shares[1].any()
    assert torch.isfinite(shares).all()
