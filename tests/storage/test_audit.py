"""The audit: administrative acts with who and when."""

from __future__ import annotations


def test_an_act_is_written_down_with_who_what_and_when(store):
    """Everything that was given comes back, with the time."""
    store.audit(9, "Mo", "settings.persona", "#general", guild_id=1, details={"length": 12})
    (entry,) = store.audit_search()
    assert (entry.actor_id, entry.actor, entry.action, entry.subject) == (9, "Mo", "settings.persona", "#general")
    assert (entry.guild_id, entry.details) == (1, {"length": 12})
    assert entry.created_at.endswith("+00:00")


def test_the_newest_acts_come_first_up_to_the_limit(store):
    """A page of the log."""
    for number in range(5):
        store.audit(9, "Mo", "train.now", str(number))
    assert [entry.subject for entry in store.audit_search(limit=2)] == ["4", "3"]


def test_a_server_sees_its_own_acts_and_those_that_concern_all(store):
    """A moderator of one server learns nothing of another's."""
    store.audit(9, "Mo", "settings.persona", "here", guild_id=1)
    store.audit(8, "Di", "settings.persona", "elsewhere", guild_id=2)
    store.audit(None, "operator", "adapter.use", "night-1")
    assert [entry.subject for entry in store.audit_search(guild_id=1)] == ["night-1", "here"]
    assert [entry.subject for entry in store.audit_search(guild_id=2)] == ["night-1", "elsewhere"]
