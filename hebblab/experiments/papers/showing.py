"""A paper as a notebook shows it: what it claims before it runs, then claim by claim."""

import html
import time
from dataclasses import dataclass
from typing import Any

from hebblab.errors import DataUnavailable, unknown
from hebblab.experiments.papers import data, pages
from hebblab.experiments.papers.costs import duration
from hebblab.experiments.papers.paper import Paper
from hebblab.experiments.papers.results import PaperResult

_PAUSE = 0.2  # seconds between two pictures of the bar


@dataclass(frozen=True)
class Text:
    """Markdown that a notebook shows as a page and a console as it is written."""

    markdown: str

    def __str__(self) -> str:
        return self.markdown

    def __repr__(self) -> str:
        return self.markdown

    def _repr_markdown_(self) -> str:
        return self.markdown


def announced(paper: Paper) -> str:
    """Return what a paper is before it runs: data, claims, what is compared, what is published."""
    heading, here = paper.title, ""
    try:
        source = paper.data()
        heading += f" · {source.title}"
        here = pages.other_data(source)
        absent = data.absent(source)
    except DataUnavailable as error:
        absent = str(error)
    if absent:
        here = f"**The data are not here.** {absent}"
    claims = "\n".join(f"{place}. {one.text}" for place, one in enumerate(paper.claims, start=1))
    layers = "" if len(paper.layers) == 1 else f", layers {', '.join(paper.layers)}"
    seeds = f"each with seeds {', '.join(map(str, paper.seeds))}{layers}"
    time_taken = duration(60 * paper.minutes)
    compared = "\n".join(f"- {condition}" for condition in paper.conditions)
    parts = [
        f"### {heading}",
        paper.citation,
        here,
        *paper.notes,
        f"**What is judged**\n\n{claims}",
        f"**What is compared**, {seeds}; {time_taken} of one core\n\n{compared}",
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip())


def section(result: PaperResult, name: str) -> Text:
    """Return one part of a result's page under a heading that names the data set.

    Args:
        result: Of `Paper.run`.
        name: "claims", "numbers", "beside", "deviations", "not run" or "made".

    Raises:
        UnknownName: The page has no such part.
    """
    parts = pages.sections(result)
    if name not in parts:
        raise unknown("part of a paper's page", name, parts)
    heading, text = parts[name]
    return Text(f"### {heading}\n\n{text}" if text else f"### {heading}\n\nNothing.")


def judged(result: PaperResult, beginning: str) -> Text:
    """Return one claim, by the words it begins with: its text, what became of it, and why.

    Raises:
        UnknownName: No claim begins so, or several do.
    """
    claims = list(zip(result.paper.claims, result.claims, strict=True))
    found = [one for one in claims if one[0].text.startswith(beginning)]
    if len(found) != 1 or not beginning:
        raise unknown("claim, by how it begins", beginning, [one.text for one, _ in claims])
    claim, (text, word, why) = found[0]
    told = f"**{pages.called(claim, word)}** · {result.source.title} · {why}"
    return Text(f"> {text}\n\n{told}")


class Bar:
    """A bar of progress below a cell of a notebook, for `Paper.run`; elsewhere nothing is shown."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._last = -_PAUSE

    def __call__(self, done: float, total: float, words: str) -> None:
        """Show how much is done."""
        if time.monotonic() - self._last < _PAUSE and done < total:
            return
        self._last = time.monotonic()
        # Nothing to do is no bar that stays empty.
        bar = f'<progress value="{done:.3f}" max="{total:.3f}" style="width: 20em"></progress> '
        self._show(f"{bar if done else ''}{html.escape(words)}", words)

    def _show(self, page: str, words: str) -> None:
        from IPython import get_ipython
        from IPython.display import DisplayHandle

        if get_ipython() is None:
            return
        bundle = {"text/html": page, "text/plain": words}
        if self._handle is None:
            self._handle = DisplayHandle()  # type: ignore[no-untyped-call]
            self._handle.display(bundle, raw=True)
        else:
            self._handle.update(bundle, raw=True)
