"""The modules of a network next to a layer that its options set: activation, norm, whitening."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from torch import nn

from hebblab.errors import InvalidValue
from hebblab.knobs import Value
from hebblab.nn import InputNorm, PatchConv2d, RePU, Whitening
from hebblab.rules import Rule
from hebblab.training.options import LayerOptions

if TYPE_CHECKING:
    from hebblab.training.learner import Learner

OF_THE_NETWORK = frozenset({"n", "triangle", "input_norm", "patch_norm"})


class Adjacent:
    """What stands before and behind one layer of a network.

    Args:
        model: The network, its modules in forward order.
        layer: Name of a layer that learns.

    Attributes:
        activation: The RePU that the layer's responses go through; None where there is none.
        input_norm: The `InputNorm` next before the layer, or None.
        whitening: The `Whitening` before the layer with no other layer between, or None.
        built: What the network's builder set, where options say nothing.
    """

    def __init__(self, model: nn.Module, layer: str) -> None:
        self.layer = layer
        self.module = model.get_submodule(layer)
        self.activation = _after(model, layer)
        self._next = _next(model, layer)
        self.input_norm, self.whitening = _before(model, layer)
        self.built: dict[str, Value] = {}
        if self.activation is not None:
            self.built |= {"n": self.activation.n, "triangle": self.activation.triangle}
        if self.input_norm is not None:
            self.built["input_norm"] = self.input_norm.mode
        if isinstance(self.module, PatchConv2d):
            own = self.module.patch_norm
            self.built["patch_norm"] = own != "none"
            if own != "none" or self.input_norm is None:
                self.built["input_norm"] = own

    def judge(self, options: LayerOptions, said: Collection[str] = ()) -> None:
        """Refuse options that the network has no place for.

        Args:
            options: Of the layer.
            said: Those that a person asked for; an exponent n always has some value.

        Raises:
            InvalidValue: In the words of the network.
        """
        wanted = {
            "n": ("n" in said, self.activation, "RePU after it"),
            "triangle": (options.triangle, self.activation, "RePU after it"),
            "input_norm": (
                options.input_norm != "none" and not options.patch_norm,
                self.input_norm,
                "InputNorm before it",
            ),
        }
        for name, (set_, module, place) in wanted.items():
            if set_ and module is None:
                raise InvalidValue(
                    f"{name} needs a hebblab.nn.{place}, and layer {self.layer!r} of this network "
                    f"has none. Leave it out ({name}=None), or choose a network of hebblab."
                )
        self._judge_patch_norm(options)
        if options.zca == "images" and self.whitening is None:
            raise InvalidValue(
                f"zca = 'images' needs a hebblab.nn.Whitening before the first layer that learns, "
                f"and layer {self.layer!r} has none before it. Set it at the first layer of a "
                "network for images, or choose 'none'."
            )
        if options.zca == "patches" and not isinstance(self.module, PatchConv2d):
            raise InvalidValue(
                f"zca = 'patches' needs a hebblab.nn.PatchConv2d, and layer {self.layer!r} is a "
                f"{type(self.module).__name__}. Choose 'images' or 'none'."
            )

    def _judge_patch_norm(self, options: LayerOptions) -> None:
        if not options.patch_norm:
            return
        if not isinstance(self.module, PatchConv2d):
            has = " with no patches" if isinstance(self.module, nn.Linear) else ""
            raise InvalidValue(
                f"patch_norm needs a hebblab.nn.PatchConv2d, and layer {self.layer!r} is a "
                f"{type(self.module).__name__}{has}. Leave patch_norm off: input_norm acts on "
                "whole inputs then."
            )
        known = options.input_norm if "input_norm" in options.said else None
        if (known or self.built.get("input_norm", "none")) == "none":
            raise InvalidValue(
                f"patch_norm lets the input norm of layer {self.layer!r} act on each patch, and "
                "input_norm is none. Set input_norm to unit or standardise too, or leave "
                "patch_norm off."
            )

    def judge_whitening(self, options: LayerOptions) -> None:
        """Refuse a whitening that is wanted and not fitted yet.

        Raises:
            InvalidValue: With how to fit it.
        """
        whiten = self.whitening if options.zca == "images" else self.module
        if options.zca == "none":
            return
        if getattr(whiten, "matrix", None) is not None:
            self._judge_fitted(options)
            return
        fit = "fit(images)" if options.zca == "images" else "fit_patches(inputs, generator)"
        raise InvalidValue(
            f"zca = {options.zca!r} of layer {self.layer!r} is fitted on training images before a "
            f"run begins, and a HebbianTrainer knows none then. Call {fit} of its "
            f"{type(whiten).__name__} first, or train by an hl.Recipe in an hl.Session, which does."
        )

    def _judge_fitted(self, options: LayerOptions) -> None:
        """Refuse a whitening of patches that were normalised otherwise than they will be."""
        norm, fitted = _patch_norm(options), getattr(self.module, "fitted_norm", None)
        if options.zca == "patches" and fitted is not None and fitted != norm:
            raise InvalidValue(
                f"The whitening of layer {self.layer!r} was fitted on patches under patch_norm "
                f"{fitted!r}, and the options ask for {norm!r}. Set the module's "
                f"patch_norm = {norm!r} and call its fit_patches(inputs, generator) again."
            )

    def form(self, options: LayerOptions) -> None:
        """Give activation and input norm the form that the options say."""
        if self.activation is not None:
            self.activation.n = options.n
            self.activation.triangle = options.triangle
        if self.input_norm is not None:
            self.input_norm.mode = "none" if options.patch_norm else options.input_norm
        if isinstance(self.module, PatchConv2d):
            self.module.patch_norm = _patch_norm(options)

    def judge_rule(self, rule: Rule) -> None:
        """Refuse a rule whose answers this network could not pass on.

        Raises:
            InvalidValue: Units inhibit each other, and what comes next knows nothing of it.
        """
        weight = next(self.module.parameters()).detach()
        inhibits = rule.inhibition(weight.flatten(1)[:1]) is not None
        if inhibits and self._next is not None and self._next is not self.activation:
            raise InvalidValue(
                f"Under {rule.name!r} as it is set units inhibit each other, which a "
                f"hebblab.nn.RePU straight after layer {self.layer!r} passes on; a "
                f"{type(self._next).__name__} comes there. Set nonnegative to False, or choose "
                "another network."
            )

    def show(self, learner: "Learner") -> None:
        """Let the activation know what of a layer's state belongs to its answers.

        These are thresholds, which the triangle subtracts, and by how much units inhibit each
        other.
        """
        if self.activation is not None:
            rule = learner.rule
            self.activation.lateral = learner.inhibition()
            # Thresholds are measured in what units compete by; only dot is what they answer.
            answers = getattr(rule, "similarity", "dot") == "dot"
            self.activation.thresholds = learner.thresholds if answers else None


def _patch_norm(options: LayerOptions) -> str:
    """Return what is done to each patch."""
    return options.input_norm if options.patch_norm else "none"


def leaves(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules that hold no others, by name, in forward order."""
    for name, module in model.named_modules():
        if not any(True for _ in module.children()):
            yield name, module


def _after(model: nn.Module, layer: str) -> RePU | None:
    found = False
    for name, module in leaves(model):
        if name == layer:
            found = True
        elif found and isinstance(module, RePU):
            return module
        elif found and isinstance(module, nn.Linear | nn.Conv2d):
            return None
    return None


def _next(model: nn.Module, layer: str) -> nn.Module | None:
    names, modules = zip(*leaves(model), strict=True)
    place = names.index(layer) + 1
    return modules[place] if place < len(modules) else None


def _before(model: nn.Module, layer: str) -> tuple[InputNorm | None, Whitening | None]:
    norm: InputNorm | None = None
    whitening: Whitening | None = None
    for name, module in leaves(model):
        if name == layer:
            break
        if isinstance(module, InputNorm):
            norm = module
        elif isinstance(module, Whitening):
            whitening = module
        elif isinstance(module, nn.Linear | nn.Conv2d):
            norm = whitening = None
    return norm, whitening
