"""What an edit did: which measure of the run moved most, in units of its own unrest before."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hebblab.charts import number
from hebblab.live import Edit, Session

from .panels.base import Story

FEWEST = 5
THRESHOLD = 3.0
HORIZON = 100
LONG = 1000
NOTHING = "nothing measurable yet"
STILL = "it changes what units answer, and no weight. Press Probe"
_ANSWERS = frozenset({"n", "triangle"})


@dataclass(frozen=True)
class Measure:
    """How one metric is called and written, and the least change that counts as unrest.

    A floor is absolute, or relative to the level; `since` is the first step at which it is known.
    """

    words: str
    written: Callable[[float, int], str]
    floor: float
    relative: float = 0.0
    since: int = 0


def _percent(value: float, decimals: int) -> str:
    return f"{100 * value:.{decimals}f} %"


def _plain(value: float, decimals: int) -> str:
    return f"{value:.{decimals + 2}f}"


def _size(value: float, decimals: int) -> str:
    return f"{value:.{decimals + 1}f}" if value < 100 else number(round(value, decimals))


# A unit in a hundred is the grain of a share; half of one is what chance moves it by at least.
MEASURES: Mapping[str, Measure] = {
    "convergence": Measure("converged", _percent, 0.005),
    "turned": Measure("turned under 1°", _percent, 0.005),
    "never_win": Measure("never win", _percent, 0.005, since=300),
    "likeness": Measure("likeness to the nearest unit", _plain, 0.003),
    "negative_share": Measure("negative weight", _percent, 0.003),
    "near_duplicates": Measure("near-duplicates", _percent, 0.005),
    "effective_rank": Measure("effective rank", _size, 0.1, 0.005),
    "norm": Measure("mean norm", _plain, 0.003, 0.003),
    "share_active": Measure("active responses", _percent, 0.003),
    "win_entropy": Measure("winners’ entropy", _plain, 0.003),
}


def effect(
    history: Mapping[str, Sequence[Any]],
    mark_step: int,
    text: str,
    now_step: int,
    horizon: int = HORIZON,
    began: int | None = None,
) -> str | None:
    """Say in one line what an edit changed, or that nothing measurable happened yet.

    Each metric's level just before the edit is compared with its newest level. The difference
    counts in units of the metric's own unrest over the hundred steps before: its standard
    deviation, or how far it drifted by itself, whichever is more; so a curve that was rising
    anyway is not put down to the edit. The two that moved most, beyond three units, are named.

    Args:
        history: Lists of one length by metric name, with "step"; `None` where undefined.
        mark_step: Step at which the edit came into force.
        text: The edit in short: "Δ 0.80".
        now_step: Steps taken now.
        horizon: How many steps must have passed.
        began: Step at which the gesture began that ended with this edit; None: it was one move.
            What a slow drag did on its way is neither the level before it nor unrest.

    Returns:
        The line, or `None` while fewer than `horizon` steps have passed. Ask again later, or at
        a pause with a smaller horizon: the comparison is always with the newest values.

    Example:
        >>> steps = list(range(0, 301, 10))
        >>> likeness = [0.76 if s <= 200 else 0.54 for s in steps]
        >>> effect({"step": steps, "likeness": likeness}, 200, "Δ 0.80", 300)
        'since Δ 0.80: likeness to the nearest unit 0.76 → 0.54'
        >>> effect({"step": steps, "likeness": likeness}, 50, "Δ 0.80", 150)
        'since Δ 0.80: nothing measurable yet'
    """
    if now_step < mark_step + horizon:
        return None
    steps = history.get("step") or []
    moved: list[tuple[float, str]] = []
    for name, measure in MEASURES.items():
        column = history.get(name)
        if not column:
            continue
        rows = [
            (int(s), float(v))
            for s, v in zip(steps, column, strict=False)
            if measure.since <= s <= now_step and v is not None and math.isfinite(v)
        ]
        found = _moved(rows, mark_step if began is None else began, mark_step, measure)
        if found is None:
            continue
        size, before, after = found
        if size > THRESHOLD:
            moved.append((size, f"{measure.words} {_change(before, after, measure)}"))
    if not moved:
        return f"since {text}: {NOTHING}"
    moved.sort(key=lambda one: -one[0])
    return f"since {text}: " + ", ".join(words for _, words in moved[:2])


def _moved(
    rows: list[tuple[int, float]], began: int, mark: int, measure: Measure
) -> tuple[float, float, float] | None:
    """Return the move in units of unrest, with both levels; `None` without both sides."""
    before = [(s, v) for s, v in rows if s <= began]
    inside = [v for s, v in before if s > began - HORIZON]
    if len(inside) < FEWEST:
        inside = [v for _, v in before[-FEWEST:]]
    after = [(s, v) for s, v in rows if s > mark]
    if not inside or not after:
        return None
    recent = after[-1][0] - HORIZON // 5
    ended = _mean([v for s, v in after if s >= recent])
    quarter = max(1, len(inside) // 4)
    level = _mean(inside[-quarter:])
    drift = abs(level - _mean(inside[:quarter]))
    centre = _mean(inside)
    deviation = math.sqrt(_mean([(v - centre) ** 2 for v in inside]))
    floor = max(measure.floor, measure.relative * abs(level))
    return abs(ended - level) / max(deviation, drift, floor), level, ended


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _change(before: float, after: float, measure: Measure) -> str:
    """Return "0.76 → 0.54", with one decimal more where both would read the same."""
    for decimals in (0, 1):
        left, right = measure.written(before, decimals), measure.written(after, decimals)
        if left != right:
            break
    return f"{left} → {right}"


def answers_alone(edit: Edit, session: Session) -> bool:
    """Return whether an edit acts on what units answer alone: no layer learns from them."""
    last = session.layers[-1]
    return set(edit.changes) <= _ANSWERS and edit.layer in (None, last)


class Watcher:
    """Says of the last edit what it changed.

    It looks when 100 steps have passed; if nothing is measurable, again after 1,000, and whenever
    the run rests.
    """

    def __init__(self) -> None:
        self.text = ""
        self.forget()

    def forget(self) -> None:
        """Begin anew, for another run."""
        self.text = ""
        self._of: tuple[int, str] | None = None
        self._looked = 0
        self._rested_at = -1
        self._settled = False

    def look(self, story: Story, state: str) -> None:
        """Take up the newest edit of a story, and what came of it."""
        newest = story.marks[-1] if story.marks else None
        if newest != self._of:
            self.forget()
            self._of = newest
        if newest is None or self._settled:
            return
        if story.still:
            self.text, self._settled = f"since {newest[1]}: {STILL}", True
            return
        mark, text = newest
        passed = story.step - mark
        moment = (passed >= HORIZON) + (passed >= LONG)
        resting = state != "running" and passed > 0 and story.step != self._rested_at
        if moment <= self._looked and not resting:
            return
        horizon = min(HORIZON, max(passed, 1))
        said = effect(story.history, mark, text, story.step, horizon, story.began)
        self._looked = moment
        self._rested_at = story.step if resting else self._rested_at
        self.text = said or ""
        self._settled = passed >= LONG or (passed >= HORIZON and not self.text.endswith(NOTHING))
