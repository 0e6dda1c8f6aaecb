"""`audit`: who did what, and when."""

from __future__ import annotations

import pytest

from bot.cli.options import operator


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


def test_what_is_done_on_the_command_line_is_an_act_too(nightshift, store, publish, tmp_path):
    """Of the operator; what was refused is none."""
    (tmp_path / "pairs.csv").write_text("prompt,reply\nWho?,Me.\n")
    (tmp_path / "rules.md").write_text("# Rules\n\nThe raid begins at eight.\n")
    publish("first")
    for words in (
        ["import", tmp_path / "pairs.csv"],
        ["export", tmp_path / "out.jsonl"],
        ["knowledge", "add", tmp_path / "rules.md", "--server", "5"],
        ["knowledge", "remove", "1", "--server", "5"],
        ["adapters", "use", "first", "--reason", "it is better"],
        ["adapters", "rollback"],
        ["adapters", "prune", "--keep", "0"],
    ):
        assert nightshift(*words).code == 0, words
    assert nightshift("adapters", "use", "second").code == 1
    assert nightshift("knowledge", "remove", "1", "--server", "5").code == 1
    acts = nightshift("audit", "--json").json
    assert [(one["action"], one["subject"]) for one in acts] == [
        ("pairs.import", "pairs.csv"),
        ("pairs.export", ""),
        ("knowledge.add", "file"),
        ("knowledge.remove", "1"),
        ("adapter.use", "first"),
        ("adapter.rollback", "base"),
        ("adapter.prune", "first"),
    ]
    assert {one["actor"] for one in acts} == {operator()}
    assert (acts[0]["details"]["imported"], acts[2]["guild_id"], acts[4]["details"]["reason"]) == (1, 5, "it is better")


def test_a_run_begun_by_hand_is_an_act(nightshift, store):
    """Also one that finds nothing to do."""
    nightshift("train", "--force")
    (act,) = nightshift("audit", "--json").json
    assert (act["action"], act["details"]) == ("train.now", {"force": True})
