"""One table of rules: how long a step takes by the products that it cannot do without."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .clock import alternating
from .figures import machine

PAGE = Path(__file__).parents[2] / "docs" / "speed.md"
_TITLES = (
    ("rule", "left"),
    ("layer", "left"),
    ("threads", "right"),
    ("products", "right"),
    ("product, ms", "right"),
    ("hebblab", "right"),
    ("at most", "right"),
    ("textbook", "right"),
    ("the authors'", "right"),
)


@dataclass(frozen=True)
class Task:
    """A rule at a layer: its step, the products alone, and others' ways to the same.

    Attributes:
        rule: Its name, with the knobs that matter.
        layer: In words.
        products: How many float32 products the rule cannot do without, in words.
        limit: What the ratio is to be at most; None where nothing is asked.
        step: Of hebblab, through a trainer.
        product: The products alone, on ready rows and buffers.
        textbook: A plain step; None where there is none.
        authors: The authors' own step; None where it is not at hand.
    """

    rule: str
    layer: str
    products: str
    limit: float | None
    step: Callable[[], object]
    product: Callable[[], object]
    textbook: Callable[[], object] | None = None
    authors: Callable[[], object] | None = None


@dataclass(frozen=True)
class Row:
    """What was measured of a task, without the tensors that it holds."""

    rule: str
    layer: str
    products: str
    limit: float | None
    threads: int
    product: float
    ratio: float
    textbook: float | None
    authors: float | None

    def cells(self) -> tuple[str, ...]:
        """Return the row as words."""
        return (
            self.rule,
            self.layer,
            str(self.threads),
            self.products,
            f"{1000 * self.product:.2f}",
            f"{self.ratio:.2f}",
            "" if self.limit is None else f"{self.limit:g}",
            "" if self.textbook is None else f"{self.textbook:.1f}",
            "" if self.authors is None else f"{self.authors:.1f}",
        )


def measured(task: Task, threads: int, rounds: int) -> Row:
    """Return the medians of alternating rounds; others' ways take fewer, and one thread alone."""
    spent, least = alternating([task.step, task.product], rounds)
    few = 3 if rounds < 20 else 12
    others: list[float | None] = []
    for one in (task.textbook, task.authors):
        if one is None or threads > 1:
            others.append(None)
        else:
            theirs, floor = alternating([one, task.product], few)
            others.append(theirs / floor)
    words = (task.rule, task.layer, task.products, task.limit)
    row = Row(*words, threads, least, spent / least, *others)
    print(*row.cells(), sep=", ", file=sys.stderr, flush=True)
    return row


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    table = Table(title="time of a step by its unavoidable float32 products")
    for title, side in _TITLES:
        table.add_column(title, justify=side)  # type: ignore[arg-type]
    for row in rows:
        missed = row.limit is not None and row.ratio > row.limit
        table.add_row(*row.cells(), style="red" if missed else None)
    Console(width=150).print(table)


def write(rows: Sequence[Row], further: Iterable[str]) -> None:
    """Write docs/speed.md."""
    head = " | ".join(title for title, _ in _TITLES)
    rule = " | ".join("---:" if side == "right" else "---" for _, side in _TITLES)
    lines = [f"| {head} |", f"| {rule} |", *(f"| {' | '.join(row.cells())} |" for row in rows)]
    PAGE.write_text(
        _TEXT.format(table="\n".join(lines), further="\n".join(further), machine=machine()),
        encoding="utf-8",
    )


_TEXT = """# How fast the rules are

The time of one training step, by the time of the float32 matrix products that its rule cannot do
without, `torch.mm` on ready rows and buffers in the same run: 1 would be a rule that costs nothing
but them. A step is what a user's is: `HebbianTrainer.learn` with the rule's defaults where nothing
else is said, the products, the competition, the reduction and `Local`. *Textbook* is the equation
as one writes it down in torch (`tests/benchmarks/textbook.py`), the authors' column is their own
code, unchanged, on the same shapes. All are medians of alternating rounds, CPU time of the thread
that trains; what is above *at most* is not reached.

{table}

{further}

Linear layers are 784→2000 at batch 1024 on digits, drawn from bytes and scaled in each step.
Sanger's and Hebbian PCA's products are responses, Hebbian term, the lower triangle of the units'
Gram matrix and its product with the weights; a rule that finds the same with less does better
than 1. Convolutions with several channels learn from random images; the 400 filters learn from
1,000 patches a step out of a `PatchSample` of 200,000. A convolution's buffers hold 4,096 patches,
however large the batch.

`precision="bfloat16"` multiplies inputs and weights that are rounded to 8 bits of mantissa, and
adds up in float32. Its error is stated above: how many units, and which share of the update.

Ratios below 1 in other rules come from the library: on AMD's processors with AVX-512, torch's MKL,
which `torch.mm` is made of, takes twice as long as its oneDNN, so hebblab multiplies by that one
there. The numbers are as exact, and the choice is by the processor's name, so that runs repeat bit
by bit. On Intel's processors both take `torch.mm`.

Two threads on a machine whose cores are busy with something else wait for each other in every
small operation; a session trains on one thread where there are two cores.

Nothing here was run on a GPU.

Measured on {machine}, by `python -m tests.benchmarks rules --write`.
"""
