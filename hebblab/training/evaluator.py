"""The readout of Hebbian features: trained on frozen layers, stopped early, best weights kept."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from ignite.engine import Engine, Events, RemovableEventHandle, State
from ignite.handlers import EarlyStopping
from torch import Tensor, nn
from torch.optim import Optimizer

from hebblab.errors import InvalidValue, WrongState, shown, unknown
from hebblab.training.modes import evaluating, undisturbed
from hebblab.training.supervised import (
    Criterion,
    SupervisedEvaluator,
    SupervisedTrainer,
    accuracy,
)

OptimizerFactory = Callable[[list[nn.Parameter]], Optimizer]


class HebbianEvaluator:
    """Says what Hebbian layers are worth: trains the supervised ones on them, then scores.

    The Hebbian layers are frozen. The supervised layers start where they stood when the evaluator
    was made, learn with early stopping and a learning rate that falls on plateaus, both on the
    accuracy of the images scored, and are left at their best weights. All other weights, batch-norm
    statistics and every module's mode are as they were. `state.metrics` holds the `accuracy` and
    `loss` at the best weights.

    The best epoch is chosen on the images scored: give validation images here, and keep the test
    images for a `SupervisedEvaluator` at the end.

    Source: Talloen et al., PyTorch-Hebbian, section 4.2; the schedule is their code's.

    Args:
        model: Its children are in forward order.
        criterion: Mean loss of (scores, labels); cross-entropy by default.
        supervised_from: Name or index of the first child that is trained here; -1 is the last.
        epochs: Most epochs of an evaluation.
        learning_rate: Of Adam.
        optimizer: Makes another optimizer from the list of parameters.
        patience: Epochs without a better accuracy after which training stops.
        plateau: Epochs without a better accuracy after which the learning rate is halved.
        train_norms: Let the frozen layers' batch norms learn too, as in the supplement of the
            paper; their weights and statistics then stay as learned.

    Attributes:
        state: Of the last evaluation: `state.metrics`.
        best_epoch: Epoch of the last evaluation whose weights were kept.

    Raises:
        InvalidValue: An impossible number, or no layer to train.
        UnknownName: `supervised_from` names no layer.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False), nn.Linear(3, 2))
    >>> batch = torch.tensor([[[0.0, 1], [1, 0]], [[1.0, 0], [0, 1]]]), torch.tensor([0, 1])
    >>> evaluator = HebbianEvaluator(model, epochs=2)
    >>> sorted(evaluator.run([batch], [batch]).metrics)
    ['accuracy', 'loss']
    """

    def __init__(
        self,
        model: nn.Module,
        criterion: Criterion | None = None,
        *,
        supervised_from: str | int = -1,
        epochs: int = 100,
        learning_rate: float = 1e-3,
        optimizer: OptimizerFactory | None = None,
        patience: int = 15,
        plateau: int = 5,
        train_norms: bool = False,
    ) -> None:
        for name, value in (("epochs", epochs), ("patience", patience), ("plateau", plateau)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidValue(f"{name} must be a whole number from 1, not {shown(value)}.")
        self.model = model
        self.criterion: Criterion = criterion or nn.CrossEntropyLoss()
        self.epochs, self.patience, self.plateau = epochs, patience, plateau
        self._head = _children_from(model, supervised_from)
        if not list(self._head.parameters()):
            raise InvalidValue(
                f"The layers from {supervised_from!r} on have no weights to train. Name the first "
                "supervised layer in supervised_from."
            )
        inside = set(self._head.modules())
        self._norms = [
            module
            for module in model.modules()
            if train_norms
            and isinstance(module, nn.modules.batchnorm._BatchNorm)
            and module not in inside
        ]
        self._optimizer: OptimizerFactory = optimizer or (
            lambda parameters: torch.optim.Adam(parameters, lr=learning_rate)
        )
        self._start = _copy(self._head)
        self.evaluator = SupervisedEvaluator(model, self.criterion)
        self.best_epoch = 0
        self._state: State | None = None

    @property
    def state(self) -> State:
        """The state of the last evaluation.

        Raises:
            WrongState: None has run yet.
        """
        if self._state is None:
            raise WrongState("Nothing was evaluated yet: call run, or attach to a trainer and run.")
        return self._state

    def attach(
        self,
        trainer: Engine,
        event: Any,
        loader: Iterable[Any],
        train_loader: Iterable[Any] | None = None,
    ) -> RemovableEventHandle:
        """Evaluate on `loader` whenever `trainer` fires `event`.

        Args:
            trainer: A `HebbianTrainer` of the same model.
            event: Such as `Events.EPOCH_COMPLETED`, or `Events.EPOCH_COMPLETED(every=10)`.
            loader: Batches of (inputs, labels) to score.
            train_loader: What the supervised layers learn from; by default what the trainer
                trains on. The loader's own generator is put back, so the run's order stays.

        Returns:
            A handle with `.remove()`.
        """

        def evaluate(engine: Engine) -> None:
            self.run(engine.state.dataloader if train_loader is None else train_loader, loader)

        return trainer.add_event_handler(event, evaluate)

    def run(self, train_loader: Any, loader: Iterable[Any]) -> State:
        """Train the supervised layers on `train_loader`, then score `loader`.

        Args:
            train_loader: Batches of (inputs, labels).
            loader: Batches of (inputs, labels) to score, after each epoch and at the end.

        Returns:
            The state; its `metrics` hold `accuracy` and `loss` at the best weights.
        """
        wanted = [(parameter, parameter.requires_grad) for parameter in self.model.parameters()]
        parts = nn.ModuleList([self._head, *self._norms])
        with evaluating(self.model), undisturbed(train_loader):
            try:
                self._train(parts, train_loader, loader)
            finally:
                for parameter, required in wanted:
                    parameter.requires_grad_(required)
                for parameter in parts.parameters():
                    parameter.grad = None
            self._state = self.evaluator.run(loader)
        return self._state

    def _train(self, parts: nn.ModuleList, train_loader: Any, loader: Iterable[Any]) -> None:
        self._head.load_state_dict(self._start)
        self.model.requires_grad_(False)
        parts.requires_grad_(True)
        optimizer = self._optimizer(list(parts.parameters()))
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, mode="max", factor=0.5, patience=self.plateau
        )
        trainer = SupervisedTrainer(self.model, optimizer, self.criterion)
        stop = EarlyStopping(self.patience, accuracy, trainer)
        best, weights = -1.0, _copy(parts)

        def only_parts_learn() -> None:
            self.model.eval()
            parts.train()

        def score() -> None:
            nonlocal best, weights
            self.evaluator.run(loader)
            reached = accuracy(self.evaluator)
            if reached > best:
                best, weights, self.best_epoch = reached, _copy(parts), trainer.state.epoch
            plateau.step(reached)
            stop(self.evaluator)

        trainer.add_event_handler(Events.EPOCH_STARTED, only_parts_learn)
        trainer.add_event_handler(Events.EPOCH_COMPLETED, score)
        trainer.run(train_loader, epochs=self.epochs)
        parts.load_state_dict(weights)


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def _children_from(model: nn.Module, supervised_from: str | int) -> nn.ModuleList:
    names = [name for name, _ in model.named_children()]
    if isinstance(supervised_from, str):
        if supervised_from not in names:
            raise unknown("layer", supervised_from, names)
        first = names.index(supervised_from)
    elif isinstance(supervised_from, int) and -len(names) <= supervised_from < len(names):
        first = supervised_from % len(names)
    else:
        raise InvalidValue(
            f"supervised_from must be a layer's name, or a place from {-len(names)} to "
            f"{len(names) - 1}, not {shown(supervised_from)}."
        )
    return nn.ModuleList(list(model.children())[first:])
