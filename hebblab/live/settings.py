"""What a layer's options do to the network around it: activation, input norm, whitening."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from hebblab.data import Dataset, as_floats
from hebblab.errors import InvalidValue
from hebblab.knobs import Knob, Value
from hebblab.live.paths import LayerPath
from hebblab.nn import InputNorm, PatchConv2d, RePU, Whitening
from hebblab.rules import Rule
from hebblab.training import OPTIONS, LayerOptions
from hebblab.training.modes import evaluating

_FITTED_ON = 10_000  # images that a whitening is fitted on, at the most
_PATCHES = 100_000
_NUMBERS = 2**27  # what a deep layer is given of all of them would be gigabytes
_FEWEST = 100
_AT_ONCE = 250


Fitted = tuple[Whitening | PatchConv2d, Tensor | None, Tensor | None]


class Surroundings:
    """The modules of a network that the options of one of its layers set.

    Args:
        model: The network.
        layer: Name of a layer that learns.
    """

    def __init__(self, model: nn.Sequential, layer: str) -> None:
        self.model = model
        self.layer = layer
        self.module = model.get_submodule(layer)
        self.activation = _after(model, layer)
        self.input_norm, self.whitening = _before(model, layer)
        self.built = self._built()
        # What a person's own network comes with stays where the recipe asks for no other.
        self._fitted: list[Fitted] = [
            (module, module.mean, module.matrix)
            for module in (self.whitening, self.module)
            if isinstance(module, Whitening | PatchConv2d)
        ]

    def offered(self, rule: Rule, options: LayerOptions) -> dict[str, Knob]:
        """Return the options that can be turned here, under a rule as it is set."""
        conv = isinstance(self.module, nn.Conv2d)
        whitened = conv and isinstance(self.module, PatchConv2d)
        winning = rule.winners_wanted() is not None
        fits = {
            "learning_rate": True,
            "n": self.activation is not None,
            "row_norm": not rule.bounded,
            "triangle": self.activation is not None,
            "thresholds": winning or options.thresholds,
            "threshold_rate": winning and options.thresholds,
            "norm_adaptive_lr": rule.norm is not None,
            "pruning": not rule.ordered,
            "teacher": rule.teachable,
            "input_norm": self.input_norm is not None,
            "zca": self.whitening is not None or whitened,
            "zca_epsilon": options.zca != "none",
            "patches_per_batch": conv,
            "radius_end": "radius" in rule.declared(),
        }
        return {name: OPTIONS[name] for name, fit in fits.items() if fit}

    def judge(self, options: LayerOptions) -> None:
        """Refuse options that the network has no place for.

        Raises:
            InvalidValue: In the words of the network.
        """
        wanted = {
            "triangle": (options.triangle, self.activation, "RePU after it"),
            "input_norm": (options.input_norm != "none", self.input_norm, "InputNorm before it"),
        }
        for name, (set_, module, place) in wanted.items():
            if set_ and module is None:
                raise InvalidValue(
                    f"{name} needs a hebblab.nn.{place}, and layer {self.layer!r} of this network "
                    "has none. Leave it off, or choose a network of hebblab."
                )
        if options.zca == "images" and self.whitening is None:
            raise InvalidValue(
                f"zca = 'images' needs a hebblab.nn.Whitening before the first layer that learns, "
                f"and layer {self.layer!r} has none before it. Set it at the first layer of a "
                "convolutional network, or choose 'none'."
            )
        if options.zca == "patches" and not isinstance(self.module, PatchConv2d):
            raise InvalidValue(
                f"zca = 'patches' needs a hebblab.nn.PatchConv2d, and layer {self.layer!r} is a "
                f"{type(self.module).__name__}. Choose 'images' or 'none'."
            )

    def set(
        self, options: LayerOptions, dataset: Dataset, centre: Tensor | None, seed: int
    ) -> None:
        """Bring the network to what the options say; whitening is fitted on training images."""
        self.form(options)
        self.whiten(options, dataset, centre, seed)

    def form(self, options: LayerOptions) -> None:
        """Give activation and input norm the form that the options say."""
        if self.activation is not None:
            self.activation.n = options.n
            self.activation.triangle = options.triangle
        if self.input_norm is not None:
            self.input_norm.mode = options.input_norm

    def _built(self) -> dict[str, Value]:
        """Return what the network's builder set, where a recipe says nothing."""
        built: dict[str, Value] = {}
        if self.activation is not None:
            built |= {"n": self.activation.n, "triangle": self.activation.triangle}
        if self.input_norm is not None:
            built["input_norm"] = self.input_norm.mode
        return built

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


def _leaves(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, module in model.named_modules():
        if not any(True for _ in module.children()):
            yield name, module


def _after(model: nn.Module, layer: str) -> RePU | None:
    """Return the RePU that a layer's responses go through, if there is one."""
    found = False
    for name, module in _leaves(model):
        if name == layer:
            found = True
        elif found and isinstance(module, RePU):
            return module
        elif found and isinstance(module, nn.Linear | nn.Conv2d):
            return None
    return None


def _before(model: nn.Module, layer: str) -> tuple[InputNorm | None, Whitening | None]:
    """Return the input norm next before a layer, and the whitening, if no layer comes between."""
    norm: InputNorm | None = None
    whitening: Whitening | None = None
    for name, module in _leaves(model):
        if name == layer:
            break
        if isinstance(module, InputNorm):
            norm = module
        elif isinstance(module, Whitening):
            whitening = module
        elif isinstance(module, nn.Linear | nn.Conv2d):
            norm = whitening = None
    return norm, whitening


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
    for _, module in _leaves(model):
        if module is target:
            break
        inputs = module(inputs)
    return inputs
