"""k-means as a layer: the batch limit of hard winner-take-all, and its triangle activation."""

import copy
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hebblab.errors import InvalidValue, shown
from hebblab.evaluation import checks
from hebblab.nn import LayerView, PatchConv2d
from hebblab.nn.activations import ACTIVATIONS

_ITERATIONS = 20
_STILL = 1e-4  # relative fall of the distance below which the centres have settled
_CHUNK = 8 << 20  # distances held at once
_FIRST = 4096  # samples that the first centres are chosen from, at the least
_SAMPLES = 20_000
_IMAGES = 1_000  # that patches are taken from
_NORMED = 512  # that a batch norm starts from
_PART = 128  # images whose patches are held at once

Part = Callable[[float, float], None]


def kmeans(
    rows: Tensor,
    centres: int,
    seed: int = 0,
    iterations: int = _ITERATIONS,
    report: Part | None = None,
) -> Tensor:
    """Return the centres of Lloyd's k-means, begun by k-means++, (centres, features).

    A centre that no sample is nearest to moves to the sample farthest from its own.

    Source: Lloyd 1982; Arthur and Vassilvitskii 2007.

    Args:
        rows: (samples, features).
        centres: 1 to the number of samples.
        seed: Of the first centres.
        iterations: Most of them; fewer where the centres settle.
        report: Called as (done, total).

    Raises:
        InvalidValue: More centres than samples, rows that are no features or not finite, or a
            seed or a number of iterations that is none.

    >>> rows = torch.tensor([[0.0], [0.2], [5.0], [5.2]])
    >>> kmeans(rows, 2).sort(dim=0).values.flatten()
    tensor([0.1000, 5.1000])
    """
    checks.finite(checks.rows("rows", rows))
    seed, iterations = checks.seed(seed), checks.whole("iterations", iterations)
    if type(centres) is not int or not 1 <= centres <= len(rows):
        raise InvalidValue(
            f"k-means needs 1 to {len(rows):,} centres, the number of samples, not "
            f"{shown(centres)}. Use more training images or fewer units."
        )
    generator = torch.Generator().manual_seed(seed)
    found = _spread(rows, centres, generator)
    before = float("inf")
    for done in range(iterations):
        if report is not None:
            report(done, iterations)
        nearest, distance = _nearest(rows, found)
        total = float(distance.sum(dtype=torch.float64))
        counts = torch.bincount(nearest, minlength=centres)
        sums = torch.zeros_like(found).index_add_(0, nearest, rows)
        found = sums / counts.clamp_min(1)[:, None]
        empty = (counts == 0).nonzero().flatten()
        if len(empty):
            found[empty] = rows[distance.topk(len(empty)).indices]
        elif total >= (1 - _STILL) * before:
            break
        before = total
    return found


def _spread(rows: Tensor, centres: int, generator: torch.Generator) -> Tensor:
    """Return first centres: samples drawn by their squared distance to those drawn before."""
    count = min(len(rows), max(_FIRST, 2 * centres))
    sample = rows[torch.randperm(len(rows), generator=generator)[:count].to(rows.device)]
    squares = sample.square().sum(dim=1)
    chosen = [0]
    nearest = torch.full_like(squares, torch.inf)
    draws = torch.rand(centres, generator=generator, dtype=torch.float64)
    for draw in draws[1:].tolist():
        last = chosen[-1]
        distance = squares - 2 * (sample @ sample[last]) + squares[last]
        nearest = torch.minimum(nearest, distance.clamp_min_(0))
        nearest[last] = 0
        shares = nearest.double().cumsum(dim=0)
        if float(shares[-1]) <= 0:
            # Fewer different samples than centres: any other one serves.
            free = torch.ones(count, dtype=torch.bool, device=rows.device)
            free[chosen] = False
            chosen.append(int(free.nonzero()[0]))
            continue
        place = int(torch.searchsorted(shares, draw * float(shares[-1]), right=True))
        chosen.append(min(place, count - 1))
    return sample[chosen].clone()


def _nearest(rows: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Return each row's nearest centre and the squared distance to it."""
    half = 0.5 * centres.square().sum(dim=1)
    places, distances = [], []
    for part in torch.split(rows, max(1, _CHUNK // len(centres))):
        best, place = torch.addmm(-half, part, centres.T).max(dim=1)
        places.append(place)
        distances.append((part.square().sum(dim=1) - 2 * best).clamp_min_(0))
    return torch.cat(places), torch.cat(distances)


class Triangle(nn.Module):
    r"""Answers of k-means centres: \(\max(0, \bar z - z_j)\), z_j the distance to centre j.

    Source: Coates, Ng and Lee, AISTATS 2011, section 3.2.

    Args:
        layer: A Linear or convolution whose inputs, stride and padding are taken over.
        centres: (units, fan_in), in the order of the layer's weights.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d, centres: Tensor) -> None:
        super().__init__()
        self._to_centres = copy.deepcopy(layer)
        self._to_centres.bias = None
        weight = centres.view(-1, *layer.weight.shape[1:]).to(layer.weight)
        self._to_centres.weight = nn.Parameter(weight, requires_grad=False)
        self._lengths: nn.Module | None = None
        if isinstance(layer, nn.Conv2d):
            whitened = isinstance(layer, PatchConv2d) and layer.sees_otherwise
            self._lengths = copy.deepcopy(self._to_centres)
            own = torch.eye(centres.shape[1]) if whitened else torch.ones(1, centres.shape[1])
            own = own.view(-1, *layer.weight.shape[1:]).to(layer.weight)
            self._lengths.weight = nn.Parameter(own, requires_grad=False)
            self._whitened = whitened
        self.register_buffer("_squares", centres.square().sum(dim=1).to(layer.weight))

    def forward(self, x: Tensor) -> Tensor:
        """Return the answers, (samples, units) or (images, units, height, width)."""
        squares = self._squares
        assert isinstance(squares, Tensor)
        if self._lengths is None:
            own = x.square().sum(dim=-1, keepdim=True)
        else:
            own = self._lengths(x).square() if self._whitened else self._lengths(x.square())
            own = own.sum(dim=1, keepdim=True)
            squares = squares.view(-1, 1, 1)
        distance = (own - 2 * self._to_centres(x) + squares).clamp_min_(0).sqrt_()
        axis = 1 if self._lengths is not None else -1
        return F.relu(distance.mean(dim=axis, keepdim=True) - distance)


def learned_by_kmeans(
    modules: nn.Sequential, learned: dict[int, str], images: Tensor, seed: int, report: Part
) -> nn.Sequential:
    """Return a copy of a network's way in which k-means stands for every layer.

    Layer after layer, centres as many as units are found among what the layer is given (whole
    inputs, or patches at random places), and answer by the triangle; activations are left out,
    pooling and whatever stands before a layer stay, and batch norms start anew.

    Args:
        modules: The way to a layer; left as it is.
        learned: Names of the layers on it, by place.
        images: Training inputs.
        seed: Of patches and first centres.
        report: Called as (done, total).
    """
    made = nn.Sequential()
    for place, module in enumerate(modules):
        if isinstance(module, ACTIVATIONS):
            continue
        new: nn.Module = copy.deepcopy(module).eval()
        if place in learned:
            assert isinstance(module, nn.Linear | nn.Conv2d)
            rows = _given(module, learned[place], made, images, seed)
            rank = sorted(learned).index(place)

            def within(done: float, total: float, rank: int = rank) -> None:
                report(rank + done / total, len(learned))

            units = int(module.weight.shape[0])
            new = Triangle(module, kmeans(rows, units, seed, report=within))
        elif isinstance(new, nn.modules.batchnorm._BatchNorm):
            new.reset_parameters()
            new.momentum = None
            new.train()
            for part in _through(made, images, _NORMED):
                new(part)
            new.eval()
        made.append(new)
    return made


def _through(made: nn.Sequential, images: Tensor, count: int) -> Iterator[Tensor]:
    """Yield what so many images, spread over all, are after the modules made so far."""
    count = min(count, len(images))
    for rows in torch.split(torch.arange(count) * len(images) // count, _PART):
        yield made(images[rows])


def _given(
    module: nn.Linear | nn.Conv2d, name: str, made: nn.Sequential, images: Tensor, seed: int
) -> Tensor:
    """Return some of what a layer is given, as rows (samples, fan_in)."""
    if isinstance(module, nn.Conv2d) and module.groups > 1:
        raise InvalidValue(
            f"Layer {name!r} is a grouped convolution, which k-means cannot stand for."
        )
    bare = copy.deepcopy(module)
    bare.bias = None
    view = LayerView(bare, name)
    if isinstance(module, nn.Linear):
        return torch.cat([view.inputs(part) for part in _through(made, images, _SAMPLES)])
    count = min(_IMAGES, len(images))
    generator = torch.Generator().manual_seed(seed)
    found = []
    for part in _through(made, images, count):
        rows = view.inputs(part)
        chosen = torch.randperm(len(rows), generator=generator)[: _SAMPLES * len(part) // count]
        found.append(rows[chosen.to(rows.device)])
    return torch.cat(found)
