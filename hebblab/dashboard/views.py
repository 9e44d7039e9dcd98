"""What the page is told of a session: plain values, every text ready to be shown."""

from collections.abc import Mapping
from typing import Any

from hebblab.charts import percent
from hebblab.data import worlds
from hebblab.errors import shown
from hebblab.knobs import Knob, Value
from hebblab.live import Mark, Reading, Session
from hebblab.recipes import Recipe
from hebblab.rules.equations import mathml

from .about import about
from .choices import FAILS, choices
from .controls import grouped, knob_view
from .mosaics import LIMIT
from .panels.series import subscript
from .plane import angle, shows
from .runs import preset_of

SPEEDS: Mapping[str, float | None] = {"1": 1.0, "10": 10.0, "60": 60.0, "full": None}
_SPEED_WORDS = {
    "1": "1 step/s",
    "10": "10 steps/s",
    "60": "60 steps/s",
    "full": "as fast as it goes",
}
_LOG = 50
_ENDED = {"finished": "is finished", "failed": "has failed", "stopped": "was stopped"}


def bar(session: Session, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return the view of the bar.

    Args:
        session: The run.
        more: What the session does not know: rate, frames, notice, idle, back, error, preset,
            probing, busy.
    """
    state, total = session.state, session.total_steps
    running = state == "running"
    resting = state in ("ready", "paused")
    return {
        "choices": choices(session, more["preset"]),
        "can": {
            "start": resting,
            "pause": running,
            "step": resting,
            "restart": True,
            "new-seed": True,
            "stop": state != "stopped",
            "probe": not more["probing"],
        },
        "state": state,
        "steps": session.steps,
        "of": f"of {total:,}" if total is not None else "",
        "epoch": f"{session.epoch:.1f}",
        "rate": _rate(more["rate"]) if running else "0",
        "left": _left(session, more["rate"]),
        "speed": _speed(session.speed),
        "frames": f"{more['frames']:.0f}",
        "seed": str(session.recipe.seed),
        "notice": more["notice"],
        "idle": more["idle"],
        "guard": running,
        "back": more["back"],
        "error": more["error"],
    }


def controls(session: Session, layer: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return the view of the controls.

    Args:
        session: The run.
        layer: The one on view.
        more: seq, refusal, effect.
    """
    knobs, values = session.knobs(layer), session.values(layer)
    rule = session.rule(layer)
    symbols = [knob.symbol for knob in knobs.values()]
    points = session.recipe.data in worlds.available()
    world = worlds.get(session.recipe.data).declared() if points else {}
    over = session.state in _ENDED
    ended = f"This run {_ENDED[session.state]}. Restart, and its knobs turn again." if over else ""
    idle = rule.idle()
    cooler = "temperature" not in knobs and rule.name == "krotov-hopfield"
    return {
        "title": rule.title,
        "about": about(rule, knobs),
        "equation": mathml(rule.equation, symbols),
        "words": ended or " ".join((rule.in_words(), _shared(session.reading(layer)))).strip(),
        "knobs": [
            knob_view(
                knob,
                values[name],
                group=group,
                disabled=over or not knob.live or name in idle,
                reason=idle.get(name, "") if knob.live else _fixed(knob, values[name]),
            )
            for name, (knob, group) in grouped(knobs, world, idle).items()
        ],
        "seq": more["seq"],
        "refusal": more["refusal"],
        "layers": list(session.layers),
        "layer": layer,
        "try": "try a temperature" if cooler else "",
        "try_help": "Switches to soft winner-take-all, in which all units share an image."
        if cooler
        else "",
        "edits": [_entry(mark, session) for mark in reversed(session.marks[-_LOG:])],
        "effect": more["effect"],
    }


def _shared(reading: Reading | None) -> str:
    if reading is None or reading.winner_share is None:
        return ""
    frame = reading.frame
    patches = frame.tensors[f"{frame.layer}.weight"].ndim == 4
    what = "a point" if shows(frame) else "a patch" if patches else "an image"
    return f"Of {what} the winner has {percent(reading.winner_share)} on average."


def unit(reading: Reading | None, chosen: int | None, classes: tuple[str, ...]) -> Any:
    """Return the card of the chosen unit, or None."""
    if reading is None or chosen is None or chosen >= len(reading.norms):
        return None
    frame = reading.frame
    wins = int(reading.activations.wins[chosen])
    total = int(reading.activations.wins.sum())
    nearest = int(reading.nearest[chosen])
    where = f", at {angle(frame.weights[chosen].numpy())}" if shows(frame) else ""
    beside = (
        f"{nearest} (cos {reading.nearest_cosine[chosen]:.2f})" if nearest >= 0 else "there is none"
    )
    return {
        "number": chosen,
        "rows": [
            ["wins", f"{wins:,} of {total:,}"],
            ["nearest unit", beside],
            [f"norm ‖w‖{subscript(reading.norm_p)}", f"{reading.norms[chosen]:.2f}{where}"],
            ["share active", percent(float(reading.active[chosen]))],
            ["answers to", _answers(reading.answers[chosen], classes)],
        ],
    }


def sentence(units: int, arrows: bool = False) -> str:
    """Return what stands over the images, or arrows, before the first step."""
    if arrows and units == 1:
        return "This arrow is what 1 unit has learned so far: nothing. Press Start."
    if arrows:
        return (
            f"These {units:,} arrows are what {units:,} units have learned so far: nothing. "
            "Press Start."
        )
    seen = min(units, LIMIT)
    whose = f"{units:,}" if seen == units else f"{seen:,} of {units:,}"
    return (
        f"These {seen:,} squares are what {whose} units have learned so far: nothing. Press Start."
    )


def _speed(speed: float | None) -> dict[str, Any]:
    options = [{"value": value, "label": words} for value, words in _SPEED_WORDS.items()]
    for value, known in SPEEDS.items():
        if known == speed:
            return {"value": value, "options": options}
    words = f"{speed:g} steps/s"
    return {"value": words, "options": [*options, {"value": words, "label": words}]}


def _rate(rate: float) -> str:
    if 0 < rate < 0.95:
        return f"{rate:.2g}"
    return f"{rate:.1f}" if 0 < rate < 9.95 else f"{rate:,.0f}"


def expected(recipe: Recipe) -> str:
    """Return what one should see of a preset, or an empty text where it was changed."""
    if not recipe.expect or not preset_of(recipe):
        return ""
    return recipe.expect if recipe.expect.startswith(FAILS) else f"What to see: {recipe.expect}"


def _left(session: Session, rate: float) -> str:
    if session.state in ("finished", "failed", "stopped"):
        return ""
    slow = session.state == "running" and 0 < rate < 0.5
    words = f"a step every {1 / rate:.0f} s" if slow else ""
    return f"{words} · {_until(session, rate)}" if words else _until(session, rate)


def _until(session: Session, rate: float) -> str:
    total = session.total_steps
    if total is None:
        if session.recipe.decay == "linear" and session.steps >= session.planned_steps:
            return "its rate is at its floor"
        return "runs until you stop it"
    if session.state != "running" or rate <= 0:
        return f"{total - session.steps:,} steps left"
    seconds = (total - session.steps) / rate
    if seconds < 90:
        return f"{seconds:.0f} s left"
    return f"{seconds / 60:.0f} min left" if seconds < 5400 else f"{seconds / 3600:.1f} h left"


def _fixed(knob: Knob, value: Value) -> str:
    """Say why a knob cannot be turned, and how a run gets another value."""
    return f"Fixed in a run: hl.Session(…, {knob.name}={shown(value)}) begins with it."


def _entry(mark: Mark, session: Session) -> dict[str, str]:
    name, _, new = mark.text.rpartition(" ")
    text = mark.text if "," in mark.text else f"{name} {mark.old} → {new}"
    layer = mark.edit.layer
    where = f" · {layer}" if layer is not None and len(session.layers) > 1 else ""
    return {"step": f"step {mark.step:,}{where}", "text": text, "note": mark.edit.note}


def _answers(wins: Any, classes: tuple[str, ...]) -> str:
    total = wins.sum()
    if not total:
        return "nothing in the sample"
    best = sorted(range(len(classes)), key=lambda c: -wins[c])[:2]
    return ", ".join(f"“{classes[c][:24]}” {100 * wins[c] / total:.0f} %" for c in best if wins[c])


__all__ = ["SPEEDS", "bar", "controls", "expected", "sentence", "unit"]
