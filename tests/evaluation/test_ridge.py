import pytest
import sklearn.linear_model
import sklearn.preprocessing
import torch

from hebblab.errors import InvalidValue
from hebblab.evaluation.ridge import PENALTIES, Moments, best, solve_few
from hebblab.evaluation.standard import Standard


def drawn(rows, width, seed=0, classes=4):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(rows, width, generator=generator) * torch.linspace(0.1, 30, width) + 7
    scores = torch.randn(width, classes, generator=generator)
    noise = torch.randn(rows, classes, generator=generator) * 3
    labels = ((features - 7) / torch.linspace(0.1, 30, width) @ scores + noise).argmax(1)
    return features, labels


def path_of(features, labels, classes=4, penalties=PENALTIES):
    moments = Moments(features[:9].mean(0), classes)
    moments.add(features, labels)
    return moments.solve(penalties)


@pytest.mark.parametrize(("rows", "width"), [(300, 12), (900, 300), (400, 700)])
def test_weights_are_scikit_learns(rows, width):
    features, labels = drawn(rows, width)
    ready = sklearn.preprocessing.StandardScaler().fit_transform(features.double().numpy())
    truth = torch.eye(4)[labels].double().numpy()
    standard = Standard.of([features])
    paths = [solve_few(features, labels, 4, standard)]
    if width < rows:
        paths.append(path_of(features, labels))
    for path in paths:
        for place, penalty in enumerate(PENALTIES):
            model = sklearn.linear_model.Ridge(alpha=rows * penalty).fit(ready, truth)
            scale = abs(model.coef_).max()
            assert path.weights[place].numpy() == pytest.approx(model.coef_, abs=2e-3 * scale)
            assert path.bias[place].numpy() == pytest.approx(model.intercept_, abs=1e-4)


def test_predictions_are_those_of_scikit_learns_classifier():
    features, labels = drawn(500, 20)
    others, _ = drawn(300, 20, seed=0)
    ready = sklearn.preprocessing.StandardScaler().fit(features.numpy())
    path = path_of(features, labels)
    for place, penalty in enumerate(PENALTIES):
        model = sklearn.linear_model.RidgeClassifier(alpha=500 * penalty)
        model.fit(ready.transform(features.numpy()), labels.numpy())
        wanted = torch.from_numpy(model.predict(ready.transform(others.numpy())))
        assert (path.predict(others)[place] == wanted).double().mean() > 0.995
        assert torch.equal(path.readout(place).predict(others), path.predict(others)[place])


def test_sums_of_parts_are_those_of_the_whole():
    features, labels = drawn(400, 300)
    standard = Standard.of(torch.split(features, 33))
    whole, parts = Moments(standard.mean, 4), Moments(standard.mean, 4)
    whole.add(features, labels)
    for rows, own in zip(torch.split(features, 150), torch.split(labels, 150), strict=True):
        part = Moments(standard.mean, 4)
        part.add(rows, own)
        parts += part
    assert parts.samples == whole.samples == 400
    close = torch.allclose(parts.solve().weights, whole.solve().weights, rtol=1e-3, atol=1e-5)
    assert close


@pytest.mark.parametrize("size", [7, 100, 5000])
def test_mean_and_scale_come_from_chunks_of_any_size_and_far_from_zero(size):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(1000, 5, generator=generator) + 3000
    found = Standard.of(torch.split(features, size))
    exact = features.double()
    assert found.mean.double().numpy() == pytest.approx(exact.mean(0).numpy(), rel=1e-6)
    assert found.scale.numpy() == pytest.approx(1 / exact.std(0, correction=0).numpy(), rel=1e-3)


def test_a_constant_feature_is_left_out():
    features, labels = drawn(200, 10)
    path = path_of(torch.cat([features, torch.full((200, 1), 5.0)], 1), labels)
    alone = path_of(features, labels)
    assert torch.allclose(path.weights[:, :, :10], alone.weights, atol=1e-5)
    assert float(path.weights[:, :, 10].abs().max()) == 0


def test_copies_of_a_feature_share_its_weight_as_if_the_penalty_were_smaller():
    features, labels = drawn(300, 5)
    copied = path_of(features.repeat(1, 40), labels, penalties=(0.4, 40.0)).weights
    alone = path_of(features, labels, penalties=(0.01, 1.0)).weights
    assert torch.allclose(copied.view(2, 4, 40, 5).sum(2), alone, rtol=1e-3, atol=1e-4)


def test_features_that_nothing_can_be_read_from_are_refused():
    with pytest.raises(InvalidValue, match="the same for every one of 6"):
        Standard.of([torch.ones(6, 3)])
    with pytest.raises(InvalidValue, match="at least one sample"):
        Standard.of([])
    with pytest.raises(InvalidValue, match="not finite"):
        Standard.of([torch.tensor([[1.0, torch.nan], [2.0, 1.0]])])
    features, labels = drawn(50, 4)
    path = path_of(features, labels)
    with pytest.raises(InvalidValue, match="not finite"):
        path.predict(torch.full((2, 4), torch.inf))
    with pytest.raises(InvalidValue, match="not finite"):
        Moments(path.standard.mean, 4).add(torch.full((2, 4), torch.nan), torch.tensor([0, 1]))
    with pytest.raises(InvalidValue, match="not finite"):
        solve_few(torch.full((2, 4), torch.nan), torch.tensor([0, 1]), 4, path.standard)


def test_among_equals_the_strongest_penalty_is_best():
    right = torch.tensor([[1, 1, 0], [0, 1, 1], [0, 0, 1]]).bool()
    assert best(right) == 1


@pytest.mark.parametrize("rows", [300, 9])
def test_a_penalty_lost_in_rounding_does_not_spoil_the_others(rows):
    """A penalty under the rounding of copied features cannot be told from none."""
    features, labels = drawn(300, 6)
    copied = features.repeat(1, 8)[:rows]
    labels = labels[:rows]
    tiny, usual = 1e-30, 1e-2
    if rows > copied.shape[1]:
        path = path_of(copied, labels, penalties=(tiny, usual))
        alone = path_of(copied, labels, penalties=(usual,))
    else:
        standard = Standard.of([copied])
        path = solve_few(copied, labels, 4, standard, penalties=(tiny, usual))
        alone = solve_few(copied, labels, 4, standard, penalties=(usual,))
    assert torch.isfinite(path.weights).all()
    assert torch.allclose(path.weights[1], alone.weights[0], atol=1e-6)
    assert torch.equal(path.predict(copied)[1], alone.predict(copied)[0])
