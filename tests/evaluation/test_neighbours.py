import numpy as np
import pytest
import sklearn.metrics
import sklearn.neighbors
import torch

from hebblab.errors import InvalidValue
from hebblab.evaluation import (
    class_means,
    knn_predict,
    ncm_predict,
    nearest_neighbours,
    neighbours,
    retrieval,
)


def drawn(rows, seed, features=6):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(rows, features, generator=generator),
        torch.randint(0, 3, (rows,), generator=generator),
    )


def test_neighbours_are_scikit_learns(monkeypatch):
    gallery, _ = drawn(80, 0)
    queries, _ = drawn(30, 1)
    wanted = sklearn.neighbors.NearestNeighbors(n_neighbors=7, metric="cosine").fit(gallery)
    places = wanted.kneighbors(queries, return_distance=False)
    assert np.array_equal(nearest_neighbours(queries, gallery, 7), places)
    monkeypatch.setattr(neighbours, "_CHUNK", 100)  # one query at a time
    assert np.array_equal(nearest_neighbours(queries, gallery, 7), places)


def test_among_equals_the_lower_place_comes_first_even_at_the_edge():
    gallery = torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [1.0, 0.0]])
    assert nearest_neighbours(torch.tensor([[1.0, 0.0]]), gallery, 2).tolist() == [[1, 2]]
    assert nearest_neighbours(torch.tensor([[1.0, 0.0]]), gallery, 5).tolist() == [[1, 2, 3, 4, 0]]


def test_a_row_of_zeros_is_like_nothing():
    gallery = torch.tensor([[0.0, 0.0], [-1.0, 0.0], [1.0, 1.0]])
    assert nearest_neighbours(torch.tensor([[1.0, 0.0]]), gallery, 3).tolist() == [[2, 0, 1]]


@pytest.mark.parametrize("k", [1, 5])
def test_votes_are_scikit_learns_where_they_do_not_tie(k):
    gallery, labels = drawn(90, 2)
    queries, _ = drawn(60, 3)
    model = sklearn.neighbors.KNeighborsClassifier(k, metric="cosine").fit(gallery, labels)
    shares = np.sort(model.predict_proba(queries), axis=1)
    clear = shares[:, -1] > shares[:, -2]
    assert clear.sum() > 20
    found = knn_predict(queries, gallery, labels, 3, k).numpy()
    assert np.array_equal(found[clear], model.predict(queries)[clear])


def test_a_tie_of_votes_goes_to_the_nearest():
    gallery = torch.tensor([[1.0, 0.3], [1.0, 0.2], [1.0, 0.1], [1.0, 0.0]])
    labels = torch.tensor([0, 1, 1, 0])
    assert knn_predict(torch.tensor([[1.0, 0.0]]), gallery, labels, 2, k=4).tolist() == [0]
    assert knn_predict(torch.tensor([[1.0, 0.3]]), gallery, 1 - labels, 2, k=4).tolist() == [1]


def test_class_means_are_scikit_learns():
    features, labels = drawn(60, 4)
    queries, _ = drawn(40, 5)
    model = sklearn.neighbors.NearestCentroid().fit(features, labels)
    means = class_means(features, labels, 3)
    assert means.numpy() == pytest.approx(model.centroids_, abs=1e-6)
    assert np.array_equal(ncm_predict(queries, means), model.predict(queries))


def test_a_class_without_a_sample_has_no_mean():
    with pytest.raises(InvalidValue, match=r"\[1, 3\]"):
        class_means(torch.ones(2, 2), torch.tensor([0, 2]), 4)


def test_retrieval_by_hand():
    # In order of distance: rel = 1 0 1 0 1, R = 3.
    gallery = torch.arange(5.0)[:, None]
    labels = torch.tensor([7, 1, 7, 1, 7])
    query = torch.tensor([[-1.0]]), torch.tensor([7])
    by_k = {
        1: (1, 1 / 1),
        2: (1 / 2, 1 / 2),
        3: (2 / 3, (1 + 2 / 3) / 3),
        4: (2 / 4, (1 + 2 / 3) / 3),
        5: (3 / 5, (1 + 2 / 3 + 3 / 5) / 3),
    }
    for k, wanted in by_k.items():
        assert retrieval(*query, gallery, labels, k) == pytest.approx(wanted)


def test_the_normaliser_counts_what_there_is_and_not_what_was_found():
    gallery = torch.arange(4.0)[:, None]
    labels = torch.tensor([0, 1, 1, 0])
    # One of two relevant rows is among the first two: 1 / 2, where others say 1 / 1.
    assert retrieval(torch.tensor([[-1.0]]), torch.tensor([0]), gallery, labels, 2) == (0.5, 0.5)


def test_over_the_whole_gallery_it_is_scikit_learns_average_precision(monkeypatch):
    gallery, labels = drawn(70, 6)
    queries, wanted_labels = drawn(20, 7)
    distance = torch.cdist(queries.double(), gallery.double())
    wanted = np.mean(
        [
            sklearn.metrics.average_precision_score(labels == label, -row)
            for row, label in zip(distance, wanted_labels, strict=True)
        ]
    )
    shares = np.mean([(labels == label).double().mean() for label in wanted_labels])
    assert retrieval(queries, wanted_labels, gallery, labels, 70) == pytest.approx((shares, wanted))
    monkeypatch.setattr(neighbours, "_CHUNK", 200)
    assert retrieval(queries, wanted_labels, gallery, labels, 70) == pytest.approx((shares, wanted))


def test_a_query_whose_class_is_not_in_the_gallery_finds_nothing():
    found = retrieval(torch.ones(1, 2), torch.tensor([5]), torch.ones(3, 2), torch.arange(3), 2)
    assert found == (0.0, 0.0)


@pytest.mark.parametrize("k", [0, 4, 1.0, True])
def test_k_is_within_the_gallery(k):
    with pytest.raises(InvalidValue, match="1 to the 3 rows"):
        nearest_neighbours(torch.ones(1, 2), torch.ones(3, 2), k)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(InvalidValue, match="as many features"):
        nearest_neighbours(torch.ones(1, 3), torch.ones(3, 2), 1)
    with pytest.raises(InvalidValue, match="no query"):
        nearest_neighbours(torch.ones(0, 2), torch.ones(3, 2), 1)
    with pytest.raises(InvalidValue, match="3 rows and 1 labels"):
        retrieval(torch.ones(1, 2), torch.tensor([0]), torch.ones(3, 2), torch.tensor([0]), 1)


@pytest.mark.parametrize("offset", [0.0, 1000.0, -3e4])
def test_nothing_is_lost_far_from_zero(offset):
    generator = torch.Generator().manual_seed(0)
    gallery, queries = (torch.randn(n, 20, generator=generator) + offset for n in (300, 100))
    labels, wanted = (torch.randint(5, (n,), generator=generator) for n in (300, 100))
    far = torch.cdist(queries.double(), gallery.double())
    near = far.argsort(dim=1, stable=True)[:, :50]
    relevant = (labels[near] == wanted[:, None]).double()
    precision, _ = retrieval(queries, wanted, gallery, labels, 50)
    assert precision == pytest.approx(float(relevant.mean()), abs=1e-3)
    means = class_means(gallery, labels, 5)
    exact = torch.cdist(queries.double(), means.double()).argmin(dim=1)
    assert (ncm_predict(queries, means) == exact).double().mean() >= 0.97


def test_what_is_not_finite_and_what_is_no_tensor_is_refused_in_a_sentence():
    rows, labels = torch.ones(3, 2), torch.tensor([0, 1, 1])
    broken = torch.tensor([[torch.nan, 1.0], [1.0, 1.0], [2.0, 1.0]])
    for call in (
        lambda: nearest_neighbours(broken, rows, 1),
        lambda: knn_predict(rows, broken, labels, 2, 1),
        lambda: retrieval(rows, labels, broken, labels, 1),
        lambda: ncm_predict(broken, rows),
    ):
        with pytest.raises(InvalidValue, match="not finite"):
            call()
    with pytest.raises(InvalidValue, match="floating tensor"):
        retrieval(rows.numpy(), labels, rows, labels, 1)
    with pytest.raises(InvalidValue, match="3 rows and 2 labels"):
        knn_predict(rows, rows, labels[:2], 2, 1)
    with pytest.raises(InvalidValue, match="from 0 to 1"):
        knn_predict(rows, rows, labels + 1, 2, 1)


def test_huge_features_are_compared_by_angle():
    generator = torch.Generator().manual_seed(0)
    gallery, queries = (torch.randn(n, 6, generator=generator) for n in (40, 10))
    usual = nearest_neighbours(queries, gallery, 5)
    assert torch.equal(nearest_neighbours(queries * 1e30, gallery * 1e30, 5), usual)
    assert torch.equal(nearest_neighbours(queries * 1e-30, gallery * 1e-30, 5), usual)


@pytest.mark.parametrize("offset", [0, 7, 1000])
def test_equal_distances_stay_equal_and_go_by_place(offset):
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        gallery, queries = (
            torch.randint(3, (n, 4), generator=generator) + offset for n in (40, 10)
        )
        labels, wanted = (torch.randint(3, (n,), generator=generator) for n in (40, 10))
        far = (queries[:, None] - gallery[None]).square().sum(dim=2)
        near = far.argsort(dim=1, stable=True)[:, :7]
        expected = float((labels[near] == wanted[:, None]).double().mean())
        precision, _ = retrieval(queries.float(), wanted, gallery.float(), labels, 7)
        assert precision == pytest.approx(expected)
        means = gallery[:5]
        exact = (queries[:, None] - means[None]).square().sum(dim=2)
        first = (exact == exact.amin(dim=1, keepdim=True)).int().argmax(dim=1)
        assert torch.equal(ncm_predict(queries.float(), means.float()), first)


@pytest.mark.parametrize("offset", [0.0, 0.5, 1000.0])
def test_equal_distances_go_by_place_wherever_features_lie(offset):
    """Small whole numbers are at equal distances of each other over and over again."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        gallery = torch.randint(0, 3, (40, 4), generator=generator)
        queries = torch.randint(0, 3, (10, 4), generator=generator)
        labels = torch.randint(0, 3, (40,), generator=generator)
        own = torch.randint(0, 3, (10,), generator=generator)
        apart = (queries[:, None] - gallery).square().sum(dim=2).numpy()
        best = np.argsort(apart, axis=1, kind="stable")[:, :7]
        precision = (labels.numpy()[best] == own.numpy()[:, None]).mean()
        found = retrieval(queries + offset, own, gallery + offset, labels, 7)
        assert found[0] == pytest.approx(precision, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("rows", "copies", "width"), [(37, 3, 33), (13, 5, 7), (101, 2, 100)])
def test_copies_of_a_row_go_by_place(rows, copies, width, dtype):
    generator = torch.Generator().manual_seed(0)
    once = torch.randn(rows, width, generator=generator, dtype=dtype)
    gallery, queries = once.repeat(copies, 1), torch.randn(23, width, generator=generator).to(dtype)
    found = nearest_neighbours(queries, gallery, len(gallery)).view(23, rows, copies)
    # Copies stand side by side, the lower place first.
    assert torch.equal(found % rows, (found[:, :, :1] % rows).expand_as(found))
    assert bool((found.diff(dim=2) == rows).all())
    labels = torch.arange(len(gallery)) // rows
    own = torch.zeros(23, dtype=torch.int64)
    assert retrieval(queries, own, gallery, labels, 1) == (1.0, 1.0)
    assert retrieval(queries, own + copies - 1, gallery, labels, copies - 1) == (0.0, 0.0)


def test_a_tie_of_votes_goes_to_the_nearest_however_far_it_is():
    # By angle: 300 of class 0, then 350 of each of the others, class 2 first.
    labels = torch.cat([torch.zeros(300), torch.tensor([2.0, 1.0]), torch.arange(698) % 2 + 1])
    angle = torch.linspace(0, 1.5, 1000, dtype=torch.float64)
    gallery = torch.stack([angle.cos(), angle.sin()], 1)
    query = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    assert knn_predict(query, gallery, labels.long(), 3, k=1000).tolist() == [2]


@pytest.mark.parametrize("scale", [1e-36, 1e-30, 1e-8, 1e25, 1e36])
def test_distances_of_very_small_and_large_numbers_rank_alike(scale):
    gallery, labels = drawn(60, 2)
    queries, wanted = drawn(20, 3)
    plain = retrieval(queries, wanted, gallery, labels, 9)
    assert retrieval(queries * scale, wanted, gallery * scale, labels, 9) == pytest.approx(plain)
    means = class_means(gallery, labels, 3)
    assert ncm_predict(queries * scale, means * scale).equal(ncm_predict(queries, means))


def test_a_mean_of_what_is_not_finite_is_refused():
    features, labels = drawn(30, 4)
    features[3, 1] = torch.nan
    with pytest.raises(InvalidValue, match="not finite"):
        class_means(features, labels, 3)
