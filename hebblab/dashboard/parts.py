"""What every part of the page is: it shows a view, sends frames, passes on what a person does."""

import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import anywidget
import traitlets

View = Mapping[str, Any]
Event = dict[str, Any]
Check = Callable[[object], Any]

LONGEST = 200
_SAFE = 2**53


class Refused(Exception):
    """A field of a message that no page of ours sends."""


def one_of(*accepted: str) -> Check:
    """Return a check that accepts these words only."""

    def check(value: object) -> str:
        if isinstance(value, str) and value in accepted:
            return value
        raise Refused

    return check


def words(value: object) -> str:
    """Accept a text; what is too long for any name or number is cut, and said to be cut."""
    if not isinstance(value, str):
        raise Refused
    return value if len(value) <= LONGEST else value[: LONGEST - 1] + "…"


def flag(value: object) -> bool:
    """Accept true or false."""
    if isinstance(value, bool):
        return value
    raise Refused


def whole(value: object) -> int:
    """Accept a whole number that a browser can hold exactly, from 0 on."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _SAFE:
        return value
    raise Refused


def whole_or_none(value: object) -> int | None:
    """Accept a whole number from 0 on, or nothing."""
    return None if value is None else whole(value)


def knob_value(value: object) -> float | int | bool | str:
    """Accept what a knob may be asked to become; whether it may is the session's to judge."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < _SAFE else words(str(value)[: LONGEST + 1])
    if isinstance(value, float):
        # JSON knows no infinity, but Python's parser accepts it.
        return value if math.isfinite(value) else str(value)
    return words(value)


def accepted(message: object, events: Mapping[str, Mapping[str, Check]]) -> Event | None:
    """Return a message from the page, reduced to its known fields, or None if it has no sense.

    Args:
        message: Whatever arrived.
        events: For each accepted "do", a check for each of its fields.

    >>> accepted({"do": "press", "button": "start", "x": 1}, {"press": {"button": words}})
    {'do': 'press', 'button': 'start'}
    >>> accepted({"do": "format the disk"}, {"press": {"button": words}})
    """
    if not isinstance(message, dict):
        return None
    do = message.get("do")
    fields = events.get(do) if isinstance(do, str) else None
    if fields is None:
        return None
    try:
        return {"do": do} | {name: check(message.get(name)) for name, check in fields.items()}
    except Refused:
        return None


class Part(anywidget.AnyWidget):  # type: ignore[misc]
    """One part of the dashboard on the page; it holds no state of a run.

    `show` describes the whole part as plain JSON values; the description is kept in the synced
    trait `view`, so that a reloaded page finds it. A page can write any trait, so nothing in
    Python reads `view`, and what a page writes is dropped. `frame` sends numbers as bytes, which
    are never kept. What a person does arrives as events, on any thread.

    Every part sends `{"do": "hello", "hidden": bool}` when a page has drawn it.
    """

    view = traitlets.Dict().tag(sync=True)
    events: ClassVar[Mapping[str, Mapping[str, Check]]] = {}
    name: ClassVar[str] = "part"

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._showing = threading.Lock()
        self._shown = ""
        self._callbacks: tuple[Callable[[Event], object], ...] = ()
        self._accepts = {"hello": {"hidden": flag}} | dict(self.events)
        self.add_class(f"hl-{self.name}")
        self.on_msg(self._receive)
        # ipykernel moves a comm's messages to the shell whose request was the current one when the
        # comm last sent anything. Parts send all the time, so that would be the main shell, where
        # nobody hears while a cell runs: what a page sends is heard on the shell on which it came.
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = lambda data, own: own

    def show(self, view: View) -> bool:
        """Show this view; return whether it differed from the last one and was sent.

        Args:
            view: Plain JSON values. The class says which.

        Raises:
            ValueError: A number in it is not finite: a browser could not read it.
            TypeError: Something in it is not plain JSON.
        """
        text = json.dumps(view, sort_keys=True, allow_nan=False)
        with self._showing:
            if text == self._shown:
                return False
            # A copy: what a caller changes afterwards must not change what was shown.
            self.view = json.loads(text)
            self._shown = text
            return True

    def frame(self, content: Mapping[str, Any], buffers: Sequence[bytes] = ()) -> None:
        """Send one message that the page does not keep, its numbers as bytes.

        Args:
            content: Plain JSON values, among them "type".
            buffers: Numeric data.
        """
        self.send(dict(content), list(buffers))

    def on_event(self, callback: Callable[[Event], object]) -> Callable[[], None]:
        """Call `callback` with each event from a page; return what ends that.

        Events come on any thread, also while a cell runs: a callback puts them in a queue and
        does nothing else.
        """
        self._callbacks = (*self._callbacks, callback)

        def end() -> None:
            self._callbacks = tuple(c for c in self._callbacks if c is not callback)

        return end

    def set_state(self, sync_data: object) -> None:
        """Drop what a page writes into traits: parts are written from Python alone."""

    def _receive(self, _: object, content: object, buffers: object) -> None:
        event = accepted(content, self._accepts)
        if event is not None:
            for callback in self._callbacks:
                callback(event)
