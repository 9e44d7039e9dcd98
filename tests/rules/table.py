"""One row per rule: its second reading, settings to compare at, and what is known of it."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import torch

from hebblab import rules
from tests.references import rules as reference
from tests.rules import facts

SIMILARITIES = ("dot", "cosine", "raised-cosine", "distance")
COMPETITIONS = ("none", "hard", "graded", "softmax", "proportional", "relu")


@dataclass(frozen=True)
class Row:
    """What the conformance suite knows of a rule.

    `tied` holds settings in which units compete, for ties; `huge` the largest factor by which
    inputs stay finite in float32.
    """

    name: str
    settings: tuple[dict, ...] = ({},)
    facts: tuple[Callable[[], None], ...] = ()
    tied: tuple[dict, ...] = ({},)
    huge: float = 1e15
    moves_without_input: bool = False

    def read(self, inputs, weights, **knobs):
        """The second reading, of tensors."""
        return torch.from_numpy(
            reference.RULES[self.name](inputs.double().numpy(), weights.double().numpy(), **knobs)
        )

    def rule(self, **knobs):
        return rules.create(self.name, **knobs)


def each(**choices):
    """Every combination of the given values of knobs."""
    names = tuple(choices)
    return tuple(dict(zip(names, values, strict=True)) for values in product(*choices.values()))


def competing(competitions):
    """Every competition with every similarity that it heeds, and every reduction."""
    for competition in competitions:
        heeds = SIMILARITIES if competition not in ("none", "relu") else ("dot",)
        yield from each(competition=(competition,), similarity=heeds, k=(2,))
    for reduction in ("sum", "max", "share"):
        yield {"competition": competitions[-1], "reduction": reduction}
        yield {"competition": "softmax", "temperature": 0.3, "reduction": reduction}


HELD = ("mean", "sum", "max")
SHARED = ("share", "share2", *HELD)

TABLE = (
    Row(
        "krotov-hopfield",
        (
            *each(p=(2.0, 2.5, 3.0, 4.0), k=(2, 3, 7), delta=(0.4, 0.0)),
            *each(reduction=HELD, p=(3.0,), k=(3,)),
            {"precision_floor": 1e-3, "delta": 2.0},
            {"precision": "bfloat16"},
            {"precision": "bfloat16", "p": 3.0, "k": 3},
        ),
        (
            facts.krotov_hopfield_settles_at_the_mean_at_p_norm_one,
            facts.krotov_hopfield_norms_grow_or_shrink_by_the_sign_of_the_pull,
        ),
        each(k=(2, 3, 5, 12)),
    ),
    Row(
        "hebb",
        (
            *competing(COMPETITIONS),
            {"weight_decay": 0.25},
            {"weight_decay": 1.0, "competition": "hard", "reduction": "max"},
        ),
        (
            facts.hebb_grows_along_the_leading_axis,
            facts.hebb_with_unit_rows_is_the_limit_of_oja,
        ),
        each(k=(1, 2, 5, 12), competition=("hard", "graded")),
    ),
    Row(
        "instar",
        tuple(competing(COMPETITIONS[1:])),
        (
            facts.instar_settles_at_the_means_of_clusters,
            facts.instar_settles_at_the_weighted_mean,
        ),
        each(k=(1, 2, 5, 12), competition=("hard", "graded")),
    ),
    Row(
        "oja",
        tuple(competing(COMPETITIONS)),
        (
            facts.oja_units_all_find_the_leading_axis_at_length_one,
            facts.oja_settles_only_below_rate_times_eigenvalue_one,
            facts.oja_with_hard_winners_is_instar,
        ),
        each(k=(1, 2, 5, 12), competition=("hard", "graded")),
        huge=1e6,
    ),
    Row(
        "oja-subspace",
        each(reduction=("mean", "sum")),
        (
            facts.oja_subspace_spans_the_leading_axes_orthonormally,
            facts.oja_subspace_with_more_units_than_inputs_leaves_the_whole_space,
        ),
        huge=1e6,
    ),
    Row(
        "sanger",
        each(reduction=("mean", "sum")),
        (facts.sanger_finds_the_axes_in_order,),
        huge=1e6,
    ),
    Row(
        "hpca",
        each(activation=("relu", "tanh", "identity"), reduction=("mean", "sum")),
        (
            facts.hpca_with_relu_finds_pairs_of_axes,
            facts.hpca_with_tanh_finds_axes_at_other_norms,
            facts.hpca_with_the_identity_is_sanger,
        ),
        huge=1e6,
    ),
    Row(
        "hard-wta",
        each(similarity=SIMILARITIES, reduction=SHARED, k=(1, 3)),
        (facts.hard_wta_settles_at_the_means_of_what_units_win,),
        each(k=(1, 2, 3, 5, 12), similarity=("dot", "distance")),
    ),
    Row(
        "soft-wta",
        each(similarity=SIMILARITIES, reduction=SHARED, temperature=(0.02, 1.0)),
        (
            facts.soft_wta_settles_at_the_weighted_means,
            facts.soft_wta_cold_is_hard_wta_under_mean_and_sum,
            facts.soft_wta_hot_takes_every_unit_to_the_mean,
        ),
    ),
    Row(
        "proportional-wta",
        each(similarity=SIMILARITIES, reduction=SHARED, exponent=(0.5, 1.0, 20.0)),
        (
            facts.proportional_wta_settles_at_the_weighted_means,
            facts.proportional_wta_makes_all_units_of_positive_inputs_nearly_alike,
            facts.proportional_wta_with_a_large_exponent_is_hard_wta,
        ),
    ),
    Row(
        "softhebb",
        (
            *each(temperature=(0.01, 0.15, 1.0, 10.0), anti_hebbian=(True, False)),
            *each(reduction=HELD),
            {"precision_floor": 1e-3},
        ),
        (
            facts.softhebb_units_that_learn_more_than_they_unlearn_have_norm_one,
            facts.softhebb_cold_is_krotov_hopfield_without_push,
        ),
        each(temperature=(0.15, 1.0)),
        huge=1e12,
    ),
    Row(
        "soft-krotov",
        (
            *each(p=(2.0, 2.5, 4.0), k=(2, 7), push=("absolute", "relative"), delta=(0.4, 2.0)),
            *each(temperature=(0.01, 1.0, 10.0), push=("absolute", "relative")),
            *each(reduction=HELD, delta=(0.0,)),
            {"precision_floor": 1e-3},
        ),
        (
            facts.soft_krotov_units_that_learn_more_than_they_unlearn_have_p_norm_one,
            facts.soft_krotov_cold_is_krotov_hopfield,
        ),
        each(k=(2, 3, 5, 12), push=("absolute", "relative")),
        huge=1e12,
    ),
    Row(
        "som",
        (
            *each(sheet=("plane", "torus"), neighbourhood=("gaussian", "bubble"), radius=(0.7, 2)),
            *each(similarity=("distance", "cosine", "dot"), reduction=("share", "mean", "sum")),
            *each(rows=(1,), sheet=("plane", "torus"), radius=(1.0,)),
            {"neighbourhood": "bubble", "radius": 1.0, "rows": 1},
            {"radius": 0.1},
            {"radius": 50.0},
        ),
        (
            facts.som_settles_at_the_weighted_means_exactly,
            facts.som_narrow_is_hard_wta_by_distance,
            facts.som_wide_takes_every_unit_to_the_mean,
        ),
        each(radius=(0.5, 2.0), similarity=("dot", "distance")),
    ),
    Row(
        "hebbian-anti-hebbian",
        (
            {},
            {"nonnegative": True},
            *each(variant=("2015",), nonnegative=(False, True), gamma=(0.5, 0.99, 1.0)),
        ),
        (
            facts.hebbian_anti_hebbian_filters_span_the_leading_axes_orthonormally,
            facts.hebbian_anti_hebbian_settles_up_to_tau_one,
            facts.hebbian_anti_hebbian_begins_as_twice_the_distance_to_the_power_step,
            facts.hebbian_anti_hebbian_of_2015_spans_the_same_axes,
            facts.hebbian_anti_hebbian_of_2015_is_the_papers_step_on_one_sample,
            facts.hebbian_anti_hebbian_without_answers_below_zero_meets_its_conditions,
        ),
        moves_without_input=True,
    ),
)

ROWS = {row.name: row for row in TABLE}
CASES = [(row, knobs) for row in TABLE for knobs in row.settings]
FACTS = [(row.name, fact) for row in TABLE for fact in row.facts]


def named(case):
    """The id of a case."""
    row, knobs = case
    return row.name + "".join(f" {key}={value}" for key, value in knobs.items())
