"""An edit: one act of changing knobs, from acceptance to the step at which it comes into force."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from hebblab.knobs import Knob, Value
from hebblab.live.threads import seconds
from hebblab.recipes import OPTIONS, SETTINGS

Changes = dict[str, tuple[Value, Value]]

_KNOWN = SETTINGS | OPTIONS


@dataclass(eq=False)
class Edit:
    """One act of changing knobs while a run is under way.

    Attributes:
        layer: The layer it names; None for what all layers share.
        changes: (old, new) by knob.
        gesture: Edits of one drag of a slider share it.
        applied_at: Steps taken when it came into force, or None so far.
        note: What else it did, such as rescaling rows.
        cancelled: Why it never came into force; empty otherwise.
    """

    layer: str | None
    changes: Changes
    gesture: object = None
    applied_at: int | None = None
    note: str = ""
    cancelled: str = ""
    _done: threading.Event = field(default_factory=threading.Event, repr=False)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is in force; False if it was cancelled or `timeout` seconds passed."""
        self._done.wait(seconds("timeout", timeout))
        return self.applied_at is not None

    def settle(self) -> None:
        """Wake who waits: the edit is in force, and stamped."""
        self._done.set()

    def cancel(self, reason: str) -> None:
        """End the edit without effect."""
        if not self._done.is_set():
            self.cancelled = reason
            self._done.set()


@dataclass(frozen=True)
class Mark:
    """What a curve shows of one gesture.

    Attributes:
        step: Where it stands.
        text: "Δ 0.40".
        old: "0.20", the value before the gesture.
        edit: Its last edit.
        began: Step of its first edit.
    """

    step: int
    text: str
    old: str
    edit: Edit
    began: int


def words(edit: Edit) -> str:
    """Return what an edit changed: the knobs' symbols where they are known everywhere."""
    return ", ".join(
        f"{_KNOWN[name].symbol if name in _KNOWN else name} {old} → {new}"
        for name, (old, new) in edit.changes.items()
    )


def marks(edits: tuple[Edit, ...], knobs: Mapping[str, Knob]) -> tuple[Mark, ...]:
    """Return one mark a gesture, from its first old value to its last new one.

    An edit that changes nothing, as of a cell that is run again, leaves none.
    """
    grouped: list[list[Edit]] = []
    for edit in edits:
        if all(old == new for old, new in edit.changes.values()):
            continue
        last = grouped[-1][-1] if grouped else None
        together = (
            last is not None
            and edit.gesture is not None
            and last.gesture == edit.gesture
            and last.changes.keys() == edit.changes.keys()
        )
        if together:
            grouped[-1].append(edit)
        else:
            grouped.append([edit])
    return tuple(_mark(group, knobs) for group in grouped)


def _mark(group: list[Edit], knobs: Mapping[str, Knob]) -> Mark:
    first, last = group[0], group[-1]
    news, olds = [], []
    for name, (_, new) in last.changes.items():
        old = first.changes.get(name, (new, new))[0]
        knob = knobs.get(name)
        symbol = knob.symbol if knob else name
        news.append(f"{symbol} {knob.text(new) if knob else new}")
        olds.append(knob.text(old) if knob else str(old))
    at = last.applied_at or 0
    return Mark(at, ", ".join(news), ", ".join(olds), last, first.applied_at or at)
