"""Named networks, and a person's own by name."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, overload

import torch
from torch import nn

from hebblab.errors import DataUnavailable, InvalidValue, UnknownName, shown, unknown
from hebblab.knobs import Value
from hebblab.nn.activations import RePU
from hebblab.nn.initial import redraw_
from hebblab.nn.inputs import InputNorm
from hebblab.nn.layers import LayerView
from hebblab.nn.modes import evaluating
from hebblab.nn.patches import PatchConv2d
from hebblab.nn.published import BUILDERS, Builder, dense

_builders: dict[str, Builder] = dict(BUILDERS)
_DENSE = re.compile(r"dense-([1-9]\d{0,4}|100000)")
_SET = (InputNorm, PatchConv2d, RePU)  # modules with settings that no state dictionary holds
_DENSE_HELP = "dense-N is a dense network of N units, from dense-1 to dense-100000."


def available() -> tuple[str, ...]:
    """Return the names of the known networks, sorted.

    Beside them, `dense-N` is a dense network of any N from 1 to 100,000 units.

    >>> available()[:2]
    ('conv-400', 'dense-100')
    """
    return tuple(sorted(_builders))


@overload
def register(name: str) -> Callable[[Builder], Builder]: ...
@overload
def register(name: str, builder: Builder) -> Builder: ...
def register(name: str, builder: Builder | None = None) -> object:
    """Register a network of one's own under a name; registered again, it replaces itself.

    Args:
        name: What presets, recipes and the dashboard call it.
        builder: Function of (image_shape, classes) that returns a `torch.nn.Sequential`. Layers
            that a Hebbian rule trains have no bias; the last child is the readout.

    >>> @register("tiny-9")
    ... def tiny(image_shape, classes):
    ...     fan_in = image_shape[0] * image_shape[1] * image_shape[2]
    ...     return nn.Sequential(nn.Flatten(), nn.Linear(fan_in, 9, bias=False),
    ...                          nn.ReLU(), nn.Linear(9, classes))
    >>> len(create("tiny-9", image_shape=(1, 8, 8)))
    4
    >>> unregister("tiny-9")
    """
    if not isinstance(name, str) or not 0 < len(name) <= 64 or not name.isprintable():
        raise InvalidValue(f"A network's name is 1 to 64 printable characters, not {shown(name)}.")

    if _owned(name):
        raise InvalidValue(f"The network {name!r} belongs to hebblab. Choose another name.")

    def keep(function: Builder) -> Builder:
        if isinstance(function, nn.Module) or not callable(function):
            raise InvalidValue(
                "Register a function of (image_shape, classes) that builds the network, not "
                f"{shown(function)}."
            )
        _builders[name] = function
        return function

    return keep if builder is None else keep(builder)


def unregister(name: str) -> None:
    """Forget a network of one's own; those of the package stay.

    Raises:
        UnknownName: There is no such network.
        InvalidValue: The network is the package's.
    """
    _builder(name)
    if _owned(name):
        raise InvalidValue(f"The network {name!r} belongs to hebblab and stays.")
    del _builders[name]


def create(
    name: str, image_shape: tuple[int, ...] = (1, 28, 28), classes: int = 10, seed: int = 0
) -> nn.Sequential:
    """Build a network by name, its weights drawn from `seed` alone.

    Args:
        name: One of `available()`, or "dense-N".
        image_shape: (channels, height, width), or (numbers,) for inputs that are no images.
        classes: Outputs of the readout.
        seed: Of the weights. The global generator is left as it was.

    Raises:
        UnknownName: There is no such network.
        InvalidValue: The network does not fit the images, or is no `Sequential`.

    >>> create("dense-100")
    Sequential(
      (whiten): Whitening(identity)
      (flatten): Flatten(start_dim=1, end_dim=-1)
      (prepare): InputNorm(mode=none)
      (hidden): Linear(in_features=784, out_features=100, bias=False)
      (activation): RePU(n=1)
      (readout): Linear(in_features=100, out_features=10, bias=True)
    )
    """
    builder = _builder(name)
    image_shape = tuple(image_shape)
    for number in (*image_shape, classes):
        if type(number) is not int or number < 1:
            raise InvalidValue(
                "image_shape and classes are whole numbers from 1, "
                f"not {shown(image_shape)} and {shown(classes)}."
            )
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        # Modules draw from the global generator while they are built; outside it stays untouched.
        torch.default_generator.manual_seed(seed)
        network = builder(image_shape, classes)
        if not isinstance(network, nn.Sequential):
            raise InvalidValue(
                f"The network {name!r} is a {type(network).__name__}; hebblab needs a "
                "torch.nn.Sequential."
            )
        network.float()
        redraw_(network, torch.Generator().manual_seed(seed))
        if not _owned(name):
            _try(network, name, image_shape)
    return network


def _owned(name: str) -> bool:
    return name in BUILDERS or _DENSE.fullmatch(name) is not None


def _builder(name: str) -> Builder:
    if isinstance(name, str):
        units = _DENSE.fullmatch(name)
        if units is not None:
            return dense(int(units[1]))
        if name in _builders:
            return _builders[name]
    raise unknown("network", name, _builders, advice=_DENSE_HELP)


def _try(network: nn.Sequential, name: str, image_shape: tuple[int, ...]) -> None:
    """Refuse a network that cannot take what the data holds."""
    try:
        with torch.no_grad(), evaluating(network):
            network(torch.zeros(1, *image_shape))
    except (RuntimeError, ValueError, IndexError) as error:
        shape = "×".join(map(str, image_shape))
        raise InvalidValue(
            f"The network {name!r} does not fit inputs of {shape}: {error}"
        ) from error


def load(folder: str | Path) -> nn.Sequential:
    """Return the network that `Session.save` wrote into `folder`.

    Raises:
        DataUnavailable: The folder, or one of its files, is missing or damaged.
        UnknownName: The network was one of a person's own and is not registered now.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(folder)
    try:
        about = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
        name, shape, classes = about["network"], tuple(about["input_shape"]), about["classes"]
        network = create(name, shape, classes)
        older = {module: {"n": n} for module, n in about.get("exponents", {}).items()}
        try:
            restore(network, about.get("settings", older))
        except UnknownName as error:
            raise ValueError(str(error)) from error
    except UnknownName as error:
        raise UnknownName(
            f"{error} {folder} was saved with a network of your own: "
            "run the cell that registers it, then load again."
        ) from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataUnavailable(
            f"{folder} holds no saved run: recipe.json could not be read ({error}). "
            "Name a folder that session.save wrote."
        ) from error
    try:
        tensors = {
            key: value.clone()
            for key, value in load_file(str(folder / "weights.safetensors")).items()
        }
        network.load_state_dict(tensors)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DataUnavailable(
            f"{folder / 'weights.safetensors'} does not hold the weights of {name!r}: {error}"
        ) from error
    return network


def settings(network: nn.Module) -> dict[str, dict[str, Value]]:
    """Return what a person may turn at a network's modules, by name: it is in no state dictionary.

    >>> settings(create("dense-100"))
    {'prepare': {'mode': 'none'}, 'activation': {'n': 1.0, 'triangle': False}}
    """
    return {
        name: module.values()
        for name, module in network.named_modules()
        if isinstance(module, _SET)
    }


def restore(network: nn.Sequential, given: Mapping[str, Mapping[str, Any]]) -> None:
    """Turn a network's modules to what `settings` returned.

    Raises:
        InvalidValue: A value is refused.
        UnknownName: A module has no such setting.
    """
    for name, values in given.items():
        module = network.get_submodule(name)
        if isinstance(module, _SET):
            known = module.values()
            for key, value in values.items():
                if key not in known:
                    raise unknown("setting", key, known)
                setattr(module, key, value)


def hebbian_layers(
    network: nn.Module, supervised_from: str | int | None = -1, freeze: tuple[str, ...] = ()
) -> dict[str, LayerView]:
    """Return the layers that Hebbian rules train, by name, in forward order.

    Args:
        network: Any module whose children are in forward order.
        supervised_from: Name or index of the first child that is not trained by Hebbian rules;
            -1 is the last child, None means that every layer is Hebbian.
        freeze: Names of layers left alone.

    Raises:
        UnknownName: `supervised_from` or one of `freeze` names no layer.
        InvalidValue: Nothing is left to train, or a layer has a bias.
    """
    children = [name for name, _ in network.named_children()]
    if supervised_from is None:
        limit = len(children)
    elif isinstance(supervised_from, str):
        if supervised_from not in children:
            raise unknown("layer", supervised_from, children)
        limit = children.index(supervised_from)
    else:
        if type(supervised_from) is not int or not (
            -len(children) <= supervised_from < len(children)
        ):
            raise InvalidValue(
                f"supervised_from must be a layer's name, or a place from {-len(children)} to "
                f"{len(children) - 1}, not {shown(supervised_from)}."
            )
        limit = supervised_from % len(children)
    first = set(children[:limit])
    layers = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and name.split(".")[0] in first
    }
    for name in freeze:
        if name not in layers:
            raise unknown("layer", name, layers)
    views = {name: LayerView(module, name) for name, module in layers.items() if name not in freeze}
    if not views:
        raise InvalidValue(
            "No layer is left for a Hebbian rule: the network has no Linear or Conv2d layer before "
            f"supervised_from={supervised_from!r} that is not frozen. supervised_from=None trains "
            "every layer."
        )
    return views
