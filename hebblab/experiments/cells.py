"""One cell of an experiment: a recipe in, everything measured of its run out."""

import hashlib
import json
import time
from typing import Any

from hebblab import metrics
from hebblab.errors import HebblabError, InvalidValue
from hebblab.live import Session
from hebblab.recipes import Recipe

Outcome = dict[str, Any]

_SCHEMA = 1


def identity(recipe: Recipe) -> str:
    """Return what names a recipe among others: a digest of everything that changes its result.

    >>> identity(Recipe(steps=5)) == identity(Recipe(steps=5, speed=60.0, name="five"))
    True
    """
    told = recipe.model_dump(mode="json", exclude={"speed", "name", "source", "expect", "seconds"})
    text = json.dumps(told, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def run_cell(recipe_json: str, probe: bool = True) -> Outcome:
    """Train a recipe to its end and measure it; runs in any process, on any machine.

    Args:
        recipe_json: `recipe.model_dump_json()`.
        probe: Whether the last layer's features are probed on the validation images.

    Returns:
        A dictionary that JSON can hold.

    Raises:
        InvalidValue: The recipe has no end.
        HebblabError: The run failed, with its own sentence.
    """
    recipe = Recipe.model_validate_json(recipe_json)
    if recipe.endless:
        raise InvalidValue("A cell runs to its end, and this recipe has none: set endless=False.")
    began = time.monotonic()
    with Session(recipe.changed(speed=None)) as session:
        session.start()
        session.wait()
        if session.state != "finished":
            raise HebblabError(str(session.error or f"The run ended as {session.state}."))
        trained = time.monotonic() - began
        layer = session.layers[-1]
        frame = session.frame(layer)
        score = session.probe(layer).result() if probe else None
        kept = None if frame.norm is None else metrics.convergence(frame.weights, frame.norm)
        digest = hashlib.sha256()
        for name in session.layers:
            weights = session.weights(name).contiguous().numpy().astype("<f4")
            digest.update(weights.tobytes())
        return {
            "schema": _SCHEMA,
            "identity": identity(recipe),
            "recipe": json.loads(recipe_json),
            "data_fingerprint": session.dataset.fingerprint,
            "layer": layer,
            "steps": session.steps,
            "convergence": None if kept is None else kept.converged,
            "probe": None
            if score is None
            else {
                "split": score.split,
                "accuracy": _told(score.accuracy),
                "raw_pixels": _told(score.raw_pixels),
                "random_features": _told(score.random_features),
            },
            "weights_sha256": digest.hexdigest(),
            "seconds": {"training": trained, "all": time.monotonic() - began},
        }


def readable(outcome: object, recipe: Recipe, probe: bool) -> bool:
    """Whether something read from a file is the whole result of a recipe."""
    return (
        isinstance(outcome, dict)
        and outcome.get("schema") == _SCHEMA
        and outcome.get("identity") == identity(recipe)
        and "weights_sha256" in outcome
        and (not probe or isinstance(outcome.get("probe"), dict))
    )


def _told(score: Any) -> dict[str, float]:
    return {"value": float(score), "low": score.low, "high": score.high, "n": score.n}
