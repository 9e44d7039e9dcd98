"""Readouts of the experiments: features of many images, ridge, softmax by minibatches."""

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hebblab.data import Dataset, Images, as_floats
from hebblab.data.images import Inputs
from hebblab.evaluation import Score
from hebblab.evaluation.features import Extractor, Inlet, collect
from hebblab.evaluation.readout import Readout, fit_softmax_
from hebblab.evaluation.ridge import Moments
from hebblab.experiments.papers.paper import Report
from hebblab.training import FeaturePath, feature_path

Pool = Callable[[Tensor], Tensor]

_CPU = torch.device("cpu")
_AT_ONCE = 4 << 20  # values of one chunk's largest map
HALVINGS = (0.20, 0.35, 0.50, 0.60, 0.70, 0.80, 0.90)  # of the epochs, in SoftHebb's code


def features(
    network: nn.Module,
    layer: str,
    images: Inputs,
    pool: Pool | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Return a layer's output after its activation and pooling, (samples, features).

    Args:
        network: A `torch.nn.Sequential`; a copy in evaluation mode is read.
        layer: A Linear or convolution by name.
        images: What is fed.
        pool: Of maps (samples, channels, height, width), before they are flattened.
        dtype: In which they are kept; bfloat16 halves what many features take.
    """
    modules = copy.deepcopy(feature_path(network, layer).modules).eval()
    with torch.no_grad():
        return _through(lambda chunk: _pooled(modules(chunk), pool), images, dtype)


def quadrants(maps: Tensor) -> Tensor:
    """Return the means over the four quadrants of maps (samples, channels, height, width)."""
    return F.adaptive_avg_pool2d(maps, 2)


def _pooled(maps: Tensor, pool: Pool | None) -> Tensor:
    return (maps if pool is None else pool(maps)).flatten(1)


def _through(extract: Callable[[Tensor], Tensor], images: Inputs, dtype: torch.dtype) -> Tensor:
    one = extract(_floats(images, 0, 1))
    chunk = max(1, min(256, _AT_ONCE // (64 * 32 * 32)))
    found = torch.empty(len(images), one.shape[1], dtype=dtype)
    for first in range(0, len(images), chunk):
        last = min(first + chunk, len(images))
        found[first:last] = extract(_floats(images, first, last))
    return found


def _floats(images: Inputs, first: int, last: int) -> Tensor:
    assert isinstance(images, Images)
    return as_floats(Images(images.pixels[first:last], images.labels[first:last]))


def percent(score: Score) -> dict[str, float]:
    """Return an accuracy in per cent with its Wilson interval, as result files hold it."""
    return {
        "value": 100 * float(score),
        "low": 100 * score.low,
        "high": 100 * score.high,
        "n": float(score.n),
    }


def ridge(
    train: Tensor, labels: Tensor, penalty: float = 1.0, classes: int = 10
) -> Callable[[Tensor], Tensor]:
    r"""Fit ridge regression on one-hot labels and return what predicts classes from features.

    Minimises \(\|XW + b - Y\|^2 + \alpha \|W\|^2\), the intercept free: scikit-learn's `Ridge()`
    on features as they are. In float64.

    Args:
        train: (samples, features).
        labels: (samples,).
        penalty: α.
        classes: Number of classes.

    >>> line = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    >>> ridge(line, torch.tensor([0, 0, 1, 1]), classes=2)(torch.tensor([[0.4], [2.6]]))
    tensor([0, 1])
    """
    mean = train.mean(0, dtype=torch.float64)
    truth = F.one_hot(labels, classes).double()
    share = truth.mean(0)
    gram = torch.zeros(train.shape[1], train.shape[1], dtype=torch.float64)
    cross = torch.zeros(train.shape[1], classes, dtype=torch.float64)
    for first in range(0, len(train), 2048):
        rows = (train[first : first + 2048].double() - mean).float()
        gram += rows.T @ rows
        cross += rows.double().T @ (truth[first : first + 2048] - share)
    gram.diagonal().add_(penalty)
    weights = torch.cholesky_solve(cross, torch.linalg.cholesky(gram))
    bias = share - mean @ weights

    def predict(rows: Tensor) -> Tensor:
        return (rows.double() @ weights + bias).argmax(1)

    return predict


def scored(predict: Callable[[Tensor], Tensor], rows: Tensor, labels: Tensor) -> dict[str, float]:
    """Return how often a readout is right, in per cent."""
    found = torch.cat([predict(part) for part in torch.split(rows, 2048)])
    return percent(Score.of(int((found == labels).sum()), len(labels)))


def solved_softmax(
    model: nn.Sequential | None, layer: str, dataset: Dataset, penalties: Sequence[float]
) -> tuple[Score, Score, float]:
    """Fit softmax regression on a layer's features of unit-norm images.

    Args:
        model: The network; None reads the images themselves.
        layer: Of the network.
        dataset: It is fitted on the training images; the validation images choose the penalty.
        penalties: Those to choose from, falling.

    Returns:
        What it gets right of the validation images, and of the test images, and the penalty.
    """
    path = FeaturePath("", nn.Sequential(nn.Identity()), {})
    if model is not None:
        path = feature_path(model, layer)
    training = _unit_norm(dataset.train)
    extractor = Extractor(path, training, device=_CPU)
    found = collect(extractor.all(training, _quiet), len(training), extractor.width, _CPU)

    def score(readout: Readout, images: Inputs) -> Score:
        inlet = _unit_norm(images)
        right, first = 0, 0
        for chunk in extractor.all(inlet, _quiet):
            right += readout.correct(chunk, inlet.labels[first : first + len(chunk)])
            first += len(chunk)
        return Score.of(right, first)

    tried: list[tuple[Score, Readout]] = []
    for penalty in penalties:
        start = tried[-1][1] if tried else None
        classes = len(dataset.classes)
        readout = fit_softmax_(found.clone(), training.labels, classes, penalty, start=start)
        tried.append((score(readout, dataset.validation), readout))
    # Among equals the first, which is the strongest.
    chosen, readout = max(tried, key=lambda one: one[0])
    return chosen, score(readout, dataset.test), readout.penalty


def _unit_norm(images: Inputs) -> Inlet:
    assert isinstance(images, Images)
    return Inlet(images, None, None, unit_norm=True)


def _quiet(_done: int, _total: int) -> None:
    pass


def minibatch_softmax(
    train: Tensor,
    labels: Tensor,
    generator: torch.Generator,
    report: Report,
    epochs: int = 50,
    batch: int = 64,
    rate: float = 1e-3,
    classes: int = 10,
) -> Callable[[Tensor], Tensor]:
    """Train a linear layer under dropout of one half by Adam; return what predicts classes.

    The rate is halved after 20, 35, 50, 60, 70, 80 and 90 % of the epochs.

    Source: the code of Journé et al., ICLR 2023.
    """
    bound = train.shape[1] ** -0.5
    readout = nn.Linear(train.shape[1], classes, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        readout.weight.uniform_(-bound, bound, generator=generator)
        readout.bias.zero_()
    # Written out, as a fused step needs no list of groups and draws nothing on its own.
    optimizer = torch.optim.Adam(readout.parameters(), lr=rate, foreach=False)
    halvings = {round(share * epochs) for share in HALVINGS}
    for epoch in range(epochs):
        if epoch in halvings:
            optimizer.param_groups[0]["lr"] /= 2
        report(epoch / epochs, f"readout, epoch {epoch + 1} of {epochs}")
        order = torch.randperm(len(train), generator=generator)
        for rows in torch.split(order, batch):
            inputs = train[rows].float().mul_(_half(len(rows), train.shape[1], generator))
            with torch.enable_grad():
                loss = F.cross_entropy(readout(inputs), labels[rows])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    weights, bias = readout.weight.detach(), readout.bias.detach()
    return lambda rows: (rows.float() @ weights.T + bias).argmax(1)


def _half(samples: int, width: int, generator: torch.Generator) -> Tensor:
    """Return 2 where a value is kept and 0 where it is dropped, one half of them each.

    By the sign of a random byte: several times faster than a random number for each.
    """
    words = torch.empty(-(-samples * width // 8), dtype=torch.int64)
    words.random_(-(2**63), None, generator=generator)
    kept = words.view(torch.int8)[: samples * width].view(samples, width) >= 0
    return kept.to(torch.float32).mul_(2)


def chosen_ridge(
    train: Tensor, labels: Tensor, validation: Tensor, validation_labels: Tensor, classes: int = 10
) -> tuple[Callable[[Tensor], Tensor], float]:
    """Fit ridge on standardised features, the penalty chosen on validation images.

    Returns:
        What predicts classes, and the penalty.
    """
    path = Moments.of(train, labels, classes).solve()
    right = (path.predict(validation) == validation_labels).sum(1)
    best = int(right.argmax())
    return path.readout(best).predict, path.penalties[best]


class InOrder:
    """Batches of (inputs, labels) in stored order; nothing is dropped."""

    def __init__(self, images: Images, size: int) -> None:
        self._images, self._size = images, size

    def __len__(self) -> int:
        return -(-len(self._images) // self._size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for first in itertools.count(0, self._size):
            if first >= len(self._images):
                return
            last = min(first + self._size, len(self._images))
            yield _floats(self._images, first, last), self._images.labels[first:last]
