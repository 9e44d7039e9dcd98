"""The weight images on the page: one frame in flight, the chosen unit, what to compare with."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

from hebblab.live import Frame, Reading, Session
from hebblab.rules import SOM

from . import plane, views
from .fields import FIELDS, Field, Fields
from .gallery import Gallery, Units
from .mosaics import Picture
from .pulse import spared
from .weights import Weights

LOST = 10.0  # seconds after which an unanswered frame is given up
SLOWEST = 2.0  # seconds that a painting is taken for at the most
PACE = 0.075  # seconds between frames at the least; the wait for a batch edge comes on top
WIDEST = 60  # units in a line beyond which their pictures are too small to see


class Screen:
    """Paints frames of a session into the part that shows them.

    Args:
        part: The widget.
        clock: Monotonic seconds.
    """

    def __init__(self, part: Weights, clock: Callable[[], float]) -> None:
        self._part = part
        self._clock = clock
        self._gallery = Gallery()
        self._fields = Fields(clock)
        self._field: Field | None = None
        self._doing = ""
        self._plane = plane.Plane()
        self._chosen: int | None = None
        self._in_flight: int | None = None
        self._sent_at = 0.0
        self._latency = 0.0
        self._number = 0
        self._shown: object = None
        self._shown_at = 0.0
        self._run = 0
        self._gesture: object = None
        self._gestures = 0
        self._latest: Any = None
        self._reference: Any = None
        self._pages = 1
        self._again = True

    @property
    def owes(self) -> bool:
        """Whether a frame waits to be sent."""
        return self._again or self._in_flight is not None or self._fields.working

    @property
    def latency(self) -> float:
        """How many seconds the page took to paint the last frame."""
        return self._latency

    def due_in(self) -> float:
        """Return the seconds until the next frame of a running session is due."""
        return self._shown_at + spared(PACE, self._latency) - self._clock()

    def reset(self) -> None:
        """Begin anew, for another run or layer."""
        self._run += 1
        self._chosen = None
        self._reference = self._latest = self._gesture = None
        self._gestures = 0
        self._gallery.page = 0
        self._fields.forget()
        self._field = None
        self.keyframe()

    def close(self) -> None:
        """End what is computed aside."""
        self._fields.close()

    def keyframe(self) -> None:
        """Send a whole frame as soon as possible, whatever is in flight."""
        self._in_flight = None
        self._shown = None
        self._again = True

    def gesture(self, gesture: object) -> None:
        """Note a hand at a knob: the weights before it are what a change is measured from."""
        if gesture != self._gesture:
            self._gesture = gesture
            self._gestures += 1
            self._reference = self._latest
            self._again = True

    def hear(self, event: dict[str, Any]) -> None:
        """Take up what a person chose to see, or the page's answer to a frame."""
        do = event["do"]
        if do == "painted":
            if event["id"] == self._in_flight:
                self._in_flight = None
                self._latency = min(self._clock() - self._sent_at, SLOWEST)
            return
        if do == "scale":
            self._gallery.scale = event["value"]
        elif do == "order":
            self._gallery.order = event["value"]
        elif do == "mode":
            self._gallery.mode = event["value"]
        elif do == "page":
            self._gallery.page = min(event["value"], self._pages - 1)
        elif do == "choose":
            self._chosen = event["unit"]
        self._again = True

    def show(
        self, session: Session, layer: str, reading: Reading | None, whole: bool = False
    ) -> None:
        """Send the newest frame, unless the last one is still being painted."""
        now = self._clock()
        if self._in_flight is not None and now - self._sent_at < LOST:
            return
        if reading is not None and reading.frame.layer != layer:
            reading = None
        running = session.state == "running"
        fresh = reading is not None and reading is not self._shown
        due = self.due_in() <= 0 and (self._field is None or self._fields.due)
        asked = whole or self._again or self._fields.news
        if not (asked or (running and due) or (fresh and not running)):
            return
        # A copy at the next edge costs little; a reading of the very same step spares even that.
        same = reading is not None and reading.frame.step == session.steps and not running
        frame = reading.frame if same and reading is not None else session.frame(layer)
        before = self._field
        picture = self._picture(session, frame, reading)
        self._pages = picture.meta["pages"]
        self._view(session, frame, reading)
        self._shown, self._shown_at = reading, now
        if running and not asked and self._field is not None and self._field is before:
            return
        self._number += 1
        self._in_flight, self._sent_at, self._again = self._number, now, False
        self._part.frame(
            {
                "type": "frame",
                "id": self._number,
                "run": self._run,
                "edit": self._gestures,
                **picture.meta,
            },
            [picture.data, picture.close] if picture.close else [picture.data],
        )

    def _picture(self, session: Session, frame: Frame, reading: Reading | None) -> Picture:
        greyed = None if reading is None else ~reading.winning
        if session.values(frame.layer).get("competition") == "none":
            greyed = None  # Without a competition all learn from all: none stays noise.
        weights = frame.weights.numpy()
        self._latest = weights
        self._field, self._doing = None, ""
        if plane.shows(frame):
            self._plane.page = self._gallery.page
            centred = session.recipe.centre
            return self._plane.paint(frame, session.dataset, centred=centred, greyed=greyed)
        return self._gallery.paint(
            weights,
            frame.input_shape,
            step=frame.step,
            layer=frame.layer,
            winning=None if reading is None else reading.winning,
            greyed=greyed,
            wins=None if reading is None else reading.activations.wins.numpy(),
            norms=None if reading is None else reading.norms,
            reference=self._reference,
            columns=_columns(frame),
            deep=_deep(frame),
            look=partial(self._look, session, frame) if _looks(session, frame) else None,
            chosen=self._chosen,
        )

    def _look(self, session: Session, frame: Frame, kind: str, units: Units) -> Field | None:
        self._field, self._doing = self._fields.ask(session, frame, kind, units)
        return self._field

    def _view(self, session: Session, frame: Frame, reading: Reading | None) -> None:
        gallery, units, arrows = self._gallery, len(frame.weights), plane.shows(frame)
        if self._chosen is not None and self._chosen >= units:
            self._chosen = None
        deep, looks = _deep(frame), _looks(session, frame)
        title = "Where the units point" if arrows else f"What {frame.layer} has learned"
        self._part.show(
            {
                "title": title if arrows or deep else "",
                "sentence": views.sentence(units, arrows) if frame.step == 0 else "",
                "expect": views.expected(session.recipe) if frame.step == 0 else "",
                "scale": gallery.scale,
                "order": gallery.order,
                "mode": gallery.mode if looks or gallery.mode not in FIELDS else "weights",
                "deep": looks,
                "doing": self._doing,
                "change": self._reference is not None,
                "page": min(gallery.page, self._pages - 1),
                "pages": self._pages,
                "chosen": self._chosen,
                "unit": views.unit(reading, self._chosen, session.dataset.classes),
            }
        )


def _deep(frame: Frame) -> bool:
    """Return whether another layer gives this one its inputs."""
    own = f"{frame.layer}.weight"
    layers = (name for name, one in frame.tensors.items() if _weighs(name, one))
    return next(layers, own) != own


def _weighs(name: str, tensor: Tensor) -> bool:
    return name.endswith(".weight") and tensor.ndim in (2, 4)


def _looks(session: Session, frame: Frame) -> bool:
    """Return whether what a layer's units look for in the image is more than their weights."""
    return len(session.dataset.image_shape) == 3 and _deep(frame)


def _columns(frame: Frame) -> int | None:
    """Return how many units lie in a line, where their rule puts them on a sheet."""
    if not isinstance(frame.rule, SOM):
        return None
    columns = frame.rule.sheet_of(len(frame.weights)).columns
    return columns if columns <= WIDEST else None
