"""A voice of its own for each server: what teaches it and which adapter it has, and no part of another server's."""

from __future__ import annotations

import pytest

from storage.adapter_errors import AdapterMissing, ChampionChanged
from storage.origins import ORIGINS
from storage.pair_records import NewPair
from storage.reply_records import Turn
from storage.run_records import Adapter
from storage.servers import Voice
from tests.storage.conftest import ALICE, a_reply

A, B = 1, 2
LATER = "2999-01-01T00:00:00.000+00:00"


def approve(store, guild, question, text="Yes."):
    """A reply said on a server (None: in a direct message), approved."""
    turns = (Turn("user", question, ALICE, origin="command"),)
    new = a_reply(conversation=f"c:{guild}:{question}", turns=turns, text=text, guild_id=guild)
    reply = store.add_reply(new)
    store.add_review(reply, "approve", reviewer="mod")
    return reply


def bring(store, *questions, guild=None, **how):
    """Import pairs, the operator's or a server's."""
    pairs = [NewPair((Turn("user", one),), f"{one}!") for one in questions]
    return store.import_pairs(pairs, "operator", guild_id=guild, **how)


def questions(store, voice, servers=()):
    return [
        pair.turns[-1].content
        for pair in store.eligible_pairs("operator", voice=voice, servers=servers, learn_from=ORIGINS)
    ]


def publish(store, *names, guild=None, saw=()):
    """Adapters of a voice, each of a run that saw these replies."""
    for name in names:
        run = store.start_run("manual", "2026-11-23", 1, {}, guild_id=guild)
        store.record_snapshot(run.id, saw)
        store.add_adapter(Adapter(name, run.id, "tiny", LATER, guild_id=guild))


def use(store, adapter, guild=None):
    store.promote(adapter, kind="use", actor="ann", reason="", guild_id=guild)


def test_a_voice_learns_from_its_own_server_and_from_the_operator(store):
    """Nothing of another server, and no direct message."""
    approve(store, A, "a")
    approve(store, B, "b")
    approve(store, None, "direct")
    bring(store, "import")
    assert questions(store, Voice(A)) == ["a", "import"]
    assert questions(store, Voice(B)) == ["b", "import"]
    assert questions(store, Voice(A, imports=False)) == ["a"]


def test_a_server_that_the_operator_did_not_name_teaches_no_voice(store):
    """Nor do the operator's pairs go to it."""
    approve(store, A, "a")
    approve(store, B, "b")
    bring(store, "import")
    assert questions(store, Voice(A), [A]) == ["a", "import"]
    assert questions(store, Voice(B), [A]) == []
    assert store.counts("operator", servers=[A], voice=Voice(B), learn_from=ORIGINS).eligible == 0


def test_counts_of_a_voice_are_its_servers(store):
    """What waits or was rejected elsewhere is not counted."""
    approve(store, A, "a")
    approve(store, B, "b")
    for guild in (A, B, B):
        store.add_reply(a_reply(guild_id=guild))
    rejected = store.add_reply(a_reply(guild_id=B))
    store.add_review(rejected, "reject", reviewer="mod")
    ours, theirs = (store.counts("operator", voice=Voice(guild), learn_from=ORIGINS) for guild in (A, B))
    assert (ours.pending, ours.approved, ours.rejected, ours.eligible) == (1, 1, 0, 1)
    assert (theirs.pending, theirs.approved, theirs.rejected, theirs.eligible) == (2, 1, 1, 1)


def test_a_pair_waits_for_its_server_to_teach_where_others_are_named(store):
    """With a voice of its own, the first server is none that others wait for."""
    approve(store, A, "a")
    reply = approve(store, B, "b")
    asked = {"servers": (), "learn_from": ("command", "bot")}
    assert store.waits_for(reply, "operator", **asked) == ("server",)
    assert store.waits_for(reply, "operator", **asked, voice=Voice(B)) == ()
    assert store.waits_for(reply, "operator", **asked | {"servers": [A]}, voice=Voice(B)) == ("server",)


def test_examples_are_those_of_the_server_and_shared_ones(store):
    """The operator's pairs are shown where they teach the voice."""
    approve(store, A, "which tea")
    approve(store, B, "which tea there")
    bring(store, "which tea of the operator")
    store.index_due()
    found = store.matching_entries([A, B, 0], "tea", documents=False, limit=9)

    def shown(voice):
        examples = store.found_examples(voice.guild_id, found, "operator", voice=voice)
        return {one.question for one in examples}

    assert shown(Voice(A)) == {"which tea", "which tea of the operator"}
    assert shown(Voice(B)) == {"which tea there", "which tea of the operator"}
    assert shown(Voice(B, imports=False)) == {"which tea there"}


def test_each_server_has_its_own_champion(store):
    """A promotion, a rollback and a reason of one leave the other."""
    publish(store, "a1", "a2", guild=A)
    publish(store, "b1", guild=B)
    use(store, "a1", A)
    use(store, "b1", B)
    use(store, "a2", A)
    assert (store.champion(A), store.champion(B), store.champion()) == ("a2", "b1", None)
    store.rollback(actor="ann", reason="", guild_id=A)
    assert (store.champion(A), store.champion(B)) == ("a1", "b1")
    assert store.champion_before(A) is None
    assert [one.adapter for one in store.promotions(B)] == ["b1"]


def test_an_adapter_of_another_voice_cannot_be_promoted(store):
    """Not another server's, not for all servers."""
    publish(store, "a1", guild=A)
    publish(store, "shared")
    for adapter, guild in (("a1", B), ("a1", None), ("shared", A)):
        with pytest.raises(AdapterMissing):
            use(store, adapter, guild)
    with pytest.raises(ChampionChanged):
        store.promote("a1", kind="use", actor="ann", reason="", expected="a0", guild_id=A)


def test_a_server_without_an_adapter_stands_on_the_shared_voice(store):
    """What the operator trained or adopted for all, and comes back to it."""
    bring(store, "import")
    publish(store, "shared", saw=[1])
    publish(store, "a1", guild=A)
    use(store, "shared")
    assert (store.champion(A), store.champion(B)) == ("shared", "shared")
    use(store, "a1", A)
    assert (store.champion(A), store.champion(B)) == ("a1", "shared")
    assert store.rollback(actor="ann", reason="", guild_id=A).adapter == "shared"
    assert store.champion_before(A) is None


def test_a_shared_voice_that_learned_from_a_server_answers_on_no_other(store):
    """The words of that server are in it."""
    reply = approve(store, A, "a")
    publish(store, "shared", saw=[reply])
    use(store, "shared")
    assert (store.champion(A), store.champion(B)) == ("shared", None)


def test_a_shared_voice_with_withdrawn_words_answers_nowhere_in_their_place(store):
    """Nobody trains it again, where each server has its own."""
    reply = approve(store, A, "a")
    publish(store, "shared", saw=[reply])
    use(store, "shared")
    store.forget(ALICE)
    assert store.champion(A) is None


def test_a_run_ends_for_its_own_server(store):
    """Its adapter is of that voice; marked adapters of others stay in use."""
    reply = approve(store, B, "b")
    publish(store, "b1", guild=B, saw=[reply])
    use(store, "b1", B)
    store.forget(ALICE)
    run = store.start_run("schedule", "2026-11-23", 1, {}, guild_id=A)
    ended = store.conclude_run(run.id, Adapter("a1", run.id, "tiny", LATER), expected=None, reason="better")
    assert (ended.outcome, ended.guild_id, store.adapter("a1").guild_id) == ("promoted", A, A)
    assert (store.champion(A), store.champion(B), store.champion()) == ("a1", "b1", None)
    assert [one.id for one in store.adapters_of_voice(A)] == ["a1"]
    assert [one.id for one in store.runs_of_voice(A)] == [run.id]
    assert [one.adapter for one in store.voices_changed_since(0)] == ["b1", "a1"]


def test_candidates_are_of_one_voice(store):
    """They make room for one another on one server alone."""
    for guild in (A, B):
        run = store.start_run("schedule", "2026-11-23", 1, {}, guild_id=guild)
        store.keep_candidate(run.id, Adapter(f"c{guild}", run.id, "tiny", LATER), most=1, reason="", why=[])
    assert [one.adapter for one in store.candidates(A)] == ["c1"]
    assert [one.adapter for one in store.candidates(B)] == ["c2"]
    assert store.candidates() == []


def test_two_servers_may_import_the_same_words(store):
    """One that has them already says nothing of another, and keeps it from nothing; alone, they count once."""
    assert bring(store, "tea", guild=A, apart=True).imported == 1
    assert bring(store, "tea", guild=B, apart=True).imported == 1
    assert bring(store, "tea", guild=B, apart=True).duplicates == 1
    assert bring(store, "milk", guild=A).imported == 1
    assert bring(store, "milk", guild=B).duplicates == 1


def test_news_are_what_was_approved_since_the_last_whole_run(store):
    """For each server by its own runs; the operator's pairs count for each."""
    approve(store, A, "a1")
    approve(store, A, "a2")
    approve(store, B, "b1")
    bring(store, "import")
    first = {one.guild_id: one for one in store.server_news("operator", learn_from=ORIGINS)}
    assert [(one.pairs, one.new, one.minutes) for one in first.values()] == [(3, 3, None), (2, 2, None)]
    run = store.start_run("schedule", "2026-11-23", 1, {}, guild_id=A)
    store.finish_run(run.id, "kept", "")
    approve(store, A, "a3")
    bring(store, "import 2")
    ours, theirs = store.server_news("operator", learn_from=ORIGINS)
    assert (ours.pairs, ours.new, theirs.pairs, theirs.new) == (5, 2, 3, 3)
    assert ours.minutes is not None
    assert ours.minutes >= 0
    ours, theirs = store.server_news("operator", imports=False, learn_from=ORIGINS)
    assert (ours.pairs, ours.new, theirs.pairs, theirs.new) == (3, 1, 1, 1)
    assert [one.guild_id for one in store.server_news("operator", servers=[B], learn_from=ORIGINS)] == [B]


def test_withdrawn_words_in_an_adapter_in_use_are_news(store):
    """It is to be trained anew without them."""
    mine, other = approve(store, A, "a1"), 900_000_000_000_000_102
    store.add_review(store.add_reply(a_reply(guild_id=A, asker=other)), "approve", reviewer="mod")
    publish(store, "a1", guild=A, saw=[mine])
    use(store, "a1", A)
    store.forget(ALICE)
    (news,) = store.server_news("operator", learn_from=("command", "message", "bot"))
    assert news.withdrawn
