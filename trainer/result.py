"""How a run ended, as it travels from the child process to the process that started it: one line of JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass

from storage.run_records import Outcome, Run

__all__ = ["RunResult", "result_of"]


@dataclass(frozen=True)
class RunResult:
    """The outcome of one run. The NLLs are means over `n` held-out pairs, in nats per token; None when not measured.

    `run` is None when no run was begun because another is alive.
    """

    run: str | None
    outcome: Outcome
    reason: str
    challenger: str | None = None
    champion_nll: float | None = None
    challenger_nll: float | None = None
    n: int = 0

    def to_json(self) -> str:
        """One line, in the form that `nightshift train --json` promises."""
        return json.dumps(
            {
                "run": self.run,
                "outcome": self.outcome,
                "reason": self.reason,
                "challenger": self.challenger,
                "eval": {"champion_nll": self.champion_nll, "challenger_nll": self.challenger_nll, "n": self.n},
            }
        )

    @classmethod
    def from_json(cls, line: str) -> RunResult:
        """Read what `to_json` wrote. Raises ValueError or KeyError for anything else."""
        values = json.loads(line)
        measured = values["eval"]
        return cls(
            run=values["run"],
            outcome=values["outcome"],
            reason=values["reason"],
            challenger=values["challenger"],
            champion_nll=measured["champion_nll"],
            challenger_nll=measured["challenger_nll"],
            n=measured["n"],
        )


def result_of(run: Run) -> RunResult:
    """The result of a run that is over, as its row tells it."""
    return RunResult(
        run.id,
        run.outcome or "failed",
        run.reason or "",
        run.challenger,
        run.champion_nll,
        run.challenger_nll,
        run.holdout_pairs or 0 if run.challenger_nll is not None else 0,
    )
