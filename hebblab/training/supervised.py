"""Supervised layers: trained by backpropagation, alone or on frozen Hebbian features."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from ignite.engine import Engine, RemovableEventHandle, State
from ignite.metrics import Accuracy, Loss
from torch import Tensor, nn
from torch.optim import Optimizer

from hebblab.training.modes import evaluating, undisturbed
from hebblab.training.resuming import forget_failed, wanted

Criterion = Callable[[Tensor, Tensor], Tensor]


class Answer(NamedTuple):
    """What a batch gave: scores (batch, classes), labels (batch,), and the mean loss."""

    scores: Tensor
    labels: Tensor
    loss: Tensor


class SupervisedTrainer(Engine):
    """Trains a model by backpropagation, in ignite's loop.

    `state.metrics` holds the `accuracy` and `loss` of each epoch on the batches trained on, as
    they were while the weights changed.

    Source: Talloen et al., PyTorch-Hebbian, section 4.1.

    Args:
        model: Gives scores (batch, classes).
        optimizer: Any of torch's, over the parameters to train.
        criterion: Mean loss of (scores, labels), such as `torch.nn.CrossEntropyLoss()`.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> trainer = SupervisedTrainer(model, optimizer, nn.CrossEntropyLoss())
    >>> batch = torch.tensor([[[0.0, 1], [1, 0]], [[1.0, 0], [0, 1]]]), torch.tensor([0, 1])
    >>> trainer.run([batch], epochs=20).metrics["accuracy"]
    1.0
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer, criterion: Criterion) -> None:
        super().__init__(lambda _engine, batch: self._step(batch))
        self.model, self.optimizer, self.criterion = model, optimizer, criterion
        _attach_metrics(self)

    def run(  # type: ignore[override]
        self,
        data: Iterable[Any] | None = None,
        epochs: int | None = None,
        *,
        max_epochs: int | None = None,
        epoch_length: int | None = None,
    ) -> State:
        """Train for a number of epochs over batches of (inputs, labels).

        An interrupted run goes on when called again, and so does a finished one that is asked for
        more epochs; see `ignite.engine.Engine.run`. After the same number of epochs, or after an
        error, a new run begins, from the weights as they are.

        Raises:
            InvalidValue: `epochs` is no whole number from 1.
        """
        number = wanted(epochs, max_epochs)
        forget_failed(self)
        self.model.train()
        return super().run(data, max_epochs=number, epoch_length=epoch_length)

    @torch.enable_grad()
    def _step(self, batch: Any) -> Answer:
        inputs, labels = _on_device(self.model, batch)
        self.optimizer.zero_grad()
        scores = self.model(inputs)
        loss = self.criterion(scores, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return Answer(scores.detach(), labels, loss.detach())


class SupervisedEvaluator(Engine):
    """Scores a model on labelled images; `state.metrics` holds `accuracy` and `loss`.

    It leaves no trace: every module's mode, batch-norm statistics and the loader's own generator
    are as they were.

    Source: Talloen et al., PyTorch-Hebbian, Listing 2.

    Args:
        model: Gives scores (batch, classes).
        criterion: Mean loss of (scores, labels).

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> evaluator = SupervisedEvaluator(model, nn.CrossEntropyLoss())
    >>> sorted(evaluator.run([(torch.zeros(3, 1, 2, 2), torch.tensor([0, 0, 1]))]).metrics)
    ['accuracy', 'loss']
    """

    def __init__(self, model: nn.Module, criterion: Criterion) -> None:
        super().__init__(lambda _engine, batch: self._step(batch))
        self.model, self.criterion = model, criterion
        _attach_metrics(self)

    def run(  # type: ignore[override]
        self, data: Iterable[Any] | None = None, *, epoch_length: int | None = None
    ) -> State:
        """Score one pass over batches of (inputs, labels)."""
        forget_failed(self)
        with evaluating(self.model), undisturbed(data):
            return super().run(data, epoch_length=epoch_length)

    def attach(self, trainer: Engine, event: Any, loader: Iterable[Any]) -> RemovableEventHandle:
        """Score `loader` whenever `trainer` fires `event`; returns a handle with `.remove()`."""
        return trainer.add_event_handler(event, lambda: self.run(loader))

    @torch.no_grad()
    def _step(self, batch: Any) -> Answer:
        inputs, labels = _on_device(self.model, batch)
        scores = self.model(inputs)
        return Answer(scores, labels, self.criterion(scores, labels))


def _attach_metrics(engine: Engine) -> None:
    Accuracy(output_transform=lambda answer: (answer.scores, answer.labels)).attach(
        engine, "accuracy"
    )
    Loss(
        lambda loss, _labels: loss, output_transform=lambda answer: (answer.loss, answer.labels)
    ).attach(engine, "loss")


def accuracy(engine: Engine) -> float:
    """Return the accuracy that an engine has measured."""
    return float(engine.state.metrics["accuracy"])


def _on_device(model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
    inputs, labels = batch
    parameter = next(model.parameters(), inputs)
    return inputs.to(parameter.device), labels.to(parameter.device)
