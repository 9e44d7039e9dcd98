"""Surrogate losses: what to hand to any optimizer, so that it learns by a rule."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hebblab.errors import InvalidValue
from hebblab.nn import LayerView, Scratch
from hebblab.rules.anti_hebbian import HebbianAntiHebbian
from hebblab.rules.competitive import HardWTA, ProportionalWTA, SoftWTA
from hebblab.rules.hebbian import Hebb, Instar, Oja
from hebblab.rules.inputs import refuse_infinite
from hebblab.rules.krotov import KrotovHopfield
from hebblab.rules.reductions import averaged, largest, reduce, representable
from hebblab.rules.rule import Rule, Statistics
from hebblab.rules.softhebb import SoftHebb, SoftKrotov
from hebblab.rules.som import SOM
from hebblab.rules.subspace import HPCA, OjaSubspace, Sanger

Loss = Callable[[Any, Statistics, Tensor], Tensor]


class Surrogate:
    """A loss whose gradient with respect to a layer's weights is minus what its rule would add.

    Call it with a module and a batch of the module's inputs; see `surrogate`.

    Attributes:
        rule: The rule; its knobs may be turned between calls.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._scratch = Scratch()
        self._held: list[dict[str, Tensor]] = []
        self._last: list[Statistics] = []

    def __call__(self, module: nn.Module, inputs: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return the loss, 0-d.

        Args:
            module: A `torch.nn.Linear` or `torch.nn.Conv2d` without bias.
            inputs: What the module is given; no gradient flows into it.
            targets: (samples, units) in [0, 1], a teacher's signal for rules that take one; a
                convolution has a sample for each image and position.

        Raises:
            InvalidValue: Another module, a bias, inputs that do not fit, or a teacher for a rule
                that takes none.
            NotFinite: Inputs or weights hold NaN or infinite values.
        """
        view = LayerView(module)
        view.check(inputs)
        refuse_infinite(inputs=inputs, weights=view.module.weight)
        self._check(view, inputs, targets)
        units = view.units // view.groups
        rows = view.module.weight.reshape(view.units, view.fan_in)
        began = self.rule.buffers
        self._last = []
        losses = []
        try:
            for group in range(view.groups):
                self._enter(group, view.groups)
                own = slice(group * units, (group + 1) * units)
                told = None if targets is None else targets[:, own]
                losses.append(self._of_group(view, inputs.detach(), group, rows[own], told))
        finally:
            self.rule.hold(began)
        return torch.stack(losses).sum()

    def advance(self, learning_rate: float) -> None:
        """Move what the rule holds (thresholds, lateral weights) by the batch of the last call.

        Call it once a step, after the optimizer's; rules that hold nothing need it not.

        Raises:
            InvalidValue: The rule cannot take the rate.
        """
        self.rule.check_rate(learning_rate)
        began = self.rule.buffers
        try:
            for group, statistics in enumerate(self._last):
                self._enter(group, len(self._last))
                self.rule.advance(statistics, learning_rate)
        finally:
            self.rule.hold(began)

    def _of_group(
        self, view: LayerView, inputs: Tensor, group: int, weights: Tensor, targets: Tensor | None
    ) -> Tensor:
        rule, fixed = self.rule, weights.detach()
        if rule.in_halves():
            sums = self._summed(view, inputs, group, fixed, targets)
            # Of exactly these classes: one derived from them may have changed what they do.
            loss = _LOSSES.get(type(rule))
            if loss is not None:
                return loss(rule, sums, weights)
            update = rule.change(sums, fixed)
        else:
            update = rule.update(view.inputs(inputs, group), fixed)
        return -(update.detach() * weights).sum()

    def _summed(
        self, view: LayerView, inputs: Tensor, group: int, weights: Tensor, targets: Tensor | None
    ) -> Statistics:
        total: Statistics | None = None
        first = 0
        for rows in view.chunks(inputs, self._scratch, group):
            told = None if targets is None else targets[first : first + len(rows)]
            first += len(rows)
            part = _sums(self.rule, rows, weights, told)
            total = part if total is None else tuple(map(torch.add, total, part))
        assert total is not None
        self._last.append(total)
        return total

    def _enter(self, group: int, groups: int) -> None:
        """Let the rule hold what belongs to a group of a grouped convolution."""
        if groups == 1:
            return
        if len(self._held) != groups:
            began = self.rule.buffers
            self._held = [{name: one.clone() for name, one in began.items()} for _ in range(groups)]
        self.rule.hold(self._held[group])

    def _check(self, view: LayerView, inputs: Tensor, targets: Tensor | None) -> None:
        self.rule.check_layer(view.units // view.groups, view.name)
        if targets is None:
            return
        if not self.rule.teachable or not self.rule.in_halves():
            raise InvalidValue(
                f"{self.rule.name!r} takes no teacher's targets. Leave them out, or choose a rule "
                "of winners, such as 'hard-wta'."
            )
        images = len(inputs) if inputs.ndim == 4 else inputs.numel() // view.fan_in
        samples = images * view.positions(tuple(inputs.shape))
        if tuple(targets.shape) != (samples, view.units):
            raise InvalidValue(
                f"Targets must be (samples, units), here ({samples}, {view.units}), not "
                f"{tuple(targets.shape)}."
            )


def surrogate(rule: Rule, optimizer: torch.optim.Optimizer | None = None) -> Surrogate:
    r"""Return a loss whose gradient is minus the rule's update, for any optimizer of torch.

    Called with a module and a batch of its inputs, the loss has with respect to `module.weight`
    the gradient -`rule.update`, to rounding, whatever the rule's `reduction`, on linear and on
    convolutional layers (of each group by itself). With `torch.optim.SGD` at the same rate a step
    is a step of the rule. It adds to a task loss as any loss does; no gradient flows into the
    inputs, so the layers below learn nothing of it.

    A rule that adds y (x - …) has the loss -Σ y s with s = w·x for `hebb`, w·x - ½‖w‖² for the
    instar and the winner rules, w·x - ½ y ‖w‖² for `oja`: y is what competition, thresholds and a
    teacher made of the responses, and counts as constant. `oja-subspace`, `sanger` and `hpca` have
    half the squared error of what units explain, with everything constant but each unit's own w;
    `krotov-hopfield`, `softhebb` and `soft-krotov` -Σ g u + ½ Σ c ‖w‖²;
    `hebbian-anti-hebbian` -2 Σ y (w·x) / n + ‖w‖², in 2015 (½ Σ y² ‖w‖² - Σ y (w·x)) / D. As y is
    constant, the sum over samples is taken before the product with w. A rule of one's own, which
    may have no loss, gets minus the inner product of its update and the weights: the same gradient,
    and a value without a meaning.

    The optimizer changes the rule: momentum goes on where it went, Adam makes all steps of about
    one size, and weight decay forgets a second time (`hebb` has its own knob for that): where the
    optimizer is given, a warning says so if rule and optimizer both forget. Unit-norm
    rows or pruning are put into force after `optimizer.step()`. Rules that hold thresholds or
    lateral weights move them by `surrogate.advance(learning_rate)`, called after the step; use one
    rule and one surrogate for each layer then.

    Source: Miconi, Hebbian learning with gradients (2021), there with a value put in place of the
    responses; here the activity is detached instead.

    >>> from hebblab.rules import Oja
    >>> layer = torch.nn.Linear(2, 1, bias=False)
    >>> _ = torch.nn.init.constant_(layer.weight, 0.5)
    >>> inputs = torch.tensor([[1.0, 2.0]])
    >>> surrogate(Oja())(layer, inputs).backward()
    >>> layer.weight.grad
    tensor([[-0.3750, -1.8750]])
    >>> Oja().update(inputs, layer.weight.detach())
    tensor([[0.3750, 1.8750]])
    """
    if not isinstance(rule, Rule):
        raise InvalidValue(
            f"surrogate takes a rule, such as hl.rules.create('oja'), not {type(rule).__name__}."
        )
    groups = [] if optimizer is None else optimizer.param_groups
    decay = max((float(group.get("weight_decay", 0)) for group in groups), default=0.0)
    if decay and not (isinstance(rule, Hebb) and rule.weight_decay == 0):
        warnings.warn(
            f"Weights are forgotten twice: by rule {rule.name!r} and by the optimizer, whose "
            f"weight_decay is {decay:g}. Give it weight_decay=0 unless you want both.",
            stacklevel=2,
        )
    return Surrogate(rule)


def _sums(rule: Rule, rows: Tensor, weights: Tensor, targets: Tensor | None) -> Statistics:
    if isinstance(rule, OjaSubspace | Sanger | HPCA):
        return *rule.gram(rows, weights), rows.square().sum()
    if targets is None:
        return rule.statistics(rows, weights)
    return rule.statistics(rows, weights, targets)


def _sharing(rule: Any, sums: Statistics, weights: Tensor) -> Tensor:
    hebbian, pull, active, samples, *_ = sums
    return _reduced(rule.reduction, hebbian, pull, samples, weights, active)


def _norm_holding(rule: Any, sums: Statistics, weights: Tensor) -> Tensor:
    hebbian, pull, samples = sums
    return _reduced(rule.reduction, hebbian, pull, samples, weights, floor=rule.precision_floor)


def _hebb(rule: Hebb, sums: Statistics, weights: Tensor) -> Tensor:
    hebbian, active, samples, *_ = sums
    pull = torch.zeros_like(active)
    loss = _reduced(rule.reduction, hebbian, pull, samples, weights, active)
    return loss + 0.5 * rule.weight_decay * weights.square().sum()


def _reduced(
    reduction: str,
    hebbian: Tensor,
    pull: Tensor,
    samples: Tensor,
    weights: Tensor,
    active: Tensor | None = None,
    floor: float = 1e-30,
) -> Tensor:
    """Return -⟨A, W⟩ + ½ Σ c ‖w‖² divided as the update is; A, c and the divisor are constant."""
    each = 0.5 * pull * weights.square().sum(dim=1) - (hebbian * weights).sum(dim=1)
    if reduction == "max":
        summed = torch.addcmul(hebbian, pull[:, None], weights.detach(), value=-1)
        return each.sum() / largest(summed).clamp_min(representable(floor, summed))
    return reduce(each[:, None], reduction, samples=samples, activity=active).sum()


def _subspace(rule: OjaSubspace, sums: Statistics, weights: Tensor) -> Tensor:
    """Return ½ Σ ‖x - Σ_j u_j w_j‖², u constant: what all units together leave over."""
    hebbian, gram, samples, power = sums
    explained = (hebbian * weights).sum()
    overlap = (weights * (gram @ weights)).sum()
    left = 0.5 * power - explained + 0.5 * overlap
    return reduce(left, rule.reduction, samples=samples)


def _in_order(rule: Sanger | HPCA, sums: Statistics, weights: Tensor) -> Tensor:
    """Return ½ Σ_i Σ ‖x - Σ_{j≤i} f_j w_j‖², where of each term only its own w_i is variable."""
    hebbian, gram, samples, power = sums
    fixed = weights.detach()
    before = gram.tril(-1) @ fixed
    own = 0.5 * gram.diagonal() * weights.square().sum(dim=1)
    varying = own.sum() - ((hebbian - before) * weights).sum()
    explained = (hebbian * fixed).sum(dim=1).cumsum(dim=0)
    overlap = (gram * (fixed @ fixed.T)).cumsum(dim=0).cumsum(dim=1).diagonal()
    left = (0.5 * power - explained + 0.5 * overlap).sum()
    return reduce(varying + (left - varying.detach()), rule.reduction, samples=samples)


def _anti_hebbian(rule: HebbianAntiHebbian, sums: Statistics, weights: Tensor) -> Tensor:
    hebbian, outer, *_, samples = sums
    if rule.variant == "2015":
        each = 0.5 * outer.diagonal() * weights.square().sum(dim=1) - (hebbian * weights).sum(dim=1)
        return (each / rule.activity(sums)).sum()
    mean = averaged(hebbian, samples)
    return weights.square().sum() - 2 * (mean * weights).sum()


_LOSSES: dict[type[Rule], Loss] = {
    Hebb: _hebb,
    **dict.fromkeys((Instar, Oja, HardWTA, SoftWTA, ProportionalWTA, SOM), _sharing),
    **dict.fromkeys((KrotovHopfield, SoftHebb, SoftKrotov), _norm_holding),
    OjaSubspace: _subspace,
    **dict.fromkeys((Sanger, HPCA), _in_order),
    HebbianAntiHebbian: _anti_hebbian,
}
