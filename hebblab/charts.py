"""One look for every chart: its colours, its axes, its numbers in words."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go

Spec = dict[str, Any]

# A specification names colours ("@accent"); the page reads `--hebblab-accent` where the chart
# stands, so one specification serves light and dark. These are the light values.
LIGHT = {
    "accent": "#0b6e75",
    "warm": "#a9501f",
    "ink": "#1f2428",
    "muted": "#5a636d",
    "line": "#e4e7ea",
    "mark": "#97a1ab",
    "paper": "#ffffff",
    "quiet": "#7d8b99",
}
# What several curves of one chart take in turn; each has 3:1 against paper.
SERIES = (LIGHT["accent"], LIGHT["warm"], "#7a4a86", "#6d7420", LIGHT["ink"], LIGHT["quiet"])
# Weights from negative to positive, as the dashboard paints them: blue, paper, warm.
WEIGHTS = (
    (0.0, "#133a66"),
    (0.125, "#26558b"),
    (0.25, "#4f86b8"),
    (0.375, "#a6c6de"),
    (0.5, "#f8f8f5"),
    (0.625, "#f1c6a6"),
    (0.75, "#d87a42"),
    (0.875, "#a8461a"),
    (1.0, "#6a220a"),
)
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
SIZE = 12
MARGIN = {"l": 66, "r": 20, "t": 8, "b": 34}


def escape(text: str, limit: int = 80) -> str:
    """Return a text that Plotly draws as it is written.

    Plotly reads a little HTML, and mathematics between dollar signs; a name that a person brings
    is neither.

    >>> escape("<b>Δ</b> & $x$")
    '&lt;b&gt;Δ&lt;/b&gt; &amp; &#36;x&#36;'
    """
    text = plain(text, limit)
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("$", "&#36;")):
        text = text.replace(sign, entity)
    return text


def plain(text: str, limit: int = 80) -> str:
    """Return a text on one line, of bounded length, that any encoder accepts.

    >>> plain("two" + chr(10) + "lines")
    'two lines'
    """
    kept = str(text)[: limit + 1]
    text = "".join(c if c.isprintable() or c == "\N{NO-BREAK SPACE}" else " " for c in kept)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def percent(share: float | None) -> str:
    """Return a share as per cent, with one decimal only where it says something.

    >>> percent(0.5), percent(0.942), percent(0.9996), percent(None)
    ('50 %', '94.2 %', '99.9 %', '–')
    """
    if share is None or not math.isfinite(share):
        return "–"
    value = round(100 * share, 1)
    # "100 %" is said of all, never of nearly all; the same for none.
    if value == 100 and share < 1:
        value = 99.9
    if value == 0 and share > 0:
        value = 0.1
    return f"{value:.0f} %" if value == round(value) else f"{value:.1f} %"


def number(value: float | None) -> str:
    """Return a number with three significant figures (a count: all) and thousands separated.

    >>> number(3.14159), number(78412), number(1824.3), number(-0.00123), number(None)
    ('3.14', '78,412', '1,820', '−0.00123', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if value == int(value) and abs(value) < 1e9:
        text = f"{int(value):,}"
    elif 100 <= abs(value) < 1e9:
        text = f"{float(f'{value:.3g}'):,.0f}"
    else:
        text = f"{value:.3g}"
    return text.replace("-", "−")


def axis(
    title: str,
    low: float,
    high: float,
    *,
    ticks: Mapping[Any, str] | None = None,
    grid: bool = False,
    line: bool = False,
    format: str = "",
) -> Spec:
    """Return one axis with its name, a fixed range and few ticks."""
    spec: Spec = {
        "title": {"text": escape(title), "standoff": 2, "font": {"color": "@muted", "size": SIZE}},
        "range": [low, high],
        "showgrid": grid,
        "gridcolor": "@line",
        "gridwidth": 1,
        "zeroline": False,
        "showline": line,
        "linecolor": "@line",
        # Invisible ticks keep the numbers off the plot.
        "ticks": "outside",
        "ticklen": 1 if format or line else 5,
        "tickcolor": "rgba(0,0,0,0)",
        "tickfont": {"color": "@muted", "size": SIZE},
        "spikecolor": "@mark",
        "spikethickness": 1,
        "spikedash": "dot",
        "automargin": False,
        "nticks": 4,
    }
    if ticks is not None:
        spec |= {
            "tickmode": "array",
            "tickvals": list(ticks),
            "ticktext": [escape(t) for t in ticks.values()],
        }
    elif format:
        spec["tickformat"] = format
    return spec


def layout(
    x: Spec,
    y: Spec,
    *,
    shapes: Sequence[Spec] = (),
    annotations: Sequence[Spec] = (),
    hovermode: str = "closest",
) -> Spec:
    """Return the layout that every chart shares: margins that never move, no legend."""
    return {
        "xaxis": x,
        "yaxis": y | {"fixedrange": True},
        "shapes": list(shapes),
        "annotations": list(annotations),
        "margin": dict(MARGIN),
        "showlegend": False,
        "hovermode": hovermode,
        "dragmode": False,
        "font": {"family": FONT, "size": SIZE, "color": "@ink"},
        "hoverlabel": {
            "bgcolor": "@paper",
            "bordercolor": "@mark",
            "font": {"color": "@ink", "size": SIZE, "family": FONT},
            "namelength": -1,
        },
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "@mark", "activecolor": "@accent"},
        # What a person zoomed into stays when the next points arrive.
        "uirevision": "kept",
    }


def label(name: str, x: float, y: float, text: str, color: str, **more: object) -> Spec:
    """Return one label; `name` ("mark", "end", "base") tells the page how it may be moved."""
    return {
        "name": name,
        "x": x,
        "y": y,
        "text": text,
        "showarrow": False,
        "font": {"color": color, "size": SIZE},
        "borderpad": 1,
    } | more


def resolved(value: Any, colours: Mapping[str, str] = LIGHT, key: str = "") -> Any:
    """Return a specification in which every named colour has become a colour.

    >>> resolved({"line": {"color": "@accent"}, "text": "@accent"})
    {'line': {'color': '#0b6e75'}, 'text': '@accent'}
    """
    if isinstance(value, Mapping):
        return {k: resolved(v, colours, str(k)) for k, v in value.items()}
    if isinstance(value, list):
        return [resolved(v, colours, key) for v in value]
    if isinstance(value, str) and key.endswith("color") and value[:1] == "@":
        return colours.get(value[1:], LIGHT["ink"])
    return value


def figure(spec: Spec, width: int = 720, height: int = 360) -> "go.Figure":
    """Return a chart as a Plotly figure in the light theme, for papers and slides.

    Importing Plotly costs seconds and 60 MB, so it happens here and nowhere else.
    """
    import plotly.graph_objects as go

    subtitle = " · ".join(part for part in (spec["subtitle"], spec["words"]) if part)
    drawn = resolved({"data": spec["data"], "layout": spec["layout"]})
    # The default template would bring axes and colours of its own.
    made = go.Figure(data=drawn["data"], layout={"template": "none"} | drawn["layout"])
    made.update_layout(
        width=width,
        height=height,
        margin={"l": 64, "r": 32, "t": 76, "b": 52},
        paper_bgcolor=LIGHT["paper"],
        plot_bgcolor=LIGHT["paper"],
        title={
            "text": f"<b>{escape(spec['title'])}</b>",
            "subtitle": {
                "text": escape(subtitle, 200),
                "font": {"color": LIGHT["muted"], "size": 13},
            },
            "x": 0,
            "xref": "paper",
            "xanchor": "left",
            "font": {"size": 17, "color": LIGHT["ink"]},
        },
    )
    return made
