"""What a rule was put through and how it did: a table for the terminal and the notebook."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import Literal

from hebblab.errors import InvalidValue

Verdict = Literal["passed", "failed", "advice"]

_SIGNS: dict[Verdict, str] = {"passed": "✓", "failed": "✗", "advice": "·"}
_WIDTH = 100


@dataclass(frozen=True)
class Line:
    """One check: its name, how it went, and one sentence.

    Attributes:
        name: What was checked, such as "arguments".
        verdict: "passed", "failed", or "advice" for what is good to have and no fault to lack.
        text: What was found.
    """

    name: str
    verdict: Verdict
    text: str

    @property
    def sign(self) -> str:
        """✓ passed, ✗ failed, · advice."""
        return _SIGNS[self.verdict]


@dataclass(frozen=True)
class Report:
    """The result of `hebblab.rules.check`: a line for each check.

    Attributes:
        rule: Name of the rule.
        lines: In the order of checking.
    """

    rule: str
    lines: tuple[Line, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed; advice does not count."""
        return not self.failures

    @property
    def failures(self) -> tuple[Line, ...]:
        """The lines of failed checks."""
        return tuple(line for line in self.lines if line.verdict == "failed")

    def __getitem__(self, name: str) -> Line:
        for line in self.lines:
            if line.name == name:
                return line
        raise KeyError(name)

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def raise_for_failures(self) -> None:
        """Do nothing where all checks passed.

        Raises:
            InvalidValue: With the sentence of every failed check.
        """
        if self.failures:
            said = " ".join(f"{line.name}: {line.text}" for line in self.failures)
            raise InvalidValue(f"{self._headline()} {said}")

    def _headline(self) -> str:
        judged = [line for line in self.lines if line.verdict != "advice"]
        if self.passed:
            return f"The rule {self.rule!r} passes all {len(judged)} checks."
        return f"The rule {self.rule!r} fails {len(self.failures)} of {len(judged)} checks."

    def __str__(self) -> str:
        width = max(len(line.name) for line in self.lines)
        rows = [self._headline()]
        for line in self.lines:
            head = f"  {line.sign} {line.name:<{width}}  "
            first, *rest = wrap(line.text, _WIDTH - len(head)) or [""]
            rows.append(head + first)
            rows.extend(" " * len(head) + more for more in rest)
        return "\n".join(rows)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{line.sign}</td><td>{escape(line.name)}</td>"
            f'<td style="text-align:left">{escape(line.text)}</td></tr>'
            for line in self.lines
        )
        return (
            f'<table class="hebblab-report"><caption>{escape(self._headline())}</caption>'
            f"<tbody>{rows}</tbody></table>"
        )
