"""A person's hands on a run: what buttons, choices and knobs do to it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hebblab.errors import HebblabError, WrongState
from hebblab.live import Edit, Session
from hebblab.live.saving import as_csv

from . import views
from .about import picture
from .bar import Bar
from .chart import Chart
from .controls import Controls
from .effects import Watcher
from .evaluation import EvaluationPart, Follower, Study
from .probes import Probes
from .pulse import Pulse
from .runs import Runs
from .screen import Screen
from .weights import Weights

PACE = 0.2  # seconds between readings; images come more often
_SIGNS_OF_LIFE = ("beat", "painted", "drawn", "hello", "visibility", "plotly")

Event = dict[str, Any]


@dataclass(frozen=True)
class Parts:
    """The widgets of one Lab."""

    bar: Bar
    controls: Controls
    weights: Weights
    charts: tuple[Chart, ...]
    evaluation: EvaluationPart
    plots: tuple[Chart, ...]


class Hands:
    """What a person has on view, and how each message of the page changes it or the run.

    Args:
        runs: The run on view, and the one before it.
        parts: The widgets.
        clock: Monotonic seconds.

    Attributes:
        layer: Name of the layer on view.
        window: Which part of the run the charts show.
        notice: A sentence in the status line.
        error: What the pane over the charts says.
        refusal: Why a knob's value was refused.
        seq: The largest number of a message that was judged.
        paused_for: Why the Lab itself holds the run: "gone", "untouched" or nothing.
    """

    def __init__(self, runs: Runs, parts: Parts, clock: Callable[[], float]) -> None:
        self.runs = runs
        self.parts = parts
        self.layer = runs.session.layers[0]
        self.window = "all"
        self.notice = ""
        self.error: dict[str, str] | None = None
        self.refusal: dict[str, str] | None = None
        self.seq = 0
        self.paused_for = ""
        self._last: Edit | None = None
        self.pulse = Pulse(clock)
        self.effects = Watcher()
        self.probes = Probes()
        self.screen = Screen(parts.weights, clock)
        self.study = Study(parts.evaluation, parts.plots)
        self.follower = Follower()

    @property
    def session(self) -> Session:
        """The run on view."""
        return self.runs.session

    def hear(self, part: str, event: Event) -> str:
        """Do what a message asks for; return what is to be shown anew: "all", a part, or "".

        Raises:
            HebblabError: It cannot be done; nothing is changed.
        """
        self.pulse.answered()
        do = event["do"]
        if do not in _SIGNS_OF_LIFE:
            self._touch()
        if part == "weights" and do != "hello":
            if do == "painted":
                self.pulse.painted()
            self.screen.hear(event)
            return ""
        if part == "evaluation" and do != "layer":
            return self._study(event)
        if do == "tool":
            return self._use(event["name"], event["value"])
        if do == "choose":
            return self._choose(event["what"], event["name"])
        if do in ("edit", "default"):
            return self._edit(event)
        if do == "visibility":
            self.session.watch(1.0 if event["hidden"] else PACE, self.layer)
        elif do == "hello":
            return self._welcome()
        elif do == "press":
            return self._press(event["button"])
        elif do == "speed":
            return self._set_speed(event["value"])
        elif do == "save":
            self._save(event["what"])
        elif do == "back":
            return self._begin_anew() if self.runs.back() else ""
        elif do == "layer":
            shown = self._look_at(event["name"])
            if self.study.open:
                self.study.hear(self.session, self.layer, event)
            return shown
        elif do == "try":
            return self._choose("preset", "mnist-soft-wta")
        elif do == "picture":
            found = picture(self.session.rule(self.layer))
            if found is not None:
                self.parts.controls.frame(*found)
        elif do == "window":
            self.window = event["value"]
            return "charts"
        elif do == "cancel-probe":
            self.probes.cancel()
            return "charts"
        return ""

    def hold(self, why: str, notice: str) -> None:
        """Pause the run because nobody is there; whoever comes back goes on."""
        self.session.pause()
        self.paused_for, self.notice = why, notice

    def close(self) -> None:
        """End the runs that are the Lab's own, and what is computed beside them."""
        self.screen.close()
        self.study.close()
        self.follower.close()
        self.probes.cancel()
        self.runs.close()

    def _welcome(self) -> str:
        """A page is there, or there again: it gets everything once."""
        self.session.watch(PACE, self.layer)
        self.screen.keyframe()
        if self.paused_for == "gone":
            self._resume_after_silence()
        return "all"

    def _touch(self) -> None:
        self.pulse.touched()
        if self.paused_for:
            self._resume_after_silence()

    def _resume_after_silence(self) -> None:
        self.paused_for = self.notice = ""
        if self.session.state == "paused":
            self.session.start()

    def _press(self, button: str) -> str:
        session, state = self.session, self.session.state
        self.notice = ""
        if button in ("start", "pause", "step") and state not in ("ready", "running", "paused"):
            return ""
        if button == "start" and state != "running":
            self.pulse.forget_rate()
            session.start()
        elif button == "pause" and state == "running":
            session.pause()
        elif button == "step" and state != "running":
            session.step()
        elif button == "restart":
            self._restart(None)
        elif button == "new-seed":
            self._restart((session.recipe.seed + 1) % 2**31)
        elif button == "stop":
            session.stop()
        elif button == "probe" and not self.probes.running:
            self.probes.start(session, self.layer)
        self.error = None
        return "all"

    def _restart(self, seed: int | None) -> None:
        self.runs.restart(seed)
        self._begin_anew(self.layer)
        self.notice = ""

    def _choose(self, what: str, name: str) -> str:
        if not name:
            return ""
        self.runs.choose(what, name)
        return self._begin_anew()

    def _begin_anew(self, layer: str | None = None) -> str:
        """Show another run, or one from its start: nothing of before stays on the page."""
        self.layer = layer or self.session.layers[0]
        self._forget_probes()
        self.effects.forget()
        self.screen.reset()
        self.error = self.refusal = None
        self.notice = " ".join(self.session.notes)
        self.pulse.forget_rate()
        self.session.watch(PACE, self.layer)
        return "all"

    def _forget_probes(self) -> None:
        self.probes.forget()
        self.study.forget()
        self.follower.forget()

    def _study(self, event: Event) -> str:
        """Do what is asked on the Probe screen; the images wait until it is left."""
        was = self.study.open
        self.study.hear(self.session, self.layer, event)
        if was and not self.study.open:
            self.screen.keyframe()
        return "all" if event["do"] == "hello" else "evaluation"

    def _use(self, tool: str, value: str) -> str:
        """Use a control at a chart."""
        if tool == "live-line":
            self.follower.choose(value)
            return "charts"
        if tool == "evaluation":
            return self._study({"do": "open"})
        return self._study({"do": tool, "name": value})

    def _look_at(self, layer: str) -> str:
        if layer not in self.session.layers or layer == self.layer:
            return ""
        self.layer = layer
        self.refusal = None
        self.effects.forget()
        self.screen.reset()
        self.session.watch(PACE, layer)
        return "all"

    def _set_speed(self, value: str) -> str:
        if value not in views.SPEEDS:
            return ""
        self.session.speed = views.SPEEDS[value]
        self.pulse.forget_rate()
        return "bar"

    def _save(self, what: str) -> None:
        from safetensors.torch import save

        session = self.session
        name = f"{session.recipe.name or session.recipe.network}-step-{session.steps}"
        if what == "history":
            content, file = as_csv(session.history).encode(), f"{name}-history.csv"
            mime = "text/csv"
        else:
            state = {
                key: tensor.contiguous() for key, tensor in session.model().state_dict().items()
            }
            content, file = save(state), f"{name}.safetensors"
            mime = "application/octet-stream"
        self.parts.bar.frame({"type": "file", "name": file, "mime": mime}, [content])

    def _edit(self, event: Event) -> str:
        self.seq = max(self.seq, event["seq"])
        name = event["name"]
        knobs = self.session.knobs(self.layer)
        if name in knobs:
            self.screen.gesture((name, event["gesture"]))
            try:
                undone = event["do"] == "default"
                value = self.session.starting_values(self.layer)[name] if undone else event["value"]
                if isinstance(value, str) and knobs[name].scale != "choice":
                    value = knobs[name].parse(value)
                # What waits for a long step is not yet to be compared with, nor waited for.
                waits = self._last and not (self._last.wait(0) or self._last.cancelled)
                if waits or value != self.session.values(self.layer)[name]:
                    self._last = self.session.edit(
                        {name: value},
                        layer=self.layer,
                        gesture=(name, event["gesture"]) if event["gesture"] else None,
                    )
                    if event.get("final", True):
                        self._last.wait(0.3)
                self.refusal = None
            except HebblabError as error:
                # Of a run that ended under the hand, the card says so.
                over = isinstance(error, WrongState)
                self.refusal = None if over else {"name": name, "text": str(error)}
        return "controls"


__all__ = ["PACE", "Event", "Hands", "Parts"]
