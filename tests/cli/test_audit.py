"""`audit`: who did what, and when."""

from __future__ import annotations

import pytest


@pytest.fixture
def acts(store):
    """Four acts, the last one by the command line."""
    store.audit(7, "Al", "settings.persona", "", guild_id=5, details={"value": "Über 18"})
    store.audit(8, "Mo", "adapter.use", "20261125T040000-1")
    store.audit(7, "Al", "adapter.rollback", "base")
    store.audit(None, "root", "adaptersmith", "x", guild_id=6)
    return store


def actions(said):
    return [line.split("  ")[2] for line in said.out.splitlines()]


def test_every_act_is_shown_the_newest_last(nightshift, acts):
    """When, who with their id, what, to what, and how."""
    said = nightshift("audit")
    assert actions(said) == ["settings.persona", "adapter.use", "adapter.rollback", "adaptersmith"]
    assert said.out.splitlines()[0].endswith('  Al (7)  settings.persona  value="Über 18"  server 5')


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["--action", "adapter"], ["adapter.use", "adapter.rollback"]),
        (["--action", "adapter.use"], ["adapter.use"]),
        (["--by", "al"], ["settings.persona", "adapter.rollback"]),
        (["--by", "8"], ["adapter.use"]),
        (["--by", "@ROOT"], ["adaptersmith"]),
        (["--server", "5"], ["settings.persona", "adapter.use", "adapter.rollback"]),
        (["--limit", "1"], ["adaptersmith"]),
        (["--limit", "1", "--by", "Al"], ["adapter.rollback"]),
        (["--since", "1h"], ["settings.persona", "adapter.use", "adapter.rollback", "adaptersmith"]),
    ],
)
def test_acts_are_chosen_by_what_who_where_and_when(nightshift, acts, options, shown):
    """A first word stands for all acts of its kind, and for no other that begins with it."""
    assert actions(nightshift("audit", *options)) == shown


def test_what_nobody_did_is_said(nightshift, acts):
    """Not an empty page."""
    assert nightshift("audit", "--since", "2999-01-01").out == "No act like that is recorded.\n"
    assert nightshift("audit", "--by", "nobody").code == 0


def test_scripts_read_json(nightshift, acts):
    """With every column, times in UTC."""
    first, *_ = nightshift("audit", "--json").json
    assert first["created_at"].endswith("+00:00")
    assert {
        "id": 1,
        "guild_id": 5,
        "actor_id": 7,
        "actor": "Al",
        "details": {"value": "Über 18"},
    }.items() <= first.items()
