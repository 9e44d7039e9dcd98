"""One run made from its recipe: model, data, trainer, edits. It knows no thread and no clock."""

import copy
from collections.abc import Callable, Collection

import torch
from ignite.engine import Events
from torch import Tensor, nn

from hebblab import data
from hebblab.data import Batches, Dataset, worlds
from hebblab.data.points import World
from hebblab.errors import InvalidValue, shown
from hebblab.live import engine
from hebblab.live.batching import refuse_too_large
from hebblab.live.clock import Clock
from hebblab.live.schedule import Schedule
from hebblab.live.settings import Surroundings, placed, whitening_buffers
from hebblab.live.streams import stream
from hebblab.nn import networks
from hebblab.nn.initial import draw_, redraw_
from hebblab.recipes import Recipe
from hebblab.rules import Rule
from hebblab.training import HebbianTrainer, LayerOptions, Local


class Run:
    """Everything a run holds between its first step and its last.

    Args:
        recipe: With "*" or the network's own layer names.
        dataset: Loaded by the recipe's name where None.
        carried: Options that the recipe brought from another network; see `placed`.

    Attributes:
        notes: What of them this network has no place for, in sentences.

    Raises:
        HebblabError: Whatever of the recipe cannot be had; before anything is trained.
    """

    def __init__(
        self, recipe: Recipe, dataset: Dataset | None = None, carried: Collection[str] = ()
    ) -> None:
        if dataset is not None and not isinstance(dataset, Dataset):
            raise InvalidValue(f"dataset must be an hl.data.Dataset, not {shown(dataset)}.")
        self.world = worlds.get(recipe.data)(**recipe.world) if _drawn(recipe, dataset) else None
        if dataset is None:
            dataset = data.load(recipe.data) if self.world is None else self._points(recipe)
        self.dataset = dataset
        shape = self.dataset.image_shape
        with torch.inference_mode(False):
            self.model = networks.create(
                recipe.network, shape, len(self.dataset.classes), stream(recipe.seed, "network")
            )
        views = networks.hebbian_layers(self.model)
        recipe = recipe.resolved(views)
        self.layers = tuple(recipe.rules)
        self.views = {name: views[name] for name in self.layers}
        self.around = {name: Surroundings(self.model, name) for name in self.layers}
        self.recipe, self.notes = placed(recipe, self.around, carried)
        self._whitening = whitening_buffers(self.model)
        self.rules, self.options = self._from(self.recipe)
        self.centre = self._mean()
        self.order = torch.Generator()
        self.batches = Batches(self.dataset.train, self.recipe.batch_size, self.order, self.centre)
        for name, view in self.views.items():
            self.rules[name].check_layer(view.units // view.groups, name)
        refuse_too_large(self.recipe.batch_size, self.views)
        self._made = state_tensors(self.model)
        self.optimizer = Local(self.model.named_parameters())
        # Options come with the first restart, which brings the network to them and whitens it.
        self.trainer = HebbianTrainer(
            self.model,
            self.rules,
            self.optimizer,
            initialize=False,
            updates="simultaneous" if self.recipe.schedule == "simultaneous" else "in-order",
            classes=len(self.dataset.classes),
        )
        self.edge: Callable[[], bool] = lambda: False
        self.pace: Callable[[], bool] = lambda: False
        self.epochs = engine.Epochs(self.trainer)
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
        rules, options = self._from(recipe)
        self.close()
        self.recipe, self.rules, self.options = recipe, rules, options
        if self.batches.batch_size != recipe.batch_size:
            self.batches.resize(recipe.batch_size)
        self.clock = Clock.of(recipe, len(self.batches))
        self.epochs.follow(None)
        self.schedule = Schedule(recipe, self.clock.planned)
        if self.world is not None:
            self.draw(worlds.get(recipe.data)(**recipe.world))
        generator = torch.Generator().manual_seed(stream(seed, "init"))
        pruning = torch.Generator().manual_seed(stream(seed, "pruning"))
        with torch.inference_mode(False), torch.no_grad():
            for around in self.around.values():
                # What was fitted since is shared with frames, which must not be written over.
                around.unwhiten()
            self.model.load_state_dict(self._made)
            redraw_(self.model, torch.Generator().manual_seed(stream(seed, "network")))
            for name, view in self.views.items():
                draw_(view.module.weight, recipe.rules[name]["init"], generator)
                self.around[name].set(options[name], *self._fitted_on(name))
                learner = self.trainer.learners[name]
                learner.set(rules[name], options[name])
                learner.begin(pruning)
                self.show_thresholds(name)
        self.order.manual_seed(stream(seed, "order"))
        self.steps = 0

    def advance(self) -> bool:
        """Take steps until `edge` asks to stop at a batch edge; True when the run is over.

        Over means that every step is taken, or that a handler told the trainer to terminate.

        Raises:
            Diverged: The weights would have become non-finite; they are the last finite ones.
        """
        self.epochs.run(self.batches, self.total)
        while self.finished and engine.under_way(self.trainer):
            # A handler of the last step asked for a pause; what ends a run is still to be fired.
            self.epochs.run(self.batches, self.total)
        return self.finished or bool(self.trainer.should_terminate)

    def interrupt(self) -> None:
        """Stop at this batch edge; for handlers, which come after `edge` was asked."""
        self.trainer.interrupt()

    @property
    def between_steps(self) -> bool:
        """Whether a caller on the run's own thread is at a batch edge, and not inside a step."""
        return engine.between_steps(self.trainer)

    def close(self) -> None:
        """End ignite's loop in order, so that nothing of it is left half-run."""
        engine.end(self.trainer, self.batches)

    def abandon(self) -> None:
        """Forget ignite's loop, ended or raised, so that a restart begins a new one."""
        engine.forget(self.trainer)

    @property
    def finished(self) -> bool:
        """Whether every step of the recipe is taken."""
        return self.total is not None and self.steps >= self.total

    @property
    def total(self) -> int | None:
        """Steps in all, as things stand; None where the run is endless."""
        return None if self.recipe.endless else self.clock.planned

    @property
    def epoch(self) -> float:
        """Passes over the training images so far."""
        return self.clock.epoch(self.steps)

    def resize(self, batch_size: int) -> None:
        """Let the next step take so many images, the next of the epoch's order."""
        self.batches.resize(batch_size)
        self.clock = self.clock.turned(self.steps, len(self.batches))
        self.epochs.follow(self.clock)

    def weights(self, layer: str) -> Tensor:
        """Return a copy of a layer's weights, (units, fan_in)."""
        with torch.inference_mode(False):
            return self.views[layer].weights().clone()

    def tensors(self) -> dict[str, Tensor]:
        """Return copies of the model's tensors; weights are what their units answer to.

        Of whitening there are no copies: it is fitted anew, and never written over.
        """
        found = state_tensors(self.model, self._whitening)
        with torch.inference_mode(False), torch.no_grad():
            for name, rule in self.rules.items():
                if type(rule).filters is not Rule.filters:
                    weight = found[f"{name}.weight"]
                    weight.copy_(self.trainer.learners[name].filters().view_as(weight))
        return found

    def copied(self) -> nn.Sequential:
        """Return a copy of the model, with `tensors`."""
        with torch.inference_mode(False):
            model = copy.deepcopy(self.model)
            model.load_state_dict(self.tensors())
        return model

    def thresholds(self, layer: str) -> Tensor | None:
        """Return a copy of a layer's adaptive thresholds, (units,), where it has them."""
        held = self.trainer.learners[layer].thresholds
        return None if held is None else held.clone()

    def _before_step(self) -> None:
        if not self.trainer.should_terminate and self.pace():
            self.trainer.interrupt()

    def _at_edge(self) -> None:
        self.steps += 1
        if self.edge() and not self.finished:
            self.trainer.interrupt()
        elif self.finished:
            self.epochs.end()

    def _set_rates(self) -> None:
        now = self.schedule.at(self.steps, self.clock.at(self.steps))
        if now.begins:
            self._focus(now.learning[0])
        for name in self.layers:
            options = self.options[name]
            self.optimizer.group(name)["lr"] = options.learning_rate * now.factor
            radius = self.schedule.radius(name, options.radius_end, now)
            if radius is not None:
                self.rules[name].__dict__["radius"] = radius
            self.show_thresholds(name)

    def _focus(self, layer: str) -> None:
        """Let one layer learn, those before it being done; its patches are whitened anew."""
        self.trainer.focus(layer)
        if self.options[layer].zca == "patches":
            self.whiten(layer)

    def show_thresholds(self, layer: str) -> None:
        """Let the activation know the thresholds, and by how much units inhibit each other."""
        self.around[layer].show(self.trainer.learners[layer])

    def whiten(self, layer: str) -> None:
        """Fit a layer's whitening to the training images, or forget it, as its options say."""
        self.around[layer].whiten(self.options[layer], *self._fitted_on(layer))

    def _fitted_on(self, layer: str) -> tuple[Dataset, Tensor | None, int]:
        return self.dataset, self.centre, stream(self.recipe.seed, f"whitening {layer}")

    def _from(self, recipe: Recipe) -> tuple[dict[str, Rule], dict[str, LayerOptions]]:
        """Return rules and options as a recipe has them, judged by the network.

        Raises:
            HebblabError: Something does not suit the network.
        """
        rules, options = {}, {}
        for name in self.layers:
            rules[name] = recipe.rule(name)
            options[name] = recipe.options(name, self.around[name].built)
            said = recipe.rules[name]
            self.around[name].judge(options[name], [key for key in said if said[key] is not None])
            self.around[name].judge_rule(rules[name])
            rules[name].check_rate(options[name].learning_rate)
        return rules, options

    @staticmethod
    def _points(recipe: Recipe) -> Dataset:
        return worlds.load(recipe.data, stream(recipe.seed, "world"), **recipe.world)

    def draw(self, world: World) -> None:
        """Write the points of a world as its knobs make them; batches hand them out next."""
        self.world = world
        seed = stream(self.recipe.seed, "world")
        self.dataset = worlds.deform(self.dataset, self.recipe.data, seed, **self.world.values())
        mean = self._mean()
        if self.centre is not None and mean is not None:
            self.centre.copy_(mean)
            self.batches.recentre(mean)

    def _mean(self) -> Tensor | None:
        return data.mean_image(self.dataset.train) if self.recipe.centre else None


def state_tensors(model: nn.Module, shared: Collection[str] = ()) -> dict[str, Tensor]:
    """Return copies of a model's tensors, by name; those of the names in `shared` themselves."""
    with torch.inference_mode(False):
        return {
            name: tensor.detach() if name in shared else tensor.detach().clone()
            for name, tensor in model.state_dict().items()
        }


def _drawn(recipe: Recipe, dataset: Dataset | None) -> bool:
    return dataset is None and recipe.data in worlds.available()


__all__ = ["Run", "state_tensors", "stream"]
