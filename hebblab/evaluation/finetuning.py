"""Fine-tuning: a network cut at a layer, given a readout, and trained end to end on few labels."""

import copy
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hebblab.data import Dataset
from hebblab.data.images import Inputs
from hebblab.errors import Diverged, InvalidValue, shown, unknown
from hebblab.evaluation import checks
from hebblab.evaluation.backprop import Dropout
from hebblab.evaluation.subjects import Subject
from hebblab.evaluation.subsets import SAMPLINGS, SUBSETS, subset
from hebblab.evaluation.tuned import Entry, Epoch, FineTuned, scored
from hebblab.evaluation.working import Progress, Report
from hebblab.nn.initial import redraw_
from hebblab.nn.sequence import steps
from hebblab.training.features import feature_path

KEPT = ("best", "last")


def finetune(
    model: Any,
    dataset: Dataset | None = None,
    layer: str | None = None,
    share: float | None = None,
    *,
    per_class: int | None = None,
    number: int = 0,
    sampling: str = "stratified",
    epochs: int = 20,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    momentum: float = 0.9,
    weight_decay: float = 5e-2,
    dropout: float = 0.5,
    steady: int = 10,
    patience: int | None = None,
    keep: str = "best",
    seed: int = 0,
    centre: Tensor | None = None,
    unit_norm: bool = False,
    progress: Progress | None = None,
    cancel: Callable[[], bool] | None = None,
) -> FineTuned:
    """Train a network end to end from the weights it has, cut at a layer, on some of the labels.

    A copy of the layers up to and with `layer` (its batch norm, activation and pooling included)
    is given dropout and a linear readout, and all of it is trained by cross-entropy: SGD with
    Nesterov momentum, weight decay on every parameter, the learning rate halved after epoch
    `steady` and after each one from then on. No local rule takes part. The defaults are Lagani's.

    Which epoch is kept is chosen on the labelled validation images, and these are labels too: with
    `keep="last"` none is chosen and they are looked at once, at the end.

    Source: Lagani et al. 2022, and their HebbianPCA (`gdes_fc_on_hebb_layer_ft`).

    Args:
        model: A `torch.nn.Sequential`, or a `Session`, which brings its data set and centre.
        dataset: Needed without a session.
        layer: A Linear or convolution by name; by default the last one before the readout.
        share: Of the training labels, above 0 to 1; None is all, unless `per_class` is given.
        per_class: Or so many of each class.
        number: Which subset of labels, 0 to 4; see `subset`.
        sampling: "stratified", or "random" as in the paper.
        epochs: At the most.
        batch_size: Labelled images a step.
        learning_rate: Of the first epochs.
        momentum: 0 to below 1.
        weight_decay: From 0.
        dropout: Share of features dropped before the readout, 0 to below 1.
        steady: Epochs at the full rate.
        patience: Stop after so many epochs without a better validation accuracy; None never does.
        keep: "best", the epoch of the best validation accuracy, or "last".
        seed: Of the subset, readout, order and dropout. The global generator is left alone.
        centre: The mean image, where the network learned from images less that.
        unit_norm: Whether inputs are brought to length one.
        progress: Called as (done, total, text), done rising to total.
        cancel: Asked before every batch; once it returns True, `CancelledError` is raised.

    Raises:
        UnknownName: There is no such layer, sampling, or way to keep.
        InvalidValue: A number out of bounds, fewer labels than classes, or a network that does
            not fit the data.
        Diverged: The weights left the finite numbers.
        concurrent.futures.CancelledError: `cancel` returned True; nothing is changed.

    >>> import hebblab as hl
    >>> digits = hl.data.load("mnist-5k")
    >>> tuned = hl.evaluation.finetune(hl.networks.create("dense-100"), digits, share=0.1,
    ...                                learning_rate=0.05, epochs=4)
    >>> len(tuned.rows), [round(100 * one.validation) for one in tuned.history]
    (300, [42, 68, 72, 76])
    >>> tuned.best_epoch, tuned.epochs_until(0.85)
    (4, 2)
    >>> tuned.score("test").n
    1000
    """
    _check_counts(epochs, batch_size, steady, patience)
    _check_numbers(
        learning_rate=(learning_rate, 0.0, 10.0),
        momentum=(momentum, 0.0, 0.9999),
        weight_decay=(weight_decay, 0.0, 10.0),
        dropout=(dropout, 0.0, 0.9999),
    )
    if keep not in KEPT:
        raise unknown("way to keep", keep, KEPT)
    if keep == "last" and patience is not None:
        raise InvalidValue('patience waits for a better validation accuracy: keep="best" has one.')
    seed = checks.seed(seed)
    checks.called(progress, cancel)
    if sampling not in SAMPLINGS:
        raise unknown("sampling", sampling, SAMPLINGS)
    if not 0 <= checks.whole("number", number) < SUBSETS:
        raise InvalidValue(f"number goes from 0 to {SUBSETS - 1}, not {shown(number)}.")
    if not isinstance(unit_norm, bool):
        raise InvalidValue(f"unit_norm is True or False, not {shown(unit_norm)}.")
    subject = Subject(model, dataset, centre, None)
    training, classes = subject.dataset.train, len(subject.dataset.classes)
    labels = training.labels
    rows = torch.arange(len(labels))
    if share is not None or per_class is not None:
        rows = subset(labels, share, per_class, number, seed, sampling, classes)
    report = Report(1, progress, cancel)
    entry = Entry(subject.centre, unit_norm)
    validation = entry.of(subject.dataset.validation)
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode(False), torch.enable_grad():
        one = next(entry.of(training, rows).chunks(1))
        tuned, name = _with_readout(subject.network, layer, one, classes, dropout, generator)
        optimizer = torch.optim.SGD(
            tuned.parameters(),
            lr=learning_rate,
            momentum=momentum,
            nesterov=momentum > 0,
            weight_decay=weight_decay,
        )
        report.stage(f"fine-tuning {name} on {len(rows):,} labels")
        history: list[Epoch] = []
        best, kept, weights = -1.0, 0, tuned.state_dict()
        for epoch in range(1, epochs + 1):
            rate = learning_rate * 0.5 ** max(0, epoch - steady)
            for group in optimizer.param_groups:
                group["lr"] = rate
            half = 0.5 if keep == "best" else 1.0
            within = _within(report, epoch - 1, epochs, 0.0, half)
            batches = _batches(rows, batch_size, generator)
            loss, right = _pass(tuned, optimizer, training, batches, entry, within)
            if not (math.isfinite(loss) and _finite(tuned)):
                raise Diverged(
                    f"The weights left the finite numbers in epoch {epoch} of the fine-tuning. "
                    f"Lower learning_rate, which was {rate:g}."
                )
            if keep == "last":
                kept, weights = epoch, tuned.state_dict()
                history.append(Epoch(epoch, rate, loss, right, None))
                continue
            found = scored(tuned, validation, _within(report, epoch - 1, epochs, half, 1.0))
            history.append(Epoch(epoch, rate, loss, right, found))
            if found > best:
                best, kept, weights = found, epoch, copy.deepcopy(tuned.state_dict())
            if patience is not None and epoch - kept >= patience:
                break
        tuned.load_state_dict(weights)
        _order_(tuned.requires_grad_(False), torch.contiguous_format)
        chosen = history[kept - 1].validation or scored(tuned, validation)
        tuned.eval()
    report.finish()
    return FineTuned(tuned, name, rows, kept, tuple(history), chosen, subject, entry)


def _with_readout(
    network: nn.Module,
    layer: str | None,
    one: Tensor,
    classes: int,
    dropout: float,
    generator: torch.Generator,
) -> tuple[nn.Sequential, str]:
    """Return a copy cut at a layer, with dropout and a readout, ready to be trained.

    `one` is a single input, as it enters.
    """
    path = feature_path(network, layer)
    assert isinstance(network, nn.Sequential)
    modules = list(copy.deepcopy(path.modules))
    while isinstance(modules[-1], nn.Dropout | Dropout):
        modules.pop()
    names = [name.replace(".", "-") for name, _ in steps(network)]
    model = nn.Sequential(OrderedDict(zip(names, modules, strict=False))).float().cpu()
    for module in list(model.modules()):
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
        for name, child in module.named_children():
            if isinstance(child, nn.Dropout):
                setattr(module, name, Dropout(child.p, generator))
    try:
        with torch.no_grad():
            width = model.eval()(one).numel()
    except RuntimeError as error:
        raise InvalidValue(
            f"The network does not fit inputs of shape {tuple(one.shape[1:])}: {error}"
        ) from error
    # Drawn on no device, so that nobody else's random numbers change.
    readout = nn.Linear(width, classes, device="meta").to_empty(device="cpu")
    redraw_(readout, generator)
    model.add_module("flatten-for-readout", nn.Flatten())
    model.add_module("dropout-for-readout", Dropout(dropout, generator))
    model.add_module("readout-of-classes", readout)
    # Convolutions are half as fast again in this order.
    _order_(model.requires_grad_(True), torch.channels_last)
    return model, path.layer


def _order_(model: nn.Sequential, order: torch.memory_format) -> None:
    """Lay the weights of convolutions out in an order."""
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=order)


def _batches(rows: Tensor, size: int, generator: torch.Generator) -> list[Tensor]:
    """Return the rows of an epoch's batches; nothing is dropped, and no batch is of one image."""
    order = rows[torch.randperm(len(rows), generator=generator)]
    found = list(torch.split(order, size))
    if len(found) > 1 and len(found[-1]) == 1:
        last = found.pop()
        found[-1] = torch.cat((found[-1], last))
    return found


def _pass(
    model: nn.Sequential,
    optimizer: torch.optim.Optimizer,
    training: Inputs,
    batches: list[Tensor],
    entry: Entry,
    report: Callable[[float], None],
) -> tuple[float, float]:
    """Train on every batch once; return the mean loss and accuracy while it went on."""
    model.train()
    loss_sum, right, seen = 0.0, 0, 0
    for done, rows in enumerate(batches):
        report(done / len(batches))
        given = entry.of(training, rows)
        scores = model(next(given.chunks(len(rows))))
        loss = F.cross_entropy(scores, given.labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        seen += len(rows)
        loss_sum += float(loss.detach()) * len(rows)
        right += int((scores.detach().argmax(1) == given.labels).sum())
    return loss_sum / seen, right / seen


def _finite(model: nn.Sequential) -> bool:
    return all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters())


def _within(
    report: Report, epoch: int, epochs: int, first: float, last: float
) -> Callable[[float], None]:
    """Return what is told shares of a part of an epoch, from `first` to `last` of it."""
    return lambda share: report.part(epoch + first + (last - first) * share, epochs)


def _check_counts(epochs: int, batch_size: int, steady: int, patience: int | None) -> None:
    given = {"epochs": (epochs, 1), "batch_size": (batch_size, 2), "steady": (steady, 0)}
    if patience is not None:
        given["patience"] = (patience, 1)
    for name, (value, least) in given.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidValue(f"{name} must be a whole number from {least}, not {shown(value)}.")


def _check_numbers(**given: tuple[float, float, float]) -> None:
    for name, (value, low, high) in given.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not low <= value <= high:
            raise InvalidValue(f"{name} must be from {low:g} to {high:g}, not {shown(value)}.")


__all__ = ["KEPT", "finetune"]
