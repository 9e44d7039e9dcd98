"""Knobs as fields of pydantic models: strict, and refusing in words."""

import math
import re
from dataclasses import fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PydanticUserError,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticUndefined

from hebblab.errors import InvalidValue, lacking
from hebblab.knobs.declaration import Knob, Scale, Value

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass as _Models
else:
    _Models = type(BaseModel)


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
    slider_log: bool = False,
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
        slider_log: Whether the slider of a whole number counts in decades.
        step: What one arrow key adds (the factor, where the slider counts in decades).
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
    default = _declarable(default, scale, choices, low, high, slider, slider_log)
    declared = {
        "symbol": symbol,
        "title": title,
        "low": low,
        "high": high,
        "scale": scale,
        "choices": choices,
        "slider_low": slider[0] if slider else low,
        "slider_high": slider[1] if slider else high,
        "slider_log": slider_log,
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
    slider_log: bool,
) -> Value:
    """Return the default in the knob's own type; refuse a declaration that no value could meet."""
    if slider_log and scale != "integer":
        raise TypeError(f"`slider_log` is for scale='integer', not {scale!r}.")
    if low is not None and high is not None:
        left, right = slider or (low, high)
        if not -math.inf < low <= left < right <= high < math.inf:
            raise TypeError(
                f"A knob needs finite low < high, not {low} and {high}, and the ends of its "
                f"slider within them, not {left} and {right}."
            )
        if (scale == "log" or slider_log) and left <= 0:
            raise TypeError("A logarithmic slider needs ends above 0, such as slider=(1e-4, 1).")
    one = Knob("default", "default", "", default, low, high, scale, "", choices=choices)
    try:
        return one.check(default)
    except InvalidValue as error:
        raise TypeError(f"The knob refuses its own default: {error}") from None


class _Declaring(_Models):
    """Makes classes of knobs, and says in words what a declaration lacks."""

    def __new__(cls, name: str, bases: Any, namespace: Any, **options: Any) -> Any:
        try:
            return super().__new__(cls, name, bases, namespace, **options)
        except PydanticUserError as error:
            found = re.search(r"[`'](\w+)", str(error))
            if error.code != "model-field-missing-annotation" or found is None:
                raise
            raise TypeError(
                f"{found[1]!r} of {name} has no type. For a knob write {found[1]}: float = "
                f"hl.knob(0.5, low=0, high=1); for what stays as it is, "
                f"{found[1]}: typing.ClassVar = ..."
            ) from None


class Knobbed(BaseModel, metaclass=_Declaring):
    """A pydantic model of knobs: strict, validated on assignment, refusing in words."""

    model_config = ConfigDict(
        validate_assignment=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True
    )

    kind: ClassVar[str] = "setting"

    def __init__(self, **values: Any) -> None:
        known = type(self).model_fields
        wrong = [name for name in values if name not in known]
        if wrong:
            raise lacking(self._who(), self.kind, wrong, known)
        with _Words():
            super().__init__(**values)

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name not in type(self).model_fields:
            raise lacking(self._who(), self.kind, [name], type(self).model_fields)
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
    if one.scale == "log" or one.slider_log:
        return 10**0.05
    if one.scale == "integer":
        return 1
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
