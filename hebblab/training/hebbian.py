"""The Hebbian trainer: ignite's loop, in whose step every layer learns by its own rule."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
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
from hebblab.training.learner import Learner
from hebblab.training.local import Local
from hebblab.training.options import LayerOptions
from hebblab.training.passes import Meet, inside

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
        freeze_layers: Names of layers left alone.
        initialize: Draw the Hebbian layers' weights as their rules ask, once, now. False leaves a
            loaded model as it is.
        seed: Of that draw, and of pruned connections.
        options: What is set around the rules, for every layer or by layer name. The rate is the
            optimizer's, and what they say of the network (`n`, `triangle`, `input_norm`, `zca`) or
            of a schedule (`radius_end`) is for a `Session` to do: here it has no effect.
        updates: "in-order" or "simultaneous".
        classes: How many classes the labels have, for a teacher.

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
        views = hebbian_layers(model, supervised_from, tuple(freeze_layers))
        self.model = model
        self.optimizer = optimizer
        self.updates = updates
        rules = _by_layer(learning_rule, views)
        chosen = _options_by_layer(options, rules)
        uses = Counter(id(rule) for rule in rules.values())
        self.learners = {
            name: Learner(
                views[name], rule, optimizer, chosen.get(name), classes, uses[id(rule)] > 1
            )
            for name, rule in rules.items()
        }
        self._active = set(self.learners)
        self._flat = type(model) is nn.Sequential and all("." not in name for name in rules)
        generator = torch.Generator().manual_seed(seed)
        if initialize:
            for learner in self.learners.values():
                draw_(learner.view.module.weight, learner.rule.initial_weights, generator)
        for learner in self.learners.values():
            if initialize or learner.options.pruning:
                learner.begin(generator)

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

        An interrupted run goes on when called again; see `ignite.engine.Engine.run`.

        Raises:
            InvalidValue: `epochs` is no whole number from 1.
            Diverged: Weights would leave the finite numbers.
        """
        wanted = max_epochs if epochs is None else epochs
        if wanted is not None and (type(wanted) is not int or wanted < 1):
            raise InvalidValue(f"epochs must be a whole number from 1, not {shown(wanted)}.")
        self._set_modes()
        return super().run(data, max_epochs=wanted, epoch_length=epoch_length)

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
        self.model.train()
        if len(self._active) == len(self.learners):
            return
        settled: list[nn.Module] = []
        passed: list[nn.Module] = []
        for name, module in self.model.named_modules():
            if name in self._active:
                break
            if not any(True for _ in module.children()):
                passed.append(module)
            if name in self.learners:
                settled = list(passed)
        for module in settled:
            module.eval()

    @torch.no_grad()
    def _step(self, batch: Any) -> int:
        pair = isinstance(batch, list | tuple)
        x = batch[0] if pair and batch else batch
        if not isinstance(x, Tensor):
            raise InvalidValue(
                f"A batch is a tensor of inputs, or (inputs, labels), not {type(x).__name__}."
            )
        labels = batch[1] if pair and len(batch) > 1 else None
        last = self._last()
        x = x.to(self.learners[last].view.module.weight.device)
        waiting: list[tuple[Learner, Tensor | Rows, list[Statistics], Tensor]] = []

        def meet(name: str, inputs: Tensor) -> None:
            if name not in self._active:
                return
            learner = self.learners[name]
            if self.updates == "in-order":
                learner.learn(inputs, labels)
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
        return len(x)

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


def _options_by_layer(
    given: LayerOptions | Mapping[str, LayerOptions] | None, rules: Mapping[str, Rule]
) -> Mapping[str, LayerOptions]:
    if given is None or isinstance(given, LayerOptions):
        return {} if given is None else dict.fromkeys(rules, given)
    for name in given:
        if name not in rules:
            raise unknown("Hebbian layer", name, rules)
    return given
