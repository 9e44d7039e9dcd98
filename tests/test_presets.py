"""Every preset is a run that can be begun, and the ones that are quick do what they say."""

import pytest
import torch

import hebblab as hl
from hebblab import HebbianTrainer, Local, UnknownName, metrics, networks, presets
from hebblab.data import Batches, as_floats
from hebblab.nn import initial
from hebblab.training import decay_factor

ASKED = {
    "mnist-krotov",
    "mnist-krotov-decay",
    "mnist-krotov-authors",
    "fashion-krotov",
    "mnist-krotov-2000",
    "fashion-conv-400",
    "mnist-soft-wta",
    "mnist-oja-collapse",
    "mnist-hebb-explodes",
}


def test_all_that_were_asked_for_are_there():
    assert set(presets.available()) >= ASKED
    assert list(presets.available()) == sorted(presets.available())


@pytest.mark.parametrize("name", presets.available())
def test_each_says_where_it_comes_from_what_to_expect_and_how_long_it_takes(name):
    recipe = presets.get(name)
    assert isinstance(recipe, hl.Recipe)
    assert recipe.name == name
    assert len(recipe.source) > 10
    assert len(recipe.expect) > 20
    assert recipe.seconds > 0
    assert not recipe.endless
    assert recipe.data in hl.data.available()


@pytest.mark.parametrize("name", presets.available())
def test_each_names_the_layers_of_its_network(name):
    recipe = presets.get(name)
    network = networks.create(recipe.network, (1, 28, 28), 10)
    layers = networks.hebbian_layers(network)
    assert list(recipe.resolved(layers).rules) == list(recipe.rules) == list(layers)
    for layer, view in layers.items():
        recipe.rule(layer).check_layer(view.units, layer)


def test_each_call_gives_a_recipe_of_ones_own():
    presets.get("mnist-krotov").rules["hidden"]["delta"] = 1.0
    assert presets.get("mnist-krotov").rules["hidden"]["delta"] == 0.4


def test_unknown_names_come_with_the_nearest():
    with pytest.raises(UnknownName, match="Did you mean 'mnist-krotov'"):
        presets.get("mnist-krotow")
    for rubbish in (None, 3, ["mnist-krotov"], "../recipes", "x" * 10_000, ""):
        with pytest.raises(UnknownName):
            presets.get(rubbish)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("mnist-krotov", {"init": "uniform(0, 0.2)", "delta": 0.4, "k": 2, "p": 2.0, "n": 4.5}),
        ("mnist-krotov-decay", {"init": "uniform(0, 1)", "delta": 0.4, "k": 2, "p": 2.0}),
        ("mnist-krotov-authors", {"init": "normal(0, 1)", "delta": 0.4, "k": 2, "p": 2.0}),
        ("mnist-krotov-2000", {"delta": 0.4, "k": 7, "p": 3.0, "n": 4.5}),
        ("fashion-conv-400", {"init": "normal(0, 1)", "delta": 0.4, "k": 4, "p": 4.0, "n": 1.0}),
        ("mnist-soft-wta", {"temperature": 0.02, "similarity": "cosine", "reduction": "share"}),
    ],
)
def test_the_published_values_are_kept(name, values):
    (entry,) = presets.get(name).rules.values()
    assert {key: entry[key] for key in values} == values


@pytest.mark.parametrize(
    ("name", "rate", "decay", "steps"),
    [
        ("mnist-krotov", 0.01, "none", 420),
        ("mnist-krotov-decay", 0.1, "linear", 420),
        ("mnist-krotov-authors", 0.02, "linear", 4000),
        ("fashion-conv-400", 0.04, "linear", None),
        ("mnist-soft-wta", 0.2, "none", 420),
        ("mnist-oja-collapse", 0.01, "none", 420),
    ],
)
def test_the_published_rates_are_kept(name, rate, decay, steps):
    recipe = presets.get(name)
    assert recipe.rate(next(iter(recipe.rules))) == rate
    assert (recipe.decay, recipe.decay_floor) == (decay, 0.0)
    assert steps is None or recipe.steps == steps


def finished(name, **overrides):
    """A session that has run to its end, and the state in which it ended."""
    with hl.Session(name, **overrides) as session:
        session.start()
        assert session.wait(100)
        return session, session.state


def visible(weights, digits):
    return float(metrics.visible(weights, digits.train.pixels).float().mean())


def entropy(weights, digits, centre=None):
    seen = as_floats(digits.validation, centre=centre).flatten(1)
    return metrics.activation_statistics(seen @ weights.T).win_entropy


def draws_nearly_all_digits(weights, digits):
    assert visible(weights, digits) >= 0.98
    assert float(metrics.convergence(weights, 2.0).converged) >= 0.98
    assert entropy(weights, digits) > 0.9
    assert metrics.near_duplicates(weights) == 0


@pytest.mark.parametrize("seed", [4101, 4102])
def test_the_default_draws_digits_in_a_session(digits, seed):
    session, state = finished("mnist-krotov", seed=seed)
    assert (state, session.steps) == ("finished", 420)
    draws_nearly_all_digits(session.weights(), digits)


@pytest.mark.parametrize("seed", [4103, 4104])
def test_the_default_draws_digits_in_a_plain_loop(digits, seed):
    recipe = presets.get("mnist-krotov")
    model = networks.create(recipe.network, digits.train.shape, 10, seed)
    optimizer = Local(model.named_parameters(), lr=recipe.rate("hidden"))
    trainer = HebbianTrainer(model, recipe.rule("hidden"), optimizer, initialize=False)
    generator = torch.Generator().manual_seed(seed)
    initial.draw_(model.hidden.weight, recipe.rules["hidden"]["init"], generator)
    batches = Batches(digits.train, recipe.batch_size, generator)
    trainer.run(batches, epochs=recipe.steps // len(batches))
    assert trainer.state.iteration == 420
    draws_nearly_all_digits(model.hidden.weight.detach(), digits)


def test_a_session_does_what_the_plain_loop_does():
    """From the session's own start and order, by the rule alone: 40 steps of a falling rate."""
    recipe = presets.get("mnist-krotov-decay").changed(steps=40)
    with hl.Session(recipe) as session:
        weights = session.weights()
        rule = recipe.rule("hidden")
        order = torch.Generator()
        order.set_state(session._loop.run.order.get_state())
        session.start()
        assert session.wait(60)
        found = session.weights()
        batches = Batches(session.dataset.train, 100, order)
    step = 0
    while step < 40:
        for inputs, _ in batches:
            rate = 0.1 * decay_factor("linear", step, 40)
            weights += rate * rule.update(inputs.flatten(1), weights)
            step += 1
            if step == 40:
                break
    assert torch.allclose(found, weights, atol=1e-4)


def test_the_decaying_one_is_grey_for_long_and_then_draws(digits):
    recipe = presets.get("mnist-krotov-decay")
    with hl.Session(recipe, seed=4105) as session:
        session.step(180)
        assert visible(session.weights(), digits) < 0.1
        session.start()
        assert session.wait(60)
        assert visible(session.weights(), digits) > 0.95


def test_soft_winners_draw(digits):
    weights = finished("mnist-soft-wta", seed=4106)[0].weights()
    assert visible(weights, digits) > 0.95
    assert entropy(weights, digits) > 0.85


def test_oja_collapses_as_it_says():
    weights = finished("mnist-oja-collapse", seed=4107)[0].weights()
    rows = torch.nn.functional.normalize(weights)
    cosines = (rows @ rows.T).abs()
    assert float(cosines.median()) > 0.99
    assert float((cosines > 0.8).float().mean()) > 0.9
    assert float(metrics.convergence(weights, 2.0).converged) == 1.0
    assert metrics.effective_rank(weights) < 2


def test_hebb_explodes_as_it_says():
    session, state = finished("mnist-hebb-explodes", seed=4108)
    assert state == "failed"
    assert 20 < session.steps < 400
    assert "were about to leave the finite numbers" in str(session.error)
    assert torch.isfinite(session.weights()).all()


def test_the_authors_need_patience(digits):
    with hl.Session("mnist-krotov-authors", seed=4109) as session:
        session.step(420)
        assert visible(session.weights(), digits) < 0.2


@pytest.mark.long
def test_the_authors_patience_is_rewarded(digits):
    weights = finished("mnist-krotov-authors", seed=4110)[0].weights()
    assert visible(weights, digits) > 0.7
