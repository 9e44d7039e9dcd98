"""One declared hyperparameter: its bounds, its words, and what it makes of a value."""

import math
import numbers
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

from hebblab.errors import InvalidValue, shown

Scale = Literal["linear", "log", "integer", "choice", "switch"]
Value = float | int | str | bool

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan)", re.ASCII)
_SWITCH = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}


@dataclass(frozen=True)
class Knob:
    """One hyperparameter that a person may turn: its name, bounds, scale and words.

    Attributes:
        name: ASCII name in code, on the command line and on the page.
        symbol: The sign it has in the equation.
        title: Two or three words shown beside the symbol.
        default: Value where nothing else is said.
        low: Smallest accepted value (inclusive); None for choices and switches.
        high: Largest accepted value (inclusive); None for choices and switches.
        scale: How its values are laid out: "linear", "log", "integer", "choice" or "switch".
        choices: Accepted words of a "choice".
        help: One sentence a student understands.
        live: Whether it may be edited while a run goes on.
        advanced: Folded under "more" in the dashboard.
        slider_low: Left end of the slider; values beyond are typed.
        slider_high: Right end of the slider.
        slider_log: Whether the slider of a whole number counts in decades, as that of "log" does.
        step: What one arrow key adds (the factor, where the slider counts in decades).
        up_to: What else bounds it from above: "units", the number of units of its layer.
    """

    name: str
    symbol: str
    title: str
    default: Value
    low: float | None
    high: float | None
    scale: Scale
    help: str
    live: bool = True
    advanced: bool = False
    choices: tuple[str, ...] = ()
    slider_low: float | None = None
    slider_high: float | None = None
    slider_log: bool = False
    step: float | None = None
    up_to: Literal["", "units"] = ""

    @property
    def label(self) -> str:
        """The knob in an error text: symbol and name."""
        return self.name if self.symbol == self.name else f"{self.symbol} ({self.name})"

    @property
    def bounds(self) -> str:
        """What is accepted, in words."""
        if self.scale == "switch":
            return "on or off (True or False)"
        if self.scale == "choice":
            return "one of " + ", ".join(self.choices)
        if self.scale == "integer":
            return f"a whole number from {int(self.low or 0):,} to {int(self.high or 0):,}"
        return f"a number from {self.low:g} to {self.high:g}"

    def check(self, value: object) -> Value:
        """Return `value` in the knob's own type, or raise `InvalidValue` in words.

        >>> Knob("delta", "Δ", "anti-Hebbian", 0.4, 0, 2, "linear", "How hard.").check(3)
        Traceback (most recent call last):
        hebblab.errors.InvalidValue: Δ (delta) must be a number from 0 to 2, not 3.
        """
        if self.scale == "switch":
            if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):  # NumPy's too
                return bool(value)
            raise self._refusal(value)
        if self.scale == "choice":
            if isinstance(value, str) and value in self.choices:
                return str(value)
            raise self._refusal(value)
        number = self._number(value)
        if number is None or not self._within(number):
            raise self._refusal(value)
        return number

    def _within(self, number: float) -> bool:
        return (self.low is None or number >= self.low) and (
            self.high is None or number <= self.high
        )

    def for_units(self, units: int) -> "Knob":
        """Return the knob as a layer of so many units bounds it."""
        if self.up_to != "units":
            return self
        high = min(self.high or units, units)
        return replace(self, high=high, slider_high=min(self.slider_high or high, high))

    def parse(self, text: str) -> Value:
        """Return the value that a person typed as `text`, checked.

        >>> Knob("k", "k", "rank", 2, 2, 100, "integer", "Which.").parse("7")
        7
        """
        word = text.strip()
        if self.scale == "choice":
            return self.check(word)
        if self.scale == "switch":
            if word.lower() in _SWITCH:
                return _SWITCH[word.lower()]
            raise self._refusal(text)
        if len(word) > 400 or not _NUMBER.fullmatch(word):
            raise self._refusal(text)
        if self.scale == "integer" and word.lstrip("+-").isdigit():
            return self.check(int(word))
        number = float(word)
        whole = self.scale == "integer" and math.isfinite(number) and number.is_integer()
        try:
            return self.check(int(number) if whole else number)
        except InvalidValue:
            # In the person's own spelling: 7, not 7.0.
            raise InvalidValue(f"{self.label} must be {self.bounds}, not {word}.") from None

    def text(self, value: Value) -> str:
        """Return `value` as the page and the marks on the curves show it.

        >>> Knob("delta", "Δ", "anti-Hebbian", 0.4, 0, 2, "linear", "How hard.").text(0.4)
        '0.40'
        """
        if isinstance(value, bool):
            return "on" if value else "off"
        if not isinstance(value, float):
            return str(value)
        if self.scale == "log" or value == 0 or abs(value) < 0.01:
            return f"{value:.3g}"
        decimals = 1 if self.step is not None and self.step >= 0.1 else 2
        short = f"{value:.{decimals}f}"
        return short if math.isclose(float(short), value, rel_tol=1e-9) else f"{value:.4g}"

    def invalid_values(self) -> Iterator[object]:
        """Yield values that the knob must refuse; the tests draw from it."""
        yield None
        yield []
        yield "x" * 1_000_000
        if self.scale == "switch":
            yield from (0, 1, "on", 0.5)
            return
        if self.scale == "choice":
            yield from ("", self.choices[0] + " ", self.choices[0].upper() + "!", 0, True)
            return
        yield from (True, False, "0.5", "٣", float("nan"), float("inf"), -float("inf"))
        yield from (10**400, -(10**400), 1j)
        if self.scale == "integer":
            yield from (float(self.default), 2.5)
            yield from (int(self.low or 0) - 1, int(self.high or 0) + 1)
            return
        if self.low is not None:
            yield math.nextafter(self.low, -math.inf)
        if self.high is not None:
            yield math.nextafter(self.high, math.inf)

    def _number(self, value: object) -> float | int | None:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            return None
        if self.scale == "integer":
            try:
                return operator.index(value)  # type: ignore[arg-type]
            except TypeError:
                return None
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None

    def _refusal(self, value: object) -> InvalidValue:
        near = (
            get_close_matches(value[:80], self.choices, n=1, cutoff=0.5)
            if self.scale == "choice" and isinstance(value, str)
            else []
        )
        guess = f" Did you mean {near[0]!r}?" if near else ""
        return InvalidValue(f"{self.label} must be {self.bounds}, not {shown(value)}.{guess}")
