"""Every rule's step against the products it cannot do without, a textbook's, and its authors'."""

import time

import torch

import hebblab as hl
from hebblab.rules.precision import missing

from . import peers, ratios, rules_conv, rules_linear, sessions
from .clock import alternating
from .figures import Figure
from .rules_linear import BATCH, FAN_IN, LAYER, UNITS, Trained

_found: list[ratios.Row] = []
_further: list[str] = []


def measure() -> list[Figure]:
    """Print the table; return what the README says of it."""
    torch.set_flush_denormal(True)
    _found.clear()
    _further.clear()
    pixels = rules_linear.digits()
    before = torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for task in rules_linear.tasks(pixels):
            _found.append(ratios.measured(task, threads, rounds=15))
        for task in rules_conv.tasks():
            _found.append(
                ratios.measured(task, threads, rounds=300 if "resident" in task.layer else 15)
            )
    torch.set_num_threads(1)
    _further.extend((_rounding_error(pixels), "", *sessions.lines()))
    ratios.show(_found)
    figures = [_figure(row) for row in _found if row.threads == 1 and _is_krotov(row)]
    ours = next(row.ratio * row.product for row in _found if _is_krotov(row))
    figures += _beside_authors(pixels, ours)
    reached = [row for row in _found if row.threads == 1 and row.limit is not None]
    held = sum(row.ratio <= row.limit for row in reached)
    figures.append(
        Figure(
            "every rule, linear and convolutional, against its products: see docs/speed.md",
            f"{held} of {len(reached)} goals reached, one thread",
            "all",
        )
    )
    torch.set_num_threads(before)
    return figures


def write() -> None:
    """Write docs/speed.md from what was measured."""
    ratios.write(_found, _further)


def _is_krotov(row: ratios.Row) -> bool:
    return row.rule.startswith("krotov-hopfield") and row.layer == LAYER


def _figure(row: ratios.Row) -> Figure:
    p, k = (3, 7) if "k = 7" in row.rule else (2, 2)
    rounded = ", bfloat16" if "bfloat16" in row.rule else ""
    return Figure(
        f"Krotov-Hopfield step {LAYER}, p = {p}, k = {k}{rounded}, one thread, "
        "against its one float32 product",
        f"{row.ratio:.2f}",
        "" if row.limit is None else f"≤ {row.limit:g}",
    )


def _rounding_error(pixels: torch.Tensor) -> str:
    """Return how far an update at bfloat16 is from that at float32, in words."""
    if reason := missing():
        return f"bfloat16 was not run: {reason}."
    told = []
    for knobs in ({}, {"k": 7, "p": 3.0}):
        trained = Trained(pixels, "krotov-hopfield", **knobs)
        for _ in range(60):
            trained.step()
        x, w = trained.load(), trained.layer.weight.detach()
        exact, rough = (
            hl.rules.create("krotov-hopfield", precision=one, reduction="mean", **knobs).update(
                x, w
            )
            for one in ("float32", "bfloat16")
        )
        off = (rough - exact).abs().amax(dim=1) > 1e-3 * exact.abs().max()
        share = float((rough - exact).norm() / exact.norm())
        told.append(
            f"{rules_linear.words('krotov-hopfield', knobs)}: {int(off.sum())} of {UNITS} units "
            f"move otherwise by over 0.1 % of the largest entry, {100 * share:.0f} % of the "
            "update's length"
        )
    return f"At bfloat16, {'; '.join(told)}."


def _beside_authors(pixels: torch.Tensor, ours: float) -> list[Figure]:
    what, batches = "one epoch of 60,000 images, same shape, one thread", 60_000 // BATCH
    found = [f"ours {ours * batches:.1f} s"]
    place = peers.folder()
    if place is None:
        found[0] += " (HEBBLAB_PEERS names no folder: the authors' were not run)"
        return [Figure(what, found[0], "far ahead")]
    known = peers.pytorch_hebbian()
    if known is not None:
        step = Trained(pixels, "krotov-hopfield").by(known[0](), known[1])
        seconds = alternating([step], rounds=5)[0] * batches
        found.append(f"PyTorch-Hebbian {seconds:.1f} s ({seconds / (ours * batches):.1f} ×)")
    images = (pixels[: 4 * BATCH].float() / 255).double().numpy()
    notebook = peers.numpy_notebook(images, UNITS, BATCH)
    if notebook is not None:
        started = time.thread_time()
        notebook()
        seconds = (time.thread_time() - started) / 4 * batches
        found.append(
            f"the authors' NumPy notebook {seconds:.0f} s ({seconds / (ours * batches):.0f} ×)"
        )
    assert images.shape[1] == FAN_IN
    return [Figure(what, ", ".join(found), "far ahead")]
