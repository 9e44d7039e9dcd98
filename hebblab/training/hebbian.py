"""The Hebbian trainer: ignite's loop, in whose step every layer learns by its own rule."""

import logging
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sized
from contextlib import nullcontext
from typing import Any

import torch
from ignite.engine import Engine, State
from torch import Tensor, nn

from hebblab.errors import InvalidValue, shown, unknown
from hebblab.nn import LayerView
from hebblab.nn.initial import draw_
from hebblab.nn.networks import hebbian_layers
from hebblab.rules import Rows, Rule
from hebblab.rules.rule import Statistics
from hebblab.training import beforehand
from hebblab.training.adjacent import Adjacent
from hebblab.training.assigning import options_by_layer, rules_by_layer
from hebblab.training.learner import Learner
from hebblab.training.local import Local
from hebblab.training.options import LayerOptions, refuse_idle
from hebblab.training.passes import Meet, inside
from hebblab.training.resuming import forget_failed, wanted
from hebblab.training.schedules import FallingRadius
from hebblab.training.standing import set_modes, unread

_logger = logging.getLogger("hebblab.training")
_logger.addHandler(logging.NullHandler())

UPDATES = ("in-order", "simultaneous")


class HebbianTrainer(Engine):
    """Trains the layers of a model by local rules, in one forward pass a step.

    In order, each layer learns from what it is given and only then passes its answer on, so that
    a layer sees its predecessor's new weights. Simultaneously, all learn from the weights of the
    step before. The pass ends at the last layer that learns.

    Source: Talloen et al., PyTorch-Hebbian, section 4.1 and Listing 1.

    Args:
        model: Its children are in forward order.
        learning_rule: One rule for every Hebbian layer, or a rule by layer name; layers that the
            dictionary does not name are left alone.
        optimizer: `Local` over the model's named parameters.
        supervised_from: Name or index of the first child that is not trained here; -1 is the
            last child, None means that every layer is Hebbian.
        freeze_layers: Names of layers left alone, or one name. Where no layer learns before them,
            batch norms up to them keep their statistics too, if they have any.
        initialize: Draw the Hebbian layers' weights as their rules ask, once, now. False leaves a
            loaded model as it is.
        seed: Of that draw, and of pruned connections.
        options: What is set around the rules, for every layer or by layer name. A `learning_rate`
            that is given is set in the optimizer; `n`, `triangle`, `input_norm` and `patch_norm`
            are set in the network's own modules; a map's radius falls to a given `radius_end` over
            the steps of `run`, until somebody sets it. `zca` asks for a whitening that was fitted
            before, by what was given there for epsilon.
        updates: "in-order" or "simultaneous".
        classes: How many classes the labels have, for a teacher.

    Raises:
        InvalidValue: A bias, a knob that a layer cannot have, an option that the network has no
            place for, an optimizer of another model, or nothing to train. Nothing is changed.
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
        options: LayerOptions | Mapping[str, LayerOptions] | None = None,
        updates: str = "in-order",
        classes: int = 10,
    ) -> None:
        super().__init__(lambda _engine, batch: self._step(batch))
        self.logger = _logger
        if not isinstance(optimizer, Local):
            raise InvalidValue(
                f"HebbianTrainer needs hl.Local(model.named_parameters(), lr=...), "
                f"not {type(optimizer).__name__}: other optimizers change all layers at once."
            )
        if updates not in UPDATES:
            raise InvalidValue(
                f"updates must be one of {', '.join(UPDATES)}, not {shown(updates)}."
            )
        frozen = (freeze_layers,) if isinstance(freeze_layers, str) else tuple(freeze_layers)
        views = hebbian_layers(model, supervised_from, frozen)
        self.model = model
        self.optimizer = optimizer
        self.updates = updates
        rules = rules_by_layer(learning_rule, views)
        chosen = options_by_layer(options, rules)
        self._around = {name: Adjacent(model, name) for name in rules}
        for name, rule in rules.items():
            refuse_idle(rule, chosen[name], name)
            self._around[name].judge(chosen[name], chosen[name].said)
            self._around[name].judge_whitening(chosen[name])
            self._around[name].judge_rule(rule)
        uses = Counter(id(rule) for rule in rules.values())
        self.learners = {
            name: Learner(views[name], rule, optimizer, chosen[name], classes, uses[id(rule)] > 1)
            for name, rule in rules.items()
        }
        self._active = set(self.learners)
        self._classes = classes
        self._fitting: set[Hashable] = set()
        self._fresh = unread(model)
        self._flat = type(model) is nn.Sequential and all("." not in name for name in rules)
        self._radii = [
            FallingRadius(rules[name], one.radius_end)
            for name, one in chosen.items()
            if "radius_end" in one.said and "radius" in rules[name].declared()
        ]
        for name, one in chosen.items():
            built = self._around[name].built
            self._around[name].form(one.with_(**{k: built[k] for k in built if k not in one.said}))
            if "learning_rate" in one.said:
                optimizer.group(name)["lr"] = one.learning_rate
        generator = torch.Generator().manual_seed(seed)
        if initialize:
            for learner in self.learners.values():
                draw_(learner.view.module.weight, learner.rule.initial_weights, generator)
        for learner in self.learners.values():
            if initialize or learner.options.pruning:
                learner.begin(generator)
        self.show()

    @property
    def rules(self) -> dict[str, Rule]:
        """The rule of each layer, by name, in forward order."""
        return {name: learner.rule for name, learner in self.learners.items()}

    @property
    def hebbian_layers(self) -> dict[str, LayerView]:
        """The layers that learn, by name, in forward order."""
        return {name: learner.view for name, learner in self.learners.items()}

    def run(  # type: ignore[override]
        self,
        data: Iterable[Any] | None = None,
        epochs: int | None = None,
        *,
        max_epochs: int | None = None,
        epoch_length: int | None = None,
    ) -> State:
        """Train for a number of epochs over batches of inputs, or of (inputs, labels).

        An interrupted run goes on when called again, and so does a finished one that is asked for
        more epochs; see `ignite.engine.Engine.run`. After the same number of epochs, or after an
        error, a new run begins, from the weights as they are.

        Raises:
            InvalidValue: `epochs` is no whole number from 1.
            Diverged: Weights would leave the finite numbers.
        """
        number = wanted(epochs, max_epochs)
        forget_failed(self)
        known = epoch_length is not None or self.state.epoch_length is not None
        if self._radii and not known and not isinstance(data, Sized):
            raise InvalidValue(
                "A radius_end is reached when the run is over, and a loader without a length does "
                "not say when that is: give epoch_length, the batches of an epoch."
            )
        self._set_modes()
        self.show()
        return super().run(data, max_epochs=number, epoch_length=epoch_length)

    def focus(self, layer: str | None) -> None:
        """Let one layer learn and hold those before it still; None lets all learn.

        What normalises the layer's own inputs goes on gathering statistics; whatever stands
        before the layer that learnt last is put into evaluation mode.

        Raises:
            UnknownName: The layer is none that learns.
        """
        if layer is not None and layer not in self.learners:
            raise unknown("Hebbian layer", layer, self.learners)
        self._active = set(self.learners) if layer is None else {layer}
        self._set_modes()

    def _set_modes(self) -> None:
        set_modes(self.model, self._active, self.learners, self._fresh)

    def show(self) -> None:
        """Let the activations know what of the layers' state belongs to their answers."""
        for name, learner in self.learners.items():
            self._around[name].show(learner)

    @torch.no_grad()
    def _step(self, batch: Any) -> int:
        pair = isinstance(batch, list | tuple)
        x = batch[0] if pair and batch else batch
        if not isinstance(x, Tensor):
            raise InvalidValue(
                f"A batch is a tensor of inputs, or (inputs, labels), not {type(x).__name__}."
            )
        labels = batch[1] if pair and len(batch) > 1 else None
        for radius in self._radii:
            planned = (self.state.max_epochs or 1) * (self.state.epoch_length or 1)
            radius.fall(self.state.iteration - 1, planned)
        last = self._last()
        x = x.to(self.learners[last].view.module.weight.device)
        learning = [self.learners[name] for name in self.learners if name in self._active]
        if len(learning) == 1:
            self._learn(x, labels, last)
            return len(x)
        beforehand.judge(learning, x, labels, self._classes)
        # Whether a batch fits all layers shows on the way, for each form of batches once.
        form = frozenset(self._active), beforehand.form(x, labels)
        known = form in self._fitting
        with nullcontext() if known else beforehand.taken_back(learning):
            self._learn(x, labels, last)
        self._fitting.add(form)
        return len(x)

    def _learn(self, x: Tensor, labels: Any, last: str) -> None:
        """Let every active layer learn from what a batch is when it arrives there."""
        waiting: list[tuple[Learner, Tensor | Rows, list[Statistics], Tensor]] = []

        def meet(name: str, inputs: Tensor) -> None:
            if name not in self._active:
                return
            learner = self.learners[name]
            if self.updates == "in-order":
                learner.learn(inputs, labels)
                self._show_inhibition(name)
            else:
                statistics: list[Statistics] = []
                change = learner.change(inputs, labels, statistics)
                waiting.append((learner, change, statistics, inputs))

        if self._flat:
            self._pass(x, last, meet)
        else:
            inside(self.model, self.learners, x, last, meet)
        for learner, change, statistics, inputs in waiting:
            learner.apply(change, statistics, inputs)
            self._show_inhibition(learner.view.name)

    def _show_inhibition(self, name: str) -> None:
        """Bring the activation behind a layer to the step that was just taken."""
        activation = self._around[name].activation
        if activation is not None and activation.lateral is not None:
            activation.lateral = self.learners[name].inhibition()

    def _last(self) -> str:
        return next(name for name in reversed(self.learners) if name in self._active)

    def _pass(self, x: Tensor, last: str, meet: Meet) -> None:
        for name, child in self.model.named_children():
            if name in self.learners:
                meet(name, x)
                if name == last:
                    return
                x = self.learners[name].answer(x)
            else:
                x = child(x)

    def learn(self, name: str, inputs: Tensor, labels: Tensor | None = None) -> None:
        """Let one layer learn from a batch of its inputs.

        Args:
            name: The layer.
            inputs: What the layer is given: (batch, fan_in) or (batch, channels, height, width).
            labels: (batch,), for a teacher.

        Raises:
            InvalidValue: The inputs do not fit, or are not finite; the weights are as they were.
            Diverged: The change is not finite; the weights are as they were.
        """
        self.learners[name].learn(inputs, labels)

    def change(self, name: str, inputs: Tensor, labels: Tensor | None = None) -> Tensor | Rows:
        """Return what a layer's rule would add to its weights for a batch, before the rate."""
        return self.learners[name].change(inputs, labels)

    def forget(self) -> None:
        """Forget what is known of the weights; needed after a write from outside of a step."""
        for learner in self.learners.values():
            learner.scratch.notes.clear()
