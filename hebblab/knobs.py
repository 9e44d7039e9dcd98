"""The one declaration of a hyperparameter: whoever names, bounds or words it reads it here."""

import math
import numbers
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import cache
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticUndefined

from hebblab.errors import InvalidValue, shown, unknown

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
        step: What one arrow key adds (the factor, where the scale is logarithmic).
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


def knob(
    default: Value,
    *,
    symbol: str | None = None,
    title: str | None = None,
    low: float | None = None,
    high: float | None = None,
    scale: Scale | None = None,
    choices: tuple[str, ...] = (),
    slider: tuple[float, float] | None = None,
    step: float | None = None,
    help: str = "",
    live: bool = True,
    advanced: bool = False,
    up_to: Literal["", "units"] = "",
) -> Any:
    """Declare a hyperparameter as a pydantic field.

    Args:
        default: Value where nothing else is said; its type decides the scale where none is given.
        symbol: Sign in the equation; the field's name by default.
        title: Two or three words beside the symbol; made from the name by default.
        low: Smallest accepted value, inclusive. A number needs both bounds.
        high: Largest accepted value, inclusive.
        scale: "linear", "log", "integer", "choice" or "switch".
        choices: The accepted words of a "choice".
        slider: Ends of the slider, where the whole range would be too coarse.
        step: What one arrow key adds.
        help: One sentence a student understands.
        live: Whether it may be edited while a run goes on.
        advanced: Folded under "more" in the dashboard.
        up_to: "units", where the number of units of the layer bounds it too.

    Raises:
        TypeError: The declaration itself is incomplete or contradicts itself.
    """
    if scale is None:
        scale = (
            "switch"
            if isinstance(default, bool)
            else "choice"
            if isinstance(default, str)
            else "integer"
            if isinstance(default, int)
            else "linear"
        )
    if scale == "choice" and default not in choices:
        raise TypeError(f"A choice needs `choices` that hold its default {default!r}.")
    if scale in ("linear", "log", "integer") and (low is None or high is None):
        raise TypeError("A knob that is a number needs `low` and `high`.")
    default = _declarable(default, scale, choices, low, high, slider)
    declared = {
        "symbol": symbol,
        "title": title,
        "low": low,
        "high": high,
        "scale": scale,
        "choices": choices,
        "slider_low": slider[0] if slider else low,
        "slider_high": slider[1] if slider else high,
        "step": step,
        "help": help,
        "live": live,
        "advanced": advanced,
        "up_to": up_to,
    }
    bounds = {} if scale in ("choice", "switch") else {"ge": low, "le": high}
    return Field(default, description=help, json_schema_extra={"knob": declared}, **bounds)  # type: ignore[call-overload]


def _declarable(
    default: Value,
    scale: Scale,
    choices: tuple[str, ...],
    low: float | None,
    high: float | None,
    slider: tuple[float, float] | None,
) -> Value:
    """Return the default in the knob's own type; refuse a declaration that no value could meet."""
    if low is not None and high is not None:
        left, right = slider or (low, high)
        if not -math.inf < low <= left < right <= high < math.inf:
            raise TypeError(
                f"A knob needs finite low < high, not {low} and {high}, and the ends of its "
                f"slider within them, not {left} and {right}."
            )
        if scale == "log" and left <= 0:
            raise TypeError("A logarithmic slider needs ends above 0, such as slider=(1e-4, 1).")
    one = Knob("default", "default", "", default, low, high, scale, "", choices=choices)
    try:
        return one.check(default)
    except InvalidValue as error:
        raise TypeError(f"The knob refuses its own default: {error}") from None


class Knobbed(BaseModel):
    """A pydantic model of knobs: strict, validated on assignment, refusing in words."""

    model_config = ConfigDict(
        validate_assignment=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True
    )

    kind: ClassVar[str] = "setting"

    def __init__(self, **values: Any) -> None:
        for name in values:
            if name not in type(self).model_fields:
                raise unknown(f"{self.kind} of {self._who()}", name, type(self).model_fields)
        with _Words():
            super().__init__(**values)

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name not in type(self).model_fields:
            raise unknown(f"{self.kind} of {self._who()}", name, type(self).model_fields)
        with _Words():
            super().__setattr__(name, value)

    @classmethod
    def _who(cls) -> str:
        return repr(getattr(cls, "name", cls.__name__))

    @classmethod
    def declared(cls) -> dict[str, Knob]:
        """Return the knobs of this class by name, in the order of declaration."""
        return dict(_declared(cls))

    def knobs(self) -> dict[str, Knob]:
        """Return the knobs by ASCII name, in the order of declaration."""
        return self.declared()

    def values(self) -> dict[str, Value]:
        """Return the present value of every knob."""
        return {name: getattr(self, name) for name in self.declared()}

    @field_validator("*", mode="before")
    @classmethod
    def _judge(cls, value: Any, info: ValidationInfo) -> Any:
        declared = _declared(cls).get(info.field_name or "")
        return declared.check(value) if declared else value

    def with_(self, **values: Any) -> Self:
        """Return a copy with some knobs changed, validated."""
        return type(self)(**{**self.values(), **values})


@cache
def _declared(cls: type[Knobbed]) -> dict[str, Knob]:
    knobs = {}
    for name, field in cls.model_fields.items():
        extra = field.json_schema_extra
        declared = extra.get("knob") if isinstance(extra, dict) else None
        if not isinstance(declared, dict):
            continue
        default = None if field.default is PydanticUndefined else field.default
        known = {f.name for f in fields(Knob)}
        entry: dict[str, Any] = {key: value for key, value in declared.items() if key in known}
        entry["symbol"] = entry["symbol"] or name
        entry["title"] = entry["title"] or name.replace("_", " ")
        one = Knob(name=name, default=default, **entry)  # type: ignore[arg-type]
        knobs[name] = replace(one, step=one.step or _natural_step(one))
    return knobs


def _natural_step(one: Knob) -> float | None:
    if one.scale == "integer":
        return 1
    if one.scale == "log":
        return 10**0.05
    if one.slider_low is None or one.slider_high is None:
        return None
    return float(10 ** math.floor(math.log10((one.slider_high - one.slider_low) / 50)))


class _Words:
    """Turns pydantic's report into the first refusal's own sentence."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ValidationError):
            raise InvalidValue(words(error)) from None


def words(error: ValidationError) -> str:
    """Return a pydantic report as sentences for a person."""
    lines = []
    for item in error.errors(include_url=False):
        message = item["msg"].removeprefix("Value error, ")
        where = ".".join(str(part) for part in item["loc"])
        said = message if message.endswith((".", "?")) else f"{where}: {message}."
        lines.append(said)
    return " ".join(dict.fromkeys(lines))
