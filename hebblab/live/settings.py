"""What a layer's options do to the network around it: activation, input norm, whitening."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from hebblab.data import Dataset, as_floats
from hebblab.errors import InvalidValue
from hebblab.knobs import Knob
from hebblab.live.paths import LayerPath
from hebblab.nn import PatchConv2d, Whitening
from hebblab.recipes import Recipe
from hebblab.rules import Rule
from hebblab.training import OPTIONS, Adjacent, LayerOptions, leaves, without_effect
from hebblab.training.modes import evaluating

_FITTED_ON = 10_000  # images that a whitening is fitted on, at the most
_PATCHES = 100_000
_NUMBERS = 2**27  # what a deep layer is given of all of them would be gigabytes
_FEWEST = 100
_AT_ONCE = 250


Fitted = tuple[Whitening | PatchConv2d, Tensor | None, Tensor | None]


class Surroundings(Adjacent):
    """The modules of a network that the options of one of its layers set.

    Args:
        model: The network.
        layer: Name of a layer that learns.
    """

    def __init__(self, model: nn.Sequential, layer: str) -> None:
        super().__init__(model, layer)
        self.model = model
        # What a person's own network comes with stays where the recipe asks for no other.
        self._fitted: list[Fitted] = [
            (module, module.mean, module.matrix)
            for module in (self.whitening, self.module)
            if isinstance(module, Whitening | PatchConv2d)
        ]

    def offered(self, rule: Rule, options: LayerOptions) -> dict[str, Knob]:
        """Return the options that can be turned here, under a rule as it is set."""
        missing = self.missing(rule, options)
        return {name: one for name, one in OPTIONS.items() if name not in missing}

    def missing(self, rule: Rule, options: LayerOptions) -> dict[str, str]:
        """Return the options that would change nothing here or cannot be had, with the reason."""
        idle = {"patch_norm": "Input norm is none."} if options.input_norm == "none" else {}
        return idle | self.no_place() | without_effect(rule, options)

    def no_place(self) -> dict[str, str]:
        """Return the options that this network has no place for, with the reason."""
        layer = f"layer {self.layer!r}"
        patches = isinstance(self.module, PatchConv2d)
        whitened = self.whitening is not None or patches
        behind = f"No hebblab.nn.RePU comes after {layer}."
        reasons = {
            "n": (self.activation is None, behind),
            "triangle": (self.activation is None, behind),
            "input_norm": (
                self.input_norm is None and not patches,
                f"No hebblab.nn.InputNorm comes before {layer}.",
            ),
            "patch_norm": (not patches, f"Layer {self.layer!r} is no PatchConv2d."),
            "zca": (
                not whitened,
                f"No hebblab.nn.Whitening comes before {layer}, and it is no PatchConv2d.",
            ),
            "patches_per_batch": (
                not isinstance(self.module, nn.Conv2d),
                f"Layer {self.layer!r} is no convolution.",
            ),
        }
        return {option: why for option, (absent, why) in reasons.items() if absent}

    def set(
        self, options: LayerOptions, dataset: Dataset, centre: Tensor | None, seed: int
    ) -> None:
        """Bring the network to what the options say; whitening is fitted on training images."""
        self.form(options)
        self.whiten(options, dataset, centre, seed)

    @torch.no_grad()
    def whiten(
        self, options: LayerOptions, dataset: Dataset, centre: Tensor | None, seed: int
    ) -> None:
        """Fit or forget the whitening that stands before the layer, or within it.

        Raises:
            InvalidValue: The inputs cannot be whitened; nothing is changed.
        """
        before = [(module, module.mean, module.matrix) for module, *_ in self._fitted]
        self.unwhiten()
        try:
            if options.zca != "none":
                self._fit(options, dataset, centre, seed)
        except InvalidValue:
            _put(before)
            raise

    def _fit(
        self, options: LayerOptions, dataset: Dataset, centre: Tensor | None, seed: int
    ) -> None:
        target: nn.Module | None = self.whitening if options.zca == "images" else self.module
        assert target is not None
        with evaluating(self.model):
            inputs = _given(self.model, target, dataset, centre)
        if isinstance(target, Whitening):
            target.fit(inputs, options.zca_epsilon)
        elif isinstance(target, PatchConv2d):
            generator = torch.Generator().manual_seed(seed)
            target.fit_patches(inputs, generator, _PATCHES, options.zca_epsilon)

    def unwhiten(self) -> None:
        """Return to the whitening that the network was built with, which is none as a rule."""
        _put(self._fitted)

    def before(self, inputs: Tensor) -> Tensor:
        """Return what the layer is given, in evaluation mode."""
        with evaluating(self.model):
            return LayerPath(self.model, self.layer).before(inputs)


def placed(
    recipe: Recipe, around: Mapping[str, Surroundings], carried: Collection[str]
) -> tuple[Recipe, tuple[str, ...]]:
    """Return a recipe without what it brought from another network and this one has no place for.

    Args:
        recipe: Its layers named.
        around: What stands around each of them.
        carried: Names of options that the recipe brought along; what a person asked for stays.

    Returns:
        The recipe, and in sentences what was left out.
    """
    rules = {name: dict(entry) for name, entry in recipe.rules.items()}
    notes = []
    for name, entry in rules.items():
        for key in sorted(carried):
            value = entry.get(key)
            if value is None or key in around[name].built:
                continue
            entry[key] = None
            if value != OPTIONS[key].default:
                option, why = OPTIONS[key], around[name].no_place()[key]
                notes.append(f"{option.title} {option.text(value)} is left out. {why}")
    return recipe.changed(rules=rules) if carried else recipe, tuple(notes)


def _put(fitted: list[Fitted]) -> None:
    for module, mean, matrix in fitted:
        module.mean, module.matrix = mean, matrix


def whitening_buffers(model: nn.Module) -> frozenset[str]:
    """Return the names of the tensors that whitening is made of, fitted or not."""
    return frozenset(
        f"{name}.{buffer}"
        for name, module in model.named_modules()
        if isinstance(module, Whitening | PatchConv2d)
        for buffer in ("mean", "matrix")
    )


def _given(
    model: nn.Sequential, target: nn.Module, dataset: Dataset, centre: Tensor | None
) -> Tensor:
    """Return what a module is given of the training images, as many as memory should hold."""
    one = _up_to(model, target, as_floats(dataset.train, limit=1, centre=centre))
    count = min(len(dataset.train), _FITTED_ON, max(_FEWEST, _NUMBERS // one.numel()))
    images = as_floats(dataset.train, limit=count, centre=centre)
    return torch.cat([_up_to(model, target, part) for part in torch.split(images, _AT_ONCE)])


def _up_to(model: nn.Sequential, target: nn.Module, inputs: Tensor) -> Tensor:
    for _, module in leaves(model):
        if module is target:
            break
        inputs = module(inputs)
    return inputs
