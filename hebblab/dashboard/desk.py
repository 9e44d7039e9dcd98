"""The desk behind the page: one thread that hears every part, and speaks to all of them."""

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from hebblab.errors import HebblabError
from hebblab.live import Session

from . import views
from .effects import answers_alone
from .hands import Event, Hands, Parts
from .panels import Story
from .pulse import spared
from .runs import Runs

TICK = 0.05
BAR = 0.1  # seconds between status lines
CHARTS = 0.5  # and between charts
STUDY = 0.4  # and between looks at what the Probe screen measures
_LOOK = 0.25  # and between looks whether a beat is due


class Desk:
    """Hears what a person does, has it done, and shows what comes of it.

    Messages arrive on threads that nobody can predict, so they are only noted there; this thread
    acts on them in order and shows what comes of them. It may have to wait for the end of a long
    step, so another one says that the kernel lives. Without a page nothing is sent or read.

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
        self.parts = parts
        self._hands = Hands(Runs(session, owned), parts, clock)
        self._served = served
        self._clock = clock
        self._charts_at = 0.0
        self._bar_at = self._study_at = 0.0
        self._bar_shown: dict[str, Any] = {}
        self._inbox: deque[tuple[str, Event]] = deque()
        self._woken = threading.Condition()
        self._closing = False
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._said = 0
        self._show_all()
        self._listen()

    @property
    def session(self) -> Session:
        """The run on view."""
        return self._hands.session

    def story(self) -> Story:
        """Return everything the charts are made of, now."""
        hands, session = self._hands, self.session
        layer = hands.layer
        rule, marks = session.rule(layer), session.marks
        return Story(
            history=session.history,
            marks=[(mark.step, mark.text) for mark in marks],
            began=marks[-1].began if marks else None,
            still=bool(marks) and answers_alone(marks[-1].edit, session),
            reading=session.reading(layer),
            probes=hands.probes.points(session, layer),
            probe_status=hands.probes.status(),
            window=hands.window,
            layer=layer,
            step=session.steps,
            norm_p=rule.norm,
            rule_title=rule.title,
            noun=_noun(session),
            live=hands.follower.line(),
        )

    def close(self) -> None:
        """End the thread, and the sessions that are the desk's own."""
        with self._woken:
            self._closing = True
            self._ended.set()
            self._woken.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(10.0)
        self._hands.close()

    def _listen(self) -> None:
        parts: list[tuple[str, Any]] = [
            ("bar", self.parts.bar),
            ("controls", self.parts.controls),
            ("weights", self.parts.weights),
            ("evaluation", self.parts.evaluation),
        ]
        parts += [("chart", chart) for chart in (*self.parts.charts, *self.parts.plots)]
        for name, part in parts:
            part.on_event(partial(self._note, name))

    def _note(self, part: str, event: Event) -> None:
        with self._woken:
            if self._closing:
                return
            self._inbox.append((part, event))
            if not self._threads:
                for work, name in ((self._work, "hebblab-lab"), (self._beat, "hebblab-beat")):
                    self._threads.append(threading.Thread(target=work, name=name, daemon=True))
                    self._threads[-1].start()
            self._woken.notify_all()

    def _work(self) -> None:
        torch.set_flush_denormal(True)
        torch.set_num_threads(1)
        while True:
            with self._woken:
                if not self._inbox and not self._closing:
                    soon = min(TICK, max(self._hands.screen.due_in(), 0.005))
                    self._woken.wait(soon if self._lively() else 1.0)
                if self._closing:
                    return
                events = list(self._inbox)
                self._inbox.clear()
            for part, event in events:
                self._guarded(partial(self._hear, part, event))
            self._guarded(self._tick)

    def _beat(self) -> None:
        pulse = self._hands.pulse
        while not self._ended.wait(_LOOK):
            if pulse.present() and pulse.due():
                self.parts.bar.frame({"type": "beat"})

    def _guarded(self, act: Callable[[], None]) -> None:
        """Do one thing; what it refuses or fails at is said on the page and ends nothing."""
        try:
            act()
        except HebblabError as error:
            self._say({"sentence": str(error), "advice": "", "traceback": ""}, self._show_all)
        except Exception as error:
            import traceback

            sentence = f"The dashboard stumbled: {type(error).__name__}: {error}"
            advice = "The run goes on. Reload the page if something looks stuck."
            found = {"sentence": sentence, "advice": advice, "traceback": traceback.format_exc()}
            self._say(found, lambda: self.parts.bar.show(self._bar()))

    def _say(self, error: dict[str, str], show: Callable[[], object]) -> None:
        # The same words said again are an answer again: to a pane that was closed, to a choice.
        self._said += 1
        error["said"] = str(self._said)
        self._hands.error = error
        try:
            show()
        except Exception:
            import traceback

            # What cannot be drawn must not silence the page: the pane stands over what is there.
            # The traceback tells of both, as this failure came while the other was being said.
            self._hands.error = error | {"traceback": traceback.format_exc()}
            self.parts.bar.show(self._bar_shown | {"error": self._hands.error})

    def _lively(self) -> bool:
        hands = self._hands
        return hands.pulse.present() and (
            self.session.state == "running"
            or hands.probes.running
            or hands.screen.owes
            or hands.study.busy
        )

    def _hear(self, part: str, event: Event) -> None:
        changed = self._hands.hear(part, event)
        if changed == "all":
            self._show_all()
        elif changed == "bar":
            self.parts.bar.show(self._bar())
        elif changed == "controls":
            self.parts.controls.show(self._controls())
        elif changed == "charts":
            self._draw_charts()
        elif changed == "evaluation":
            self._show_study()

    def _tick(self) -> None:
        hands, pulse, session = self._hands, self._hands.pulse, self.session
        if self._served and session.state == "running":
            if pulse.lost():
                hands.hold("gone", "Paused: nobody was watching.")
            elif pulse.untouched():
                hands.hold(
                    "untouched", "Paused after five minutes without a touch. Any key goes on."
                )
        if not pulse.present():
            session.watch(None)
            return
        if session.state == "failed" and hands.error is None:
            hands.error = _failure(session)
        if not hands.study.open:
            hands.screen.show(session, hands.layer, session.reading(hands.layer))
        now = self._clock()
        news = hands.study.tick(hands.layer)
        if now - self._bar_at >= self._bar_pace():
            self._bar_at = now
            self.parts.bar.show(self._bar())
        if news or (hands.study.open and now - self._study_at >= STUDY):
            self._show_study()
        if (
            hands.follower.follow(session, hands.layer)
            or hands.probes.collect()
            or now - self._charts_at >= self._charts_pace()
        ):
            self._draw_charts()

    def _bar_pace(self) -> float:
        hands = self._hands
        return BAR if hands.pulse.at_hand() else spared(BAR, hands.screen.latency)

    def _charts_pace(self) -> float:
        """Return the seconds between charts: more for a page that draws them slowly."""
        slowest = max(chart.latency for chart in self.parts.charts)
        return spared(CHARTS, 1.5 * slowest)

    def _draw_charts(self) -> None:
        self._charts_at = self._clock()
        story = self.story()
        self._hands.effects.look(story, self.session.state)
        self.parts.controls.show(self._controls())
        for chart in self.parts.charts:
            chart.tell(story)

    def _show_study(self) -> None:
        self._study_at = self._clock()
        self._hands.study.show(self.session, self._hands.layer, _noun(self.session))

    def _show_all(self) -> None:
        hands, session = self._hands, self.session
        hands.screen.show(session, hands.layer, session.reading(hands.layer), whole=True)
        self.parts.bar.show(self._bar())
        self._draw_charts()
        self._show_study()

    def _bar(self) -> dict[str, Any]:
        hands, session = self._hands, self.session
        self._bar_shown = views.bar(
            session,
            {
                "preset": hands.runs.preset,
                "rate": hands.pulse.rate(session.steps),
                "frames": hands.pulse.frames(),
                "notice": hands.notice,
                "idle": bool(hands.paused_for),
                "back": hands.runs.back_words,
                "error": hands.error,
                "probing": hands.probes.running,
            },
        )
        return self._bar_shown

    def _controls(self) -> dict[str, Any]:
        hands = self._hands
        more = {"seq": hands.seq, "refusal": hands.refusal, "effect": hands.effects.text}
        return views.controls(self.session, hands.layer, more)


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


__all__ = ["Desk", "Parts"]
