"""Krotov-Hopfield's step against the one product it cannot do without, and against its authors'."""

import time

import torch

import hebblab as hl
from hebblab.nn import Scratch

from . import peers
from .clock import alternating
from .figures import Figure

UNITS, BATCH, FAN_IN = 2000, 1024, 784


def measure() -> list[Figure]:
    """Return the ratios of a step, and an epoch of 60,000 images beside the authors' two."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    pixels = _digits()
    figures = []
    ours = 0.0
    for p, k in ((2.0, 2), (3.0, 7)):
        step, product = _step(pixels, p, k)
        spent, least = alternating([step, product], rounds=25)
        ours = ours or spent
        goal = "≤ 1.3" if k == 2 else "≤ 1.5"
        figures.append(
            Figure(
                f"Krotov-Hopfield step 784→2000, batch 1024, p = {p:g}, k = {k}, one thread, "
                "against its one float32 product",
                f"{spent / least:.2f}",
                goal,
            )
        )
    return [*figures, *_beside_authors(pixels, ours)]


def _digits() -> torch.Tensor:
    """Return 60,000 rows of real digits: mnist-5k's, again and again."""
    train = hl.data.load("mnist-5k").train.pixels.flatten(1)
    return train.repeat(20, 1)


def _step(pixels: torch.Tensor, p: float, k: int):
    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.Linear(FAN_IN, UNITS, bias=False)
    torch.nn.init.uniform_(layer.weight, generator=generator)
    rule = hl.rules.create("krotov-hopfield", p=p, k=k)
    optimizer = hl.Local(layer.named_parameters(), lr=0.02)
    optimizer.param_groups[0]["name"] = "hidden.weight"
    scratch = Scratch()
    gathered = torch.empty(BATCH, FAN_IN, dtype=torch.uint8)
    inputs = torch.empty(BATCH, FAN_IN)
    responses = torch.empty(BATCH, UNITS)

    @torch.no_grad()
    def step() -> None:
        rows = torch.randint(len(pixels), (BATCH,), generator=generator)
        torch.index_select(pixels, 0, rows, out=gathered)
        torch.mul(gathered, 1 / 255, out=inputs)
        optimizer.local_step(rule.fused(inputs, layer.weight, scratch), "hidden")

    @torch.no_grad()
    def product() -> None:
        torch.mm(inputs, layer.weight.T, out=responses)

    for _ in range(60):
        step()
    return step, product


def _beside_authors(pixels: torch.Tensor, ours: float) -> list[Figure]:
    batches = 60_000 // BATCH
    found = [f"ours {ours * batches:.1f} s"]
    place = peers.folder()
    if place is None:
        return [
            Figure(
                "one epoch of 60,000 images, same shape, one thread",
                f"{found[0]} (HEBBLAB_PEERS names no folder: the authors' were not run)",
                "far ahead",
            )
        ]
    known = peers.pytorch_hebbian(place)
    images = pixels[: 4 * BATCH].float() / 255
    if known is not None:
        rule, local = known[0](), known[1]
        layer = torch.nn.Linear(FAN_IN, UNITS, bias=False)
        rule.init_layers([])
        torch.nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(0))
        optimizer = local([("hidden.weight", layer.weight)], lr=0.02)

        @torch.no_grad()
        def theirs() -> None:
            optimizer.local_step(rule.update(images[:BATCH], layer.weight), "hidden")

        seconds = alternating([theirs], rounds=5)[0] * batches
        found.append(f"PyTorch-Hebbian {seconds:.1f} s ({seconds / (ours * batches):.1f} ×)")
    notebook = peers.numpy_notebook(place, images.double().numpy(), UNITS, BATCH)
    if notebook is not None:
        started = time.thread_time()
        notebook()
        seconds = (time.thread_time() - started) / 4 * batches
        found.append(
            f"the authors' NumPy notebook {seconds:.0f} s ({seconds / (ours * batches):.0f} ×)"
        )
    return [
        Figure("one epoch of 60,000 images, same shape, one thread", ", ".join(found), "far ahead")
    ]
