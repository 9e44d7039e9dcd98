"""Numbers that carry their uncertainty."""

import math
from typing import Self

from hebblab.errors import InvalidValue, shown
from hebblab.evaluation.checks import whole

_Z = 1.959963984540054  # 97.5 % quantile of the normal distribution


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a share: `successes` out of `n`.

    Source: Wilson, Journal of the American Statistical Association, 1927.

    Raises:
        InvalidValue: `n` is below 1, `successes` is not from 0 to `n`, or one is no whole number.

    >>> low, high = wilson(932, 1000)
    >>> round(low, 3), round(high, 3)
    (0.915, 0.946)
    """
    successes, n = whole("successes", successes), whole("n", n)
    if not (n >= 1 and 0 <= successes <= n):
        raise InvalidValue(
            f"A share needs n of at least 1 and successes from 0 to n, not {shown(successes)} "
            f"of {shown(n)}."
        )
    share = successes / n
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    low = 0.0 if successes == 0 else middle - half
    high = 1.0 if successes == n else middle + half
    return low, high


class Score(float):
    """An accuracy, 0 to 1: a float with its 95 % Wilson interval `low` to `high`, from `n` images.

    >>> score = Score.of(932, 1000)
    >>> score
    0.932 (0.915 to 0.946, n = 1,000)
    >>> score > 0.9, score.n
    (True, 1000)
    """

    low: float
    high: float
    n: int

    def __new__(cls, value: float, low: float, high: float, n: int) -> Self:
        """Make a score from its parts; `of` makes one from counts."""
        score = super().__new__(cls, value)
        score.low, score.high, score.n = low, high, n
        return score

    @classmethod
    def of(cls, correct: int, n: int) -> Self:
        """Return the score of `correct` out of `n` images."""
        return cls(correct / n if n else math.nan, *wilson(correct, n), n)

    def __reduce__(self) -> tuple[type[Self], tuple[float, float, float, int]]:
        return type(self), (float(self), self.low, self.high, self.n)

    def __repr__(self) -> str:
        return f"{float(self):.3f} ({self.low:.3f} to {self.high:.3f}, n = {self.n:,})"
