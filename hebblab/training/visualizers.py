"""The visualizers of PyTorch-Hebbian: what a run looks like, written to TensorBoard by ignite.

Each is a handler for ignite's own logger:

    logger = ignite.handlers.TensorboardLogger(log_dir="runs")
    logger.attach(trainer, WeightsImageHandler(), Events.EPOCH_COMPLETED)
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from ignite.engine import Engine
from ignite.handlers import TensorboardLogger
from ignite.handlers.base_logger import BaseHandler
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from hebblab import metrics
from hebblab.errors import InvalidValue, WrongState, shown, unknown
from hebblab.training.features import feature_path
from hebblab.training.modes import evaluating

_WARM = torch.tensor([0.62, 0.20, 0.05])
_BLUE = torch.tensor([0.08, 0.31, 0.62])


class _LayerHandler(BaseHandler):
    """Writes something of every layer watched, at the event's own count."""

    def __init__(
        self, model: nn.Module | None = None, layers: Iterable[str] | None = None, tag: str = ""
    ) -> None:
        self.model = model
        self.layers = None if layers is None else tuple(layers)
        self.tag = tag

    def __call__(self, engine: Engine, logger: TensorboardLogger, event_name: Any) -> None:
        """Write to `logger`; ignite calls this."""
        if not isinstance(logger, TensorboardLogger):
            raise InvalidValue(
                f"{type(self).__name__} writes to ignite.handlers.TensorboardLogger, "
                f"not {type(logger).__name__}."
            )
        at = engine.state.get_event_attrib_value(event_name)
        with torch.no_grad():
            for name, module in self._watched(engine).items():
                self._write(engine, logger.writer, at, name, module)

    def _write(self, engine: Engine, writer: Any, at: int, name: str, module: nn.Module) -> None:
        raise NotImplementedError

    def _model(self, engine: Engine) -> nn.Module:
        model = self.model or getattr(engine, "model", None)
        if not isinstance(model, nn.Module):
            raise WrongState(
                f"{type(self).__name__} does not know the model: this engine has none. "
                f"Pass it: {type(self).__name__}(model)."
            )
        return model

    def _watched(self, engine: Engine) -> dict[str, nn.Module]:
        learning = getattr(engine, "hebbian_layers", None)
        if learning and self.model is None:
            known = {name: getattr(view, "module", view) for name, view in learning.items()}
        else:
            known = {
                name: module
                for name, module in self._model(engine).named_modules()
                if isinstance(module, nn.Linear | _ConvNd)
            }
            if self.layers is None and len(known) > 1:
                known.popitem()
        for name in self.layers or ():
            if name not in known:
                raise unknown("layer", name, known)
        return known if self.layers is None else {name: known[name] for name in self.layers}


class WeightsImageHandler(_LayerHandler):
    """Writes the weights of many units as one picture: warm is positive, blue negative.

    The scale is the 99th percentile of |w|, so that one noisy unit does not hide the others.
    A convolution of other than one or three channels shows each channel of a unit by itself.

    Args:
        model: Whose layers; by default the engine's own.
        layers: Names; by default the Hebbian layers, or all but the last.
        image_shape: (channels, height, width) of a Linear layer's inputs; guessed from their
            number if it is a square, or three squares.
        limit: Most units shown; of more, the same random ones at each time.
        columns: Cells in a line.
        tag: Goes before the layer's name.
    """

    def __init__(
        self,
        model: nn.Module | None = None,
        layers: Iterable[str] | None = None,
        image_shape: Sequence[int] | None = None,
        limit: int = 100,
        columns: int | None = None,
        tag: str = "weights",
    ) -> None:
        super().__init__(model, layers, tag)
        self.image_shape = None if image_shape is None else tuple(image_shape)
        self.limit, self.columns = limit, columns

    def _write(self, engine: Engine, writer: Any, at: int, name: str, module: nn.Module) -> None:
        weights = _weight(module)
        shape = tuple(weights.shape[1:])
        if isinstance(module, nn.Linear):
            shape = self.image_shape or _guess(shape[0])
        if len(shape) == 3 and shape[0] not in (1, 3):
            weights, shape = weights.reshape(-1, *shape[1:]), (1, *shape[1:])
        picture = metrics.mosaic(
            weights, shape, self.columns, self.limit, seed=0, gap=1 if len(shape) > 1 else 0
        )
        pixels = picture.pixels.float().cpu()
        values = weights.abs().flatten().float().cpu()
        scale = values.kthvalue(math.ceil(0.99 * values.numel())).values
        shares = (pixels / torch.where(scale > 0, scale, 1.0)).clamp(-1, 1)
        writer.add_image(f"{self.tag}/{name}", _inked(shares), at, dataformats="HWC")


class UnitConvergenceHandler(_LayerHandler):
    """Writes the share of units at p-norm 1, and of dead ones.

    Where a rule holds no norm it writes the share of units that turned by less than one degree
    since the last time instead.

    Args:
        model: Whose layers; by default the engine's own.
        layers: Names; by default the Hebbian layers, or all but the last.
        p: The norm; by default the one that the layer's rule holds.
        tolerance: How far from 1 is converged.
        tag: Goes before the layer's name.
    """

    def __init__(
        self,
        model: nn.Module | None = None,
        layers: Iterable[str] | None = None,
        p: float | None = None,
        tolerance: float = 0.1,
        tag: str = "unit_convergence",
    ) -> None:
        super().__init__(model, layers, tag)
        self.p, self.tolerance = p, tolerance
        self._before: dict[str, Tensor] = {}

    def _write(self, engine: Engine, writer: Any, at: int, name: str, module: nn.Module) -> None:
        weights = _weight(module)
        p = self._norm(engine, name)
        if p is not None:
            found = metrics.convergence(weights, p, self.tolerance)
            writer.add_scalar(f"{self.tag}/{name}/converged", found.converged, at)
            writer.add_scalar(f"{self.tag}/{name}/dead", found.dead, at)
            return
        if name in self._before:
            share = metrics.turned(self._before[name], weights)
            writer.add_scalar(f"{self.tag}/{name}/turned_under_1_degree", share, at)
        self._before[name] = weights.clone()

    def _norm(self, engine: Engine, name: str) -> float | None:
        rules = getattr(engine, "rules", {})
        if self.p is not None or name not in rules:
            return self.p
        norm: float | None = rules[name].norm
        return norm


class WeightsHistogramHandler(_LayerHandler):
    """Writes the histogram of the weights, over a range symmetric around zero.

    Args:
        model: Whose layers; by default the engine's own.
        layers: Names; by default the Hebbian layers, or all but the last.
        bins: Number of bins.
        tag: Goes before the layer's name.
    """

    def __init__(
        self,
        model: nn.Module | None = None,
        layers: Iterable[str] | None = None,
        bins: int = 64,
        tag: str = "weights_histogram",
    ) -> None:
        super().__init__(model, layers, tag)
        self.bins = bins

    def _write(self, engine: Engine, writer: Any, at: int, name: str, module: nn.Module) -> None:
        weights = _weight(module)
        found = metrics.histogram(weights, self.bins)
        values = weights.double()
        writer.add_histogram_raw(
            f"{self.tag}/{name}",
            min=float(values.min()),
            max=float(values.max()),
            num=values.numel(),
            sum=float(values.sum()),
            sum_squares=float(values.square().sum()),
            bucket_limits=found.edges[1:].tolist(),
            bucket_counts=found.counts.tolist(),
            global_step=at,
        )


class ActivationStatisticsHandler(_LayerHandler):
    """Writes mean, deviation and share active of a layer's activations, and who wins.

    Activations are those of the layer's features: after batch norm, activation and pooling, in
    evaluation mode. Blank images are left out.

    Args:
        model: A `torch.nn.Sequential`; by default the engine's own.
        layers: Names; by default the Hebbian layers, or all but the last.
        inputs: A fixed sample (samples, ...) to measure on, which makes times comparable; by
            default the engine's present batch.
        tag: Goes before the layer's name.
    """

    def __init__(
        self,
        model: nn.Module | None = None,
        layers: Iterable[str] | None = None,
        inputs: Tensor | None = None,
        tag: str = "activations",
    ) -> None:
        super().__init__(model, layers, tag)
        self.inputs = inputs

    def _write(self, engine: Engine, writer: Any, at: int, name: str, module: nn.Module) -> None:
        inputs = self._sample(engine).to(_weight(module).device)
        inputs = inputs[inputs.flatten(1).ne(0).any(1)]
        if not len(inputs):
            return
        modules = feature_path(self._model(engine), name).modules
        with evaluating(modules):
            found = metrics.activation_statistics(modules(inputs))
        never = float((found.wins == 0).double().mean())
        for what, value in (
            ("mean", found.mean),
            ("std", found.std),
            ("share_active", found.share_active),
            ("win_entropy", found.win_entropy),
            ("never_win", never),
        ):
            writer.add_scalar(f"{self.tag}/{name}/{what}", value, at)

    def _sample(self, engine: Engine) -> Tensor:
        batch = engine.state.batch if self.inputs is None else self.inputs
        inputs = batch[0] if isinstance(batch, list | tuple) else batch
        if not isinstance(inputs, Tensor):
            raise InvalidValue(
                f"Activations are measured on a tensor of inputs, not {shown(inputs)}. "
                "Pass ActivationStatisticsHandler(inputs=...)."
            )
        return inputs


def _weight(module: nn.Module) -> Tensor:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight.detach()


def _guess(fan_in: int) -> tuple[int, ...]:
    for channels in (1, 3):
        side = math.isqrt(fan_in // channels)
        if channels * side * side == fan_in:
            return channels, side, side
    return (fan_in,)


def _inked(shares: Tensor) -> Tensor:
    if shares.ndim == 3:
        return (shares + 1) / 2
    strength = shares.abs()[..., None]
    ink = torch.where(shares[..., None] > 0, _WARM, _BLUE)
    return 1 - strength * (1 - ink)
