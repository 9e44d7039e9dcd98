"""`hebblab run`: train without a screen."""

import contextlib
import hashlib
import json
import signal
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hebblab.cli.progress import reporting
from hebblab.errors import DataUnavailable, HebblabError, WrongState

if TYPE_CHECKING:
    from hebblab.live import Session

_GLANCE = 0.1  # seconds between two looks at a run


def run(
    preset: Annotated[
        str, typer.Argument(metavar="PRESET", help="See: hebblab presets")
    ] = "mnist-krotov",
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A knob or a setting; may be repeated."),
    ] = None,
    epochs: Annotated[str | None, typer.Option(metavar="N", help="Passes over the data.")] = None,
    steps: Annotated[str | None, typer.Option(metavar="N", help="Batches, in all.")] = None,
    seed: Annotated[
        str | None, typer.Option(metavar="S", help="Of everything random in the run.")
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Say in the end what the features are worth.")
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Leave weights, recipe and history in a folder."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="One JSON object on stdout, nothing else. Its weights_sha256 is the SHA-256 of "
            "the weights of the layers that learned: float32, little-endian, row by row, in the "
            "network's order.",
        ),
    ] = False,
) -> None:
    """Train without a screen.

    Ctrl-C holds the run, says where it stands, and saves it where --save says so.

    Same preset, seed and number of threads, same machine: same weights, bit for bit.
    """
    from hebblab import presets
    from hebblab.cli.settings import parsed
    from hebblab.live import Session
    from hebblab.live.heap import keep_freed_memory

    given = {"epochs": epochs, "steps": steps, "seed": seed}
    options = [f"{name}={value}" for name, value in given.items() if value is not None]
    overrides = parsed([*(assignments or ()), *options], presets.get(preset))
    if save is not None:
        _check_folder(save)
    keep_freed_memory()
    with interruptible(), Session(preset, **overrides) as session:
        for note in session.notes:
            typer.echo(note, err=True)
        began = time.monotonic()
        done = train(session)
        seconds = time.monotonic() - began
        if session.state == "failed":
            kept = f" The last finite weights are in {session.save(save)}." if save else ""
            raise HebblabError(f"{session.error}{kept}")
        score = _probe(session) if probe and done else None
        done = done and not (probe and score is None)
        saved = session.save(save) if save is not None else None
        outcome = _outcome(session, preset, seconds, score)
        if not done:
            typer.echo(_standing(session, saved), err=True)
        if as_json:
            typer.echo(json.dumps(outcome))
        elif done:
            typer.echo(_summary(outcome, saved))
    if not done:
        raise typer.Exit(130)


def train(session: "Session") -> bool:
    """Train to the end; False after Ctrl-C, the run then held."""
    total = session.total_steps
    try:
        session.start()
        with reporting("Training") as report:
            while not session.wait(_GLANCE):
                of = "" if total is None else f" of {total:,}"
                report(session.steps, total, f"step {session.steps:,}{of}")
    except KeyboardInterrupt:
        with contextlib.suppress(WrongState):
            session.pause()
        return session.state == "finished"
    return True


def _probe(session: "Session") -> dict[str, Any] | None:
    """Return what the features are worth; None after Ctrl-C."""
    probing = session.probe(layer=session.layers[-1])
    try:
        with reporting("Probing") as report:
            while True:
                with contextlib.suppress(TimeoutError):
                    result = probing.result(_GLANCE)
                    break
                share, words = probing.progress
                report(share, 1.0, words)
    except (KeyboardInterrupt, CancelledError):
        probing.cancel()
        return None
    return {
        "accuracy": float(result.accuracy),
        "raw_pixels": float(result.raw_pixels),
        "random_features": float(result.random_features),
        "split": result.split,
    }


def _outcome(
    session: "Session", preset: str, seconds: float, probe: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "preset": preset,
        "seed": session.recipe.seed,
        "steps": session.steps,
        "epochs": session.epoch,
        "seconds": round(seconds, 3),
        "convergence": _convergence(session),
        "probe": probe,
        "weights_sha256": _digest(session),
    }


def _convergence(session: "Session") -> float | None:
    """Return the share of all units that hold their rule's norm; None where no rule holds one."""
    from hebblab import metrics

    converged, units = 0.0, 0
    for layer in session.layers:
        frame = session.frame(layer)
        if frame.norm is not None:
            share = metrics.convergence(frame.weights, frame.norm).converged
            converged += share * len(frame.weights)
            units += len(frame.weights)
    return converged / units if units else None


def _digest(session: "Session") -> str:
    digest = hashlib.sha256()
    for layer in session.layers:
        digest.update(session.weights(layer).contiguous().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def _summary(outcome: dict[str, Any], saved: Path | None) -> str:
    lines = [
        f"{outcome['preset']}, seed {outcome['seed']}: {outcome['steps']:,} steps "
        f"({outcome['epochs']:.4g} epochs) in {outcome['seconds']:.3g} s",
    ]
    if outcome["convergence"] is not None:
        lines.append(f"unit convergence {outcome['convergence']:.1%}".replace("%", " %"))
    probe = outcome["probe"]
    if probe is not None:
        scores = (
            f"probe {probe['accuracy']:.1%} · raw pixels {probe['raw_pixels']:.1%} · "
            f"random features {probe['random_features']:.1%} ({probe['split']} images)"
        )
        lines.append(scores.replace("%", " %"))
    lines.append(f"weights {outcome['weights_sha256']}")
    if saved is not None:
        lines.append(f"saved in {saved}")
    return "\n".join(lines)


def _standing(session: "Session", saved: Path | None) -> str:
    total = "" if session.total_steps is None else f" of {session.total_steps:,}"
    kept = f"Saved in {saved}." if saved else "Nothing is kept; --save DIR would have kept it."
    return f"Interrupted at step {session.steps:,}{total}, epoch {session.epoch:.4g}. {kept}"


def _check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be written before time is spent on training."""
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DataUnavailable(
            f"The run could not be saved in {folder}: {error.strerror or error}. "
            "Name a folder that can be written."
        ) from error


@contextlib.contextmanager
def interruptible() -> Any:
    """Let SIGINT interrupt even where a shell started the command with it ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
