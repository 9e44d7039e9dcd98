"""What a session leaves in a folder: weights, the recipe with its edits, the history."""

import csv
import io
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from safetensors.torch import save as to_bytes
from torch import Tensor

from hebblab.errors import DataUnavailable, InvalidValue, shown
from hebblab.live.edits import Edit
from hebblab.live.run import Run
from hebblab.nn import networks
from hebblab.nn.layers import CHUNK


def content(
    run: Run, edits: tuple[Edit, ...], state: str, test_opened: int
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return recipe.json's content and copies of the weights; call at a batch edge."""
    about = {
        "recipe": json.loads(run.recipe.model_dump_json()),
        "network": run.recipe.network,
        "input_shape": list(run.dataset.image_shape),
        "classes": len(run.dataset.classes),
        "settings": networks.settings(run.model),
        "data_fingerprint": run.dataset.fingerprint,
        # Patches summed at once: like the number of threads it decides the last bits.
        "chunk": CHUNK,
        "steps": run.steps,
        "state": state,
        "test_opened": test_opened,
        "edits": [
            {"step": edit.applied_at, "layer": edit.layer, "changes": edit.changes}
            for edit in edits
        ],
    }
    return about, run.tensors()


def write(
    folder: str | Path,
    about: dict[str, Any],
    weights: dict[str, Tensor],
    history: dict[str, list[Any]],
) -> Path:
    """Write a session's three files: all of them, or none.

    Raises:
        InvalidValue: That is no folder's name.
        DataUnavailable: The folder cannot be written; what was in it is as it was.
    """
    try:
        folder = Path(folder)
    except TypeError:
        raise InvalidValue(
            f'A run is saved in a folder, such as session.save("my-run"), not {shown(folder)}.'
        ) from None
    text = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
    files = {
        "weights.safetensors": to_bytes({key: one.contiguous() for key, one in weights.items()}),
        "history.csv": as_csv(history).encode(),
        "recipe.json": text.encode(),
    }
    parts = {name: folder / f".{name}.{uuid4().hex}.part" for name in files}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for name, content in files.items():
                parts[name].write_bytes(content)
            for name, part in parts.items():
                part.replace(folder / name)
        finally:
            for part in parts.values():
                part.unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # a ValueError: no file system has such a name
        reason = getattr(error, "strerror", None) or error
        raise DataUnavailable(
            f"The run could not be saved in {folder}: {reason}. "
            "Name a folder that can be written and has room."
        ) from error
    return folder


def as_csv(history: dict[str, list[Any]]) -> str:
    """Return the history as comma-separated values, undefined ones empty.

    >>> print(as_csv({"step": [0, 10], "turned": [None, 0.5]}), end="")
    step,turned
    0,
    10,0.5
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(history)
    writer.writerows(zip(*history.values(), strict=True))
    return text.getvalue()
