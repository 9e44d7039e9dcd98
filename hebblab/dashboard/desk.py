"""The desk behind the page: one thread that hears every part, and alone speaks to all of them."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from hebblab.errors import HebblabError
from hebblab.live import Session
from hebblab.live.saving import as_csv

from . import views
from .about import picture
from .bar import Bar
from .chart import Chart
from .controls import Controls
from .effects import Watcher
from .gallery import Screen
from .panels import Story
from .probes import Probes
from .pulse import Pulse
from .runs import Runs
from .weights import Weights

TICK = 0.05
BAR = 0.1  # seconds between status lines
CHARTS = 0.5  # and between charts
PACE = 0.2  # seconds between readings; images come more often

Event = dict[str, Any]


@dataclass(frozen=True)
class Parts:
    """The widgets of one Lab."""

    bar: Bar
    controls: Controls
    weights: Weights
    charts: tuple[Chart, ...]


class Desk:
    """Hears what a person does, tells the session, and shows what comes of it.

    Messages arrive on threads that nobody can predict, so they are only noted there; this thread
    acts on them in order, and no other sends anything. Without a page nothing is sent or read.

    Args:
        session: The run.
        owned: Whether the desk ends it.
        parts: The widgets.
        served: Whether a page that is gone, or untouched, pauses the run.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        session: Session,
        owned: bool,
        parts: Parts,
        served: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runs = Runs(session, owned)
        self.parts = parts
        self.layer = session.layers[0]
        self._served = served
        self._clock = clock
        self._pulse = Pulse(clock)
        self._notice = ""
        self._paused_for: str = ""
        self._error: dict[str, str] | None = None
        self._refusal: dict[str, str] | None = None
        self._seq = 0
        self._window = "all"
        self._effects = Watcher()
        self._probes = Probes()
        self._screen = Screen(parts.weights, clock)
        self._charts_at = 0.0
        self._bar_at = 0.0
        self._inbox: deque[tuple[str, Event]] = deque()
        self._woken = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._show_all()
        self._listen()

    @property
    def session(self) -> Session:
        """The run on view."""
        return self._runs.session

    def story(self) -> Story:
        """Return everything the charts are made of, now."""
        session = self.session
        rule = session.rule(self.layer)
        return Story(
            history=session.history,
            marks=[(mark.step, mark.text) for mark in session.marks],
            reading=session.reading(),
            probes=self._probes.points(self.layer, session.values(self.layer).get("n")),
            probe_status=self._probes.status(),
            window=self._window,
            layer=self.layer,
            step=session.steps,
            norm_p=rule.norm,
            rule_title=rule.title,
            noun=_noun(session),
        )

    def close(self) -> None:
        """End the thread, and the sessions that are the desk's own."""
        with self._woken:
            self._closing = True
            self._woken.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(10.0)
        self._probes.cancel()
        self._runs.close()

    def _listen(self) -> None:
        parts: list[tuple[str, Any]] = [
            ("bar", self.parts.bar),
            ("controls", self.parts.controls),
            ("weights", self.parts.weights),
        ]
        parts += [("chart", chart) for chart in self.parts.charts]
        for name, part in parts:
            part.on_event(partial(self._note, name))

    def _note(self, part: str, event: Event) -> None:
        with self._woken:
            if self._closing:
                return
            self._inbox.append((part, event))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="hebblab-lab", daemon=True)
                self._thread.start()
            self._woken.notify_all()

    def _work(self) -> None:
        torch.set_flush_denormal(True)
        torch.set_num_threads(1)
        while True:
            with self._woken:
                if not self._inbox and not self._closing:
                    soon = min(TICK, max(self._screen.due_in(), 0.005))
                    self._woken.wait(soon if self._lively() else 1.0)
                if self._closing:
                    return
                events = list(self._inbox)
                self._inbox.clear()
            for part, event in events:
                self._guarded(partial(self._hear, part, event))
            self._guarded(self._tick)

    def _guarded(self, act: Callable[[], None]) -> None:
        """Do one thing; what it refuses or fails at is said on the page and ends nothing."""
        try:
            act()
        except HebblabError as error:
            self._error = {"sentence": str(error), "advice": "", "traceback": ""}
            self._show_all()
        except Exception as error:
            import traceback

            self._error = {
                "sentence": f"The dashboard stumbled: {type(error).__name__}: {error}",
                "advice": "The run goes on. Reload the page if something looks stuck.",
                "traceback": traceback.format_exc(),
            }
            self.parts.bar.show(self._bar())

    def _lively(self) -> bool:
        return self._pulse.present() and (
            self.session.state == "running" or self._probes.running or self._screen.owes
        )

    def _hear(self, part: str, event: Event) -> None:
        self._pulse.answered()
        do = event["do"]
        if do not in ("beat", "painted", "drawn", "hello", "visibility", "plotly"):
            self._touch()
        if do == "hello":
            self._welcome()
        elif do == "visibility":
            self.session.watch(1.0 if event["hidden"] else PACE)
        elif do == "press":
            self._press(event["button"])
        elif do == "choose" and part == "bar":
            self._choose(event["what"], event["name"])
        elif do == "speed":
            self._set_speed(event["value"])
        elif do == "save":
            self._save(event["what"])
        elif do == "back":
            if self._runs.back():
                self._begin_anew()
        elif do in ("edit", "default"):
            self._edit(event)
        elif do == "layer" and event["name"] in self.session.layers:
            self.layer = event["name"]
            self._screen.reset()
            self._show_all()
        elif do == "try":
            self._choose("preset", "mnist-soft-wta")
        elif do == "picture":
            found = picture(self.session.rule(self.layer))
            if found is not None:
                self.parts.controls.frame(*found)
        elif do == "window":
            self._window = event["value"]
            self._draw_charts()
        elif do == "cancel-probe":
            self._probes.cancel()
            self._draw_charts()
        elif part == "weights":
            if do == "painted":
                self._pulse.painted()
            self._screen.hear(event)

    def _welcome(self) -> None:
        """A page is there, or there again: it gets everything once."""
        self.session.watch(PACE)
        self._screen.keyframe()
        if self._paused_for == "gone":
            self._resume_after_silence()
        self._show_all()

    def _touch(self) -> None:
        self._pulse.touched()
        if self._paused_for:
            self._resume_after_silence()

    def _resume_after_silence(self) -> None:
        self._paused_for = self._notice = ""
        if self.session.state == "paused":
            self.session.start()

    def _press(self, button: str) -> None:
        session, state = self.session, self.session.state
        self._notice = ""
        if button in ("start", "pause", "step") and state not in ("ready", "running", "paused"):
            return
        if button == "start" and state != "running":
            self._pulse.forget_rate()
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
        elif button == "probe" and not self._probes.running:
            self._probes.start(session, self.layer)
        self._error = None
        self._show_all()

    def _restart(self, seed: int | None) -> None:
        self._probes.forget()
        self._effects.forget()
        self.session.restart(seed)
        self._screen.reset()
        self._refusal = None

    def _choose(self, what: str, name: str) -> None:
        if name:
            self._runs.choose(what, name)
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Show another run: nothing of the one before stays on the page."""
        session = self.session
        self.layer = session.layers[0]
        self._probes.forget()
        self._effects.forget()
        self._screen.reset()
        self._error = self._refusal = None
        self._notice = ""
        self._pulse.forget_rate()
        session.watch(PACE)
        self._show_all()

    def _set_speed(self, value: str) -> None:
        if value in views.SPEEDS:
            self.session.speed = views.SPEEDS[value]
            self._pulse.forget_rate()
            self.parts.bar.show(self._bar())

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

    def _edit(self, event: Event) -> None:
        self._seq = max(self._seq, event["seq"])
        name = event["name"]
        knobs = self.session.knobs(self.layer)
        if name in knobs:
            self._screen.gesture((name, event["gesture"]))
            try:
                value = knobs[name].default if event["do"] == "default" else event["value"]
                if isinstance(value, str) and knobs[name].scale != "choice":
                    value = knobs[name].parse(value)
                if value != self.session.values(self.layer)[name]:
                    edit = self.session.edit(
                        {name: value},
                        layer=self.layer,
                        gesture=(name, event["gesture"]) if event["gesture"] else None,
                    )
                    edit.wait(0.3)
                self._refusal = None
            except HebblabError as error:
                self._refusal = {"name": name, "text": str(error)}
        self.parts.controls.show(self._controls())

    def _tick(self) -> None:
        pulse, session = self._pulse, self.session
        if self._served and session.state == "running":
            if pulse.lost():
                self._hold("gone", "Paused: nobody was watching.")
            elif pulse.untouched():
                self._hold(
                    "untouched", "Paused after five minutes without a touch. Any key goes on."
                )
        if not pulse.present():
            session.watch(None)
            return
        if pulse.due():
            self.parts.bar.frame({"type": "beat"})
        if session.state == "failed" and self._error is None:
            self._error = _failure(session)
        reading = session.reading()
        self._screen.show(session, self.layer, reading)
        now = self._clock()
        if now - self._bar_at >= BAR:
            self._bar_at = now
            self.parts.bar.show(self._bar())
        if self._probes.collect() or now - self._charts_at >= self._charts_pace():
            self._draw_charts()

    def _charts_pace(self) -> float:
        """Return the seconds between charts: more for a page that draws them slowly."""
        slowest = max(chart.latency for chart in self.parts.charts)
        return min(max(CHARTS, 3 * slowest), 5.0)

    def _hold(self, why: str, notice: str) -> None:
        self.session.pause()
        self._paused_for, self._notice = why, notice

    def _draw_charts(self) -> None:
        self._charts_at = self._clock()
        story = self.story()
        self._effects.look(story, self.session.state)
        self.parts.controls.show(self._controls())
        for chart in self.parts.charts:
            chart.tell(story)

    def _show_all(self) -> None:
        self._screen.show(self.session, self.layer, self.session.reading(), whole=True)
        self.parts.bar.show(self._bar())
        self._draw_charts()

    def _bar(self) -> dict[str, Any]:
        session = self.session
        return views.bar(
            session,
            {
                "preset": self._runs.preset,
                "rate": self._pulse.rate(session.steps),
                "frames": self._pulse.frames(),
                "notice": self._notice,
                "idle": bool(self._paused_for),
                "back": self._runs.back_words,
                "error": self._error,
                "probing": self._probes.running,
            },
        )

    def _controls(self) -> dict[str, Any]:
        more = {"seq": self._seq, "refusal": self._refusal, "effect": self._effects.text}
        return views.controls(self.session, self.layer, more)


def _noun(session: Session) -> str:
    if len(session.dataset.image_shape) != 3:
        return "points"
    name = session.recipe.data
    return "digits" if "mnist" in name and "fashion" not in name else "images"


def _failure(session: Session) -> dict[str, str]:
    return {
        "sentence": str(session.error),
        "advice": "The images show the last finite weights. Restart begins anew.",
        "traceback": session.traceback or "",
    }
