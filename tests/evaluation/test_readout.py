from concurrent.futures import CancelledError

import numpy as np
import pytest
import torch

from hebblab.errors import InvalidValue
from hebblab.evaluation.readout import fit_softmax_


def sample(rows=300, features=12, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(rows, features, generator=generator)
    truth = torch.randn(features, classes, generator=generator)
    noise = torch.randn(rows, classes, generator=generator)
    labels = (values @ truth + 2 * noise).argmax(1)
    spread = torch.linspace(0.01, 100, features)
    return values * spread + 3 * spread, labels


def objective(readout, features, labels, penalty=1e-3):
    values = (features.double() - readout.mean.double()) * readout.scale.double()
    scores = values @ readout.weights.double().T + readout.bias.double()
    loss = torch.nn.functional.cross_entropy(scores, labels)
    return float(loss + penalty * readout.weights.double().square().sum())


def test_the_optimum_is_that_of_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    features, labels = sample()
    readout = fit_softmax_(features.clone(), labels, 4, iterations=300)
    values = ((features - readout.mean) * readout.scale).double().numpy()
    # scikit-learn minimises C · Σ loss + ½‖W‖²: the same point for C = 1 / (2 λ n).
    oracle = linear_model.LogisticRegression(C=1 / (2e-3 * 300), tol=1e-8, max_iter=5000)
    oracle.fit(values, labels.numpy())
    np.testing.assert_allclose(readout.weights, oracle.coef_, atol=3e-3)
    agreement = (readout.predict(features).numpy() == oracle.predict(values)).mean()
    assert agreement > 0.99


def test_the_optimum_is_that_of_torchs_own_lbfgs():
    features, labels = sample(seed=4)
    readout = fit_softmax_(features.clone(), labels, 4)
    weights = torch.zeros(13, 4, dtype=torch.float64, requires_grad=True)
    values = ((features - readout.mean) * readout.scale).double()
    optimizer = torch.optim.LBFGS([weights], max_iter=300, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(values @ weights[:-1] + weights[-1], labels)
        loss = loss + 1e-3 * weights[:-1].square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert objective(readout, features, labels) == pytest.approx(closure().item(), rel=1e-5)


def test_features_are_standardised_in_place_and_constant_ones_count_for_nothing():
    features, labels = sample()
    features[:, 3] = 7.0
    mine = features.clone()
    readout = fit_softmax_(mine, labels, 4)
    spread = mine.std(0, correction=0)
    assert spread[3] == 0
    assert torch.allclose(spread[torch.arange(12) != 3], torch.ones(11), atol=1e-4)
    assert readout.weights[:, 3].abs().max() == 0
    assert readout.scale[3] == 0


def test_nothing_is_drawn_and_the_result_repeats():
    features, labels = sample()
    state = torch.get_rng_state()
    one = fit_softmax_(features.clone(), labels, 4)
    two = fit_softmax_(features.clone(), labels, 4)
    assert torch.equal(one.weights, two.weights)
    assert torch.equal(torch.get_rng_state(), state)


def test_it_stops_where_the_objective_no_longer_falls():
    features, labels = sample(rows=40, features=2)
    steps = []
    fit_softmax_(features, labels, 4, iterations=500, report=lambda done, total: steps.append(done))
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) < 100


def test_features_that_say_nothing_give_the_most_frequent_class():
    labels = torch.tensor([0, 1, 1, 1, 2])
    readout = fit_softmax_(torch.ones(5, 3), labels, 3)
    assert readout.predict(torch.ones(2, 3)).tolist() == [1, 1]


def test_what_the_report_raises_ends_the_fit():
    def report(done, total):
        raise CancelledError

    features, labels = sample()
    with pytest.raises(CancelledError):
        fit_softmax_(features, labels, 4, report=report)


def test_features_that_are_not_finite_or_missing_are_refused():
    features, labels = sample()
    features[3, 3] = torch.inf
    with pytest.raises(InvalidValue, match="not finite"):
        fit_softmax_(features, labels, 4)
    with pytest.raises(InvalidValue, match="at least one sample"):
        fit_softmax_(torch.ones(0, 3), torch.ones(0).long(), 4)


def test_correct_counts_hits():
    features, labels = sample()
    readout = fit_softmax_(features.clone(), labels, 4)
    hits = int((readout.predict(features) == labels).sum())
    assert readout.correct(features, labels) == hits > 150
