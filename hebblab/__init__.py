"""The public names, resolved when first used: importing hebblab imports no torch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hebblab.version import __version__

_ROOMS = ("data", "evaluation", "metrics", "networks", "presets", "rules", "training")
_NAMES = {
    "HebblabError": "errors",
    "UnknownName": "errors",
    "InvalidValue": "errors",
    "WrongState": "errors",
    "DataUnavailable": "errors",
    "Diverged": "errors",
    "NotFinite": "errors",
    "Knob": "knobs",
    "knob": "knobs",
    "Images": "data",
    "Vectors": "data",
    "Dataset": "data",
    "RePU": "nn",
    "LayerView": "nn",
    "Rule": "rules",
    "Rows": "rules",
    "KrotovsRule": "rules",
    "LayerOptions": "training",
    "Local": "training",
    "HebbianTrainer": "training",
    "SupervisedTrainer": "training",
    "SupervisedEvaluator": "training",
    "HebbianEvaluator": "training",
    "linear_probe": "evaluation",
    "evaluate": "evaluation",
    "Evaluation": "evaluation",
    "ProbeResult": "evaluation",
    "Score": "evaluation",
    "Recipe": "recipes",
    "Session": "live",
    "Edit": "live",
    "Frame": "live",
    "Lab": "dashboard",
    "sweep": "experiments",
    "papers": "experiments",
    "Paper": "experiments.papers",
    "PaperResult": "experiments.papers",
}

__all__ = [
    "DataUnavailable",
    "Dataset",
    "Diverged",
    "Edit",
    "Evaluation",
    "Frame",
    "HebbianEvaluator",
    "HebbianTrainer",
    "HebblabError",
    "Images",
    "InvalidValue",
    "Knob",
    "KrotovsRule",
    "Lab",
    "LayerOptions",
    "LayerView",
    "Local",
    "NotFinite",
    "Paper",
    "PaperResult",
    "ProbeResult",
    "RePU",
    "Recipe",
    "Rows",
    "Rule",
    "Score",
    "Session",
    "SupervisedEvaluator",
    "SupervisedTrainer",
    "UnknownName",
    "Vectors",
    "WrongState",
    "__version__",
    "data",
    "evaluate",
    "evaluation",
    "knob",
    "linear_probe",
    "metrics",
    "networks",
    "papers",
    "presets",
    "rules",
    "sweep",
    "training",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        value: Any = import_module(
            "hebblab.nn.networks" if name == "networks" else f"hebblab.{name}"
        )
    elif name in _NAMES:
        value = getattr(import_module(f"hebblab.{_NAMES[name]}"), name)
    else:
        raise AttributeError(f"module 'hebblab' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if TYPE_CHECKING:
    from hebblab import data, evaluation, metrics, presets, rules, training
    from hebblab.dashboard import Lab
    from hebblab.data import Dataset, Images, Vectors
    from hebblab.errors import (
        DataUnavailable,
        Diverged,
        HebblabError,
        InvalidValue,
        NotFinite,
        UnknownName,
        WrongState,
    )
    from hebblab.evaluation import Evaluation, ProbeResult, Score, evaluate, linear_probe
    from hebblab.experiments import papers, sweep
    from hebblab.experiments.papers import Paper, PaperResult
    from hebblab.knobs import Knob, knob
    from hebblab.live import Edit, Frame, Session
    from hebblab.nn import LayerView, RePU, networks
    from hebblab.recipes import Recipe
    from hebblab.rules import KrotovsRule, Rows, Rule
    from hebblab.training import (
        HebbianEvaluator,
        HebbianTrainer,
        LayerOptions,
        Local,
        SupervisedEvaluator,
        SupervisedTrainer,
    )
