"""How a run that has a winner ends: its adapter's row, the promotion, what that retires, and the outcome, at once.

One transaction: a reader finds either a run in progress or its whole result. A champion that somebody chose by hand
meanwhile stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from sqlite3 import Connection
from typing import Any

from storage import adapters, lineage, promotions, runs
from storage.database import writing
from storage.run_records import Adapter, Run


def conclude(
    db: Connection,
    run_id: str,
    adapter: Adapter,
    *,
    expected: str | None,
    reason: str,
    why: Sequence[dict[str, Any]] = (),
) -> Run:
    """Close a run whose adapter is published, and put that to use if the champion is still the one it was judged by.

    Args:
        db: an open database.
        run_id: the run, whose voice is changed. Its outcome becomes "promoted", or "kept" where the champion is another
            by now, or where words it learned from were withdrawn.
        adapter: the row of what it published; added if it is not there yet.
        expected: the adapter that was in use when the run began, None for the bare base.
        reason: why the gate lets it in.
        why: the same as codes with values.
    """
    with writing(db):
        voice = runs.get(db, run_id).guild_id
        if adapter.id not in {one.id for one in adapters.every(db)}:
            adapters.add(db, replace(adapter, guild_id=voice))
        obstacle = _why_not(db, adapter.id, expected, voice)
        if obstacle is None:
            actor = f"run {run_id}"
            promotions.promote(
                db, adapter.id, kind="gate", actor=actor, reason=reason, expected=expected, guild_id=voice
            )
            lineage.retire_marked(db, adapter.id, voice)
            runs.finish(db, run_id, "promoted", reason, why=list(why), challenger=adapter.id)
        else:
            code, sentence = obstacle
            said = [{"code": code, "values": {"adapter": adapter.id}, "parts": []}]
            runs.finish(db, run_id, "kept", sentence, why=said, challenger=adapter.id)
        return runs.get(db, run_id)


def _why_not(db: Connection, adapter: str, expected: str | None, voice: int | None) -> tuple[str, str] | None:
    """Why a winner is not put to use after all, as a code and as a sentence."""
    if promotions.champion(db, voice) != expected:
        return "chosen", f"The champion was changed by hand during the run; {adapter} is published but not in use."
    if adapters.get(db, adapter).retired_at is not None:
        return "retired", f"{adapter} was retired meanwhile, so it is not put to use."
    return None
