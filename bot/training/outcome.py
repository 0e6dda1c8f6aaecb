"""Why a run's adapter is not used, from the run's record; bot/i18n/en/moderation.py words it."""

from __future__ import annotations

from typing import Literal

from storage.run_records import Run

__all__ = ["Kept", "why_kept"]

Kept = Literal["worse", "same", "unproven", "failed a check", "not chosen"]
_SHOWN = 3  # decimals of a loss; a difference that nobody sees is none


def why_kept(run: Run) -> Kept | None:
    """Why the champion stays, for a run with the outcome "kept"; None where the record does not say.

    "not chosen": the challenger passed the gate, but the champion was changed during the run.
    """
    checks = run.details.get("checks")
    if not isinstance(checks, list) or run.champion_nll is None or run.challenger_nll is None:
        return None
    failed = {one["name"] for one in checks if not one["passed"]}
    if not failed:
        return "not chosen"
    if "better" not in failed:
        return "failed a check"
    if round(run.challenger_nll - run.champion_nll, _SHOWN) == 0:
        return "same"
    return "worse" if run.challenger_nll > run.champion_nll else "unproven"
