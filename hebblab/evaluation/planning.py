"""What an evaluation will do, refused in a sentence before anything is computed."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from hebblab.data import Dataset, Vectors
from hebblab.errors import InvalidValue, shown, unknown
from hebblab.evaluation.controls import CONTROLS
from hebblab.evaluation.few_labels import Asked, asked
from hebblab.evaluation.subsets import subset
from hebblab.training.features import feature_path

SPLITS = ("validation", "test")
_VALIDATIONS = ("images", "within-labels")


class Plan(NamedTuple):
    """What an evaluation will do: probes, controls and layers by name.

    Attributes:
        probes: As asked for.
        controls: Beside each layer.
        layers: Of the network.
        within: Whether few labels choose their penalty by themselves.
    """

    probes: list[Asked]
    controls: list[str]
    layers: list[str]
    within: bool = False


def planned(
    network: nn.Module,
    dataset: Dataset,
    layers: str | Sequence[str] | None = None,
    probes: str | Sequence[str] = ("linear",),
    controls: str | Sequence[str] = ("pixels", "random"),
    split: str = "validation",
    validation: str = "images",
) -> Plan:
    """Return what `evaluate` would do, or refuse it as `evaluate` would, before anything is done.

    Raises:
        UnknownName: There is no such layer, probe, control, split or way to choose.
        InvalidValue: A split is too small for its classes, a subset to choose by itself, or a
            probe does not suit the data.
    """
    if split not in SPLITS:
        raise unknown("split to score", split, SPLITS)
    if validation not in _VALIDATIONS:
        raise unknown("way to choose penalties", validation, _VALIDATIONS)
    wanted = [asked(name) for name in _names("probes", probes)]
    if not wanted:
        raise InvalidValue("An evaluation needs at least one probe, such as probes=['linear'].")
    beside = _names("controls", controls)
    for name in beside:
        if name not in CONTROLS:
            raise unknown("control", name, CONTROLS)
    chosen = _layers(network, layers)
    within = validation != _VALIDATIONS[0]
    if within and not any(one.kind == "few" for one in wanted):
        raise InvalidValue(
            f"validation={shown(validation)} is for probes of few labels, such as "
            "'linear@1%', and none is asked for."
        )
    _check(dataset, split, wanted, within)
    return Plan(wanted, beside, chosen, within)


def _names(what: str, given: object) -> list[str]:
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise InvalidValue(f"{what} is a list of names, not {shown(given)}.")
    return list(dict.fromkeys(names))


def _layers(network: nn.Module, layers: object) -> list[str]:
    if layers is None:
        return [feature_path(network).layer]
    names = _names("layers", layers)
    if not names:
        raise InvalidValue("layers names at least one layer, or is None for the last one.")
    return [feature_path(network, name).layer for name in names]


def _check(dataset: Dataset, split: str, wanted: Sequence[Asked], within: bool) -> None:
    """Refuse splits that no number could be trusted of, before anything is computed."""
    classes = len(dataset.classes)
    missing = torch.bincount(dataset.train.labels.cpu(), minlength=classes) == 0
    if bool(missing.any()):
        names = [dataset.classes[place] for place in missing.nonzero().flatten().tolist()]
        raise InvalidValue(
            f"The training images hold none of class {shown(names[0])}"
            f"{'' if len(names) == 1 else f' and {len(names) - 1} more'}, so no readout can "
            "learn it."
        )
    for name in dict.fromkeys(("validation", split)):
        count = len(getattr(dataset, name))
        if count < 2 * classes:
            raise InvalidValue(
                f"The {name} split has {count:,} images for {classes:,} classes, too few to "
                "choose or to score by: it needs at least two a class."
            )
    for one in wanted:
        if one.kind == "occlusion" and isinstance(dataset.train, Vectors):
            raise InvalidValue("Only images can be occluded; these inputs are plain vectors.")
        if one.kind == "few":
            # The first subset is as large as the others.
            labels = dataset.train.labels.cpu()
            rows = subset(labels, one.share, one.per_class, classes=classes)
            if within and int(torch.bincount(labels[rows], minlength=classes).min()) < 2:
                raise InvalidValue(
                    f"{shown(one.name)} leaves a class with a single label, which cannot be held "
                    "out to choose a penalty by. Ask for at least two of each class, or leave "
                    "validation='images'."
                )
