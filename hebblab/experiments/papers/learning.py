"""Hebbian layers of an experiment: trained from a recipe on a data set at hand, with no thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from hebblab import metrics
from hebblab.data import Dataset
from hebblab.experiments.papers.paper import Report
from hebblab.live.run import Run, stream
from hebblab.nn import networks
from hebblab.nn.published import Builder
from hebblab.recipes import Recipe

_LOOK = 100  # steps between two looks at the units' norms
_TELL = 50


@dataclass(frozen=True)
class Learnt:
    """A trained network and how far it went.

    Attributes:
        model: With its readout untrained.
        steps: Taken.
        converged: Share of the last layer's units at norm 1; None where its rule holds none.
    """

    model: nn.Sequential
    steps: int
    converged: float | None


@contextmanager
def network(name: str, builder: Builder) -> Iterator[str]:
    """Let recipes know a network of an experiment by name, for as long as it trains."""
    networks.register(name, builder)
    try:
        yield name
    finally:
        networks.unregister(name)


def learn(
    recipe: Recipe,
    dataset: Dataset,
    report: Report,
    until: float | None = None,
) -> Learnt:
    """Train by a recipe's rules, on `dataset` whatever the recipe names.

    Args:
        recipe: With an end.
        dataset: Whose training images are learnt.
        report: Told the share of the steps done.
        until: Stop as soon as this share of the units holds its norm; the steps of the recipe
            are then the most.
    """
    run = Run(recipe, dataset)
    total = run.total or 1
    reached = False

    def edge() -> bool:
        nonlocal reached
        if run.steps % _TELL == 0:
            report(run.steps / total, f"learning, step {run.steps:,}")
        if until is not None and run.steps % _LOOK == 0:
            share = _converged(run)
            reached = share is not None and share >= until
        return reached

    run.edge = edge
    try:
        run.advance()
        return Learnt(run.copied(), run.steps, _converged(run))
    finally:
        run.close()


def untrained(recipe: Recipe, dataset: Dataset) -> nn.Sequential:
    """Return a recipe's network as it is drawn, before its first step."""
    return Run(recipe, dataset).copied()


def _converged(run: Run) -> float | None:
    layer = run.layers[-1]
    norm = run.rules[layer].norm
    return None if norm is None else metrics.convergence(run.weights(layer), norm).converged


def generator(seed: int, name: str) -> torch.Generator:
    """Return the generator of one named stream of an experiment's randomness."""
    return torch.Generator().manual_seed(stream(seed, name))


def restart_(layer: nn.Linear, drawn: torch.Generator) -> nn.Linear:
    """Start a layer as torch starts it, but from a generator of one's own, and return it."""
    bound = layer.in_features**-0.5
    with torch.no_grad():
        for values in layer.parameters():
            values.uniform_(-bound, bound, generator=drawn)
    return layer


def part(report: Report, first: float, last: float) -> Report:
    """Return a report of one part of a cell's work as a report of the whole."""

    def told(share: float, words: str) -> None:
        report(first + (last - first) * share, words)

    return told
