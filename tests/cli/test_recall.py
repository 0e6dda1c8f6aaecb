"""`nightshift recall` on a real database."""

from __future__ import annotations

from storage.recall_records import NewChunk, NewDocument
from storage.records import NewPair, Turn


def test_what_a_question_finds_is_listed_with_its_cost(nightshift, store):
    """Pairs of the operator and documents of the server, with scores and tokens."""
    store.remember_home_server([1])
    store.import_pairs([NewPair((Turn("user", "When does the raid begin?"),), "At eight.")], "ann")
    rules = NewDocument(guild_id=1, title="Rules", kind="file", added_by="mo")
    store.add_document(rules, [NewChunk("The raid begins when the gong sounds.")])
    said = nightshift("recall", "When does the raid begin?", "--json")
    document, reply = said.json["found"]
    assert (document["what"], reply["what"]) == ("document 1, Rules", "reply 1")
    assert min(document["tokens"], reply["tokens"]) > 5
    assert reply["score"] >= document["score"] > 0.4


def test_nothing_found_is_said(nightshift, store):
    """With the best score, so that a threshold can be chosen."""
    assert nightshift("recall", "Who are you?").out == "Nothing fits well enough (best score 0.00).\n"
