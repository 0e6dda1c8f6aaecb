"""Origins: kept of every turn, and what follows for what may be learned from."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from storage.origins import LEARNED_BY_DEFAULT, MESSAGE_CONTENT, ORIGINS
from storage.pair_records import NewPair
from storage.reply_records import Turn
from storage.store import Store
from tests.storage.conftest import ALICE, BOB, a_reply


def asked(origin, *, question="Is ash hard?", message_id=None, shown=(), **changes):
    """A reply to a question of this origin, after the messages `shown`."""
    turns = (*shown, Turn("user", question, ALICE, message_id, origin))
    return a_reply(turns=turns, **changes)


def approve(store, reply, verdict="approve", **changes):
    number = store.add_reply(reply)
    store.add_review(number, verdict, reviewer="mod", **changes)
    return number


def learned(store, learn_from=LEARNED_BY_DEFAULT):
    return [pair.reply_id for pair in store.eligible_pairs("operator", learn_from=learn_from)]


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_prompt_of_each_origin_is_learned_from_where_it_is_named(store, origin):
    """And nowhere else; by default all but message content is."""
    number = approve(store, asked(origin))
    others = [one for one in ORIGINS if one not in (origin, "bot")]
    assert learned(store, ["bot", origin]) == [number]
    assert learned(store, [*others, "bot"] if origin != "bot" else others) == []
    assert learned(store) == ([] if origin in MESSAGE_CONTENT else [number])
    assert store.reply(number).turns[-1].origin == origin


def test_the_strictest_turn_of_a_prompt_decides(store):
    """One channel message before a command keeps the pair out."""
    number = approve(store, asked("command", shown=[Turn("user", "Ash grows here.", BOB, 5, "message")]))
    assert learned(store) == []
    assert store.counts("operator", learn_from=LEARNED_BY_DEFAULT).excluded == 1
    assert learned(store, ORIGINS) == [number]


def test_words_of_an_unknown_origin_count_as_message_content(store):
    """So do the bot's, where nothing says what they were an answer to."""
    approve(store, a_reply(turns=(Turn("user", "Is ash hard?", ALICE),)))
    approve(store, asked("command", shown=[Turn("assistant", "Ash grows here.", None, 77, "bot")]))
    assert learned(store) == []


def test_an_answer_counts_as_what_it_answered_wherever_it_is_shown(store):
    """It may quote that, and so may the answer to a command that follows, and the one after."""
    store.add_reply(asked("message", message_id=1, text="You live in Elm Street."), shown_in=[10])
    first, later = (Turn("assistant", "You live in Elm Street.", None, one, "bot") for one in (10, 11))
    approve(store, replace(asked("command", shown=[first]), message_id=11))
    approve(store, asked("command", shown=[later]))
    clean = approve(store, replace(asked("command"), message_id=12))
    after = approve(store, asked("command", shown=[Turn("assistant", "Second shelf.", None, 12, "bot")]))
    assert learned(store) == [clean, after]


def test_the_completion_has_an_origin_too(store):
    """The bot's words, a moderator's, or those of a file."""
    approved = approve(store, asked("command"))
    edited = approve(store, asked("command"), "edit", edited_text="As hard as oak.")
    store.import_pairs([NewPair((Turn("user", "Is yew hard?"),), "Aye.")], "operator")
    assert learned(store, ["command", "bot"]) == [approved]
    assert learned(store, ["command", "moderator"]) == [edited]
    assert learned(store, ["import"]) == [3]
    assert [pair.origin for pair in store.eligible_pairs("operator", learn_from=ORIGINS)] == [
        "bot",
        "moderator",
        "import",
    ]


def test_an_import_that_was_said_on_discord_stays_message_content(store):
    """By its own word, or because a turn names its author by their Discord id."""
    turns = (Turn("user", "Is yew hard?"),), (Turn("user", "Is elm hard?", ALICE),), (Turn("user", "Is oak hard?"),)
    pairs = [NewPair(turns[0], "Aye."), NewPair(turns[1], "Aye."), NewPair(turns[2], "Aye.", "discord_export")]
    store.import_pairs(pairs, "operator")
    assert learned(store) == [1]
    assert [pair.origin for pair in store.eligible_pairs("operator", learn_from=ORIGINS)] == [
        "import",
        "discord_export",
        "discord_export",
    ]


def test_discord_s_permission_lets_messages_join_but_no_export(store):
    """It is this application's, and can be taken back."""
    numbers = [approve(store, asked(origin)) for origin in MESSAGE_CONTENT]
    store.permit_message_content(on=True)
    assert learned(store) == numbers[:2]
    assert store.learned_origins(LEARNED_BY_DEFAULT) == tuple(one for one in ORIGINS if one != "discord_export")
    store.permit_message_content(on=False)
    assert learned(store) == []


def test_preferences_need_the_bot_s_words_and_clean_prompts(store):
    """Every choice is between the bot's words and others; a rejected answer counts by its prompt, too."""
    number = approve(store, asked("command"), "edit", edited_text="As hard as oak.")
    everything = list(store.choices([number], "operator", learn_from=ORIGINS))
    assert [choice.origin for choice in everything] == ["edit"]
    assert list(store.choices([number], "operator", learn_from=["command", "moderator"])) == []
    moment = {"conversation": "discord:7:7", "asker_id": ALICE}
    better = approve(store, replace(asked("message", message_id=3), **moment))
    approve(store, replace(asked("message", message_id=3), **moment, text="No idea."), "reject", reason="wrong")
    assert len(list(store.choices([better], "operator", learn_from=ORIGINS))) == 1
    assert list(store.choices([better], "operator", learn_from=LEARNED_BY_DEFAULT)) == []


def test_redacted_turns_keep_their_origin(store):
    """What is gone says still how it came."""
    number = store.add_reply(asked("direct_message", message_id=3))
    store.redact_messages([3])
    assert [turn.origin for turn in store.reply(number).turns] == ["direct_message"]


def test_what_was_stored_before_gets_the_origin_that_can_be_derived(db_path):
    """From the channel, from /ask's one message for question and answer, and from what an import says."""
    with Store.open(db_path) as store:
        before = [
            a_reply(message_id=10, guild_id=1, turns=(Turn("user", "Tea?", ALICE, 1),)),
            a_reply(message_id=11, guild_id=1, turns=(Turn("user", "Tea?", ALICE, 11),)),
            a_reply(message_id=12, turns=(Turn("system", "Be kind."), Turn("user", "Tea?", ALICE, 2))),
            a_reply(guild_id=1, turns=(Turn("assistant", "Green.", None, 11), Turn("user", "Tea?", ALICE, 13))),
            a_reply(
                guild_id=1, message_id=14, turns=(Turn("assistant", "Green.", None, 10), Turn("user", "?", BOB, 14))
            ),
            a_reply(
                guild_id=1, message_id=15, turns=(Turn("assistant", "Lost.", None, 99), Turn("user", "?", BOB, 15))
            ),
        ]
        for one in before:
            approve(store, one)
        store.import_pairs(
            [NewPair((Turn("user", "Oak?"),), "Aye."), NewPair((Turn("user", "Elm?", 5),), "Aye.")], "me"
        )
    _before_origins(db_path)
    with Store.open(db_path) as store:
        kept = [[turn.origin for turn in store.reply(number).turns] for number in range(1, 9)]
        assert kept == [
            ["message"],
            ["command"],
            ["command", "direct_message"],
            ["bot", "message"],
            ["bot", "command"],
            ["bot", "command"],
            ["import"],
            ["discord_export"],
        ]
        assert learned(store) == [2, 7]
        assert [pair.reply_id for pair in store.eligible_pairs("operator", learn_from=ORIGINS)] == [
            1,
            2,
            3,
            4,
            5,
            6,
            7,
            8,
        ]


def _before_origins(path):
    """Make a database what it was before turns had origins."""
    db = sqlite3.connect(path)
    db.create_function("without", 1, lambda text: text.replace(',"origin":"import"', "").replace(ORIGIN_OF_EXPORT, ""))
    db.execute("update replies set turns = without(turns)")
    db.execute("alter table replies drop column origins")
    db.execute("delete from _sqlite_migrations where name = 'm030_origins'")
    db.commit()
    db.close()


ORIGIN_OF_EXPORT = ',"origin":"discord_export"'
