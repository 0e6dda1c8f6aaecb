"""A run of one server's voice: what it saw, what it beats, and that the others stay as they are."""

from __future__ import annotations

import json

from storage.reply_records import NewReply, Turn
from storage.servers import Voice
from storage.store import Store
from tests.trainer.pairs import COLOURS

A, B = 11, 22


def teach(place, guild, count, thing):
    """Approved answers on a server, in a pattern of its own."""
    with place.store() as store:
        for n in range(count):
            turns = (Turn("user", f"{thing} {n} {COLOURS[n % 10]}?", 42, origin="command"),)
            new = NewReply(
                source="discord",
                conversation=f"discord:{guild}:{n}",
                turns=turns,
                text=f"{thing} {COLOURS[n % 10]} light",
                adapter=None,
                base_model="tiny",
                guild_id=guild,
                asker_id=42,
            )
            store.add_review(store.add_reply(new), "approve", reviewer="mod")
        store.set_consent(42, True)


def test_a_night_of_one_server_leaves_the_other(place):
    """Its own pairs and the operator's are learned from; the adapter is its own, and so is the next comparison."""
    teach(place, A, 8, "anchor")
    teach(place, B, 8, "beacon")
    first = place.run(voice=Voice(A))
    assert first.outcome == "promoted", first.reason
    with place.store() as store:
        assert (store.champion(A), store.champion(B), store.champion()) == (first.challenger, None, None)
        run, adapter = store.run(first.run), store.adapter(first.challenger)
        assert (run.guild_id, adapter.guild_id, adapter.manifest["server"]) == (A, A, A)
        assert run.train_pairs + run.holdout_pairs == 68
        assert "beacon" not in json.dumps(run.details)
        assert seen_servers(store, run.id) == {A, None}
    assert place.run(voice=Voice(A)).outcome == "skipped"  # nothing is new for it
    other = place.run(voice=Voice(B, imports=False))  # has too few
    with place.store() as store:
        assert store.run(other.run).guild_id == B
        assert store.run(other.run).train_pairs + store.run(other.run).holdout_pairs == 8
        assert store.champion(A) == first.challenger


def seen_servers(store: Store, run_id):
    """Whose replies a run saw."""
    rows = store._db.execute(
        "select distinct guild_id from run_replies join replies on replies.id between first_id and last_id "
        "where run_id = ?",
        [run_id],
    )
    return {row[0] for row in rows}


def test_an_unfinished_run_of_another_server_is_left_alone(place):
    """It resumes, or is closed, when its own server has its turn."""
    teach(place, A, 8, "anchor")
    with place.store() as store:
        waiting = store.start_run("schedule", "2026-11-25", 1, {}, guild_id=B)
    place.run(voice=Voice(A), training={"min_pairs": 1000})
    with place.store() as store:
        assert store.run(waiting.id).outcome is None
    place.run(voice=Voice(B), training={"min_pairs": 1000})
    with place.store() as store:
        assert store.run(waiting.id).outcome == "failed"
