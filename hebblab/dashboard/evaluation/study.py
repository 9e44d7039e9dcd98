"""The Probe screen: hears what a person asks there, has it measured, and shows it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from hebblab.live import Session
from hebblab.live.background import Background, Line
from hebblab.live.neighbours import Nearest, Neighbourhood

from ..chart import Chart
from . import pictures
from .confusions import Confusion
from .curves import PLOTS
from .measures import MEASURES, ROWS, TABLE, rows_of
from .measuring import Measuring
from .moments import doing, drawn, progress, tools
from .part import EvaluationPart
from .plots import Plot
from .queries import cell_view, query_view
from .tables import Found, sample, table

Event = dict[str, Any]

_QUICK = 10_000  # training images that the table is measured of unasked


class Study:
    """What the screen shows of the run and layer on view.

    Args:
        part: The widget.
        charts: One for each of `PLOTS`.

    Attributes:
        open: Whether the screen is on view.
    """

    def __init__(self, part: EvaluationPart, charts: Sequence[Chart]) -> None:
        self.open = False
        self._part, self._charts = part, charts
        self._measuring = Measuring()
        self._asides = Line("hebblab-neighbours")
        self._generator = torch.Generator().manual_seed(0)
        self._begin("")

    def _begin(self, layer: str) -> None:
        """Look at a layer of which nothing is chosen yet."""
        self._layer = layer
        self._of = "learned"
        self._cell: tuple[int, int] | None = None
        self._query: int | None = None
        self._hood: tuple[object, Neighbourhood] | None = None
        self._asked: Background[Nearest] | None = None
        self._near: Nearest | None = None
        self._refusal = ""
        self._sent: dict[str, object] = {}
        self._kept: dict[str, tuple[object, Any]] = {}

    @property
    def busy(self) -> bool:
        """Whether something is under way that the screen waits for."""
        return self._measuring.busy or self._asked is not None

    def hear(self, session: Session, layer: str, event: Event) -> None:
        """Take up what a person asks on the screen."""
        self._look_at(layer)
        do = event["do"]
        if do == "open":
            self.open = True
            self._sent.clear()
            self._begin_unasked(session)
        elif do == "hello":
            self._sent.clear()
        elif do == "close":
            self.open = False
        elif do == "layer":
            self._begin_unasked(session)
        elif do == "measure" and event["name"] in MEASURES:
            self._measuring.start(event["name"], session, layer)
        elif do == "cancel":
            self._measuring.cancel(event["name"])
        elif do == "of":
            self._of, self._cell = event["name"], None
            self._choose_worst()
        elif do == "cell":
            self._press(event["row"], event["column"])
        elif do == "query":
            self._ask(event["image"])
        elif do == "another":
            self._another(event["wrong"] == "wrong")

    def tick(self, layer: str) -> bool:
        """Take up what has come; return whether there was something."""
        self._look_at(layer)
        news = self._measuring.collect()
        if TABLE in news and TABLE in self._known:
            self._hood = self._near = None
            self._choose_worst()
        asked = self._asked
        if asked is None or not asked.done():
            return bool(news)
        self._asked = None
        if not asked.cancelled():
            error = asked.exception()
            self._refusal = "" if error is None else str(error)
            self._near = asked.result() if error is None else None
        return True

    def show(self, session: Session, layer: str, noun: str) -> None:
        """Show everything as it is now."""
        self._look_at(layer)
        known = self._known
        measures = self._measuring.view(session, layer)
        self._part.show(
            {
                "open": self.open,
                "about": sample(known[TABLE].evaluation, noun) if TABLE in known else "",
                "layers": list(session.layers) if len(session.layers) > 1 else [],
                "layer": layer,
                "measures": measures,
                "table": self._once("table", list(known.items()), lambda: table(known)),
                **self._looks(),
            }
        )
        if not self.open:
            return
        self._send_pictures()
        for chart in self._charts:
            plot = chart.panel
            assert isinstance(plot, Plot)
            state, found = measures[plot.measure], known.get(plot.measure)
            chart.arm(tools(plot.measure, state), progress(state), doing(state))
            key = (found, noun, state["refusal"], state["stale"])
            chart.draw(self._once(plot.name, key, partial(drawn, plot, *key)))

    def forget(self) -> None:
        """Begin anew, for another run."""
        self._measuring.forget()
        if self._asked is not None:
            self._asked.cancel()
        self._begin(self._layer)

    def close(self) -> None:
        """End the threads."""
        self._measuring.close()
        self._asides.close()

    @property
    def _known(self) -> dict[str, Found]:
        return self._measuring.found(self._layer)

    def _once(self, name: str, key: object, make: Callable[[], Any]) -> Any:
        """Return what is made of a key, made anew only where the key is another."""
        kept = self._kept.get(name)
        if kept is None or kept[0] != key:
            kept = self._kept[name] = (key, make())
        return kept[1]

    def _look_at(self, layer: str) -> None:
        if layer == self._layer:
            return
        if self._asked is not None:
            self._asked.cancel()
        self._begin(layer)
        self._choose_worst()

    def _matrix(self) -> Confusion | None:
        found = self._known.get(TABLE)
        if found is None:
            return None
        made: Confusion = self._once(
            "confusion", (found, self._of), lambda: Confusion.of(found, self._of)
        )
        return made

    def _choose_worst(self) -> None:
        """Open the cell with most mistakes, so that there is something to look at."""
        matrix = self._matrix()
        if matrix is None:
            return
        self._cell = matrix.worst()
        if self._cell is not None:
            self._ask(matrix.images(*self._cell)[0])
        elif self._query is not None:
            self._ask(self._query)

    def _begin_unasked(self, session: Session) -> None:
        """Whoever opens the screen asks for the table, where it costs but seconds."""
        if TABLE not in self._known and len(session.dataset.train) <= _QUICK:
            self._measuring.start(TABLE, session, self._layer)

    def _press(self, row: int, column: int) -> None:
        matrix = self._matrix()
        if matrix is not None and max(row, column) < len(matrix.seen):
            self._cell = (row, column)
            images = matrix.images(row, column)
            if images:
                self._ask(images[0])

    def _another(self, wrong: bool) -> None:
        matrix = self._matrix()
        if matrix is not None:
            places = matrix.wrong() if wrong else range(len(matrix.labels))
            if places:
                at = torch.randint(len(places), (), generator=self._generator)
                self._ask(places[int(at)])

    def _ask(self, image: int) -> None:
        """Have the neighbours of an image found, beside whatever is measured."""
        found = self._known.get(TABLE)
        if found is None or not pictures.drawable(found.snapshot.dataset):
            return
        if image >= len(found.snapshot.dataset.validation):
            return
        if self._hood is None or self._hood[0] is not found.snapshot:
            self._hood = (found.snapshot, Neighbourhood(found.snapshot, self._layer))
        hood = self._hood[1]
        if self._asked is not None:
            self._asked.cancel()
        self._query, self._near = image, None
        self._asked = self._asides.add(lambda report, _stopped: hood.of(image, report))

    def _looks(self) -> dict[str, Any]:
        """Return what the view says of confusion, pictures and query."""
        matrix, found = self._matrix(), self._known.get(TABLE)
        if matrix is None or found is None:
            return {"confusion": None, "pictures": None, "query": None}
        dataset = found.snapshot.dataset
        drawable = pictures.drawable(dataset)
        shown = None
        if self._cell is not None and drawable:
            row, column = self._cell
            shown = cell_view(matrix, row, column, ROWS[self._of].title)
        return {
            "confusion": matrix.view(self._of, self._cell, rows_of(dataset)),
            "pictures": shown,
            "query": query_view(matrix, dataset, self._query, self._near, self._refusal)
            if drawable
            else None,
        }

    def _send_pictures(self) -> None:
        """Send images that the page does not have yet."""
        matrix, found = self._matrix(), self._known.get(TABLE)
        if matrix is None or found is None or not pictures.drawable(found.snapshot.dataset):
            return
        dataset = found.snapshot.dataset
        if self._cell is not None:
            key = (found, self._of, self._cell)
            if self._sent.get("pictures") != key:
                self._sent["pictures"] = key
                self._part.frame(*pictures.cell(dataset, matrix.images(*self._cell)))
        near, query = self._near, self._query
        if near is not None and query is not None and self._sent.get("neighbours") is not near:
            self._sent["neighbours"] = near
            rows = [near.learned.tolist(), near.pixels.tolist()]
            self._part.frame(*pictures.neighbours(dataset, query, rows))


__all__ = ["PLOTS", "Study"]
