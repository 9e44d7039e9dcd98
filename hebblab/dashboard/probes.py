"""Probes of one run as the page shows them: one at a time, each with what it was taken under."""

from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace

from hebblab.knobs import Value
from hebblab.live import Probing, Session

from .panels import ProbePoint

# What is read of a layer, and of those after it, moves with these at once, and no weight does.
_FORWARD = ("n", "triangle", "input_norm", "patch_norm", "zca", "zca_epsilon", "nonnegative")
_Form = tuple[Value | None, ...]


@dataclass(frozen=True)
class _Taken:
    layer: str
    form: _Form
    point: ProbePoint


class Probes:
    """The probes pressed for a run."""

    def __init__(self) -> None:
        self._taken: list[_Taken] = []
        self._under_way: tuple[Probing, str, _Form] | None = None

    @property
    def running(self) -> bool:
        """Whether one is under way."""
        return self._under_way is not None

    def start(self, session: Session, layer: str) -> None:
        """Press Probe."""
        self._under_way = (session.probe(layer), layer, _form(session, layer))

    def cancel(self) -> None:
        """End the one under way, without a result."""
        if self._under_way is not None:
            probing, _, _ = self._under_way
            self._under_way = None
            probing.cancel()

    def forget(self) -> None:
        """Begin anew, for another run."""
        self.cancel()
        self._taken.clear()

    def status(self) -> tuple[float, str] | None:
        """Return (share done, what is being done) while one is under way."""
        return None if self._under_way is None else self._under_way[0].progress

    def collect(self) -> bool:
        """Take up a result that has come; True if there was one.

        Raises:
            Exception: Whatever the probe failed at.
        """
        if self._under_way is None or not self._under_way[0].done():
            return False
        probing, layer, form = self._under_way
        self._under_way = None
        try:
            result = probing.result()
        except CancelledError:
            return True
        score = result.accuracy
        point = ProbePoint(
            step=result.step or 0,
            accuracy=float(score),
            low=score.low,
            high=score.high,
            raw=float(result.raw_pixels),
            random=float(result.random_features),
            n=score.n,
            split=result.split,
        )
        self._taken.append(_Taken(layer, form, point))
        return True

    def points(self, session: Session, layer: str) -> list[ProbePoint]:
        """Return a layer's probes; those of which the layer is now read otherwise are stale."""
        form = _form(session, layer)
        own = [one for one in self._taken if one.layer == layer]
        return [replace(one.point, stale=one.form != form) for one in own]


def _form(session: Session, layer: str) -> _Form:
    before = session.layers[: list(session.layers).index(layer)]
    return tuple(read for name in (*before, layer) for read in _read(session.values(name)))


def _read(values: Mapping[str, Value]) -> Iterator[Value | None]:
    yield from (values.get(name) for name in _FORWARD)
    # The triangle subtracts thresholds where they are in units of what it answers.
    yield (
        bool(values.get("triangle"))
        and bool(values.get("thresholds"))
        and (values.get("similarity", "dot") == "dot")
    )
