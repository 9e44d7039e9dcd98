"""Everything that determines a run before its first step."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from hebblab.data import worlds
from hebblab.errors import InvalidValue, shown, unknown
from hebblab.knobs import Knob, Knobbed, Value, knob, words
from hebblab.recipes.entries import BESIDE, built, complete, layer_name, layer_names
from hebblab.recipes.overriding import EVERY_LAYER, override
from hebblab.rules import Rule, create, get
from hebblab.training import OPTIONS, LayerOptions
from hebblab.training.schedules import DECAYS

SCHEDULES = ("in-order", "simultaneous", "greedy")
_MOST_STEPS = 1_000_000_000


class Recipe(Knobbed):
    """A run before its first step: data, network, rules, steps, seed, and nothing left out.

    Equal recipes, edits, machines and numbers of threads give equal weights, bit for bit.

    Attributes:
        data: Name of a data set, or path of a folder or an .npz file.
        network: Name of a network.
        rules: By layer name ("*" for every Hebbian layer): {"rule": name, **knobs, "init": start,
            "learning_rate": rate, **options}; see `hl.LayerOptions`.
        batch_size: Images a step.
        epochs: Passes over the training images; or
        steps: Batches in all.
        endless: Run on until stopped.
        learning_rate: Of every layer that says none of its own; the first rule's by default.
        decay: "none", or "linear": rate × max(decay_floor, 1 - step/steps).
        decay_floor: Share of the rate at which a decay ends.
        burn_in: First steps of every layer that change no weight, while adaptive thresholds settle.
        schedule: Whether layers learn "in-order" in each step, all from the weights of the step
            before ("simultaneous"), or one after another ("greedy", an equal share of the steps
            each).
        centre: Subtract the mean training image.
        world: Knobs of a two-dimensional world, such as {"elongation": 3}.
        speed: Steps a second at most; None as fast as it goes. Changes no weight.
        seed: Of everything random in the run.
        threads: Of torch; another number changes bits.
        name: Of the preset it came from.
        source: Where its values come from.
        expect: What one should see.
        seconds: About how long it takes on a laptop, without a speed limit.

    Raises:
        InvalidValue: A value is out of bounds, of the wrong type, or contradicts another.
        UnknownName: A rule or a setting does not exist.

    >>> recipe = Recipe(rules={"hidden": {"rule": "krotov-hopfield", "delta": 0.2}}, steps=10)
    >>> Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    True
    """

    model_config = ConfigDict(frozen=True)
    kind: ClassVar[str] = "setting"

    schema_version: Literal[1] = 1
    data: str = Field("mnist-5k", min_length=1, max_length=4096)
    network: str = Field("dense-100", min_length=1, max_length=64)
    rules: dict[str, dict[str, Any]] = Field(
        default_factory=lambda: {EVERY_LAYER: {"rule": "krotov-hopfield"}}, validate_default=True
    )
    batch_size: int = knob(
        100,
        title="batch size",
        low=1,
        high=100_000,
        slider_log=True,
        help="Images a step.",
        advanced=True,
    )
    epochs: int | None = None
    steps: int | None = None
    endless: bool = knob(False, help="Run on until stopped.")
    learning_rate: float | None = None
    decay: str = knob("none", choices=DECAYS, help="How the learning rate falls with the steps.")
    decay_floor: float = knob(
        0.0, title="decay floor", low=0, high=1, help="Share of the rate at which a decay ends."
    )
    burn_in: int = knob(
        0,
        title="burn-in",
        low=0,
        high=1_000_000,
        slider=(0, 1000),
        help="First steps in which no weight changes, while thresholds settle.",
        advanced=True,
    )
    schedule: str = knob(
        "in-order", choices=SCHEDULES, help="When which of several layers learns.", advanced=True
    )
    centre: bool = knob(False, help="Subtract the mean training image.")
    world: dict[str, Any] = Field(default_factory=dict)
    speed: float | None = None
    seed: int = knob(1, low=0, high=2**63 - 1, help="Of everything random in the run.")
    threads: int = knob(1, low=1, high=256, help="Threads of torch; another number changes bits.")
    name: str | None = Field(None, max_length=64)
    source: str = Field("", max_length=2000)
    expect: str = Field("", max_length=2000)
    seconds: float | None = Field(None, ge=0, allow_inf_nan=False, strict=True)

    @classmethod
    def _who(cls) -> str:
        return "a recipe"

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Return the recipe that a dictionary holds.

        Raises:
            InvalidValue: It holds no recipe.
        """
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise InvalidValue(f"That is no recipe: {words(error)}") from None

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Return the recipe that a JSON text holds.

        Raises:
            InvalidValue: The text is no JSON, or no recipe.
        """
        try:
            return super().model_validate_json(json_data, **options)
        except ValidationError as error:
            raise InvalidValue(f"That is no recipe: {words(error)}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in type(self).model_fields:
            raise InvalidValue(
                f"A recipe does not change; make another: recipe.changed({name}={shown(value)})."
            )
        super().__setattr__(name, value)

    @field_validator("schema_version", mode="before")
    @classmethod
    def _known_schema(cls, value: Any) -> Any:
        if value != 1 or isinstance(value, bool):
            raise InvalidValue(
                f"This recipe has schema version {shown(value)}; this hebblab reads version 1. "
                "A newer hebblab may read it: pip install --upgrade hebblab."
            )
        return value

    @field_validator("data", mode="before")
    @classmethod
    def _path(cls, value: Any) -> Any:
        return os.fspath(value) if isinstance(value, os.PathLike) else value

    @field_validator("world", mode="before")
    @classmethod
    def _world(cls, given: Any, info: Any) -> dict[str, Any]:
        if not isinstance(given, Mapping):
            raise InvalidValue(
                f'world must be a dictionary such as {{"noise": 0.1}}, not {shown(given)}.'
            )
        name = info.data.get("data")
        if not given:
            return {}
        if name not in worlds.available():
            raise InvalidValue(
                f"Only two-dimensional worlds have knobs ({', '.join(worlds.available())}); "
                f"{shown(name)} is none. Leave world empty."
            )
        return dict(worlds.get(name)(**given).values())

    @field_validator("epochs", "steps", "learning_rate", "speed", mode="before")
    @classmethod
    def _optional(cls, value: Any, info: Any) -> Any:
        return value if value is None else _OPTIONAL[info.field_name].check(value)

    @field_validator("rules", mode="before")
    @classmethod
    def _layers(cls, rules: Any) -> dict[str, dict[str, Any]]:
        if not isinstance(rules, Mapping) or not rules:
            raise InvalidValue(
                'rules must be a dictionary such as {"hidden": {"rule": "krotov-hopfield"}}, '
                f"not {shown(rules)}."
            )
        return {layer_name(layer): complete(entry) for layer, entry in rules.items()}

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        if values.get("epochs") is not None and values.get("steps") is not None:
            raise InvalidValue("Give epochs or steps, not both: epochs are passes, steps batches.")
        if values.get("epochs") is None and values.get("steps") is None:
            values = {**values, "epochs": 10}
        return values

    def rate(self, layer: str) -> float:
        """Return the base learning rate of a layer."""
        entry = self._entry(layer)
        own = entry.get("learning_rate")
        if own is not None:
            return float(own)
        if self.learning_rate is not None:
            return self.learning_rate
        return get(entry["rule"]).learning_rate

    def rule(self, layer: str) -> Rule:
        """Return the rule of a layer, its knobs set."""
        entry = self._entry(layer)
        knobs = {key: value for key, value in entry.items() if key not in BESIDE}
        return create(entry["rule"], **knobs)

    def options(self, layer: str, network: Mapping[str, Value] | None = None) -> LayerOptions:
        """Return what the recipe says of a layer beside its rule's knobs.

        Args:
            layer: Its name.
            network: What the network's builder set, where the recipe says nothing.
        """
        entry = self._entry(layer)
        said = {key: entry[key] for key in OPTIONS if entry.get(key) is not None}
        return LayerOptions(**{**built(network), **said, "learning_rate": self.rate(layer)})

    def _entry(self, layer: str) -> dict[str, Any]:
        if not isinstance(layer, str) or layer not in self.rules:
            raise unknown("layer in this recipe", layer, self.rules, "See recipe.resolved(layers).")
        return self.rules[layer]

    def total_steps(self, steps_per_epoch: int) -> int | None:
        """Return how many steps the run takes; None where it is endless."""
        if self.endless:
            return None
        return self.planned_steps(steps_per_epoch)

    def planned_steps(self, steps_per_epoch: int) -> int:
        """Return the steps over which a decay goes, endless or not."""
        return self.steps if self.steps is not None else (self.epochs or 1) * steps_per_epoch

    def resolved(self, layers: Iterable[str]) -> "Recipe":
        """Return the recipe with "*" replaced by the names of a network's Hebbian layers.

        Raises:
            UnknownName: A layer of the recipe is not the network's.
        """
        names = layer_names(layers)
        rules: dict[str, dict[str, Any]] = {}
        for name in names:
            entry = self.rules.get(name, self.rules.get(EVERY_LAYER))
            if entry is not None:
                rules[name] = dict(entry)
        for name in self.rules:
            if name != EVERY_LAYER and name not in names:
                raise unknown(f"Hebbian layer of {self.network!r}", name, names)
        return self.changed(rules=rules)

    def changed(self, **fields: Any) -> "Recipe":
        """Return a copy with some settings replaced, validated as a whole."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        if fields.get("steps") is not None:
            given["epochs"] = None
        if fields.get("epochs") is not None:
            given["steps"] = None
        return Recipe(**{**given, **fields})

    def overridden(self, **overrides: Any) -> "Recipe":
        """Return a copy with settings, a `rule`, knobs of the rules, `n` or `init` replaced.

        `rule` brings its own start and learning rate unless they are given, and as such rates suit
        the beginning of a run, a linear decay to a tenth; what was set around the old rule stays
        where the new one can have it, and `left_out` says what could not be kept. `network` carries
        the rules over to its own layers.

        Raises:
            UnknownName: No setting and no knob has that name.
            InvalidValue: A value is refused.
        """
        return override(self, overrides)[0]

    def left_out(self, **overrides: Any) -> tuple[str, ...]:
        """Return, in sentences, what `overridden` with the same overrides does not keep.

        >>> Recipe(rules={"*": {"rule": "hard-wta", "pruning": 0.5}}).left_out(rule="sanger")
        ("pruned share 0.50 is left out. Each unit of 'sanger' has its place among the others.",)
        """
        return override(self, overrides)[1]


_OPTIONAL: dict[str, Knob] = {
    "epochs": Knob("epochs", "epochs", "epochs", 10, 1, 1_000_000, "integer", "Passes."),
    "steps": Knob("steps", "steps", "steps", 420, 1, _MOST_STEPS, "integer", "Batches in all."),
    "learning_rate": OPTIONS["learning_rate"],
    "speed": Knob("speed", "speed", "speed", 60.0, 0.1, 100_000, "log", "Steps a second."),
}
SPEED = _OPTIONAL["speed"]
SETTINGS: dict[str, Knob] = {**Recipe.declared(), **_OPTIONAL}


__all__ = ["EVERY_LAYER", "SCHEDULES", "SETTINGS", "SPEED", "Recipe"]
