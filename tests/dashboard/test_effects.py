import math
import random
from dataclasses import replace

import pytest

from hebblab import Session
from hebblab.dashboard.effects import MEASURES, Watcher, answers_alone, effect
from hebblab.dashboard.panels import Story


def noisy(levels, steps, scatter=0.001, seed=0):
    rng = random.Random(seed)
    return [levels(s) + rng.gauss(0, scatter) for s in steps]


def stepwise(before, after, at):
    return lambda s: before if s <= at else after


STEPS = list(range(0, 1001, 10))


def test_the_two_that_moved_most_are_named_in_the_order_of_their_move():
    history = {
        "step": STEPS,
        "likeness": noisy(stepwise(0.76, 0.54, 400), STEPS),
        "negative_share": noisy(stepwise(0.02, 0.13, 400), STEPS),
        "win_entropy": noisy(stepwise(0.96, 0.93, 400), STEPS),
        "effective_rank": [70.0] * len(STEPS),
    }
    assert effect(history, 400, "Δ 0.80", 500) == (
        "since Δ 0.80: likeness to the nearest unit 0.76 → 0.54, negative weight 2 % → 13 %"
    )


def test_a_move_counts_in_units_of_the_metrics_own_scatter():
    history = {
        "step": STEPS,
        # A larger move in a restless metric weighs less than a small one in a calm metric.
        "convergence": noisy(stepwise(0.50, 0.60, 400), STEPS, scatter=0.2),
        "likeness": noisy(stepwise(0.70, 0.66, 400), STEPS, scatter=0.002),
    }
    said = effect(history, 400, "k 3", 500)
    assert "likeness" in said
    assert "converged" not in said


def test_nothing_moved_is_said_in_words():
    history = {"step": STEPS, "likeness": noisy(lambda s: 0.7, STEPS)}
    assert effect(history, 400, "η 0.020", 500) == "since η 0.020: nothing measurable yet"


def test_it_waits_until_the_horizon_has_passed():
    history = {"step": STEPS, "likeness": noisy(stepwise(0.7, 0.5, 400), STEPS)}
    assert effect(history, 400, "Δ 0", 499) is None
    assert effect(history, 400, "Δ 0", 420, horizon=20) is not None


def test_a_curve_that_rises_anyway_is_not_put_down_to_the_edit():
    history = {"step": STEPS, "convergence": [min(1.0, s / 1000) for s in STEPS]}
    assert effect(history, 400, "Δ 0.8", 500).endswith("nothing measurable yet")


@pytest.mark.parametrize("scattered", [0.0, 0.001])
def test_without_scatter_a_grain_is_no_effect_but_a_leap_is(scattered):
    still = {"step": STEPS, "convergence": noisy(stepwise(1.0, 0.99, 400), STEPS, scattered)}
    leap = {"step": STEPS, "convergence": noisy(stepwise(1.0, 0.60, 400), STEPS, scattered)}
    assert effect(still, 400, "p 3", 500).endswith("nothing measurable yet")
    assert effect(leap, 400, "p 3", 500) == "since p 3: converged 100 % → 60 %"


def test_few_points_in_the_window_reach_further_back():
    steps = [0, 200, 400, 600, 800, 1000, 1200]
    history = {"step": steps, "likeness": [0.70, 0.74, 0.70, 0.74, 0.70, 0.72, 0.72]}
    assert effect(history, 1000, "k 4", 1200).endswith("nothing measurable yet")
    history["likeness"][-1] = 0.30
    assert "0.72 → 0.30" in effect(history, 1000, "k 4", 1200)


def test_what_a_slow_drag_did_on_its_way_is_what_it_changed():
    ramp = [0.77 - 0.14 * min(max(s - 400, 0), 90) / 90 for s in STEPS]
    history = {"step": STEPS, "likeness": ramp}
    assert effect(history, 490, "Δ 0.80", 590, began=400) == (
        "since Δ 0.80: likeness to the nearest unit 0.77 → 0.63"
    )
    watcher = Watcher()
    dragged = Story(history=history, marks=[(490, "Δ 0.80")], step=590, began=400)
    watcher.look(dragged, "running")
    assert watcher.text.endswith("0.77 → 0.63")


def test_undefined_and_missing_values_are_left_out():
    history = {
        "step": STEPS,
        "convergence": [None] * len(STEPS),
        "likeness": [math.nan if s < 300 else 0.7 if s <= 400 else 0.4 for s in STEPS],
    }
    assert effect(history, 400, "Δ 1", 500) == "since Δ 1: likeness to the nearest unit 0.70 → 0.40"


@pytest.mark.parametrize("history", [{}, {"step": []}, {"step": [0], "likeness": [0.5]}])
def test_almost_no_history_is_no_error(history):
    assert effect(history, 0, "Δ 1", 100) == "since Δ 1: nothing measurable yet"


def test_never_win_counts_only_from_where_it_is_known():
    # Before step 300 no unit can have gone 300 steps without a win: zero by definition.
    history = {"step": STEPS, "never_win": [0.0 if s < 300 else 0.2 for s in STEPS]}
    assert effect(history, 290, "Δ 1", 390).endswith("nothing measurable yet")


def test_a_small_move_of_a_calm_metric_is_written_so_that_both_sides_differ():
    history = {"step": STEPS, "negative_share": [0.0124 if s <= 400 else 0.024 for s in STEPS]}
    assert "1 % → 2 %" in effect(history, 400, "Δ 1", 500)
    history = {"step": STEPS, "likeness": [0.701 if s <= 400 else 0.7 for s in STEPS]}
    history["negative_share"] = [0.011 if s <= 400 else 0.0225 for s in STEPS]
    history["near_duplicates"] = [0.515 if s <= 400 else 0.54 for s in STEPS]
    assert "near-duplicates 52 % → 54 %" in effect(history, 400, "Δ 1", 500)


def test_every_metric_of_the_history_has_plain_words():
    live = pytest.importorskip("hebblab.live.reading")
    known = set(MEASURES)
    assert known == set(live.HISTORY) - {"step", "epoch"}
    assert all("_" not in measure.words for measure in MEASURES.values())


def story(history, step, mark=(400, "Δ 0.80")):
    return Story(history=history, marks=[mark], step=step)


def test_the_watcher_looks_after_a_hundred_steps_then_after_a_thousand():
    steps = list(range(0, 2001, 10))
    history = {"step": steps, "likeness": [0.7 if s <= 900 else 0.3 for s in steps]}
    watcher = Watcher()
    watcher.look(story(history, 450), "running")
    assert watcher.text == ""
    watcher.look(story(history, 500), "running")
    assert watcher.text == "since Δ 0.80: nothing measurable yet"
    watcher.look(story(history, 1000), "running")
    assert watcher.text == "since Δ 0.80: nothing measurable yet"
    watcher.look(story(history, 1400), "running")
    assert watcher.text == "since Δ 0.80: likeness to the nearest unit 0.70 → 0.30"


def test_of_what_moves_no_weight_the_probe_is_recommended_at_once():
    watcher = Watcher()
    history = {"step": STEPS, "likeness": [0.7 if s <= 400 else 0.3 for s in STEPS]}
    watcher.look(replace(story(history, 401, mark=(400, "n 2.0")), still=True), "running")
    assert watcher.text == ("since n 2.0: it changes what units answer, and no weight. Press Probe")
    watcher.look(replace(story(history, 900, mark=(400, "n 2.0")), still=True), "running")
    assert "likeness" not in watcher.text


@pytest.mark.parametrize(
    ("network", "layer", "changes", "alone"),
    [
        ("dense-100", "hidden", {"n": 2.0}, True),
        ("dense-100", "hidden", {"triangle": True}, True),
        ("dense-100", "hidden", {"n": 2.0, "k": 3}, False),
        ("dense-100", "hidden", {"input_norm": "unit"}, False),
        ("miconi-cnn", "conv1", {"n": 2.0}, False),
        ("miconi-cnn", "conv3", {"n": 2.0}, True),
    ],
)
def test_later_layers_learn_from_what_earlier_ones_answer(network, layer, changes, alone):
    with Session("mnist-hard-wta", network=network) as session:
        assert layer in session.layers
        assert answers_alone(session.edit(changes, layer=layer), session) is alone


def test_the_watcher_looks_at_a_pause():
    steps = list(range(0, 2001, 10))
    history = {"step": steps, "likeness": [0.7 if s <= 600 else 0.3 for s in steps]}
    watcher = Watcher()
    watcher.look(story(history, 500), "running")
    watcher.look(story(history, 700), "paused")
    assert watcher.text == "since Δ 0.80: likeness to the nearest unit 0.70 → 0.30"


def test_what_was_found_stands_until_the_next_edit():
    history = {"step": STEPS, "likeness": [0.7 if s <= 400 else 0.3 for s in STEPS]}
    watcher = Watcher()
    watcher.look(story(history, 500), "running")
    found = watcher.text
    watcher.look(story({"step": STEPS, "likeness": [0.7] * len(STEPS)}, 1000), "paused")
    assert watcher.text == found
    watcher.look(story(history, 1000, mark=(990, "k 3")), "running")
    assert watcher.text == ""
    watcher.forget()
    watcher.look(Story(), "ready")
    assert watcher.text == ""
