"""A server that the bot has left: kept for a while, then gone to the last row, and no other server with it."""

from __future__ import annotations

from storage.origins import ORIGINS
from storage.recall_records import NewChunk, NewDocument
from storage.reply_records import Turn
from storage.run_records import Adapter
from storage.store import Store
from tests.storage.conftest import ALICE, a_reply

A, B = 11, 22
BOT = 7
LATER = "2999-01-01T00:00:00.000+00:00"


def fill(store: Store, guild: int) -> int:
    """Something of everything; returns a reply's number."""
    turns = (Turn("user", f"about zq{guild}x", ALICE, origin="command"),)
    reply = store.add_reply(a_reply(conversation=f"c:{guild}", turns=turns, text=f"it is zq{guild}x", guild_id=guild))
    store.add_review(reply, "approve", reviewer=f"mod zq{guild}x")
    store.add_document(
        NewDocument(guild_id=guild, title=f"zq{guild}x", kind="text", added_by="mod"), [NewChunk(f"zq{guild}x")]
    )
    store.index_due()
    store.set_guild_setting(guild, "persona", f"zq{guild}x")
    store.audit(1, f"zq{guild}x", "adapter.use", guild_id=guild)
    run = store.start_run("schedule", "2026-11-25", 1, {}, guild_id=guild)
    store.record_snapshot(run.id, [reply])
    store.update_run(run.id, details={"samples": [{"prompt": f"zq{guild}x", "reply_id": reply}]})
    row = Adapter(f"a{guild}", run.id, "tiny", LATER)
    store.conclude_run(run.id, row, expected=None, reason=f"zq{guild}x")
    return reply


def delete(store: Store, guild: int) -> None:
    while not store.delete_server(guild, 1).done:
        pass


def test_nothing_of_it_is_left_in_any_file(store, db_path):
    """Words, names of moderators, settings, runs, adapters; the other server keeps all of its own."""
    fill(store, A)
    other = fill(store, B)
    store.left_servers([A])
    delete(store, A)
    files = b"".join(path.read_bytes() for path in db_path.parent.iterdir() if path.name.startswith(db_path.name))
    assert b"zq11x" not in files
    assert [one.id for one in store.adapters()] == ["a22"]
    assert (store.champion(A), store.champion(B)) == (None, "a22")
    assert store.reply(other).text == "it is zq22x"
    assert len(store.every_document()) == 1
    assert store.known_servers() == {B}
    assert store.servers_to_delete(LATER) == {}
    assert [one.action for one in store.audit_search(action="server.delete")] == ["server.delete"]


def test_it_is_due_only_after_its_days_and_not_if_the_bot_returned(store):
    """With the names of the files to delete."""
    fill(store, A)
    store.left_servers([A, B], "2026-11-01T00:00:00.000+00:00")
    store.left_servers([A], LATER)  # it was known already
    store.returned_to_servers([B], BOT)
    assert store.servers_to_delete("2026-11-01T00:00:00.000+00:00") == {}
    (run,) = store.runs_of_voice(A)
    assert store.servers_to_delete("2026-11-02T00:00:00.000+00:00") == {A: sorted([run.id, "a11"])}


def test_an_adapter_of_all_that_learned_from_it_is_to_be_trained_anew(store):
    """Its words are in there: what it saw is emptied and marks it."""
    reply = fill(store, A)
    run = store.start_run("schedule", "2026-11-20", 1, {})
    store.record_snapshot(run.id, [reply])
    store.conclude_run(run.id, Adapter("shared", run.id, "tiny", LATER), expected=None, reason="")
    store.left_servers([A])
    delete(store, A)
    assert store.marked_adapters() == ["shared"]
    assert "zq11x" not in store.reply(reply).text + store.reply(reply).turns[0].content


def test_a_server_that_was_left_does_not_train(store):
    """Nobody would hear its voice."""
    fill(store, A)
    assert len(store.server_news("operator", learn_from=ORIGINS)) == 1
    store.left_servers([A])
    assert store.server_news("operator", learn_from=ORIGINS) == []


def test_a_bot_that_returns_in_the_middle_keeps_what_is_still_there(store):
    """What is written after it came back is not part of what it left."""
    fill(store, A)
    store.left_servers([A])
    store.returned_to_servers([A], BOT)
    assert store.delete_server(A).done
    assert store.known_servers() == {A}
    assert store.champion(A) == "a11"


def test_a_bot_was_on_those_servers_alone_on_which_it_was_seen(store):
    """Not on another bot's, nor on one that only an import names."""
    fill(store, A)
    fill(store, B)
    store.returned_to_servers([A], BOT)
    store.returned_to_servers([B], BOT + 1)
    assert store.joined_servers(BOT) == {A}
