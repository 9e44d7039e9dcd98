"""One layer that learns: its rule, its options, and what both hold from step to step."""

import torch
from torch import Tensor, nn

from hebblab.errors import InvalidValue
from hebblab.nn import LayerView, Scratch
from hebblab.rules import Rows, Rule, abstention
from hebblab.rules.rule import Statistics
from hebblab.training import around, sampling, teacher
from hebblab.training.abstaining import Abstaining
from hebblab.training.finite import Watch
from hebblab.training.local import Local
from hebblab.training.options import LayerOptions, refuse_unfit


class Learner:
    """A layer with its rule: from a batch of the layer's inputs to changed weights.

    A grouped convolution is `groups` layers that share a clock: competition and what the rule
    holds (`held`) are each group's own.

    Args:
        view: The layer.
        rule: Its rule.
        optimizer: Applies the change.
        options: What is set around the rule; its learning rate is the optimizer's affair.
        classes: How many classes a teacher's labels have.
        shared: Whether another layer uses the same rule object.

    Raises:
        InvalidValue: The rule or an option does not suit the layer, or the optimizer is another
            model's.
    """

    def __init__(
        self,
        view: LayerView,
        rule: Rule,
        optimizer: Local,
        options: LayerOptions | None = None,
        classes: int = 10,
        shared: bool = False,
    ) -> None:
        self.view = view
        self.optimizer = optimizer
        self.scratch = Scratch()
        self._watch = Watch()
        self.mask: Tensor | None = None
        self._thresholds: Tensor | None = None
        self._places = torch.Generator()
        self._abstaining = Abstaining()
        self._classes = classes
        self._shared = shared
        self.held: list[dict[str, Tensor]] = []
        self.set(rule, options or LayerOptions())
        if optimizer.group(view.name)["params"][0] is not view.module.weight:
            raise InvalidValue(
                f"The optimizer holds other weights under the name {view.name!r} than this model "
                "has: make it anew, hl.Local(model.named_parameters(), lr=...)."
            )

    @property
    def units(self) -> int:
        """Units that compete with each other."""
        return self.view.units // self.view.groups

    @property
    def rate(self) -> float:
        """The learning rate of the coming step."""
        return float(self.optimizer.group(self.view.name)["lr"])

    @property
    def thresholds(self) -> Tensor | None:
        """The adaptive thresholds (units,), themselves; None where the options have none."""
        if not self.options.thresholds:
            self._thresholds = None
        elif self._thresholds is None:
            self._thresholds = self.view.module.weight.detach().new_zeros(self.view.units)
        return self._thresholds

    def set(self, rule: Rule, options: LayerOptions) -> None:
        """Take another rule and other options; what the former rule held is forgotten.

        Raises:
            InvalidValue: They do not suit the layer or each other; nothing is changed.
        """
        self.judge(rule, options)
        self.rule, self.options = rule, options
        alone = self.view.groups == 1 and not self._shared
        self.held = [rule.buffers] if alone else [{} for _ in range(self.view.groups)]
        self._thresholds = self.mask = None
        self.scratch.notes.clear()

    def judge(self, rule: Rule, options: LayerOptions) -> None:
        """Refuse a rule and options that do not suit this layer.

        Raises:
            InvalidValue: In the words of the layer at hand.
        """
        refuse_unfit(self.view, rule, options, self._classes)

    def begin(self, generator: torch.Generator) -> None:
        """Start anew on freshly drawn weights: pruning drawn, thresholds zero, nothing held."""
        for held in self.held:
            held.clear()
        self._thresholds = None
        self.mask = None
        if self.options.pruning:
            weight = self.view.module.weight.detach()
            self.mask = around.drawn_mask(weight, self.options.pruning, generator)
        seed = int(torch.randint(2**62, (), generator=generator))
        self._places.manual_seed(seed)
        self._abstaining.begin(seed ^ 1)  # other numbers than those that choose patches
        self.finish()

    @torch.no_grad()
    def finish(self) -> None:
        """Bring the weights to what the options hold them at: pruned, rows of norm 1."""
        if self.mask is not None:
            self.view.module.weight.detach().mul_(self.mask)
        if self.options.row_norm:
            self.project()

    @torch.no_grad()
    def project(self) -> None:
        """Put the rows of the weights to Euclidean norm 1."""
        length = torch.linalg.vector_norm(self.view.weights(), dim=1)
        self.view.scale_(1 / length.add_(around.TINY))

    @property
    def answers_by_filters(self) -> bool:
        """Whether units answer to something else than their weights."""
        return type(self.rule).filters is not Rule.filters

    def filters(self) -> Tensor:
        """Return what the units answer to, (units, fan_in): the weights, for most rules."""
        parts = []
        for group in range(self.view.groups):
            self._enter(group)
            parts.append(self.rule.filters(self.view.weights(group)))
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def inhibition(self) -> Tensor | None:
        """Return by how much units inhibit each other's answers, (units, units of a group)."""
        parts = []
        for group in range(self.view.groups):
            self._enter(group)
            found = self.rule.inhibition(self.view.weights(group))
            if found is None:
                return None
            parts.append(found)
        return torch.cat(parts)

    @torch.no_grad()
    def answer(self, inputs: Tensor) -> Tensor:
        """Return what the layer passes on for a batch."""
        module = self.view.module
        if not self.answers_by_filters:
            return module(inputs)  # type: ignore[no-any-return]
        weight = self.filters().view_as(module.weight)
        return torch.func.functional_call(module, {"weight": weight}, (inputs,))  # type: ignore[no-any-return]

    @torch.no_grad()
    def change(
        self,
        inputs: Tensor,
        labels: Tensor | None = None,
        statistics: list[Statistics] | None = None,
    ) -> Tensor | Rows:
        """Return what the rule would add to the weights for a batch, before the rate.

        Args:
            inputs: (batch, fan_in) or (batch, channels, height, width).
            labels: (batch,), for a teacher.
            statistics: Collects those of each group, where given; a layer that learns from some
                patches then draws others the next time.

        Raises:
            InvalidValue: The inputs do not fit the layer, or a teacher finds no labels.
        """
        view, rule = self.view, self.rule
        view.check(inputs)
        taught: Tensor | None = None
        if self.options.teacher:
            taught = teacher.judged(labels, len(inputs), self._classes, view.name)
        # Where nothing is learnt from a draw, the next one is the same.
        count, keep = self.options.patches_per_batch, statistics is None
        places = sampling.drawn(view, inputs, count, self._places, keep)
        if taught is not None:
            taught = teacher.of_rows(taught, sampling.rows(view, inputs), places)
        if isinstance(view.module, nn.Linear) and taught is None:
            self._enter(0)
            quick = rule.fused(view.inputs(inputs), view.weights(), self.scratch)
            if quick is not None:
                return quick
        state = self._abstaining.state() if keep and self.options.abstention else None
        changes = []
        for group in range(view.groups):
            self._enter(group)
            if not rule.in_halves():
                rows = view.inputs(inputs, group)
                rows = rows if places is None else rows[places.to(rows.device)]
                changes.append(rule.update(rows, view.weights(group)))
                continue
            turned = taught is None and rule.any_order()
            weights = view.weights(group, turned=turned)
            total = self._statistics(inputs, taught, group, weights, places)
            # A buffer of one group would be overwritten by the next.
            finish = rule.finished if turned and view.groups == 1 else rule.change
            changes.append(view.straight(finish(total, weights), turned=turned))
            if statistics is not None:
                statistics.append(total)
        if state is not None:
            self._abstaining.back(state)
        return changes[0] if len(changes) == 1 else torch.cat(changes)

    @torch.no_grad()
    def apply(
        self, change: Tensor | Rows, statistics: list[Statistics], inputs: Tensor | None = None
    ) -> None:
        """Change the weights, then what the rule holds, in the declared order.

        The `inputs` that a change came from tell bad data from a run that diverges.

        Raises:
            NotFinite: The inputs are not finite; the weights are as they were.
            Diverged: The change is not finite; the weights are as they were.
        """
        rate = self.rate
        self.rule.check_rate(rate)
        if self.options.norm_adaptive_lr:
            power = self.options.norm_adaptive_lr
            change = around.slowed(change, self.view.weights(), self.rule.norm or 2.0, power)
        self._watch.refuse(change, rate, self.view.weights(), inputs, self.view.name)
        self.optimizer.local_step(change, self.view.name)
        self.finish()
        for group, one in enumerate(statistics):
            self._enter(group)
            self.rule.advance(one, rate)

    def learn(self, inputs: Tensor, labels: Tensor | None = None) -> None:
        """Let the layer learn from a batch of its inputs.

        Raises:
            InvalidValue: The inputs do not fit; the weights are as they were.
            NotFinite, Diverged: As `apply`.
        """
        statistics: list[Statistics] = []
        self.apply(self.change(inputs, labels, statistics), statistics, inputs)

    def _statistics(
        self,
        inputs: Tensor,
        labels: Tensor | None,
        group: int,
        weights: Tensor,
        places: Tensor | None,
    ) -> Statistics:
        total: Statistics | None = None
        wins, chances = self.rule.buffers.get(abstention.WINS), None
        if wins is not None:
            samples = sampling.rows(self.view, inputs) if places is None else len(places)
            chances = abstention.chances(wins, samples).float()
        turned = labels is None and self.rule.any_order()
        first = 0
        for rows in self.view.chunks(inputs, self.scratch, group, turned=turned, places=places):
            if chances is not None:
                absent = self._abstaining.draw(chances, len(rows), rows.device)
                self.rule.abstention(wins, absent)
            if labels is None:
                total = self.rule.accumulated(rows, weights, total, self.scratch)
                continue
            here = slice(first, first + len(rows))
            targets = teacher.targets(labels[here], weights, self._classes)
            part = self.rule.statistics(rows, weights, targets)
            total = part if total is None else tuple(map(torch.add, total, part))
            first += len(rows)
        assert total is not None
        if wins is not None:
            self.rule.abstention(wins)
        return total

    def _enter(self, group: int) -> None:
        """Let the rule hold what belongs to a group."""
        held = self.held[group]
        self.rule.hold(held)
        if self.options.abstention and abstention.WINS not in held:
            # In float64, which counts patches for days.
            held[abstention.WINS] = self.view.module.weight.new_zeros(
                self.units, dtype=torch.float64
            )
        self.rule.abstention(held.get(abstention.WINS) if self.options.abstention else None)
        thresholds = self.thresholds
        if thresholds is None:
            self.rule.homeostasis(None)
            return
        own = thresholds[group * self.units : (group + 1) * self.units]
        self.rule.homeostasis(own, self.options.threshold_rate)
