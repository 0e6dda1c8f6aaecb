"""`nightshift recall` on a real database."""

from __future__ import annotations

from model.base.files import resolve_base
from model.base.tokenizer import chat_tokenizer
from model.chat import Message, encode_prompt
from model.config import ModelConfig
from storage.pair_records import NewPair
from storage.recall_records import NewChunk, NewDocument
from storage.reply_records import Turn


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


def test_it_shows_what_the_budgets_leave_and_counts_as_answers_do(nightshift, store, home):
    """Of two parts of a document only the first fits; the sentence that introduces excerpts is not counted to each."""
    store.remember_home_server([1])
    rules = NewDocument(guild_id=1, title="Rules", kind="file", added_by="mo")
    chunks = [NewChunk("The raid begins when the gong sounds."), NewChunk("The raid begins without late comers.")]
    store.add_document(rules, chunks)
    words = ("recall", "When does the raid begin?", "--json")
    first, second = nightshift(*words).json["found"]
    home.config.write_text(f"[memory]\nchunk_tokens = {first['tokens'] + second['tokens'] - 1}\n")
    assert nightshift(*words).json["found"] == [first]
    tokenizer = chat_tokenizer(resolve_base("embedded", home.models), ModelConfig(), home.root)
    alone = encode_prompt(tokenizer, [Message("user", f"From Rules:\n> {first['text']}")])
    assert first["tokens"] == len(alone)


def test_nothing_found_is_said(nightshift, store):
    """With the best score, so that a threshold can be chosen."""
    assert nightshift("recall", "Who are you?").out == "Nothing fits well enough (best score 0.00).\n"
