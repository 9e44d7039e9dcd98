import copy
import json
import math
import pickle

import pytest

from hebblab.errors import InvalidValue
from hebblab.evaluation import Score, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (5, 10, 0.23659, 0.76341),
        (0, 10, 0.0, 0.27754),
        (10, 10, 0.72246, 1.0),
        (0, 1, 0.0, 0.79346),
        (1, 1, 0.20654, 1.0),
    ],
)
def test_wilson_gives_tabulated_values(successes, n, low, high):
    assert wilson(successes, n) == (pytest.approx(low, abs=1e-5), pytest.approx(high, abs=1e-5))


def test_wilson_solves_its_own_equation():
    # The bounds are the shares at which the score test is just significant.
    for bound in wilson(37, 50):
        z = abs(37 / 50 - bound) / math.sqrt(bound * (1 - bound) / 50)
        assert z == pytest.approx(1.959964, abs=1e-6)


@pytest.mark.parametrize(("successes", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_share(successes, n):
    with pytest.raises(InvalidValue):
        wilson(successes, n)


def test_a_score_is_a_float_with_its_interval():
    score = Score.of(932, 1000)
    assert isinstance(score, float)
    assert score == 0.932
    assert (score.low, score.high) == wilson(932, 1000)
    assert score.n == 1000
    assert json.dumps(score) == "0.932"
    assert f"{score:.1%}" == "93.2%"


def pickled(score):
    return pickle.loads(pickle.dumps(score))


@pytest.mark.parametrize("through", [copy.copy, copy.deepcopy, pickled])
def test_a_copied_score_keeps_its_interval(through):
    score = through(Score.of(3, 4))
    assert (float(score), score.n) == (0.75, 4)
    assert (score.low, score.high) == wilson(3, 4)


def test_a_share_is_of_whole_numbers():
    for wrong in (("a", 3), (1.5, 2), (1, 2.0), (True, 2)):
        with pytest.raises(InvalidValue, match="whole number"):
            wilson(*wrong)
