"""What the demo found out: the figures before and after the night, as a table and as `report.json`.

Pure: it is given answers and figures. Which stages there are and whether each worked is
bot/simulation/demo.py's to say.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

__all__ = ["Answered", "Report"]

_SHOWN = 60  # characters of an answer in the table


@dataclass(frozen=True)
class Answered:
    """One question of the held-out set and what the bot said to it, `None` where it failed."""

    question: str
    before: str | None
    after: str | None


@dataclass
class Report:
    """Everything the demo measured; times in milliseconds or seconds as named, NLLs in nats per token."""

    signature: str
    answers: list[Answered] = field(default_factory=list)
    questions: int = 0
    signature_rate_before: float = 0.0
    signature_rate_after: float = 0.0
    nll_before: float | None = None
    nll_after: float | None = None
    nll_pairs: int = 0
    swap_ms: float | None = None
    swap_waited_ms: float | None = None
    in_flight_adapter: str | None = None
    asked_again: str = ""
    before_approval: str | None = None
    after_approval: str | None = None
    replies_total: int = 0
    replies_failed: int = 0
    adapter: str | None = None
    outcome: str = ""
    reason: str = ""
    checks: dict[str, bool] = field(default_factory=dict)
    seconds: float = 0.0

    def judge(self, before: list[str | None], after: list[str | None], questions: list[str]) -> None:
        """Take the two rounds of answers to the held-out questions."""
        self.answers = [Answered(*row) for row in zip(questions, before, after, strict=True)]
        self.questions = len(questions)
        self.signature_rate_before = self._rate(before)
        self.signature_rate_after = self._rate(after)

    @property
    def passed(self) -> bool:
        """Whether every stage worked."""
        return bool(self.checks) and all(self.checks.values())

    def write(self, path: Path) -> None:
        """Write the whole report as JSON, in one step."""
        scratch = path.with_suffix(".tmp")
        scratch.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        scratch.replace(path)

    def show(self, console: Console) -> None:
        """Print the answers side by side, the figures, and each check."""
        approval = Table(title="The same question before and after an approval, before any training")
        for heading in ("Question", "Before the approval", "After the approval"):
            approval.add_column(heading, overflow="fold")
        approval.add_row(self.asked_again, _short(self.before_approval), _short(self.after_approval))
        console.print(approval)
        table = Table(title="The same questions, before and after one night", show_lines=True)
        for heading in ("Question", "Before", "After"):
            table.add_column(heading, overflow="fold")
        for row in self.answers:
            table.add_row(row.question, _short(row.before), _short(row.after))
        console.print(table)
        figures = Table(show_header=True)
        for heading in ("", "Before", "After"):
            figures.add_column(heading)
        figures.add_row(
            f'Replies that end with "{self.signature}"',
            f"{self.signature_rate_before:.0%}",
            f"{self.signature_rate_after:.0%}",
        )
        figures.add_row(
            f"Hold-out loss ({self.nll_pairs} pairs, nats per token)", _figure(self.nll_before), _figure(self.nll_after)
        )
        console.print(figures)
        if self.swap_ms is not None:
            console.print(
                f"Swapped in {self.swap_ms:.0f} ms, with a reply in flight ({self.replies_total} replies, "
                f"{self.replies_failed} failed)."
            )
        for name, good in self.checks.items():
            console.print(f"{'[green]ok[/]  ' if good else '[red]FAIL[/]'} {name}")

    def _rate(self, texts: list[str | None]) -> float:
        signed = [text is not None and text.rstrip().endswith(self.signature) for text in texts]
        return sum(signed) / len(signed) if signed else 0.0


def _short(text: str | None) -> str:
    if text is None:
        return "(failed)"
    if len(text) <= 2 * _SHOWN:
        return text
    return f"{text[:_SHOWN].rstrip()} \u2026 {text[-_SHOWN:].lstrip()}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
