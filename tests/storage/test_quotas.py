"""How many answers somebody had: storage/quotas.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from storage.reply_records import NewReply, Turn


def answer(store, asker, guild):
    store.add_reply(
        NewReply(
            source="discord",
            conversation="discord:1:1",
            turns=(Turn("user", "Hello?", author_id=asker),),
            text="Hello.",
            adapter=None,
            base_model="base",
            guild_id=guild,
            asker_id=asker,
        )
    )


def test_a_member_s_answers_are_counted_for_each_server_and_for_direct_messages(store):
    """What somebody asks elsewhere, or others ask here, does not count."""
    for asker, guild in ((1, 7), (1, 7), (1, 8), (1, None), (2, 7)):
        answer(store, asker, guild)
    since = datetime.now(UTC) - timedelta(hours=1)
    assert store.answers_since(1, 7, since) == 2
    assert store.answers_since(1, None, since) == 1
    assert store.answers_since(3, 7, since) == 0


def test_answers_before_the_moment_do_not_count(store):
    """Yesterday's answers leave today's quota alone."""
    answer(store, 1, 7)
    assert store.answers_since(1, 7, datetime.now(UTC) + timedelta(seconds=1)) == 0
