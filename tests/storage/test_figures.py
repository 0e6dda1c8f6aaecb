"""Figures over everything: what a monitor counts."""

from __future__ import annotations

from dataclasses import replace

from storage.run_records import Adapter
from storage.store import Store
from tests.storage.conftest import a_reply


def test_figures_count_replies_runs_and_promotions(tmp_path):
    """Of all servers together; an import is no reply, and an empty store has figures too."""
    with Store.open(tmp_path / "a.db") as store:
        empty = store.figures()
        assert (empty.waiting, empty.verdicts, empty.runs, empty.last_run_ended_at, empty.edits) == (
            0,
            {},
            {},
            None,
            [],
        )
        first, second, _, imported = (
            store.add_reply(replace(a_reply(text=f"answer number {number}", message_id=number), **changes))
            for number, changes in enumerate(({}, {"guild_id": 77}, {}, {"source": "import", "message_id": None}))
        )
        store.add_review(first, "approve", reviewer="mo")
        store.add_review(second, "edit", edited_text="answer number 9", reviewer="mo")
        store.add_review(imported, "approve", reviewer="mo")
        run = store.start_run("schedule", "2026-11-25", 1, {})
        store.start_run("manual", "2026-11-25", 1, {})
        store.finish_run(run.id, "kept", "No better.")
        store.add_adapter(Adapter("a1", None, "base", "2026-11-23T04:00:00.000+00:00", {}))
        store.promote("a1", kind="use", actor="mo", reason="try it")
        found = store.figures()
    assert (found.waiting, found.verdicts) == (1, {"approve": 1, "edit": 1})
    assert found.runs == {("schedule", "kept"): 1}
    assert found.promotions == {"use": 1}
    assert found.last_run_ended_at is not None
    (edits,) = found.edits
    assert (edits.approved, edits.edited, round(edits.share, 4)) == (2, 1, round(0.5 / 15, 4))
