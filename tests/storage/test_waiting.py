"""What an approved reply waits for, as the store knows it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage.origins import LEARNED_BY_DEFAULT, ORIGINS
from storage.reply_records import NewReply, Turn

ASKED = NewReply(
    source="discord", conversation="discord:1:1", turns=(Turn("user", "Which wood?", 7, 100, "message"),), text="Ash.",
    adapter=None, base_model="embedded", guild_id=1, asker_id=7, prompt_message_id=100,
)  # fmt: skip
BY_BOT = Turn("user", "Oak!", None, 99, "message")


def waits(store, reply, *, consent="members", servers=(1,), learn_from=ORIGINS):
    reply_id = store.add_reply(reply)
    store.add_review(reply_id, "approve", reviewer="mo")
    found = store.waits_for(reply_id, consent, servers=servers, learn_from=learn_from)
    eligible = [one.reply_id for one in store.eligible_pairs(consent, servers=servers, learn_from=learn_from)]
    assert (reply_id in eligible) is (found == ())
    return found


@pytest.mark.parametrize(
    ("reply", "chosen", "found"),
    [
        (ASKED, {"consent": "operator"}, ()),
        (ASKED, {}, ("consent",)),
        (ASKED, {"learn_from": LEARNED_BY_DEFAULT}, ("messages", "consent")),
        (ASKED, {"learn_from": ("message",), "consent": "operator"}, ("origins",)),
        (ASKED, {"servers": (2,)}, ("server",)),
        (replace(ASKED, turns=(BY_BOT, *ASKED.turns)), {}, ("unknown_author",)),
    ],
)
def test_each_reason_is_found_and_none_means_eligible(store, reply, chosen, found):
    """The same conditions as for a snapshot."""
    assert waits(store, reply, **chosen) == found


def test_quarantine_is_one(store):
    """A night set the pair aside."""
    waits(store, ASKED, consent="operator")
    run = store.start_run("manual", "2026-11-23", 1, {})
    store.quarantine(run.id, [(1, "odd")])
    assert store.waits_for(1, "operator", servers=(1,), learn_from=ORIGINS) == ("second_moderator",)


def test_a_reply_that_is_not_approved_waits_for_nothing(store):
    """It is no pair."""
    reply_id = store.add_reply(ASKED)
    store.add_review(reply_id, "reject", reviewer="mo")
    assert store.waits_for(reply_id, "members", servers=(1,), learn_from=ORIGINS) == ()
