"""One chart on the page: takes plain Plotly specifications, sends the newest, never a queue."""

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import ClassVar

from hebblab.charts import Spec

from . import plotlyjs
from .esm import css, esm
from .panels.base import Header, Panel, Story, Tool
from .panels.series import WINDOW
from .parts import Event, Part, one_of, whole, words

TOOLS = ("measure", "cancel", "evaluation", "live-line")
# A specification whose acknowledgement was lost does not silence its chart for good.
PATIENCE = 10.0
# One answer reaches every page of the kernel, however many ask.
PLOTLY_PAUSE = 5.0


class Chart(Part):
    """A chart that Plotly.js draws in the page; the page's element has the class `hebblab-NAME`.

    Specifications are messages, one in flight: while the page has not acknowledged the last, only
    the newest is kept, and sent when it has. A page that says hello (its first view, or JupyterLab
    reloaded) gets the newest again, from the thread that hears it; so does a page that asks for
    Plotly.js. Every method may be called from any thread.

    Events: `hello`; `drawn`, the acknowledgement, with its `id`; `plotly`, when the page has
    nobody else to get Plotly.js from; `cancel-probe`; `window`, which part of the run to show;
    `tool`, a control at the chart that was used, with its value.

    Args:
        panel: What it shows.

    Example:
        >>> from hebblab.dashboard.panels import Histogram, Story
        >>> chart = Chart(Histogram())
        >>> chart.tell(Story()), chart.tell(Story())  # the second time nothing has changed
        (True, False)
        >>> chart.close()
    """

    name = "chart"
    _esm = esm("dom.js", "part.js", "plotly.js", "labels.js", "spec.js", "tool.js", "chart.js")
    _css = css("chart-head.css", "chart.css")
    events: ClassVar = {
        "drawn": {"id": whole},
        "plotly": {},
        "cancel-probe": {},
        "window": {"value": one_of("all", "last")},
        "tool": {"name": one_of(*TOOLS), "value": words},
    }

    def __init__(self, panel: Panel) -> None:
        super().__init__()
        self.panel = panel
        self._guard = threading.Lock()
        self._spec: Spec | None = None
        self._number = 0
        self._flying = 0
        self._sent_at = 0.0
        self._unsent = False
        self.latency = 0.0
        self._gave_plotly_at = -PLOTLY_PAUSE
        self._tools: Sequence[Tool] = panel.tools(Story())
        self._progress: float | None = None
        self._status = ""
        self._show_header(panel.header(Story()))
        self.on_event(self._hear)

    def tell(self, story: Story) -> bool:
        """Show what the panel makes of this story; return whether a chart was sent now."""
        self._tools = self.panel.tools(story)
        choice = story.window if self.panel.offers_window and story.step >= 2 * WINDOW else None
        self._show_header(self.panel.header(story), choice)
        return self.draw(self.panel.spec(story))

    def draw(self, spec: Spec) -> bool:
        """Show this specification.

        Args:
            spec: "data", "layout" and "config" as Plotly takes them, with "title", "subtitle",
                "words", "place" and "description" beside them where wanted. It is kept: make a
                new one for each call.

        Returns:
            Whether it was sent now: not if nothing changed, nor while the last one is unanswered.
        """
        with self._guard:
            if spec != self._spec:
                self._spec, self._unsent = spec, True
            return self._flush()

    def header(
        self, text: str = "", progress: float | None = None, cancel: bool = False, status: str = ""
    ) -> None:
        """Set the line over the chart.

        Args:
            text: The newest result.
            progress: Share done of what is under way, 0 to 1; `None`: nothing is.
            cancel: Whether it can be cancelled now.
            status: What is being done.
        """
        self._show_header(Header(text, progress, cancel, status))

    def arm(self, tools: Sequence[Tool], progress: float | None = None, status: str = "") -> None:
        """Set the controls at the chart, and how far what they started is.

        Args:
            tools: Controls.
            progress: Share done, 0 to 1; `None`: nothing is under way.
            status: What is being done; it stands in the place of the subtitle.
        """
        self._tools, self._progress, self._status = tools, progress, status
        self._show_header(None)

    def resend(self) -> None:
        """Send the newest specification again, whatever was acknowledged."""
        with self._guard:
            self._flying = 0
            self._unsent = self._spec is not None
            self._flush()

    @property
    def idle(self) -> bool:
        """Whether the page has answered the last specification."""
        with self._guard:
            return self._ready()

    def _show_header(self, header: Header | None, window: str | None = None) -> None:
        panel = self.panel
        self.show(
            {
                "name": panel.name,
                "title": panel.title,
                "waiting": panel.waiting,
                "header": None if header is None else asdict(header),
                "window": window,
                "tools": [asdict(tool) for tool in self._tools],
                "progress": self._progress,
                "status": self._status,
            }
        )

    def _ready(self) -> bool:
        return not self._flying or time.monotonic() - self._sent_at > PATIENCE

    def _flush(self) -> bool:
        if not self._unsent or not self._ready():
            return False
        self._number += 1
        self._flying, self._unsent, self._sent_at = self._number, False, time.monotonic()
        self.frame({"type": "chart", "id": self._number, "spec": self._spec})
        return True

    def _hear(self, event: Event) -> None:
        do = event["do"]
        if do == "hello":
            self.resend()
        elif do == "plotly":
            self._give_plotly()
        elif do == "drawn":
            with self._guard:
                if event["id"] == self._flying:
                    self._flying = 0
                    self.latency = time.monotonic() - self._sent_at
                    self._flush()

    def _give_plotly(self) -> None:
        with self._guard:
            now = time.monotonic()
            if now - self._gave_plotly_at < PLOTLY_PAUSE:
                return
            self._gave_plotly_at = now
        self.frame({"type": "plotly"}, [plotlyjs.packed()])
