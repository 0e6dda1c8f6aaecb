"""What moderators ask of the store: their queue, verdicts taken back, held drafts, votes, tallies, search."""

from __future__ import annotations

import pytest

from storage.origins import ORIGINS
from storage.pair_records import NewPair
from storage.reply_records import Turn
from storage.review_errors import NothingToUndo
from storage.store import Store
from tests.storage.conftest import a_reply

HOME, ELSEWHERE = 11, 22


@pytest.fixture
def asked(store):
    """Four replies on one server, one elsewhere; the second broke off, the third was unsure."""
    fields = [{}, {"finish_reason": "length"}, {"confidence": 0.4}, {"confidence": 0.9}]
    ids = [store.add_reply(a_reply(f"Question {n}?", guild_id=HOME, **one)) for n, one in enumerate(fields, 1)]
    store.add_reply(a_reply("Not yours", guild_id=ELSEWHERE))
    return ids


@pytest.mark.parametrize(
    ("order", "expected"), [("newest", [4, 3, 2, 1]), ("oldest", [1, 2, 3, 4]), ("unsure", [2, 3, 4, 1])]
)
def test_the_queue_goes_through_one_server_s_waiting_replies(store, asked, order, expected):
    """From each reply to the one after it, with the number left falling to one."""
    seen, left, after = [], [], None
    while card := store.next_card(HOME, order, after):
        after = card.reply.id
        seen.append(asked.index(after) + 1)
        left.append(card.left)
    assert seen == expected
    assert left == [4, 3, 2, 1]


def test_least_sure_are_those_that_broke_off_then_the_measured_then_the_others(store):
    """However sure the model was of an answer's beginning, one that was cut off wants looking at first."""
    cut = {"finish_reason": "length"}
    for fields in ({}, {"confidence": 0.9}, {"confidence": 0.2}, cut, {**cut, "confidence": 0.99}):
        store.add_reply(a_reply(guild_id=HOME, **fields))
    seen, after = [], None
    while card := store.next_card(HOME, "unsure", after):
        after = card.reply.id
        seen.append(after)
    assert seen == [4, 5, 3, 2, 1]


def test_a_judged_reply_leaves_the_queue_and_its_place_still_leads_on(store, asked):
    """The reply after one that was just judged is found by the judged one's number."""
    store.judge(asked[0], "approve", reviewer="Mo", reviewer_id=1)
    assert store.waiting(HOME) == 3
    assert store.next_card(HOME, "oldest", asked[0]).reply.id == asked[1]


def test_an_undone_verdict_makes_the_reply_wait_again(store, asked):
    """The row that takes a verdict back is added, none is removed; pair and counts go with it."""
    store.add_review(asked[0], "approve", reviewer="Mo")
    assert len(list(store.pairs())) == 1
    store.add_review(asked[0], "undo", reviewer="Mo")
    assert store.latest_review(asked[0]) is None
    assert [one.verdict for one in store.reviews(asked[0])] == ["approve", "undo"]
    assert list(store.pairs()) == []
    counts = store.counts("operator", learn_from=ORIGINS)
    assert (counts.pending, counts.approved, counts.eligible) == (5, 0, 0)
    assert asked[0] in [reply.id for reply in store.recent_pending(9)]


def test_there_is_nothing_to_undo_where_no_verdict_stands(store, asked):
    """Neither before the first verdict nor after one was taken back."""
    with pytest.raises(NothingToUndo):
        store.add_review(asked[0], "undo", reviewer="Mo")
    store.add_review(asked[0], "reject", reviewer="Mo", reason="rude")
    store.add_review(asked[0], "undo", reviewer="Mo")
    with pytest.raises(NothingToUndo):
        store.add_review(asked[0], "undo", reviewer="Mo")


def test_a_verdict_tells_what_stood_before_it(store, asked):
    """So that whoever gave the earlier one can be told."""
    first, _ = store.judge(asked[0], "approve", reviewer="Mo", reviewer_id=1)
    before, after = store.judge(asked[0], "reject", reviewer="Sam", reviewer_id=2, reason="wrong")
    assert first is None
    assert (before.reviewer, before.verdict, after.reason) == ("Mo", "approve", "wrong")


def test_held_messages_are_remembered(store, asked):
    """A reply is held or it is not; the messages it stands in can change."""
    assert store.held_in(asked[0]) is None
    store.hold(asked[0], [7])
    store.hold(asked[0], [7, 8])
    assert store.held_in(asked[0]) == (7, 8)


def test_one_vote_a_person_and_question(store):
    """A second vote replaces the first; servers are counted apart."""
    store.vote("r1", 0, "champion", voter_id=1, guild_id=HOME)
    store.vote("r1", 0, "challenger", voter_id=1, guild_id=HOME)
    store.vote("r1", 1, "tie", voter_id=1, guild_id=HOME)
    store.vote("r1", 0, "champion", voter_id=2, guild_id=ELSEWHERE)
    assert store.votes("r1", HOME) == {"champion": 0, "challenger": 1, "tie": 1}


def test_tallies_by_day_and_adapter(store):
    """A reply counts once a day, by its last verdict, and once for its adapter; other servers count nowhere."""
    ids = [store.add_reply(a_reply(guild_id=HOME, adapter=name)) for name in ("a", "a", None)]
    store.add_review(store.add_reply(a_reply(guild_id=ELSEWHERE, adapter="a")), "approve", reviewer="X")
    for reply_id, verdict in zip(ids, ("approve", "reject", "reject"), strict=True):
        store.add_review(reply_id, verdict, reviewer="Mo")
    store.add_review(ids[1], "approve", reviewer="Mo")
    store.add_review(ids[2], "undo", reviewer="Mo")
    (day,) = store.reviews_by_day(HOME, "2020-01-01")
    assert (day.reviews, day.approved) == (2, 2)
    assert [(one.name, one.reviews, one.approved) for one in store.reviews_by_adapter(HOME)] == [("a", 2, 2)]
    assert store.reviews_by_day(HOME, "2999-01-01") == []


def test_search_finds_words_in_questions_and_replies_of_one_server(store):
    """Percent signs and underscores are letters; the operator's own pairs only where they are asked for."""
    for question, guild in (("100% oak?", HOME), ("1000 nails?", HOME), ("100% not yours?", ELSEWHERE)):
        store.add_review(store.add_reply(a_reply(question, guild_id=guild)), "approve", reviewer="Mo")
    store.import_pairs([NewPair((Turn("user", "Is it 100% safe?"),), "Yes.")], "Op")
    store.import_pairs([NewPair((Turn("user", "100% ours?"),), "Yes.")], "Mo", guild_id=HOME, by=1)

    def found(text, **options):
        return [pair.turns[-1].content for pair in store.search_pairs(HOME, text, 9, **options)]

    assert found("100%") == ["100% ours?", "100% oak?"]
    assert found("100%", imports_of=[]) == ["100% ours?", "Is it 100% safe?", "100% oak?"]
    assert found("second SHELF") == ["1000 nails?", "100% oak?"]


def test_the_queue_of_a_server_is_read_by_an_index(db_path):
    """However many replies other servers have, they are not looked at."""
    with Store.open(db_path) as store:
        for guild in (HOME, ELSEWHERE):
            store.add_reply(a_reply(guild_id=guild))
        plan = store._db.execute("explain query plan select * from replies where guild_id = 1 and source <> 'import'")
        assert "replies_guild" in " ".join(row[3] for row in plan)


def test_the_queue_is_read_from_an_index(store, asked):
    """However many replies there are, only those that wait are looked at."""
    for order in ("newest", "oldest", "unsure"):
        seen = []
        store._db.set_trace_callback(seen.append)
        store.next_card(HOME, order, asked[0])
        store._db.set_trace_callback(None)
        for statement in seen:
            plan = " ".join(row["detail"] for row in store._db.execute(f"explain query plan {statement}"))
            assert "replies_waiting" in plan or "replies_unsure" in plan
            assert "B-TREE" not in plan


def test_the_standing_verdict_is_kept_by_the_database(store, asked):
    """Given, changed and taken back; imports have theirs at once, and a deleted review uncovers the one before."""

    def standing(reply_id):
        return store._db.execute("select standing from replies where id = ?", [reply_id]).fetchone()[0]

    first = asked[0]
    assert standing(first) is None
    for verdict, stands in (("approve", "approve"), ("reject", "reject"), ("undo", None), ("approve", "approve")):
        store.add_review(first, verdict, reviewer="mod")
        assert standing(first) == stands
    store._db.execute("delete from reviews where id = (select max(id) from reviews)")
    assert standing(first) is None
    store.import_pairs([NewPair((Turn("user", "Why?"),), "Because.")], "op")
    assert store._db.execute("select standing from replies where source = 'import'").fetchone()[0] == "approve"
