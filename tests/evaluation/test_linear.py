import pytest
import sklearn.linear_model
import sklearn.preprocessing
import torch

from hebblab.data.splits import stratified
from hebblab.errors import InvalidValue, UnknownName
from hebblab.evaluation import linear_readout
from hebblab.evaluation.ridge import PENALTIES
from hebblab.evaluation.within import folds


def drawn(rows, width, noise=2.0, seed=0, classes=5):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randn(width, classes, generator=torch.Generator().manual_seed(99))
    features = torch.randn(rows, width, generator=generator)
    scores = features @ truth + noise * torch.randn(rows, classes, generator=generator)
    return features, scores.argmax(1)


def test_ridge_is_within_a_tenth_of_a_point_of_scikit_learns_optimum():
    features, labels = drawn(4000, 100, noise=10.0)
    others, own = drawn(10_000, 100, noise=10.0, seed=1)
    penalties = [4000 * penalty for penalty in PENALTIES]
    model = sklearn.linear_model.RidgeClassifierCV(alphas=penalties).fit(features, labels)
    found = linear_readout(features, labels).accuracy(others, own)
    assert 0.4 < found < 0.9
    assert found > model.score(others, own) - 0.001
    assert found.n == 10_000


def test_softmax_is_within_a_tenth_of_a_point_of_scikit_learns_optimum():
    features, labels = drawn(1500, 30)
    others, own = drawn(5000, 30, seed=1)
    ready = sklearn.preprocessing.StandardScaler().fit(features.numpy())
    model = sklearn.linear_model.LogisticRegression(C=1 / (2 * 1500 * 1e-3), max_iter=1000)
    model.fit(ready.transform(features.numpy()), labels)
    readout = linear_readout(features, labels, "softmax", penalty=1e-3)
    wanted = model.score(ready.transform(others.numpy()), own)
    assert abs(readout.accuracy(others, own) - wanted) <= 0.001
    probabilities = model.predict_proba(ready.transform(others.numpy()))
    assert readout.probabilities(others).numpy() == pytest.approx(probabilities, abs=5e-3)


@pytest.mark.parametrize("method", ["ridge", "softmax"])
def test_a_penalty_is_chosen_where_none_is_given(method):
    # With 60 noisy samples of 100 features a weak penalty fits the noise.
    features, labels = drawn(60, 100, noise=0.5, classes=2)
    others, own = drawn(2000, 100, noise=0.5, seed=1, classes=2)
    chosen = linear_readout(features, labels, method)
    scores = [
        linear_readout(features, labels, method, penalty).accuracy(others, own)
        for penalty in (1e-4, 1e-2, 1.0)
    ]
    assert chosen.accuracy(others, own) >= min(scores)
    assert chosen.penalty in PENALTIES
    assert chosen.method == method


@pytest.mark.parametrize(("rows", "width"), [(60, 8), (60, 200), (499, 20)])
def test_few_samples_choose_by_five_folds_of_their_own(rows, width):
    features, labels = drawn(rows, width, noise=3.0, classes=3)
    ready = sklearn.preprocessing.StandardScaler().fit_transform(features.double().numpy())
    truth, dealt = torch.eye(3)[labels].numpy(), folds(labels).numpy()
    right = []
    for penalty in PENALTIES:
        answers = labels.numpy() * 0
        for fold in range(5):
            out = dealt == fold
            model = sklearn.linear_model.Ridge(alpha=penalty * int((~out).sum()))
            answers[out] = model.fit(ready[~out], truth[~out]).predict(ready[out]).argmax(1)
        right.append(int((answers == labels.numpy()).sum()))
    strongest = max(place for place, count in enumerate(right) if count == max(right))
    assert linear_readout(features, labels).penalty == PENALTIES[strongest]


@pytest.mark.parametrize("seed", range(3))
def test_the_penalty_of_a_softmax_is_the_one_scikit_learn_chooses(seed):
    features, labels = drawn(150, 60, noise=8.0, seed=seed, classes=3)
    features = features + 3
    fitted, held = stratified(labels, (0.2,))
    ready = sklearn.preprocessing.StandardScaler().fit(features[fitted].double().numpy())
    rows, scored = (ready.transform(features[part].double().numpy()) for part in (fitted, held))
    penalties, scores = (1e-1, 1e-2, 1e-3, 1e-4), []
    for penalty in penalties:
        model = sklearn.linear_model.LogisticRegression(
            C=1 / (2 * len(fitted) * penalty), max_iter=5000
        )
        scores.append(model.fit(rows, labels[fitted]).score(scored, labels[held]))
    # Among equals the strongest, which stands first.
    wanted = penalties[scores.index(max(scores))]
    assert linear_readout(features, labels, "softmax").penalty == wanted


def test_too_few_of_a_class_take_the_usual_penalty():
    features, labels = drawn(400, 6, classes=2)
    rows = torch.cat([(labels == 0).nonzero().flatten(), (labels == 1).nonzero().flatten()[:4]])
    assert linear_readout(features[rows], labels[rows]).penalty == 0.1
    assert linear_readout(features[rows], labels[rows], "softmax").penalty == 1e-3


@pytest.mark.parametrize("method", ["ridge", "softmax"])
def test_what_is_given_stays_as_it_is_and_repeats(method):
    features, labels = drawn(200, 10)
    before = features.clone()
    one = linear_readout(features, labels, method)
    assert torch.equal(features, before)
    assert torch.equal(one.weights, linear_readout(features, labels, method).weights)


def test_a_ridge_has_no_probabilities():
    features, labels = drawn(50, 4)
    with pytest.raises(InvalidValue, match='method="softmax"'):
        linear_readout(features, labels).probabilities(features)


@pytest.mark.parametrize(
    ("features", "labels", "more", "said"),
    [
        (torch.ones(4), torch.zeros(4).long(), {}, "floating tensor"),
        (torch.ones(4, 2).long(), torch.zeros(4).long(), {}, "floating tensor"),
        (torch.ones(4, 2), torch.zeros(4), {}, "int64"),
        (torch.ones(4, 2), torch.zeros(3).long(), {}, "4 rows and 3 labels"),
        (torch.ones(4, 2), torch.zeros(4).long(), {}, "at least two classes"),
        (torch.ones(4, 2), torch.tensor([0, 1, 0, -1]), {}, "at least two classes"),
        (torch.ones(4, 2), torch.tensor([0, 1, 0, 1]), {}, "there is nothing to read"),
        (torch.full((4, 2), torch.nan), torch.tensor([0, 1, 0, 1]), {}, "not finite"),
        (torch.rand(4, 2), torch.tensor([0, 1, 0, 1]), {"penalty": 0}, "above 0"),
        (torch.rand(4, 2), torch.tensor([0, 1, 0, 1]), {"penalty": True}, "above 0"),
    ],
)
@pytest.mark.parametrize("method", ["ridge", "softmax"])
def test_what_cannot_be_read_is_refused(features, labels, more, said, method):
    with pytest.raises(InvalidValue, match=said):
        linear_readout(features, labels, method, **more)


def test_another_method_is_refused_with_the_nearest():
    with pytest.raises(UnknownName, match="Did you mean 'ridge'"):
        linear_readout(torch.rand(4, 2), torch.tensor([0, 1, 0, 1]), "rigde")
    readout = linear_readout(torch.rand(4, 2), torch.tensor([0, 1, 0, 1]))
    with pytest.raises(InvalidValue, match="2 rows and 3 labels"):
        readout.accuracy(torch.rand(2, 2), torch.tensor([0, 1, 0]))


@pytest.mark.parametrize("method", ["ridge", "softmax"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_readout_reads_whatever_precision_it_was_given(method, dtype):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    features = torch.randn(60, 8, generator=generator) + 4 * torch.eye(3, 8)[labels]
    features = features.to(dtype)
    readout = linear_readout(features, labels, method, penalty=0.01)
    assert readout.accuracy(features, labels) > 0.95
    if method == "softmax":
        assert torch.allclose(readout.probabilities(features).sum(1), torch.ones(60))


def test_a_readout_refuses_what_it_was_not_fitted_on():
    features = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(20) % 2
    readout = linear_readout(features, labels, penalty=0.1)
    with pytest.raises(InvalidValue, match="must have 4 features a row"):
        readout.predict(features[:, :3])
    with pytest.raises(InvalidValue, match="not finite"):
        readout.predict(torch.full((2, 4), torch.nan))
    with pytest.raises(InvalidValue, match="floating tensor"):
        readout.predict(features.numpy())
    with pytest.raises(InvalidValue, match="at least one feature"):
        linear_readout(torch.zeros(10, 0), torch.arange(10) % 2)
