"""The Hebbian trainer: ignite's loop, in whose step every layer learns by its own rule."""

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from ignite.engine import Engine, State
from torch import Tensor, nn

from hebblab.errors import Diverged, InvalidValue, shown, unknown
from hebblab.nn import LayerView, Scratch
from hebblab.nn.initial import draw_
from hebblab.nn.networks import hebbian_layers
from hebblab.rules import Rows, Rule
from hebblab.rules.reductions import largest
from hebblab.training.local import Local

_logger = logging.getLogger("hebblab.training")
_logger.addHandler(logging.NullHandler())

_HUGE = 1e30  # a step this large is lost already; refusing it keeps the last finite weights exactly


class HebbianTrainer(Engine):
    """Trains the layers of a model by local rules, in order, in one forward pass.

    Each layer learns from what it is given and only then passes its answer on, so that a layer
    sees its predecessor's new weights. The pass ends at the last layer that learns.

    Source: Talloen et al., PyTorch-Hebbian, section 4.1 and Listing 1.

    Args:
        model: Its children are in forward order.
        learning_rule: One rule for every Hebbian layer, or a rule by layer name; layers that the
            dictionary does not name are left alone.
        optimizer: `Local` over the model's named parameters.
        supervised_from: Name or index of the first child that is not trained here; -1 is the
            last child, None means that every layer is Hebbian.
        freeze_layers: Names of layers left alone.
        initialize: Draw the Hebbian layers' weights as their rules ask, once, now. False leaves a
            loaded model as it is.
        seed: Of that draw.
        row_norm: Names of layers whose rows are put to Euclidean norm 1 after each step.

    Raises:
        InvalidValue: A bias, a knob that a layer cannot have, or nothing to train.
        UnknownName: A layer's name is not the model's.

    >>> from hebblab import networks
    >>> from hebblab.rules import KrotovsRule
    >>> model = networks.create("dense-100")
    >>> trainer = HebbianTrainer(model, KrotovsRule(), Local(model.named_parameters(), lr=0.01))
    >>> images, labels = torch.rand(64, 1, 28, 28), torch.zeros(64)
    >>> trainer.run([(images, labels)], epochs=2).iteration
    2
    """

    def __init__(
        self,
        model: nn.Module,
        learning_rule: Rule | Mapping[str, Rule],
        optimizer: Local,
        supervised_from: str | int | None = -1,
        freeze_layers: Iterable[str] = (),
        initialize: bool = True,
        *,
        seed: int = 0,
        row_norm: Iterable[str] = (),
    ) -> None:
        super().__init__(lambda _engine, batch: self._step(batch))
        self.logger = _logger
        if not isinstance(optimizer, Local):
            raise InvalidValue(
                f"HebbianTrainer needs hl.Local(model.named_parameters(), lr=...), "
                f"not {type(optimizer).__name__}: other optimizers change all layers at once."
            )
        views = hebbian_layers(model, supervised_from, tuple(freeze_layers))
        self.model = model
        self.optimizer = optimizer
        self.rules = _by_layer(learning_rule, views)
        self.hebbian_layers = {name: view for name, view in views.items() if name in self.rules}
        self.row_norm = self._normed(row_norm)
        for name, view in self.hebbian_layers.items():
            self.rules[name].check_layer(view.units // view.groups, name)
            optimizer.group(name)
        self._last = next(reversed(self.hebbian_layers))
        self._scratch = {name: Scratch() for name in self.hebbian_layers}
        if initialize:
            generator = torch.Generator().manual_seed(seed)
            for name, view in self.hebbian_layers.items():
                draw_(view.module.weight, self.rules[name].initial_weights, generator)

    def run(  # type: ignore[override]
        self,
        data: Iterable[Any] | None = None,
        epochs: int | None = None,
        *,
        max_epochs: int | None = None,
        epoch_length: int | None = None,
    ) -> State:
        """Train for a number of epochs over batches of inputs, or of (inputs, labels).

        An interrupted run goes on when called again; see `ignite.engine.Engine.run`.

        Raises:
            InvalidValue: `epochs` is no whole number from 1.
            Diverged: Weights would leave the finite numbers.
        """
        wanted = max_epochs if epochs is None else epochs
        if wanted is not None and (type(wanted) is not int or wanted < 1):
            raise InvalidValue(f"epochs must be a whole number from 1, not {shown(wanted)}.")
        self.model.train()
        return super().run(data, max_epochs=wanted, epoch_length=epoch_length)

    def _normed(self, names: Iterable[str]) -> set[str]:
        """Return the layers whose rows are put to norm 1, unless their rule holds its own."""
        for name in (chosen := set(names)):
            if name not in self.hebbian_layers:
                raise unknown("Hebbian layer", name, self.hebbian_layers)
            if self.rules[name].norm is not None:
                raise InvalidValue(
                    f"{self.rules[name].name!r} holds its own norm, so unit-norm rows of layer "
                    f"{name!r} would fight it."
                )
        return chosen

    @torch.no_grad()
    def _step(self, batch: Any) -> int:
        x = batch[0] if isinstance(batch, list | tuple) else batch
        x = x.to(self.hebbian_layers[self._last].module.weight.device)
        if type(self.model) is nn.Sequential and self._flat():
            inputs = x
            for name, child in self.model.named_children():
                if name in self.hebbian_layers:
                    self.learn(name, inputs)
                    if name == self._last:
                        break
                inputs = child(inputs)
        else:
            self._step_by_hooks(x)
        return len(x)

    def _flat(self) -> bool:
        return all("." not in name for name in self.hebbian_layers)

    def _step_by_hooks(self, x: Tensor) -> None:
        """Learn inside the model's own forward pass, for models that are no plain sequence."""

        def hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
            def on_input(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
                self.learn(name, inputs[0])
                if name == self._last:
                    raise _LastLayerLearnt

            return on_input

        handles = [
            view.module.register_forward_pre_hook(hook(name))
            for name, view in self.hebbian_layers.items()
        ]
        try:
            self.model(x)
        except _LastLayerLearnt:
            pass
        finally:
            for handle in handles:
                handle.remove()

    @torch.no_grad()
    def learn(self, name: str, inputs: Tensor) -> None:
        """Let one layer learn from a batch of its inputs.

        Args:
            name: The layer.
            inputs: What the layer is given: (batch, fan_in) or (batch, channels, height, width).

        Raises:
            Diverged: The change is not finite; the weights are as they were.
        """
        rule = self.rules[name]
        statistics: list[tuple[Tensor, ...]] = []
        change = self.change(name, inputs, statistics)
        self._refuse_infinite(change, name)
        self.optimizer.local_step(change, name)
        for one in statistics:
            rule.advance(one, self.optimizer.group(name)["lr"])
        if name in self.row_norm:
            self.project(name)

    @torch.no_grad()
    def project(self, name: str) -> None:
        """Put the rows of a layer's weights to Euclidean norm 1."""
        view = self.hebbian_layers[name]
        view.scale_(1 / torch.linalg.vector_norm(view.weights(), dim=1).add_(1e-10))

    def forget(self) -> None:
        """Forget what is known of the weights; needed after a write from outside of a step."""
        for scratch in self._scratch.values():
            scratch.notes.clear()

    def change(
        self, name: str, inputs: Tensor, statistics: list[tuple[Tensor, ...]] | None = None
    ) -> Tensor | Rows:
        """Return what a layer's rule would add to its weights for a batch, before the rate.

        `statistics`, where given, collects those of each group.
        """
        view, rule, scratch = self.hebbian_layers[name], self.rules[name], self._scratch[name]
        if isinstance(view.module, nn.Linear):
            quick = rule.fused(view.inputs(inputs), view.weights(), scratch)
            if quick is not None:
                return quick
        changes = []
        for group in range(view.groups):
            weights = view.weights(group)
            if not rule.in_halves():
                changes.append(rule.update(view.inputs(inputs, group), weights))
                continue
            total: tuple[Tensor, ...] | None = None
            for rows in view.chunks(inputs, scratch, group):
                part = rule.statistics(rows, weights)
                total = part if total is None else tuple(map(torch.add, total, part))
            assert total is not None
            changes.append(rule.change(total, weights))
            if statistics is not None:
                statistics.append(total)
        return changes[0] if len(changes) == 1 else torch.cat(changes)

    def _refuse_infinite(self, change: Tensor | Rows, name: str) -> None:
        values = change.values if isinstance(change, Rows) else change
        if values.numel() == 0:
            return
        size = float(largest(values)) * self.optimizer.group(name)["lr"]
        if not math.isfinite(size) or size > _HUGE:
            raise Diverged(
                f"The weights of layer {name!r} were about to leave the finite numbers (a change "
                f"of {size:.3g}). Lower the learning rate, or choose a rule that bounds them."
            )


class _LastLayerLearnt(Exception):
    """Ends a forward pass that nobody needs the rest of."""


def _by_layer(given: Rule | Mapping[str, Rule], views: Mapping[str, LayerView]) -> dict[str, Rule]:
    if isinstance(given, Rule):
        return dict.fromkeys(views, given)
    if not isinstance(given, Mapping):
        raise InvalidValue(
            f"learning_rule must be a rule or a dictionary of rules by layer name, not "
            f"{type(given).__name__}. A rule is made by hl.rules.create(name)."
        )
    for name, rule in given.items():
        if name not in views:
            raise unknown("Hebbian layer", name, views)
        if not isinstance(rule, Rule):
            raise InvalidValue(
                f"The rule of layer {name!r} is a {type(rule).__name__}, no hl.Rule."
            )
    if not given:
        raise InvalidValue("The dictionary of rules is empty: nothing would learn.")
    return {name: given[name] for name in views if name in given}
