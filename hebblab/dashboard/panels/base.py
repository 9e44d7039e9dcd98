"""What every panel is: a title, axes with units, and one specification made from a run's story."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from hebblab.charts import Spec, plain

from ..theme import CONFIG

if TYPE_CHECKING:
    from hebblab.live import Reading


@dataclass(frozen=True)
class ProbePoint:
    """What one probe found.

    Attributes:
        step: Step at which the features were frozen.
        accuracy: Share of images named rightly from the features, 0 to 1.
        low: Lower end of its 95 % interval.
        high: Upper end of its 95 % interval.
        raw: The same readout on raw pixels.
        random: The same readout on random features of the same shape.
        n: How many images were scored.
        split: Which images: "validation" or "test".
        stale: Whether an edit since then (of n) changed the features without training.
    """

    step: int
    accuracy: float
    low: float
    high: float
    raw: float | None = None
    random: float | None = None
    n: int = 1000
    split: str = "validation"
    stale: bool = False


@dataclass(frozen=True)
class LiveLine:
    """A cheap probe again and again while the run goes on.

    Attributes:
        kind: "ncm" or "ridge"; "off" where none is drawn.
        title: In words.
        steps: Steps of its points.
        values: Accuracies, 0 to 1.
        lows: Lower ends of their 95 % intervals.
        highs: Upper ends.
        n: How many validation images each was scored on.
        refusal: Why there are none.
    """

    kind: str = "off"
    title: str = ""
    steps: Sequence[int] = ()
    values: Sequence[float] = ()
    lows: Sequence[float] = ()
    highs: Sequence[float] = ()
    n: int = 0
    refusal: str = ""


@dataclass(frozen=True)
class Story:
    """All that the charts of one run are made of: one consistent moment.

    Attributes:
        history: Lists of one length by metric; `None` where a metric is undefined.
        marks: Edits as (step, text), one a gesture.
        began: Step at which the gesture of the newest mark began; None: where it stands.
        still: Whether no weight moves with what the newest mark changed.
        reading: The newest live reading; `None` before the first.
        probes: What probes found, in the order of their steps.
        probe_status: (share done, what is being done) while a probe runs.
        window: "all", or "last" for the last 1,000 steps from step 2,000 on.
        layer: Name of the layer on view.
        step: Steps taken.
        norm_p: Which p-norm the rule holds at 1; `None` where it holds none.
        rule_title: The rule's name in words.
        noun: What the data set holds: "images", "digits".
        live: The live line beside the probes.
    """

    history: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    marks: Sequence[tuple[int, str]] = ()
    began: int | None = None
    still: bool = False
    reading: "Reading | None" = None
    probes: Sequence[ProbePoint] = ()
    probe_status: tuple[float, str] | None = None
    window: str = "all"
    layer: str = ""
    step: int = 0
    norm_p: float | None = 2.0
    rule_title: str = ""
    noun: str = "images"
    live: LiveLine = LiveLine()


@dataclass(frozen=True)
class Header:
    """The line over a chart: a result, and how far the next one is."""

    text: str = ""
    progress: float | None = None
    cancel: bool = False
    status: str = ""


@dataclass(frozen=True)
class Tool:
    """A control at a chart: a button, or a choice where it has options.

    Attributes:
        do: What the page sends when it is used.
        words: What stands on it, or before it.
        help: One sentence more.
        value: Sent with it; of a choice, what is chosen.
        options: (value, words) pairs of a choice.
        css: A class of its own.
        place: "head", beside the title, or "foot", under the plot.
    """

    do: str
    words: str
    help: str = ""
    value: str = ""
    options: Sequence[tuple[str, str]] = ()
    css: str = ""
    place: str = "head"


class Panel(ABC):
    """One chart: subclasses give `name`, `title` and `spec`; nothing here knows a browser."""

    name: ClassVar[str]
    title: ClassVar[str]
    waiting: ClassVar[str]
    offers_window: ClassVar[bool] = False

    def heading(self, story: Story) -> str:
        """Return the title as it stands over this story."""
        return self.title

    def subtitle(self, story: Story) -> str:
        """Return what is drawn, with its sample and unit, in a few words."""
        return ""

    def header(self, story: Story) -> Header | None:
        """Return the line over the chart, for the panels that have one."""
        return None

    def tools(self, story: Story) -> Sequence[Tool]:
        """Return the controls at the chart, for the panels that have some."""
        return ()

    @abstractmethod
    def spec(self, story: Story) -> Spec:
        """Return the chart as a plain Plotly specification, with its words."""

    def made(
        self,
        story: Story,
        data: Sequence[Spec],
        arranged: Spec,
        *,
        words: str = "",
        place: str = "bottom",
        said: str = "",
    ) -> Spec:
        """Return the whole specification.

        Args:
            story: What it was made of.
            data: Plotly traces.
            arranged: Plotly layout.
            words: A line beside the chart.
            place: Where that line stands: "top", "bottom" or "centre".
            said: What the chart shows, for those who do not see it.
        """
        config = CONFIG | {
            "toImageButtonOptions": {
                "format": "png",
                "scale": 3,
                "filename": f"hebblab-{self.name}",
            }
        }
        heading = self.heading(story)
        subtitle = self.subtitle(story)
        return {
            "title": plain(heading),
            "subtitle": plain(subtitle, 120),
            "words": plain(words, 160),
            "place": place,
            "description": plain(f"{heading}, {subtitle}. {said or words}", 300),
            "data": list(data),
            "layout": arranged,
            "config": config,
        }
