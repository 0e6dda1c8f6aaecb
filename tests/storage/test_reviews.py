"""Reviews: appended, the latest stands."""

from __future__ import annotations

import pytest

from storage.review_errors import EditEmpty, ReplyNotFound, ReplyRedacted
from tests.storage.conftest import ALICE, a_reply


def test_the_latest_verdict_stands_and_none_is_lost(store):
    """Two moderators at once: the later one counts, both are in the history."""
    reply_id = store.add_reply(a_reply())
    assert store.latest_review(reply_id) is None
    first = store.add_review(reply_id, "approve", reviewer="ann", reviewer_id=1)
    second = store.add_review(reply_id, "reject", reviewer="ben", reviewer_id=2, reason="rude")
    assert store.latest_review(reply_id) == second
    assert store.reviews(reply_id) == [first, second]
    assert (second.verdict, second.reason, second.reviewer_id) == ("reject", "rude", 2)


def test_an_edit_keeps_the_original(store):
    """Preference training wants both texts."""
    reply_id = store.add_reply(a_reply(text="Dunno."))
    store.add_review(reply_id, "edit", reviewer="ann", edited_text="Second shelf, love.")
    assert store.reply(reply_id).text == "Dunno."
    assert store.latest_review(reply_id).edited_text == "Second shelf, love."


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_an_edit_without_text_is_refused(store, text):
    """The sentence says to write one or reject."""
    reply_id = store.add_reply(a_reply())
    with pytest.raises(EditEmpty, match="write one, or reject"):
        store.add_review(reply_id, "edit", reviewer="ann", edited_text=text)
    assert store.reviews(reply_id) == []


def test_a_verdict_on_no_reply_is_refused(store):
    """A button of a purged reply gets a sentence."""
    with pytest.raises(ReplyNotFound):
        store.add_review(5, "approve", reviewer="ann")


def test_a_redacted_reply_cannot_be_reviewed(store):
    """An edit would store new words about what somebody asked to forget."""
    reply_id = store.add_reply(a_reply())
    store.forget(ALICE)
    with pytest.raises(ReplyRedacted, match="parts of it were removed"):
        store.add_review(reply_id, "edit", reviewer="ann", edited_text="hello")


def test_an_unknown_verdict_is_a_programming_error(store):
    """Nothing else than approve, edit and reject reaches the table."""
    reply_id = store.add_reply(a_reply())
    with pytest.raises(ValueError, match="a verdict is one of"):
        store.add_review(reply_id, "maybe", reviewer="ann")
    with pytest.raises(ValueError, match="only an edit has a text"):
        store.add_review(reply_id, "approve", reviewer="ann", edited_text="x")
