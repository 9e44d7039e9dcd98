"""The rules at a linear layer 784→2000, batch 1024."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

import hebblab as hl
from hebblab.nn.initial import draw_
from hebblab.rules.precision import missing

from . import peers, textbook
from .ratios import Task

UNITS, BATCH, FAN_IN = 2000, 1024, 784
LAYER = "784→2000, batch 1024"

_ROWS: tuple[tuple[str, dict[str, Any], int, float | None], ...] = (
    ("krotov-hopfield", {}, 1, 1.3),
    ("krotov-hopfield", {"k": 7, "p": 3.0}, 1, 1.5),
    ("krotov-hopfield", {"precision": "bfloat16"}, 1, 0.8),
    ("krotov-hopfield", {"k": 7, "p": 3.0, "precision": "bfloat16"}, 1, 0.8),
    ("hard-wta", {}, 1, 1.3),
    ("instar", {}, 1, 1.3),
    ("hebb", {"competition": "hard"}, 1, 1.3),
    ("oja", {}, 2, 1.25),
    ("soft-wta", {}, 2, 1.25),
    ("softhebb", {}, 2, 1.35),
    ("sanger", {}, 3, 1.1),
    ("hpca", {}, 3, 1.3),
    ("oja-subspace", {}, 3, None),
)
_PRODUCTS = {1: "1", 2: "2", 3: "2 + 2 halves"}


def digits() -> Tensor:
    """Return 60,000 rows of real digits: mnist-5k's, again and again."""
    return hl.data.load("mnist-5k").train.pixels.flatten(1).repeat(20, 1)


def words(name: str, knobs: dict[str, Any]) -> str:
    """Return a rule and the knobs that are not its defaults."""
    return ", ".join((name, *(f"{knob} = {value}" for knob, value in knobs.items())))


def tasks(pixels: Tensor) -> Iterator[Task]:
    """Yield each row of the table, trained until units have found their place."""
    known = peers.pytorch_hebbian()
    for name, knobs, count, limit in _ROWS:
        trained = Trained(pixels, name, **knobs)
        for _ in range(60 if count == 1 else 10):
            trained.step()
        authors = None
        if name == "krotov-hopfield" and known is not None and "precision" not in knobs:
            authors = trained.by(known[0](k=knobs.get("k", 2), norm=knobs.get("p", 2)), known[1])
        plain = textbook.UPDATES[name]
        if name == "krotov-hopfield":
            plain = textbook.krotov_hopfield(knobs.get("k", 2), knobs.get("p", 2.0))
        yield Task(
            words(name, knobs),
            LAYER,
            _PRODUCTS[count],
            None if "precision" in knobs and missing() else limit,
            trained.step,
            trained.products(count),
            trained.plainly(plain),
            authors,
        )


class Trained:
    """A layer in training on rows of bytes."""

    def __init__(self, pixels: Tensor, name: str, **knobs: Any) -> None:
        self.pixels = pixels
        self.generator = torch.Generator().manual_seed(0)
        self.layer = nn.Linear(FAN_IN, UNITS, bias=False)
        model = nn.Sequential()
        model.add_module("hidden", self.layer)
        self.rule = hl.rules.create(name, **knobs)
        draw_(self.layer.weight, self.rule.initial_weights, self.generator)
        rate = min(self.rule.learning_rate, 0.02 if name == "krotov-hopfield" else 10)
        optimizer = hl.Local(model.named_parameters(), lr=rate)
        self.trainer = hl.HebbianTrainer(model, self.rule, optimizer, None, initialize=False)
        self.bytes = torch.empty(BATCH, FAN_IN, dtype=torch.uint8)
        self.inputs = torch.empty(BATCH, FAN_IN)

    def load(self) -> Tensor:
        """Draw a batch."""
        rows = torch.randint(len(self.pixels), (BATCH,), generator=self.generator)
        torch.index_select(self.pixels, 0, rows, out=self.bytes)
        return torch.mul(self.bytes, 1 / 255, out=self.inputs)

    def step(self) -> None:
        """Learn from a batch."""
        self.trainer.learn("hidden", self.load())

    def products(self, count: int) -> Callable[[], None]:
        """Return the products that the rule cannot do without."""
        x, w = self.inputs, self.layer.weight.detach()
        u, summed = torch.empty(BATCH, UNITS), torch.empty(UNITS, FAN_IN)

        def run() -> None:
            torch.mm(x, w.T, out=u)
            if count > 1:
                torch.mm(u.T, x, out=summed)
            if count > 2:
                for first in range(0, UNITS, 250):
                    last = first + 250
                    gram = torch.mm(u[:, first:last].T, u[:, :last])
                    torch.mm(gram, w[:last], out=summed[first:last])

        return run

    def plainly(self, update: textbook.Update) -> Callable[[], None]:
        """Return the step as a textbook has it, on weights of its own."""
        w = self.layer.weight.detach().clone()

        def run() -> None:
            w.add_(update(self.pixels[:BATCH].float() / 255, w), alpha=1e-3)

        return run

    def by(self, rule: Any, local: Any) -> Callable[[], None]:
        """Return the step of PyTorch-Hebbian."""
        w = self.layer.weight.detach().clone()
        rule.init_layers([])
        optimizer = local([("hidden.weight", w)], lr=0.02)

        def run() -> None:
            x = self.pixels[:BATCH].float() / 255
            optimizer.local_step(rule.update(x, w), "hidden")

        return run
