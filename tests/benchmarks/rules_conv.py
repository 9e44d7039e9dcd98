"""The rules at convolutions: Krotov and Hopfield's filters on patches, the papers' layers."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

import hebblab as hl
from hebblab.nn import LayerView, PatchSample, Scratch
from hebblab.nn.initial import draw_

from . import peers, textbook
from .ratios import Task
from .rules_linear import words

_BIG = {"in_channels": 3, "out_channels": 96, "kernel_size": 5}
_DEEP = {"in_channels": 96, "out_channels": 128, "kernel_size": 3}
_FIRST = {**_BIG, "padding": 2, "padding_mode": "reflect"}
_SECOND = {
    "in_channels": 96,
    "out_channels": 384,
    "kernel_size": 3,
    "padding": 1,
    "padding_mode": "reflect",
}
_ROWS: tuple[tuple[str, dict[str, Any], int, int, int, float | None], ...] = (
    ("hpca", _BIG, 16, 32, 3, 1.4),
    ("hpca", _DEEP, 16, 14, 3, 1.4),
    ("soft-wta", _BIG, 16, 32, 2, 1.9),
    ("soft-wta", _DEEP, 16, 14, 2, 1.4),
    ("softhebb", _FIRST, 64, 32, 2, 3.2),
    ("softhebb", _SECOND, 10, 16, 2, 1.4),
    ("hard-wta", _BIG, 16, 32, 1, None),
    ("oja", _BIG, 16, 32, 2, None),
)


def tasks() -> Iterator[Task]:
    """Yield each row of the table."""
    for k, limit in ((2, 7.0), (7, 9.0)):
        yield _filters(k, limit)
    for name, form, images, size, count, limit in _ROWS:
        yield _papers(name, form, images, size, count, limit)


def _trainer(layer: nn.Conv2d, name: str, **knobs: Any) -> hl.HebbianTrainer:
    model = nn.Sequential()
    model.add_module("conv", layer)
    rule = hl.rules.create(name, **knobs)
    draw_(layer.weight, rule.initial_weights, torch.Generator().manual_seed(0))
    rate = min(rule.learning_rate, 0.02)
    optimizer = hl.Local(model.named_parameters(), lr=rate)
    return hl.HebbianTrainer(model, rule, optimizer, None, initialize=False)


def _filters(k: int, limit: float) -> Task:
    layer = nn.Conv2d(1, 400, 5, bias=False)
    trainer = _trainer(layer, "krotov-hopfield", k=k)
    sample = PatchSample(layer, hl.data.load("mnist-5k").train.pixels)
    generator = torch.Generator().manual_seed(0)

    def endless() -> Iterator[Tensor]:
        while True:
            yield from sample.batches(1000, generator)

    batches = endless()

    def step() -> None:
        trainer.learn("conv", next(batches))

    for _ in range(100):
        step()
    x, w = next(batches).clone(), layer.weight.detach().view(400, 25)
    u = torch.empty(1000, 400)
    plain, own = textbook.krotov_hopfield(k, 2.0), w.clone()

    def by_the_book() -> None:
        own.add_(plain(x, own), alpha=0.02)

    authors: Callable[[], None] | None = None
    known = peers.pytorch_hebbian()
    if known is not None:
        rule, weights = known[0](k=k), w.clone()
        rule.init_layers([])
        optimizer = known[1]([("conv.weight", weights)], lr=0.02)

        def authors() -> None:
            optimizer.local_step(rule.update(x, weights), "conv")

    return Task(
        words("krotov-hopfield", {"k": k}),
        "400 filters 5×5, 1,000 resident patches",
        "1",
        limit,
        step,
        lambda: torch.mm(x, w.T, out=u),
        by_the_book,
        authors,
    )


def _papers(
    name: str, form: dict[str, Any], images: int, size: int, count: int, limit: float | None
) -> Task:
    layer = nn.Conv2d(**form, bias=False)
    trainer = _trainer(layer, name)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(images, layer.in_channels, size, size, generator=generator)
    for _ in range(3):
        trainer.learn("conv", x)
    view = LayerView(layer)
    w = view.weights()
    pieces = [piece.clone() for piece in view.chunks(x, Scratch(), turned=True)]
    outputs = [torch.empty(len(piece), view.units) for piece in pieces]
    summed, gram = torch.empty_like(w), torch.empty(view.units, view.units)

    def products() -> None:
        for rows, u in zip(pieces, outputs, strict=True):
            torch.mm(rows, w.T, out=u)
            if count > 1:
                torch.mm(u.T, rows, out=summed)
            if count > 2:
                torch.mm(u.T, u, out=gram)

    own, plain = w.clone(), textbook.UPDATES[name]

    def by_the_book() -> None:
        own.add_(plain(textbook.patches(x, layer), own), alpha=1e-3)

    kernel = f"{form['out_channels']}×{form['in_channels']}×{form['kernel_size']}²"
    return Task(
        name,
        f"{kernel} on {size}×{size}, batch {images}",
        str(count),
        limit,
        lambda: trainer.learn("conv", x),
        products,
        by_the_book,
        peers.convolution(name, layer, x),
    )
