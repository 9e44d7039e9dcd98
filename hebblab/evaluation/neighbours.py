"""What can be read off features without training anything: neighbours, means, retrieval."""

import functools
from collections.abc import Iterator

import torch
from torch import Tensor

from hebblab.errors import InvalidValue, shown
from hebblab.evaluation import checks

_CHUNK = 4_000_000  # similarities held at once
_KEYED = 4096  # rows whose keys are found at once
_LEAST, _MOST = 2.0**-20, 2.0**40  # between which squares lose nothing


def nearest_neighbours(queries: Tensor, gallery: Tensor, k: int) -> Tensor:
    """Return the places of the k rows of `gallery` most like each query by cosine, best first.

    A row of zeros is like nothing (cosine 0). Among equals, the lower place comes first.

    Args:
        queries: (queries, features).
        gallery: (rows, features).
        k: 1 to the number of rows.

    Returns:
        int64 (queries, k).

    Raises:
        InvalidValue: The shapes do not fit, or k does not.

    >>> gallery = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> nearest_neighbours(torch.tensor([[2.0, 0.1]]), gallery, 2)
    tensor([[0, 2]])
    """
    queries, gallery = _checked(queries, gallery, k)
    directions = unit(gallery)
    again, before = _repeated(directions)
    found = []
    for chunk in torch.split(queries, _rows(len(gallery))):
        scores = unit(chunk) @ directions.T
        scores[:, again] = scores[:, before]
        found.append(_stable_best(scores, k))
    return torch.cat(found)


def knn_predict(
    queries: Tensor, gallery: Tensor, labels: Tensor, classes: int, k: int = 10
) -> Tensor:
    """Return the class that most of the k nearest rows have; among equal votes, the nearest's.

    Args:
        queries: (queries, features).
        gallery: (rows, features), the training features.
        labels: int64 (rows,).
        classes: Number of classes.
        k: Neighbours asked.

    Raises:
        InvalidValue: The shapes do not fit, or k or a label does not.

    >>> gallery = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    >>> knn_predict(torch.tensor([[0.5, 0.6]]), gallery, torch.tensor([0, 0, 1]), 2, k=3)
    tensor([0])
    """
    checks.labelled(labels, len(gallery), classes)
    near = labels[nearest_neighbours(queries, gallery, k)]
    votes = torch.zeros(len(queries), classes, dtype=torch.int64, device=near.device)
    votes.scatter_add_(1, near, torch.ones_like(near))
    ranks = torch.arange(k, device=near.device).expand(len(queries), k)
    first = torch.full_like(votes, k).scatter_reduce_(1, near, ranks, "amin")
    # A class's first rank is less than a vote, and decides among equals only.
    return (votes * (k + 1) - first).argmax(dim=1)


def class_means(features: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return the mean features of each class, (classes, features).

    Raises:
        InvalidValue: A class has no sample, labels do not fit, or a number is not finite.
    """
    checks.labelled(
        labels, len(checks.rows("features", features)), checks.whole("classes", classes)
    )
    features = checks.finite(features).to(_wide(features))
    counts = torch.bincount(labels, minlength=classes)
    if bool((counts == 0).any()):
        empty = (counts == 0).nonzero().flatten().tolist()
        raise InvalidValue(f"Classes {empty} have no sample, so they have no mean.")
    sums = features.new_zeros(classes, features.shape[1]).index_add_(0, labels, features)
    return sums / counts[:, None]


def ncm_predict(queries: Tensor, means: Tensor) -> Tensor:
    """Return the class whose mean is nearest by Euclidean distance, int64 (queries,).

    Raises:
        InvalidValue: The shapes do not fit, or a number is not finite.

    >>> ncm_predict(torch.tensor([[0.2, 0.0]]), torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
    tensor([0])
    """
    # ‖x - m‖² less ‖x‖², which is the same for every class.
    checks.finite(checks.rows("Queries", queries, checks.rows("Means", means).shape[1]))
    wide = _wide(queries, means)
    queries, means = _scaled(queries.to(wide), checks.finite(means).to(wide))
    middle = _middle(means)
    near = means - middle
    scores = (queries - middle) @ near.T - 0.5 * near.square().sum(dim=1)
    return checks.finite(scores).argmax(dim=1)


def retrieval(
    queries: Tensor, query_labels: Tensor, gallery: Tensor, gallery_labels: Tensor, k: int
) -> tuple[float, float]:
    r"""Return precision at k and mean average precision at k of finding rows of the same class.

    Rows are ranked by Euclidean distance, equals by place. With rel 1 where a row has the query's
    class and prec_i the precision of the first i,

    \[AP@k = \sum_{i \le k} rel_i \, prec_i / \min(k, R)\]

    where R is the number of relevant rows in the gallery. scikit-learn and torchmetrics divide by
    the relevant rows *found* instead, which is larger where few are found.

    Source: Lagani et al. 2022, arXiv 2205.08935.

    Args:
        queries: (queries, features).
        query_labels: int64 (queries,).
        gallery: (rows, features).
        gallery_labels: int64 (rows,).
        k: 1 to the number of rows.

    Raises:
        InvalidValue: The shapes do not fit, or k does not.

    >>> gallery = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    >>> labels = torch.tensor([0, 1, 0, 0])
    >>> found = retrieval(torch.tensor([[0.1]]), torch.tensor([0]), gallery, labels, 3)
    >>> [round(number, 4) for number in found]
    [0.6667, 0.5556]
    """
    precision, average = retrieved(queries, query_labels, gallery, gallery_labels, k)
    return float(precision.mean()), float(average.mean())


def retrieved(
    queries: Tensor, query_labels: Tensor, gallery: Tensor, gallery_labels: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """Return precision at k and average precision at k of each query, float64 (queries,).

    See `retrieval`, whose two numbers are their means.
    """
    queries, gallery = _checked(queries, gallery, k)
    checks.labelled(query_labels, len(queries))
    checks.labelled(gallery_labels, len(gallery))
    queries, gallery = _scaled(queries, gallery)
    middle = _middle(gallery)
    gallery = gallery - middle
    half = 0.5 * gallery.square().sum(dim=1)
    again, before = _repeated(gallery)
    ranks = torch.arange(1, k + 1, dtype=torch.float64, device=gallery.device)
    precisions, averages = [], []
    size = _rows(len(gallery))
    for chunk, wanted in zip(
        torch.split(queries, size), torch.split(query_labels, size), strict=True
    ):
        scores = checks.finite((chunk - middle) @ gallery.T - half)
        scores[:, again] = scores[:, before]
        best = _stable_best(scores, k)
        relevant = (gallery_labels[best] == wanted[:, None]).double()
        in_all = (gallery_labels == wanted[:, None]).sum(dim=1).clamp_max(k)
        gained = (relevant * relevant.cumsum(dim=1) / ranks).sum(dim=1)
        precisions.append(relevant.mean(dim=1))
        averages.append(gained / in_all.clamp_min(1))
    return torch.cat(precisions), torch.cat(averages)


def _scaled(queries: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return both, very large or small numbers near 1, so that squares stay in the floats.

    By a power of two, which rounds nothing: equal distances stay equal.
    """
    largest = torch.maximum(queries.abs().amax(), rows.abs().amax())
    if largest == 0 or _LEAST < largest < _MOST:
        return queries, rows
    exponent = -torch.frexp(largest).exponent
    return torch.ldexp(queries, exponent), torch.ldexp(rows, exponent)


def _middle(rows: Tensor) -> Tensor:
    """Return the row nearest to the mean: from there distances lose no digits, wherever rows lie.

    A row, and not the mean itself, so that whole numbers stay whole and equal distances equal.
    """
    return rows[(rows - rows.mean(dim=0)).square().sum(dim=1).argmin()]


def _repeated(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the places of rows that stood before, and where each stood first.

    A product may round equal columns differently, where its last ones do not fill a vector.
    """
    weights = torch.linspace(1, 2, rows.shape[1], dtype=rows.dtype, device=rows.device)
    keys = torch.cat([(part * weights).sum(dim=1) for part in torch.split(rows, _KEYED)])
    keys, order = keys.sort(stable=True)
    near = (keys[1:] == keys[:-1]).nonzero().flatten()
    near = near[(rows[order[near + 1]] == rows[order[near]]).all(dim=1)]
    starts = torch.arange(len(rows), device=rows.device)
    starts[near + 1] = 0
    return order[near + 1], order[starts.cummax(dim=0).values[near + 1]]


def _stable_best(scores: Tensor, k: int) -> Tensor:
    """Return the places of the k largest of each row, equals by place."""
    values, best = scores.topk(min(k + 1, scores.shape[1]), dim=1)
    equal = (values[:, 1:] == values[:, :-1]).any(dim=1)
    for row in _where(equal):
        best[row] = scores[row].sort(descending=True, stable=True).indices[: best.shape[1]]
    return best[:, :k]


def _where(found: Tensor) -> Iterator[int]:
    yield from found.nonzero().flatten().tolist()


def unit(rows: Tensor) -> Tensor:
    """Return rows (any, features) at length one; rows of zeros as they are."""
    # Of squares of large numbers nothing is left in the floats; by the largest first, all is.
    largest = rows.abs().amax(dim=1, keepdim=True)
    rows = rows / torch.where(largest > 0, largest, 1)
    length = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return rows / torch.where(length > 0, length, 1)


def _rows(gallery: int) -> int:
    return max(1, _CHUNK // gallery)


def _wide(*given: Tensor) -> torch.dtype:
    """Return the precision that tensors are compared in: the finest, and single at the least."""
    return functools.reduce(torch.promote_types, (one.dtype for one in given), torch.float32)


def _checked(queries: Tensor, gallery: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return queries and gallery in one precision, or refuse them."""
    for what, given in (("Queries", queries), ("The gallery", gallery)):
        checks.finite(checks.rows(what, given))
    if queries.shape[1] != gallery.shape[1]:
        raise InvalidValue(
            f"Queries and gallery are rows of as many features each, not {tuple(queries.shape)} "
            f"and {tuple(gallery.shape)}."
        )
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= len(gallery):
        raise InvalidValue(f"k goes from 1 to the {len(gallery):,} rows there are, not {shown(k)}.")
    if len(queries) == 0:
        raise InvalidValue("There is no query.")
    wide = _wide(queries, gallery)
    return queries.to(wide), gallery.to(wide)
