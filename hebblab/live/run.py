"""One run made from its recipe: model, data, trainer, edits. It knows no thread and no clock."""

import logging
from collections.abc import Callable, Mapping

import numpy as np
import torch
from ignite.engine import Events
from torch import Tensor, nn

from hebblab import data
from hebblab.data import Batches, Dataset
from hebblab.errors import InvalidValue
from hebblab.knobs import Knob, Value
from hebblab.live.edits import Changes, Edit
from hebblab.live.paths import LayerPath
from hebblab.metrics import norms
from hebblab.nn import RePU, networks
from hebblab.nn.initial import draw_, redraw_
from hebblab.recipes import OPTIONS, LayerOptions, Recipe
from hebblab.rules import Rows
from hebblab.rules.reductions import largest
from hebblab.training import HebbianTrainer, Local, decay_factor
from hebblab.training.modes import evaluating

_logger = logging.getLogger("hebblab.live")

_MOST_RESPONSES = 2**31  # bytes of one batch's responses and their scratch
_FOREVER = 2**53


def stream(seed: int, name: str) -> int:
    """Return the seed of one named stream of randomness, independent of every other's.

    >>> stream(1, "order") == stream(1, "init")
    False
    """
    state = np.random.SeedSequence([seed, *name.encode()]).generate_state(2, np.uint32)
    return int(state[0]) << 31 | int(state[1]) >> 1


class Run:
    """Everything a run holds between its first step and its last.

    Args:
        recipe: With "*" or the network's own layer names.
        dataset: Loaded by the recipe's name where None.

    Raises:
        HebblabError: Whatever of the recipe cannot be had; before anything is trained.
    """

    def __init__(self, recipe: Recipe, dataset: Dataset | None = None) -> None:
        self.dataset = dataset if dataset is not None else data.load(recipe.data)
        shape = self.dataset.image_shape
        with torch.inference_mode(False):
            self.model = networks.create(
                recipe.network, shape, len(self.dataset.classes), stream(recipe.seed, "network")
            )
        views = networks.hebbian_layers(self.model)
        self.recipe = recipe.resolved(views)
        self.layers = tuple(self.recipe.rules)
        self.views = {name: views[name] for name in self.layers}
        self.rules = {name: self.recipe.rule(name) for name in self.layers}
        self.options = {name: self.recipe.options(name) for name in self.layers}
        self.centre = data.mean_image(self.dataset.train) if self.recipe.centre else None
        self.order = torch.Generator()
        self.batches = Batches(self.dataset.train, self.recipe.batch_size, self.order, self.centre)
        self._refuse_too_large()
        self.total = self.recipe.total_steps(len(self.batches))
        self.planned = self.recipe.planned_steps(len(self.batches))
        self._made = state_tensors(self.model)
        self.optimizer = Local(self.model.named_parameters())
        self.trainer = HebbianTrainer(
            self.model,
            self.rules,
            self.optimizer,
            initialize=False,
            row_norm=[name for name in self.layers if self.options[name].row_norm],
        )
        self.edge: Callable[[], bool] = lambda: False
        self.pace: Callable[[], bool] = lambda: False
        # The only event that comes once before every step and after all handlers of the last one.
        self.trainer.add_event_handler(Events.GET_BATCH_STARTED, self._before_step)
        self.trainer.add_event_handler(Events.ITERATION_STARTED, self._set_rates)
        self.trainer.add_event_handler(Events.ITERATION_COMPLETED, self._at_edge)
        self.steps = 0
        self.restart(self.recipe.seed)

    def restart(self, seed: int) -> None:
        """Return to step 0: rules, network and order as the recipe says, drawn from `seed`.

        Raises:
            HebblabError: A rule or a knob of the recipe is gone; nothing is changed.
        """
        recipe = self.recipe.changed(seed=seed)
        rules = {name: recipe.rule(name) for name in self.layers}
        options = {name: recipe.options(name) for name in self.layers}
        self.close()
        self.recipe, self.options = recipe, options
        self.rules = rules
        self.trainer.rules = dict(rules)
        self.trainer.row_norm = {name for name in self.layers if options[name].row_norm}
        self.trainer.forget()
        generator = torch.Generator().manual_seed(stream(seed, "init"))
        with torch.inference_mode(False), torch.no_grad():
            self.model.load_state_dict(self._made)
            redraw_(self.model, torch.Generator().manual_seed(stream(seed, "network")))
            for name, view in self.views.items():
                draw_(view.module.weight, recipe.rules[name]["init"], generator)
                self._set_exponent(name)
        self.order.manual_seed(stream(seed, "order"))
        self.steps = 0

    def advance(self) -> bool:
        """Take steps until `edge` asks to stop at a batch edge; True when the run is over.

        Over means that every step is taken, or that a handler told the trainer to terminate.

        Raises:
            Diverged: The weights would have become non-finite; they are the last finite ones.
        """
        length = len(self.batches)
        epochs = _FOREVER if self.total is None else -(-self.total // length)
        self.trainer.run(self.batches, max_epochs=epochs)
        while self.finished and self.trainer._internal_run_generator is not None:
            # A handler of the last step asked for a pause; what ends a run is still to be fired.
            self.trainer.run(self.batches, max_epochs=epochs)
        return self.finished or bool(self.trainer.should_terminate)

    def interrupt(self) -> None:
        """Stop at this batch edge; for handlers, which come after `edge` was asked."""
        self.trainer.interrupt()

    @property
    def between_steps(self) -> bool:
        """Whether a caller on the run's own thread is at a batch edge, and not inside a step."""
        return self.trainer.last_event_name is not Events.ITERATION_STARTED

    def close(self) -> None:
        """End ignite's loop in order, so that nothing of it is left half-run."""
        trainer = self.trainer
        try:
            while trainer._internal_run_generator is not None:
                trainer.terminate(skip_completed=True)
                trainer.run(self.batches, max_epochs=trainer.state.max_epochs)
        except Exception:
            _logger.exception("A handler failed while the run was being ended.")
        self.abandon()

    def abandon(self) -> None:
        """Forget ignite's loop, ended or raised, so that a restart begins a new one."""
        self.trainer._internal_run_generator = None
        self.trainer._dataloader_iter = None
        self.trainer._init_iter = None
        self.trainer.state.max_epochs = None

    @property
    def finished(self) -> bool:
        """Whether every step of the recipe is taken."""
        return self.total is not None and self.steps >= self.total

    @property
    def epoch(self) -> float:
        """Passes over the training images so far."""
        return self.steps / len(self.batches)

    def knobs(self, layer: str) -> dict[str, Knob]:
        """Return what can be turned at a layer, the rule's own knobs first."""
        units = self.views[layer].units // self.views[layer].groups
        knobs = {name: k.for_units(units) for name, k in self.rules[layer].knobs().items()}
        knobs["learning_rate"] = OPTIONS["learning_rate"]
        if self.rules[layer].norm is None:
            knobs["row_norm"] = OPTIONS["row_norm"]
        if self._exponent_of(layer) is not None:
            knobs["n"] = OPTIONS["n"]
        return knobs

    def values(self, layer: str) -> dict[str, Value]:
        """Return the present value of everything that can be turned at a layer."""
        now = {**self.rules[layer].values(), **self.options[layer].values()}
        return {name: now[name] for name in self.knobs(layer)}

    def judge(self, layer: str, values: Mapping[str, Value]) -> None:
        """Refuse values that are fine one by one but not together.

        Raises:
            InvalidValue: In the words of the rule.
        """
        declared = self.rules[layer].declared()
        self.rules[layer].with_(**{key: one for key, one in values.items() if key in declared})

    def apply(self, edit: Edit) -> None:
        """Bring an accepted edit into force, at this batch edge, and stamp it."""
        changes: Changes = {}
        for layer in self.layers if edit.layer is None else (edit.layer,):
            before = self.values(layer)
            changes = {name: (before[name], new) for name, (_, new) in edit.changes.items()}
            changes |= self._turn(layer, {name: new for name, (_, new) in changes.items()}, edit)
        edit.changes = changes
        edit.applied_at = self.steps

    def _turn(self, layer: str, new: dict[str, Value], edit: Edit) -> Changes:
        """Set knobs of a layer; return what else had to change with them, (old, new) by knob."""
        rule, options = self.rules[layer], self.options[layer]
        own = {name: value for name, value in new.items() if name not in LayerOptions.model_fields}
        rule.with_(**own)
        resized = "reduction" in own and "learning_rate" not in new
        size = self._change_size(layer) if resized else 0.0
        old_norm = rule.norm
        # Judged as a whole above; one by one they might contradict each other on the way.
        rule.__dict__.update(own)
        if old_norm is not None and rule.norm is not None and rule.norm != old_norm:
            self._rescale(layer, old_norm, rule.norm)
            edit.note = "rows rescaled, so that each keeps its norm"
        for name in new.keys() - own.keys():
            self._set_option(layer, name, new[name])
        if not resized:
            return {}
        old_rate = options.learning_rate
        self._keep_step_size(layer, size)
        edit.note = "learning rate rescaled, so that steps stay as large"
        return {"learning_rate": (old_rate, options.learning_rate)}

    def weights(self, layer: str) -> Tensor:
        """Return a copy of a layer's weights, (units, fan_in)."""
        with torch.inference_mode(False):
            return self.views[layer].weights().clone()

    def _before_step(self) -> None:
        if not self.trainer.should_terminate and self.pace():
            self.trainer.interrupt()

    def _at_edge(self) -> None:
        self.steps += 1
        if self.edge() and not self.finished:
            self.trainer.interrupt()
        elif self.finished and self.steps % len(self.batches):
            # At the end of an epoch ignite ends by itself, after EPOCH_COMPLETED.
            self.trainer.terminate()

    def _set_rates(self) -> None:
        recipe = self.recipe
        factor = decay_factor(recipe.decay, self.steps, self.planned, recipe.decay_floor)
        for name in self.layers:
            self.optimizer.group(name)["lr"] = self.options[name].learning_rate * factor

    def _set_option(self, layer: str, name: str, value: Value) -> None:
        setattr(self.options[layer], name, value)
        if name == "n":
            self._set_exponent(layer)
        if name == "row_norm" and value:
            self.trainer.row_norm.add(layer)
            self.trainer.project(layer)
        elif name == "row_norm":
            self.trainer.row_norm.discard(layer)

    @torch.no_grad()
    def _rescale(self, layer: str, old: float, new: float) -> None:
        """Keep each row's norm when the norm itself changes: a row below 1 would take every win."""
        view = self.views[layer]
        rows = view.weights()
        view.scale_(norms(rows, old) / norms(rows, new).clamp_min(1e-30))

    def _change_size(self, layer: str) -> float:
        """Return the largest change that a few images ask for, with the present knobs."""
        inputs = data.as_floats(
            self.dataset.train, limit=self.recipe.batch_size, centre=self.centre
        )
        with evaluating(self.model):
            inputs = LayerPath(self.model, layer).before(inputs)
        change = self.trainer.change(layer, inputs)
        size = float(largest(change.values if isinstance(change, Rows) else change))
        self.trainer.forget()
        return size

    def _keep_step_size(self, layer: str, before: float) -> None:
        after = self._change_size(layer)
        if not (before > 0 and after > 0):
            return
        knob = OPTIONS["learning_rate"]
        wanted = self.options[layer].learning_rate * before / after
        low, high = float(knob.low or 0), float(knob.high or 10)
        self.options[layer].learning_rate = min(max(wanted, low), high)

    def _exponent_of(self, layer: str) -> RePU | None:
        """Return the RePU that a layer's responses go through, if there is one."""
        found = False
        for name, module in self.model.named_modules():
            if name == layer:
                found = True
            elif found and isinstance(module, RePU):
                return module
            elif found and isinstance(module, nn.Linear | nn.Conv2d):
                return None
        return None

    def _set_exponent(self, layer: str) -> None:
        activation = self._exponent_of(layer)
        if activation is not None:
            activation.n = self.options[layer].n

    def _refuse_too_large(self) -> None:
        for name, view in self.views.items():
            self.rules[name].check_layer(view.units // view.groups, name)
            if isinstance(view.module, nn.Linear):
                needed = 12 * self.recipe.batch_size * view.units
                if needed > _MOST_RESPONSES:
                    raise InvalidValue(
                        f"A batch of {self.recipe.batch_size:,} images needs {needed / 2**30:.1f} "
                        f"GiB for the responses of the {view.units:,} units of layer {name!r}; "
                        "2 GiB are the most. Lower batch_size."
                    )


def state_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return copies of a model's tensors, by name."""
    with torch.inference_mode(False):
        return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def exponents(model: nn.Module) -> dict[str, float]:
    """Return the exponents of a model's RePUs, by name."""
    return {name: m.n for name, m in model.named_modules() if isinstance(m, RePU)}


__all__ = ["Run", "exponents", "state_tensors", "stream"]
