"""Which answer was liked better than which: edits, rejections and votes, under the rules of the pairs."""

from __future__ import annotations

import pytest

from storage.origins import ORIGINS
from storage.pair_records import Choice
from storage.recall_records import Recalled
from storage.reply_records import Turn
from tests.storage.conftest import ALICE, BOB, a_reply


@pytest.fixture
def choices(store):
    """The choices on the pairs that are eligible now."""

    def ask(consent="members"):
        pairs = list(store.eligible_pairs(consent, learn_from=ORIGINS))
        return list(store.choices([pair.reply_id for pair in pairs], consent, learn_from=ORIGINS))

    store.set_consent(ALICE, opted_in=True)
    return ask


def judge(store, reply, verdict, text=None):
    """Store a reply with its verdict; returns its number."""
    number = store.add_reply(reply)
    store.add_review(number, verdict, reviewer="mod", edited_text=text)
    return number


def a_vote(store, pair, *preferences, champion="Old words.", challenger="New words."):
    """A run whose only sample was taken from `pair`, with one vote for each preference, on the bot's own server."""
    store.remember_home_server([5])
    run = store.start_run("manual", "2026-11-23", 1, {})
    store.record_snapshot(run.id, [pair])
    sample = {"prompt": "Where?", "text": challenger, "champion": champion, "stopped": True, "reply_id": pair}
    store.update_run(run.id, details={"samples": [sample]})
    for voter, preference in enumerate(preferences, start=1):
        store.vote(run.id, 0, preference, voter_id=voter, guild_id=5)


def test_an_edit_prefers_the_moderator_s_words(store, choices):
    """An approval prefers nothing, and neither does an edit that changed the spacing."""
    judge(store, a_reply("One?"), "approve")
    judge(store, a_reply("Two?", text="First  shelf."), "edit", "First shelf. ")
    number = judge(store, a_reply("Three?"), "edit", "Third shelf.")
    assert choices() == [Choice(number, "Third shelf.", "Second shelf.", "edit")]


def test_the_latest_verdict_counts(store, choices):
    """An edit that was taken back prefers nothing."""
    number = judge(store, a_reply(), "edit", "Third shelf.")
    store.add_review(number, "undo", reviewer="mod")
    assert choices() == []


def test_a_rejected_answer_loses_against_an_approved_one_to_the_same_prompt(store, choices):
    """The same turns of the same conversation, that is; another conversation has another prompt."""
    judge(store, a_reply(text="In the attic."), "reject")
    judge(store, a_reply(text="On the roof.", conversation="discord:7:71"), "reject")
    good = judge(store, a_reply(), "approve")
    assert choices() == [Choice(good, "Second shelf.", "In the attic.", "rejection")]


def test_an_answer_that_was_regenerated_loses_against_the_approved_one_in_its_place(store, choices):
    """Another answer in the same message. One that was only made longer prefers nothing, nor does a rejected one."""
    store.add_reply(a_reply("One?", text="In the attic.", message_id=900))
    good = judge(store, a_reply("One?", text="Third shelf.", message_id=900), "approve")
    store.add_reply(a_reply("Two?", text="Third", message_id=901))
    judge(store, a_reply("Two?", text="Third shelf.", message_id=901), "approve")
    store.add_reply(a_reply("Three?", text="In the attic.", message_id=902))
    judge(store, a_reply("Three?", text="On the roof.", message_id=902), "reject")
    assert choices() == [Choice(good, "Third shelf.", "In the attic.", "regeneration")]


def test_a_regenerated_answer_needs_the_consent_of_its_people_too(store, choices):
    """It may quote whom it was shown, and the origins of that are not those of the pair."""
    for asker, shown in ((BOB, ()), (ALICE, ("message",))):
        origin = "message" if shown else "command"
        turns = (Turn("user", "One?", ALICE, 5, "command"),)
        other = a_reply("Fact?", asker=asker, turns=(Turn("user", "Fact?", asker, 4, origin),), message_id=890)
        example = Recalled(0.9, 10, example_id=store.add_reply(other))
        store.add_reply(a_reply(turns=turns, text="In the attic.", message_id=900), recall=[example])
        good = judge(store, a_reply(turns=turns, text="Third shelf.", message_id=900), "approve")
        asked = ["command", "bot"]
        assert list(store.choices([good], "members", learn_from=asked)) == []
        everything = list(store.choices([good], "operator", learn_from=[*asked, "message"]))
        assert "In the attic." in [one.worse for one in everything]


def test_a_majority_of_votes_decides_and_a_tie_does_not(store, choices):
    """The winner's words against the loser's."""
    pair = judge(store, a_reply(), "approve")
    a_vote(store, pair, "challenger", "tie", "challenger", "champion")
    a_vote(store, pair, "champion", challenger="Newer words.")
    a_vote(store, pair, "champion", "challenger", "tie")
    assert sorted(choices(), key=lambda choice: choice.better) == [
        Choice(pair, "New words.", "Old words.", "vote"),
        Choice(pair, "Old words.", "Newer words.", "vote"),
    ]


def test_nothing_is_preferred_without_consent(store, choices):
    """Neither on a pair that is not eligible, nor against an answer to somebody who has not opted in."""
    judge(store, a_reply(asker=BOB), "edit", "Third shelf.")
    judge(store, a_reply(text="In the attic.", asker_id=BOB), "reject")
    judge(store, a_reply(), "approve")
    assert choices() == []
    assert {choice.origin for choice in choices("operator")} == {"edit", "rejection"}


def test_withdrawn_words_prefer_nothing(store, choices):
    """A redacted reply is out on either side, and a vote goes with the words it was about."""
    bad = judge(store, a_reply(text="In the attic.", message_id=50), "reject")
    good = judge(store, a_reply(message_id=40), "approve")
    other = judge(store, a_reply("Where is the milk?", message_id=60, conversation="discord:7:80"), "edit", "Gone.")
    a_vote(store, good, "champion")
    store.record_snapshot(store.last_run().id, [good, other])
    assert {choice.origin for choice in choices()} == {"edit", "rejection", "vote"}
    store.redact_messages([60])
    assert {choice.origin for choice in choices()} == {"rejection", "vote"}
    store.redact_messages([50])
    assert store.reply(bad).redacted
    assert {choice.origin for choice in choices()} == {"vote"}
    store.redact_messages([40])
    assert choices() == []


def test_a_pair_in_quarantine_prefers_nothing(store, choices):
    """Until somebody else has confirmed it."""
    number = judge(store, a_reply(), "edit", "Third shelf.")
    run = store.start_run("manual", "2026-11-23", 1, {})
    store.quarantine(run.id, [(number, "It stands out.")])
    assert choices() == []
    store.decide_quarantine(number, confirmed=True, actor="operator", actor_id=None)
    assert [choice.reply_id for choice in choices()] == [number]
