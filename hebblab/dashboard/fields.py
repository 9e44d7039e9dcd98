"""What deep layers look for in the image, computed aside so that nothing waits for it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hebblab import metrics
from hebblab.data import as_floats, mean_image
from hebblab.errors import HebblabError
from hebblab.live import Frame, Session
from hebblab.live.threads import claim, spawn
from hebblab.nn import networks

FIELDS = ("back-projection", "patches")
PACE = {"back-projection": 1.0, "patches": 4.0}  # seconds between two at the least
BEST = 9  # patches of each unit
IMAGES = 500  # that the best patches are looked for in, at the most
_DUTY = 0.1  # share of a core that computing may take while a run goes on
_NUMBERS = 2**23  # in those images, and in patches at once: 32 MB in float32
_PATIENCE = 10.0

Units = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Field:
    """What some units of a layer look for, as pictures of the image.

    Attributes:
        kind: One of `FIELDS`.
        step: Of the weights.
        units: Their numbers, (units,).
        pictures: (units, channels, height, width): back-projections, or means of best patches.
        images: How many images the patches were looked for in.
        places: Where the patches are in `given`, a row for each of `units`.
        given: Those images, (images, channels, height, width).
    """

    kind: str
    step: int
    units: Units
    pictures: NDArray[np.float32]
    images: int = 0
    places: metrics.BestPlaces | None = None
    given: Tensor | None = None

    def of(self, units: Units) -> NDArray[np.float32]:
        """Return the pictures of these units, in this order."""
        place = {int(unit): at for at, unit in enumerate(self.units)}
        return self.pictures[[place[int(unit)] for unit in units]]

    def best(self, unit: int) -> NDArray[np.float32] | None:
        """Return the best patches of a unit, (patches, channels, height, width), if there are."""
        at = np.flatnonzero(self.units == unit)
        if self.places is None or self.given is None or len(at) == 0:
            return None
        row = slice(int(at[0]), int(at[0]) + 1)
        found: NDArray[np.float32] = self.places.patches(self.given, row).numpy()[0]
        return found


@dataclass(frozen=True)
class _Wish:
    kind: str
    frame: Frame
    units: Units

    @property
    def key(self) -> tuple[str, str, frozenset[int]]:
        return self.kind, self.frame.layer, frozenset(self.units.tolist())

    @property
    def doing(self) -> str:
        """What is being done, in words."""
        many = f"{len(self.units):,} unit{'' if len(self.units) == 1 else 's'}"
        if self.kind == "patches":
            return f"Looking for the patches that excite {many} most …"
        return f"Projecting {many} back to the image …"


@dataclass(frozen=True)
class _Answer:
    wish: object
    step: int
    field: Field | None
    refusal: str


class _Bench:
    """What fields of one run are computed with: a copy of its network, and images."""

    def __init__(self, session: Session) -> None:
        self._model = session.model()
        self._data = session.dataset
        self._centred = session.recipe.centre

    def compute(self, wish: _Wish) -> Field:
        frame, units = wish.frame, wish.units.tolist()
        self._model.load_state_dict(frame.tensors)
        networks.restore(self._model, frame.settings)
        shape = self._data.image_shape
        if wish.kind == "back-projection":
            found = metrics.back_projection(self._model, frame.layer, shape, units)
            return Field(wish.kind, frame.step, wish.units, found.numpy())
        train = self._data.train
        count = max(BEST, min(IMAGES, _NUMBERS // int(np.prod(shape))))
        count = min(count, len(train))
        given = as_floats(train, limit=count)
        seen = as_floats(train, limit=count, centre=mean_image(train)) if self._centred else given
        best = min(BEST, count)
        places = metrics.best_places(self._model, frame.layer, seen, best, units)
        window = shape[0] * places.size[0] * places.size[1]
        each = max(1, _NUMBERS // (best * window))
        means = [
            places.patches(given, slice(first, first + each)).mean(dim=1)
            for first in range(0, len(units), each)
        ]
        pictures = torch.cat(means).numpy()
        return Field(wish.kind, frame.step, wish.units, pictures, count, places, given)


class Fields:
    """Computes fields on a thread of its own, one at a time, and keeps the newest.

    While a run goes on, a back-projection is made at most once a second and best patches at most
    once in four, and neither takes more than a tenth of a core; at rest, at once.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._session: Session | None = None
        self._bench: _Bench | None = None
        self._wish: _Wish | None = None
        self._answer: _Answer | None = None
        self._seen: _Answer | None = None
        self._next = 0.0

    @property
    def working(self) -> bool:
        """Whether one is being computed, or is there and was not yet asked for."""
        return self._wish is not None or self.news

    @property
    def news(self) -> bool:
        """Whether something was computed that nobody has asked for yet."""
        return self._answer is not self._seen

    @property
    def due(self) -> bool:
        """Whether the next one of a run that goes on may be asked for."""
        return self._wish is None and self._clock() >= self._next

    def ask(
        self, session: Session, frame: Frame, kind: str, units: Units
    ) -> tuple[Field | None, str]:
        """Have a field computed, soon; return the newest, and words while there is none.

        Args:
            session: The run.
            frame: Its newest.
            kind: One of `FIELDS`.
            units: Numbers of the units wanted.

        Returns:
            (field, words): a field of this layer, kind and units and "", or None and what is
            being done, or why it cannot be.
        """
        if self._session is not session:
            self.forget()
            # The only thing asked of the run itself, once.
            bench, self._session = _Bench(session), session
            with self._changed:
                self._bench = bench
        wish = _Wish(kind, frame, units)
        with self._changed:
            self._seen = self._answer
            answer = self._answer
            if answer is not None and answer.wish != wish.key:
                answer = None
            stale = answer is None or answer.step != frame.step
            soon = answer is None or session.state != "running" or self._clock() >= self._next
            if stale and soon and self._wish is None and not self._closed:
                self._wish = wish
                if self._thread is None:
                    self._thread = spawn("hebblab-fields", self._serve, self._end)
                self._changed.notify_all()
        if answer is None:
            return None, wish.doing
        return answer.field, answer.refusal

    def forget(self) -> None:
        """Begin anew, for another run or layer."""
        with self._changed:
            self._session = self._bench = self._wish = self._answer = self._seen = None
            self._next = 0.0

    def close(self) -> None:
        """End the thread."""
        self._end()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_PATIENCE)
        self.forget()

    def _end(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _serve(self) -> None:
        claim(1)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._wish is not None)
                wish, bench = self._wish, self._bench
                if self._closed or wish is None or bench is None:
                    return
            answer, took = _answered(bench, wish)
            with self._changed:
                # Of a run or layer that is no longer on view, nobody wants to know.
                if bench is self._bench and wish is self._wish:
                    self._wish, self._answer = None, answer
                    self._next = self._clock() + max(PACE[wish.kind], took * (1 / _DUTY - 1))
            del wish, bench, answer


def _answered(bench: _Bench, wish: _Wish) -> tuple[_Answer, float]:
    """Return what came of a wish, and the seconds that this thread worked for it."""
    before = time.thread_time()
    field, refusal = None, ""
    try:
        field = bench.compute(wish)
    except HebblabError as error:
        refusal = str(error)
    except Exception as error:  # the page waits for an answer: a stumble is one
        refusal = f"This could not be computed: {type(error).__name__}: {error}"
    answer = _Answer(wish.key, wish.frame.step, field, refusal)
    return answer, time.thread_time() - before


__all__ = ["BEST", "FIELDS", "IMAGES", "PACE", "Field", "Fields"]
