"""What inputs at the edge do: zeros, one sample, huge and tiny ones, ties, another order."""

import torch

from hebblab.rules.checks.trial import CLOSE, ROUGH, Fault, Finding, Trial, far, finite


def zeros(trial: Trial) -> Finding:
    """Zero inputs and zero weights give a finite change."""
    inputs, weights = trial.scene()
    for dtype in (torch.float64, torch.float32):
        x, w = inputs.to(dtype), weights.to(dtype)
        finite(trial.rule().update(x * 0, w), "All-zero inputs give")
        finite(trial.rule().update(x, w * 0), "All-zero weights give")
        finite(trial.rule().update(x * 0, w * 0), "All-zero inputs and weights give")
    return "All-zero inputs and all-zero weights give a finite change."


def silence(trial: Trial) -> Finding:
    """Samples that are all zero move no unit more than another."""
    inputs, weights = trial.scene()
    found = trial.rule().update(inputs * 0, weights)
    if not bool(torch.isfinite(found).all()):
        return "advice", "What samples that are all zero move cannot be told: see zeros."
    decay = -(found / weights)
    rate = float(decay.median())
    if float((decay - rate).abs().max()) > CLOSE * max(1.0, abs(rate)):
        moved = int((found.abs().amax(dim=1) > 0).sum())
        raise Fault(
            f"Samples that are all zero move {moved} of {len(weights)} units, and not alike: such "
            "a sample must have no winner, or one unit is pulled to zero for ever. "
            "hl.rules.winners sees to it."
        )
    if rate:
        return f"Samples that are all zero have no winner; all weights decay alike, by {rate:.3g}."
    return "Samples that are all zero have no winner and move nothing."


def single(trial: Trial) -> Finding:
    """One sample gives a finite change."""
    for seed in range(3):
        inputs, weights = trial.scene(1, seed=seed)
        finite(trial.rule().update(inputs, weights), "A single sample gives")
        finite(trial.rule().update(inputs.float(), weights.float()), "A single sample gives")
    return "A batch of one sample gives a finite change."


def sizes(trial: Trial) -> Finding:
    """Huge and tiny inputs give a finite change."""
    inputs, weights = trial.scene()
    for size, x, w in (
        ("1e6 times as large", inputs.float() * 1e6, weights.float()),
        ("1e15 times as large", inputs * 1e15, weights),
        ("1e-30 times as large", inputs.float() * 1e-30, weights.float()),
        ("below the normal numbers", torch.full_like(inputs, 1e-42).float(), weights.float()),
    ):
        finite(trial.rule().update(x, w), f"Inputs {size} give")
    return "Huge inputs, tiny ones and denormals give a finite change."


def order(trial: Trial) -> Finding:
    """The order of samples does not matter."""
    inputs, weights = trial.scene()
    turned = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(1))
    found, expected = (trial.rule().update(one, weights) for one in (inputs[turned], inputs))
    finite(expected, "Ordinary inputs give")
    apart = far(found, expected)
    # A change in another precision than the weights' is a fault of its own.
    if not apart < (CLOSE if found.dtype == weights.dtype else ROUGH):
        raise Fault(f"Another order of the samples gives another change ({apart:.1g}).")
    return "The order of samples does not matter."


def ties(trial: Trial) -> Finding:
    """Say who is preferred of two equal units."""
    inputs, weights = trial.scene()
    weights = (weights * 4).round()[: trial.units // 2].repeat_interleave(2, dim=0)
    found = trial.rule().update((inputs * 4).round(), weights)
    first, second = found[::2], found[1::2]
    if far(first, second) < CLOSE:
        return "Of two equal units both learn alike."
    lead, follow = float(first.abs().sum()), float(second.abs().sum())
    if lead >= follow:
        return "Of two equal units the first is preferred: ties go to the lowest index."
    return "advice", (
        "Of two equal units the second is preferred. Rules here give ties to the lowest index, "
        "which topk does not promise; hl.rules.winners does."
    )
